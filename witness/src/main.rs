//! `maip-witness`: reads the configuration, builds the parts, runs them.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use ledger_format::SignatureType;
use ledger_witness::config::{self, Config, Grade, Init};
use ledger_witness::metrics::Metrics;
use ledger_witness::{Clock, Memory, Signer, SystemClock, Verifier, Witness, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Cannot judge: usage, configuration, environment.
const EXIT_ENVIRONMENT: u8 = 2;
/// A clock this far behind the last time signed deserves a person's attention, in seconds.
const CLOCK_BEHIND_S_WARN: u64 = 60;

/// A witness for transparency logs (C2SP tlog-witness).
#[derive(Debug, Parser)]
#[command(name = "maip-witness", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    run: ConfigFile,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// Configuration file.
    #[arg(long, value_name = "FILE", env = "MAIP_WITNESS_CONFIG", default_value = "witness.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a witness: key, configuration, empty memory.
    Init(InitArgs),
    /// Reads the configuration, the key and the logs, and says what is wrong with them.
    Check(ConfigFile),
    /// Prints the verifier key that logs and policies need.
    Vkey(ConfigFile),
}

#[derive(Debug, Args)]
struct InitArgs {
    /// Directory to make it in.
    #[arg(long)]
    dir: PathBuf,
    /// Name of the witness, for example `witness.example/w1`.
    #[arg(long)]
    name: String,
    /// A log to witness, and where its checkpoint and tiles are read: `VKEY`, `VKEY=URL` or `VKEY=URL,URL`.
    #[arg(long = "log", value_name = "VKEY[=URL[,URL]...]", value_parser = parse_log)]
    logs: Vec<(String, Vec<String>)>,
    /// A sandbox to witness, in the same way: also the logs that follow it when it is reset.
    #[arg(long = "sandbox", value_name = "VKEY[=URL[,URL]...]", value_parser = parse_log)]
    sandboxes: Vec<(String, Vec<String>)>,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:7100")]
    listen: SocketAddr,
    /// What is checked before a checkpoint is cosigned: `consistency` or `verifying`.
    #[arg(long, default_value = "consistency", value_parser = parse_grade)]
    grade: Grade,
}

fn parse_grade(text: &str) -> Result<Grade, String> {
    match text {
        "consistency" => Ok(Grade::Consistency),
        "verifying" => Ok(Grade::Verifying),
        _ => Err("expected consistency or verifying".into()),
    }
}

/// Splits at the `=` before the URL; the key itself may end in `=`.
fn parse_log(text: &str) -> Result<(String, Vec<String>), String> {
    let split = ["=http://", "=https://"].iter().find_map(|mark| text.find(mark));
    Ok(match split {
        Some(at) => (text[..at].to_owned(), text[at + 1..].split(',').map(str::to_owned).collect()),
        None => (text.to_owned(), Vec::new()),
    })
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => run(&cli.run.config),
        Some(Command::Init(args)) => init(args),
        Some(Command::Check(file)) => check(&file.config),
        Some(Command::Vkey(file)) => vkey(&file.config),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("maip-witness: {error:#}");
            ExitCode::from(EXIT_ENVIRONMENT)
        }
    }
}

fn init(args: InitArgs) -> anyhow::Result<()> {
    let InitArgs { dir, name, logs, sandboxes, listen, grade } = args;
    let vkey = config::init(&Init { dir, name, listen, grade, logs, sandboxes })?;
    println!("{vkey}");
    Ok(())
}

fn check(file: &std::path::Path) -> anyhow::Result<()> {
    let loaded = config::load(file)?;
    let vkeys = keys(&loaded.config)?;
    println!("{}: {} logs, vkey {}", file.display(), loaded.logs.len(), vkeys.0.vkey());
    Ok(())
}

fn vkey(file: &std::path::Path) -> anyhow::Result<()> {
    let (key, ml_dsa_key) = keys(&config::load(file)?.config)?;
    for key in [Some(key), ml_dsa_key].into_iter().flatten() {
        println!("{}", key.vkey());
    }
    Ok(())
}

fn keys(config: &Config) -> anyhow::Result<(ledger_format::NoteSigner, Option<ledger_format::NoteSigner>)> {
    let key = config::read_key(&config.key, SignatureType::CosignatureV1)?;
    let ml_dsa_key =
        config.ml_dsa_key.as_ref().map(|path| config::read_key(path, SignatureType::MlDsa44)).transpose()?;
    Ok((key, ml_dsa_key))
}

fn run(file: &std::path::Path) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(std::io::stderr).init();

    let loaded = config::load(file)?;
    let config = loaded.config;
    let (key, ml_dsa_key) = keys(&config)?;
    let metrics = Arc::new(Metrics::default());
    let memory = Memory::open(&config.state_dir, &key.vkey().to_string(), metrics.clone())?;
    let last_s = memory.all().iter().map(|log| log.time_s).max().unwrap_or(0);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let name = key.vkey().name().to_owned();
    let signer = Signer::new(key, ml_dsa_key, clock.clone(), last_s);
    if signer.clock_behind_s() > CLOCK_BEHIND_S_WARN {
        let behind_s = signer.clock_behind_s();
        tracing::error!(behind_s, "the clock is behind the last time signed; cosignatures repeat that time");
    }
    let verifier = match config.grade {
        Grade::Consistency => None,
        Grade::Verifying => Some(Verifier::new(config.verify.clone(), metrics.clone())?),
    };
    let witness = Witness::new(loaded.logs, memory, signer, clock, &config.state_dir, verifier, metrics)
        .with_context(|| format!("the evidence directory in {}", config.state_dir.display()))?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve_until_stopped(file, &config, &name, Arc::new(witness)))
}

/// Serves until SIGTERM, SIGINT or the end of the memory. SIGHUP reads the logs again.
async fn serve_until_stopped(
    file: &std::path::Path,
    config: &Config,
    name: &str,
    witness: Arc<Witness>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let (mut term, mut int, mut hup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    let address = listener.local_addr()?;
    println!("maip-witness {name} listens on http://{address}");
    tracing::info!(%address, name, logs = witness.logs().len(), remembered = witness.memory().all().len(), "serving");

    let reload = {
        let (witness, file) = (witness.clone(), file.to_owned());
        async move {
            while hup.recv().await.is_some() {
                match config::load(&file) {
                    Ok(loaded) => {
                        tracing::info!(logs = loaded.logs.len(), "the logs were read again");
                        witness.set_logs(loaded.logs);
                    }
                    Err(error) => tracing::error!(%error, "the logs were not read again; the old ones stay"),
                }
            }
        }
    };
    let mut failure = None;
    let stop = async {
        tokio::select! {
            _ = term.recv() => tracing::info!("stopping on SIGTERM"),
            _ = int.recv() => tracing::info!("stopping on SIGINT"),
            reason = witness.memory().failure() => failure = Some(reason),
            () = reload => {}
            () = witness.follow() => {}
        }
    };
    serve::serve(listener, witness.clone(), config.limits.clone(), stop).await?;
    match failure {
        Some(reason) => anyhow::bail!("the memory is out of service: {reason}"),
        None => Ok(()),
    }
}
