//! Chaos: real processes under load, bad luck from a seed, and then the question whether every promise was kept.
//!
//! The plan of faults follows from the seed alone. What real processes make of it does not: which node leads when the
//! leader is to be killed, how far a record got. A seed repeats the bad luck, not the history; for that there is
//! `simulations/run`.

mod disk;
mod judge;
mod plan;
mod stage;
mod writers;

use std::{
    io::{IsTerminal as _, Write as _, stderr, stdout},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use ledger_proto::v1::Ack;
use serde::Serialize;

pub use plan::{Fault, Scene, Step, Target, Way, plan};

use crate::{
    Devnet, Options, Submitter,
    workload::{Agent, Tenant},
};
use disk::SmallDisk;
use stage::Stage;
use writers::Writers;

/// Clients that write all the time.
const WRITERS: usize = 4;
/// The node that gets a disk of its own, where one can be mounted.
const SMALL_DISK_NODE: u64 = 2;

/// What to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the bad luck comes from.
    pub seed: u64,
    /// How long faults go on.
    pub length: Duration,
    /// The report will be printed as JSON on stdout: the story goes to stderr.
    pub json: bool,
    /// Leave the files in place, whatever happens. They stay where they are when a promise broke.
    pub keep: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Length of the chaos, in seconds.
    pub seconds: f64,
    /// Faults that were made.
    pub faults: usize,
    /// Whether a disk was filled: it was in the plan, and a tmpfs could be mounted.
    pub disk_filled: bool,
    /// Records that were acknowledged to the clients.
    pub acknowledged: u64,
    /// Times that a client sent a record again.
    pub resent: u64,
    /// Longest time in which no client got an answer, in milliseconds.
    pub longest_pause_ms: u64,
    /// Different sizes of published checkpoints that were seen while it went on.
    pub checkpoints: usize,
    /// Entries in the log at the end.
    pub size: u64,
    /// Every promise that broke, and how; empty when all is well.
    pub broken: Vec<String>,
    /// The directory, if it was left in place.
    pub kept: Option<PathBuf>,
}

impl Report {
    /// Tells a verdict, and keeps it if a promise broke.
    fn note(&mut self, what: &str, found: Result<()>, tell: &impl Fn(&str)) {
        match found {
            Ok(()) => tell(&format!("ok  {what}")),
            Err(error) => {
                tell(&format!("BROKEN  {what}: {error:#}"));
                self.broken.push(format!("{what}: {error:#}"));
            }
        }
    }
}

/// Runs chaos on a fresh devnet and judges. An error is a machine on which it could not be done.
pub fn run(mut options: Options, settings: &Settings) -> Result<Report> {
    options.proxied_links = true;
    options.ready_limit = judge::LIMIT;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut stage = Stage { devnet: Devnet::start(options)?, disk: None };
    let data = stage.devnet.data().to_owned();
    let bar = progress(settings.length);
    let tell = |line: &str| bar.suspend(|| say(settings.json, line));
    let mut report = runtime
        .block_on(perform(&mut stage, settings, &bar, &tell))
        .with_context(|| format!("the files are in {}", data.display()))?;
    if settings.keep || !report.broken.is_empty() {
        stage.keep()?;
        report.kept = Some(data);
    } else {
        drop(stage);
        std::fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
    }
    Ok(report)
}

