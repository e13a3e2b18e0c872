//! `maip-devnet`: a cluster of real processes on loopback.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Parser, Subcommand};
use devnet::{Devnet, Engine, Grade, Manifest, Options, chaos, demo};

mod status;

/// Runs maip-node and maip-witness as real processes on loopback.
#[derive(Parser)]
#[command(
    name = "maip-devnet",
    version,
    after_help = "Exit codes: 0 ok, 1 the answer is no, 2 usage or environment."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a devnet (or one that was stopped) and leave it running.
    Up {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        shape: Shape,
    },
    /// Stop a devnet's processes. Its files stay.
    Down {
        #[command(flatten)]
        place: Place,
    },
    /// Say what runs and how far each node is. Exit code 1 when something does not run.
    Status {
        #[command(flatten)]
        place: Place,
    },
    /// Bad luck from a seed under load, on a fresh devnet; then: was every promise kept? Exit code 1 when one broke.
    Chaos {
        /// How long faults go on.
        #[arg(long, default_value = "10", value_parser = minutes)]
        minutes: Duration,
        /// Where the bad luck comes from. Default: another one each time; it is printed.
        #[arg(long)]
        seed: Option<u64>,
        /// Storage engine of the nodes.
        #[arg(long, value_enum, default_value_t)]
        engine: Engine,
        /// Directory for the devnet; it must not hold one. Default: a fresh directory.
        #[arg(long)]
        data: Option<PathBuf>,
        /// Leave the files in place also when all is well.
        #[arg(long)]
        keep: bool,
        /// Print the report as JSON on stdout; the story goes to stderr.
        #[arg(long)]
        json: bool,
    },
    /// Tell the whole story on a fresh devnet: receipts, proofs, a forgery, a dead leader.
    Demo {
        /// Directory for the devnet; it must not hold one. Default: a fresh directory, removed at the end.
        #[arg(long)]
        data: Option<PathBuf>,
        #[command(flatten)]
        shape: Shape,
        /// Leave the devnet running and its files in place.
        #[arg(long)]
        keep: bool,
        /// Print the summary as JSON on stdout; the story goes to stderr.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Place {
    /// Directory of the devnet.
    #[arg(long)]
    data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Shape {
    /// Number of nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    nodes: u64,
    /// Number of witnesses; a checkpoint needs a majority of them.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=9))]
    witnesses: u32,
    /// What the witnesses check.
    #[arg(long, value_enum, default_value_t)]
    grade: Grade,
    /// Storage engine of the nodes.
    #[arg(long, value_enum, default_value_t)]
    engine: Engine,
}

impl Shape {
    fn options(&self, data: PathBuf) -> Result<Options> {
        let mut options = Options::new(data)?;
        options.nodes = self.nodes;
        options.witnesses = self.witnesses;
        options.grade = self.grade;
        options.engine = self.engine;
        Ok(options)
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("maip-devnet: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// `Ok(false)` when the answer is no.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Up { place, shape } => up(&place, &shape),
        Command::Down { place } => down(&place),
        Command::Status { place } => status::run(&place.data, place.json),
        Command::Chaos { minutes, seed, engine, data, keep, json } => {
            let mut options = Options::new(data.unwrap_or_else(demo::fresh_directory))?;
            options.engine = engine;
            let seed = seed.map_or_else(fresh_seed, Ok)?;
            tell(&chaos::run(options, &chaos::Settings { seed, length: minutes, json, keep })?, json)
        }
        Command::Demo { data, shape, keep, json } => {
            let options = shape.options(data.clone().unwrap_or_else(demo::fresh_directory))?;
            demo::run(options, demo::Settings { keep, json, remove: data.is_none() })
        }
    }
}

/// Minutes, also parts of one; a day at most.
fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of minutes"))?;
    if !(0.0..=1_440.0).contains(&minutes) {
        return Err("between 0 and 1440 minutes".into());
    }
    Ok(Duration::from_secs_f64(minutes * 60.0))
}

/// A seed short enough to be typed again.
fn fresh_seed() -> Result<u64> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).context("no randomness from the operating system")?;
    Ok(u64::from(u32::from_be_bytes(bytes)))
}

fn tell(report: &chaos::Report, json: bool) -> Result<bool> {
    let kept = report.broken.is_empty();
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(kept);
    }
    println!(
        "seed {}: {} faults in {:.0} s, {} records acknowledged, sent again {} times, {} entries, no answer for {:.1} s \
         at most, {}",
        report.seed,
        report.faults,
        report.seconds,
        report.acknowledged,
        report.resent,
        report.size,
        report.longest_pause_ms as f64 / 1_000.0,
        if kept { "nothing lost".to_owned() } else { format!("{} promises broken", report.broken.len()) }
    );
    if let Some(dir) = &report.kept {
        println!("The files are in {}.", dir.display());
    }
    Ok(kept)
}

fn up(place: &Place, shape: &Shape) -> Result<bool> {
    let mut options = shape.options(place.data.clone())?;
    options.detached = true;
    let devnet = if Manifest::path(&place.data).exists() {
        let manifest = Manifest::read(&place.data)?;
        ensure!(
            manifest.nodes.len() as u64 == shape.nodes
                && manifest.witnesses.len() == shape.witnesses as usize,
            "{} holds a devnet of {} nodes and {} witnesses; ask for these or choose another directory",
            place.data.display(),
            manifest.nodes.len(),
            manifest.witnesses.len()
        );
        Devnet::resume(options)?
    } else {
        Devnet::start(options)?
    };
    let manifest = devnet.manifest().clone();
    let path = Manifest::path(devnet.data());
    devnet.leave_running();
    if place.json {
        println!("{}", serde_json::to_string_pretty(&manifest)?);
    } else {
        println!("{} nodes and {} witnesses are ready.", manifest.nodes.len(), manifest.witnesses.len());
        for node in &manifest.nodes {
            println!("  node {}  {}  {}  pid {}", node.id, node.url, node.http_url, node.pid);
        }
        for witness in &manifest.witnesses {
            println!("  {}  {}  pid {}", witness.name, witness.url, witness.pid);
        }
        println!("  {}", path.display());
        println!("Stop it with: maip-devnet down --data {}", place.data.display());
    }
    Ok(true)
}

fn down(place: &Place) -> Result<bool> {
    let mut manifest = Manifest::read(&place.data)?;
    let mut ended = 0;
    let nodes = manifest.nodes.iter_mut().map(|node| (&mut node.pid, &node.config));
    let witnesses = manifest.witnesses.iter_mut().map(|witness| (&mut witness.pid, &witness.config));
    for (pid, config) in nodes.chain(witnesses) {
        if *pid != 0 && devnet::end_by_pid(*pid, config)? {
            ended += 1;
        }
        *pid = 0;
    }
    manifest.write(&place.data)?;
    if place.json {
        println!("{}", serde_json::json!({ "ended": ended }));
    } else {
        println!("{ended} processes ended.");
    }
    Ok(true)
}
