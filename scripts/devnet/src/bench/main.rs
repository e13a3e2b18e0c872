//! `maip-bench`: how fast a devnet is, beside etcd on the same machine.
//!
//! Each run starts a fresh cluster of real processes with real fsyncs, measures, and ends it; then the same for etcd.
//! Records are signed before the clock starts, and a few connections carry all clients, so that the load generator
//! takes as little of the machine as it can. Clients of both systems talk to the leader, as etcd's own benchmark can.

mod api;
mod connection;
mod etcd;
mod kill;
mod load;
mod machine;
mod ours;
mod report;

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use devnet::{Devnet, Engine, Options};
use ledger_proto::v1::Ack;

use crate::{
    load::Measured,
    machine::Machine,
    ours::{BATCH_RECORDS, Ours},
    report::{CORES, Figures, Report, cores_name, etcd_name},
};

/// Numbers of clients for `sequenced` and for etcd; the last figure bounds the records signed for a second.
const SEQUENCED: [(usize, usize); 4] = [(1, 6_000), (32, 25_000), (256, 40_000), (1_024, 40_000)];
/// The same for records that are refused at their signature: how fast any consensus could be with this way in.
const REFUSED: [(usize, usize); 2] = [(1, 12_000), (256, 60_000)];
/// The same for `witnessed`.
const WITNESSED: [(usize, usize); 3] = [(1, 1_000), (32, 10_000), (256, 25_000)];
/// Clients that send batches.
const BATCH_CLIENTS: usize = 4;
/// Batches signed for a second.
const BATCHES_PER_SECOND: usize = 250;
/// Before the first load of a run, for each system: memory that a process touches for the first time, keys seen for the first time and empty
/// caches are a new process's, not a running one's.
const WARM_UP: Duration = Duration::from_secs(5);

/// Measures a devnet of three nodes and three witnesses, and etcd beside it when it is installed.
#[derive(Parser)]
#[command(name = "maip-bench", version)]
struct Cli {
    /// Measure this alone. Default: records, proofs and recovery, beside etcd.
    #[arg(value_enum)]
    what: Option<What>,
    /// One short run instead of three: a look, not a measurement.
    #[arg(long)]
    quick: bool,
    /// Number of runs; figures are their medians.
    #[arg(long)]
    runs: Option<usize>,
    /// Directory for the clusters; removed at the end. It should be on the disk that is to be measured.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/bench.json")]
    out: PathBuf,
    /// Storage engine of the nodes.
    #[arg(long, value_enum, default_value_t)]
    engine: Engine,
    /// At most so many requests a load, for a look at whether everything works; loads of the API alone.
    #[arg(long)]
    requests: Option<usize>,
    /// Only the loads whose name holds this text, e.g. `"sequenced 256"`: for a look at one of them.
    #[arg(long)]
    only: Option<String>,
    /// Do not measure etcd.
    #[arg(long)]
    no_etcd: bool,
    /// Print the JSON instead of the table.
    #[arg(long)]
    json: bool,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The MAIP API over HTTP: receipts, decisions, evaluations, token checks, trust reads.
    Api,
    /// The kill switch: until every node denies, and until a staple shows it.
    Kill,
}

/// How long things take.
#[derive(Clone, Copy)]
struct Plan {
    runs: usize,
    seconds: usize,
    tick_samples: usize,
    kills: usize,
    requests: usize,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("maip-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let plan = Plan {
        runs: cli.runs.unwrap_or(if cli.quick { 1 } else { 3 }),
        seconds: if cli.quick { 2 } else { 5 },
        tick_samples: if cli.quick { 10 } else { 40 },
        kills: if cli.quick { 3 } else { 20 },
        requests: cli.requests.unwrap_or(usize::MAX),
    };
    ensure!(plan.runs > 0, "no runs, no figures");
    let data =
        cli.data.clone().unwrap_or_else(|| PathBuf::from(format!("target/bench-{}", std::process::id())));
    fs::create_dir_all(&data).with_context(|| format!("cannot create {}", data.display()))?;
    let machine = Machine::describe(&data)?;
    eprintln!("{}", machine.line());
    let etcd = if cli.no_etcd || cli.what.is_some() { None } else { etcd::program() };
    // One thread for all clients: what the load generator takes, the servers do not have.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut figures = Figures::new();
    let mut kills = kill::Kills::default();
    for number in 1..=plan.runs {
        eprintln!("run {number} of {}", plan.runs);
        let dir = data.join(format!("run-{number}"));
        let mut options = Options::new(dir.join("devnet"))?;
        options.engine = cli.engine;
        // Quiet nodes: a log line per request would measure the log.
        options.node_config_extra = "[telemetry]\nlog = \"warn\"".into();
        let wanted = |name: &str| cli.only.as_deref().is_none_or(|only| name.contains(only));
        match cli.what {
            None => runtime.block_on(measure_ours(options, plan, &wanted, &mut figures))?,
            Some(What::Api) => {
                options.calls_a_minute = Some(api::CALLS_A_MINUTE);
                runtime.block_on(measure_api(options, plan, &wanted, &mut figures))?;
            }
            Some(What::Kill) => {
                let run = runtime.block_on(kill::measure(Devnet::start(options)?, plan.kills))?;
                run.note(|name, value| add(&mut figures, name, value));
                kills.merge(run);
            }
        }
        if let Some(program) = &etcd {
            let cluster = runtime.block_on(etcd::Etcd::start(program, &dir))?;
            runtime.block_on(measure_etcd(&cluster, plan, &wanted, &mut figures))?;
        }
        // Its files stay until the end. An ext4 without a journal takes no inode that was freed within the last minutes and looks at each of
        // them whenever it makes a file: the next run would pay for what this one has removed.
    }
    kills.note_extremes(|name, value| add(&mut figures, name, value));
    fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
    let cluster =
        format!("3 nodes, 3 witnesses (quorum 2), {} engine, TLS to clients and between nodes", cli.engine);
    let report = Report::new(machine, cluster, etcd.as_deref().map(etcd::version), figures);
    let json = serde_json::to_string_pretty(&report)?;
    if let Some(parent) = cli.out.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&cli.out, format!("{json}\n"))
        .with_context(|| format!("cannot write {}", cli.out.display()))?;
    if cli.json {
        println!("{json}");
    } else {
        println!("{}", report.table());
        println!("JSON: {}", cli.out.display());
    }
    Ok(())
}