/// The chaos, and then the verdicts.
async fn perform(
    stage: &mut Stage,
    settings: &Settings,
    bar: &ProgressBar,
    tell: &impl Fn(&str),
) -> Result<Report> {
    match small_disk(stage)? {
        Ok(disk) => stage.disk = Some(disk),
        Err(error) => {
            tell(&format!(
                "nothing can be mounted here, a node stops where its disk should be full: {error:#}"
            ));
        }
    }
    let scene = Scene {
        nodes: stage.devnet.node_ids().len() as u64,
        witnesses: stage.devnet.manifest().witnesses.len(),
    };
    let steps = plan(settings.seed, settings.length, scene);
    let seconds = settings.length.as_secs_f64();
    tell(&format!("seed {}: {} faults in {seconds:.0} s", settings.seed, steps.len()));

    let (agents, mut last) = people(&stage.devnet).await?;
    let writers = Writers::start(stage.devnet.manifest(), agents)?;
    let watch = judge::Watch::start(stage.devnet.manifest())?;
    let deaths = stage.play(&steps, settings.length, &writers, bar, tell).await?;
    bar.finish_and_clear();

    let mut report = Report {
        seed: settings.seed,
        seconds,
        faults: steps.len(),
        disk_filled: stage.disk.is_some() && steps.iter().any(|step| step.fault == Fault::FillDisk),
        acknowledged: writers.acknowledged(),
        resent: writers.resent(),
        longest_pause_ms: writers.longest_pause_ms(),
        checkpoints: 0,
        size: 0,
        broken: Vec::new(),
        kept: None,
    };
    for death in deaths {
        report.note("no node ends by itself", Err(anyhow!(death)), tell);
    }
    report.note("every node is ready again", stage.all_ready(), tell);
    judge_promises(&stage.devnet, writers, &mut last, &mut report, tell).await;
    match watch.finish() {
        Ok(seen) => report.checkpoints = seen,
        Err(error) => report.note("one root for each size", Err(error), tell),
    }
    for (what, found) in judge::strangers(&stage.devnet)? {
        report.note(&what, found, tell);
    }
    Ok(report)
}

/// Holds what the clients were told against what every node has.
async fn judge_promises(
    devnet: &Devnet,
    writers: Writers,
    last: &mut Agent,
    report: &mut Report,
    tell: &impl Fn(&str),
) {
    let promises = match writers.finish().await {
        Ok(promises) => promises,
        Err(error) => return report.note("every client got its records acknowledged", Err(error), tell),
    };
    report.acknowledged = promises.len() as u64;
    report.note("all nodes have one log", judge::equal(devnet).await.map(drop), tell);
    let kept = judge::kept(devnet, &promises).await;
    report.note("every acknowledged record is at its index on every node", kept, tell);
    let went_on = judge::goes_on(devnet, last).await;
    report.note("a new record reaches a witnessed proof that verifies", went_on, tell);
    match judge::equal(devnet).await {
        Ok(size) => report.size = size,
        Err(error) => report.note("all nodes still have one log", Err(error), tell),
    }
}

/// Gives one node a small disk of its own; the inner error says why none can be mounted here.
fn small_disk(stage: &mut Stage) -> Result<Result<SmallDisk>> {
    let disk = match SmallDisk::mount(&stage.devnet.data().join("small-disk"), SMALL_DISK_NODE) {
        Ok(disk) => disk,
        Err(error) => return Ok(Err(error)),
    };
    disk.take_over(&mut stage.devnet)?;
    Ok(Ok(disk))
}

/// A tenant's agents, one for each client and one for afterwards.
async fn people(devnet: &Devnet) -> Result<(Vec<Agent>, Agent)> {
    let tenant = Tenant::new("chaos")?;
    let mut submitter = Submitter::connect(devnet.manifest(), "main")?;
    submitter.submit_as_operator(tenant.register()?, Ack::Sequenced).await?;
    let mut agents = Vec::new();
    for number in 0..=WRITERS {
        let agent = Agent::new(&tenant, &format!("client {number}"))?;
        submitter.submit(tenant.register_agent(&agent)?, Ack::Sequenced).await?;
        agents.push(agent);
    }
    let last = agents.pop().context("no agent")?;
    Ok((agents, last))
}

fn progress(length: Duration) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} s, {msg}");
    ProgressBar::new(length.as_secs()).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A line of the story.
fn say(to_stderr: bool, line: &str) {
    // A closed pipe must not turn into a panic; there is nobody left to tell.
    let _ = if to_stderr { writeln!(stderr(), "{line}") } else { writeln!(stdout(), "{line}") };
}
