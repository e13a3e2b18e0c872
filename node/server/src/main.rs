//! `maip-node`: one node of a replicated, witnessed transparency log.
//!
//! How a record becomes a proof that needs nobody, and where to read each step:
//!
//! 1. An actor signs a record: `Draft::sign` (`ledger-format/src/record`). It arrives at a listener and at
//!    `grpc::submit`, or as a request to the MAIP API.
//! 2. `HostedLog::submit` (`node/log/src/ingest`) checks form, size and signature on every core and gathers
//!    records into one `Command::Append`.
//! 3. The cluster agrees on the command and `ledger_state::apply` (`node/state`) gives the record its index: it is
//!    *sequenced*, on a majority, for good.
//! 4. `ledger-store` (`node/store`) puts entries, tiles and state on disk as one write.
//! 5. The publisher (`node/log/src/publish`) makes a checkpoint of applied state after a vote on its root, and signs it.
//! 6. Each witness (`witness`) checks that the log only grew, remembers the size, then cosigns.
//! 7. The witnessed checkpoint goes through Raft: it is *published*, and every node serves the same bytes.
//! 8. A `.tlog-proof` is made from that checkpoint and the tiles, here (`grpc::read`) or by whoever reads the tiles.
//! 9. `ledger_format::verify` judges the file offline: the record is *proven*.
//!
//! This file reads the configuration, builds the parts and runs them.

use std::process::ExitCode;

use clap::Parser as _;
use ledger_node::{
    backup, check,
    cli::{Cli, Command, Run},
    config, export,
    given::Given,
    init,
    node::{Node, Sockets, addresses},
    signals::{Signals, Wish},
    telemetry,
};

/// Chosen by measurement: see `docs/performance.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The answer is no: the configuration has mistakes, the destination holds another log.
const NO: u8 = 1;
/// It could not be done: usage, environment.
const CANNOT: u8 = 2;

/// Least number of worker threads, whatever the number of cores.
const WORKERS_MIN: usize = 3;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => runtime(run(cli.run)),
        Some(Command::Init(args)) => init::init(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Check(args)) => {
            Ok(if check::check(&args.config) { ExitCode::SUCCESS } else { ExitCode::from(NO) })
        }
        Some(Command::Openapi) => {
            println!("{}", ledger_api::openapi());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Export(args)) => runtime(export::export(args))
            .map(|agreed| if agreed { ExitCode::SUCCESS } else { ExitCode::from(NO) }),
        Some(Command::Backup(args)) => runtime(backup::backup(args)).map(|()| ExitCode::SUCCESS),
        Some(Command::Restore(args)) => backup::restore(&args).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("maip-node: {error:#}");
        ExitCode::from(CANNOT)
    })
}

fn runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // A worker that waits for a vote's fsync, or checks a long batch of signatures, must not hold up heartbeats.
    let workers =
        std::thread::available_parallelism().map_or(WORKERS_MIN, |cores| cores.get().max(WORKERS_MIN));
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?.block_on(work)
}

/// Runs a node until it is told to stop.
async fn run(args: Run) -> anyhow::Result<ExitCode> {
    let file = args.config.unwrap_or_default();
    let config = config::load(&file, &args.overrides)?;
    telemetry::start(&config.telemetry)?;
    let given = Given::compare(&file, &config)?;
    let mut signals = Signals::new()?;
    let sockets = Sockets::bind(&config)?;
    let node = Node::start(&config, given, sockets).await?;
    tracing::info!(node = config.node_id, version = env!("CARGO_PKG_VERSION"), addresses = ?addresses(&config), "serving");
    while signals.next().await == Wish::Reload {
        node.reload_certificates();
    }
    tracing::info!("stopping");
    node.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