async fn measure_ours(
    options: Options,
    plan: Plan,
    wanted: &impl Fn(&str) -> bool,
    figures: &mut Figures,
) -> Result<()> {
    let mut ours = Ours::prepare(Devnet::start(options)?).await?;
    let limit = Duration::from_secs(plan.seconds as u64);
    ours.batch(BATCH_CLIENTS, BATCHES_PER_SECOND * WARM_UP.as_secs() as usize, WARM_UP)
        .await
        .context("warm-up")?;
    for (clients, rate) in SEQUENCED {
        let name = format!("sequenced {}", clients_text(clients));
        if !wanted(&name) {
            continue;
        }
        let measured =
            ours.submit(Ack::Sequenced, clients, rate * plan.seconds, limit).await.context(name.clone())?;
        note(figures, &name, &measured);
        add_cores(figures, &name, &measured);
    }
    for (clients, rate) in REFUSED {
        let name = format!("refused {}", clients_text(clients));
        if !wanted(&name) {
            continue;
        }
        let measured = ours.refused(clients, rate * plan.seconds, limit).await.context(name.clone())?;
        note(figures, &name, &measured);
        add_cores(figures, &name, &measured);
    }
    if wanted("batch of 256") {
        let batches = BATCHES_PER_SECOND * plan.seconds;
        let measured = ours.batch(BATCH_CLIENTS, batches, limit).await.context("batch")?;
        add(figures, "batch of 256", measured.rate() * BATCH_RECORDS as f64);
        add_cores(figures, "batch of 256", &measured);
    }
    for (clients, rate) in WITNESSED {
        let name = format!("witnessed {}", clients_text(clients));
        if !wanted(&name) {
            continue;
        }
        let measured =
            ours.submit(Ack::Witnessed, clients, rate * plan.seconds, limit).await.context(name.clone())?;
        note(figures, &name, &measured);
        add_cores(figures, &name, &measured);
    }
    if wanted("tick alone") {
        let tick = ours.tick(plan.tick_samples).await.context("tick")?;
        add(figures, "tick alone p50", tick.percentile_ms(50));
        add(figures, "tick alone p99", tick.percentile_ms(99));
    }
    if wanted("verify a proof") {
        add(figures, "verify a proof p50", ours.verify().await.context("verify")?);
    }
    add(figures, "memory of a node", ours.memory_mib() as f64);
    if wanted("writes paused by kill -9") {
        let pause = ours.recover().await.context("recover")?;
        add(figures, "writes paused by kill -9", pause.as_secs_f64() * 1_000.0);
    }
    let entries = ours.size().await?;
    eprintln!("  {entries} entries in the log");
    // On a thread of its own: our connections must be able to answer the nodes' goodbye meanwhile.
    let mut devnet = ours.devnet;
    tokio::task::spawn_blocking(move || devnet.shut_down()).await?
}

async fn measure_api(
    options: Options,
    plan: Plan,
    wanted: &impl Fn(&str) -> bool,
    figures: &mut Figures,
) -> Result<()> {
    let mut api = api::Api::prepare(Devnet::start(options)?).await?;
    let limit = Duration::from_secs(plan.seconds as u64);
    let each = |name: &str, measured: &Measured| {
        note(figures, name, measured);
        add_cores(figures, name, measured);
    };
    api.measure(plan.requests, limit, wanted, each).await?;
    api.end().await
}

async fn measure_etcd(
    etcd: &etcd::Etcd,
    plan: Plan,
    wanted: &impl Fn(&str) -> bool,
    figures: &mut Figures,
) -> Result<()> {
    let limit = Duration::from_secs(plan.seconds as u64);
    etcd.put("warm-up", 256, usize::MAX, WARM_UP).await.context("warm-up of etcd")?;
    for (clients, rate) in SEQUENCED {
        if !wanted(&format!("sequenced {}", clients_text(clients))) {
            continue;
        }
        let measured =
            etcd.put(&clients.to_string(), clients, rate * plan.seconds, limit).await.context("etcd")?;
        let name = format!("sequenced {}", clients_text(clients));
        note_as(figures, &measured, |part| etcd_name(&format!("{name}{part}")));
    }
    Ok(())
}

fn note(figures: &mut Figures, name: &str, measured: &Measured) {
    note_as(figures, measured, |part| format!("{name}{part}"));
}

fn note_as(figures: &mut Figures, measured: &Measured, name: impl Fn(&str) -> String) {
    add(figures, &name(""), measured.rate());
    add(figures, &name(" p50"), measured.percentile_ms(50));
    add(figures, &name(" p99"), measured.percentile_ms(99));
}

fn add_cores(figures: &mut Figures, name: &str, measured: &Measured) {
    for (part, cores) in CORES.iter().zip(measured.cores()) {
        add(figures, &cores_name(name, part), cores);
    }
}

fn add(figures: &mut Figures, name: &str, value: f64) {
    eprintln!("  {name:<34} {value:>12.2}");
    figures.entry(name.to_owned()).or_default().push(value);
}

fn clients_text(clients: usize) -> String {
    if clients == 1 { "1 client".into() } else { format!("{clients} clients") }
}
