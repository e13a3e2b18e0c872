//! Fetching a backup from a running node, and putting one into place on a stopped one.

use std::{
    fs::{self, File},
    io::{BufReader, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ledger_log::Member;
use ledger_proto::v1::{LogRequest, admin_client::AdminClient};
use tonic::{
    Request,
    transport::{Certificate, ClientTlsConfig, Endpoint},
};

use crate::{
    config::{self, Config, Overrides},
    keys::read_secret,
    tls,
};

/// Time to connect to the node.
const CONNECT: Duration = Duration::from_secs(5);

/// Fetches a backup.
#[derive(Debug, Args)]
pub struct Backup {
    /// Configuration of the running node: its address, admin key and authority.
    #[arg(long, env = "MAIP_NODE_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Which log; the main one when left out.
    #[arg(long, default_value = "", value_name = "NAME")]
    log: String,
    /// The file to write. Must not exist.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Authority of the node's certificate; the cluster's own when left out.
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
}

/// Restores a backup.
#[derive(Debug, Args)]
pub struct Restore {
    /// Configuration of the stopped node.
    #[arg(long, env = "MAIP_NODE_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Which log; the main one when left out.
    #[arg(long, default_value = "", value_name = "NAME")]
    log: String,
    /// The backup.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
}

/// Streams a backup into a file; the file appears under its name only when it is whole and synced.
pub async fn backup(args: Backup) -> anyhow::Result<()> {
    let config = config::load(&args.config, &Overrides::default())?;
    if args.to.exists() {
        bail!("{} exists; a backup never overwrites one", args.to.display());
    }
    let mut pieces = {
        let mut client = AdminClient::new(connect(&config, args.ca.as_deref()).await?);
        let mut request = Request::new(LogRequest { log: args.log });
        let key = read_secret(&config.admin_key_file)?;
        let credential = format!("ApiKey {}", key.trim_end()).parse().context("the admin key is not text")?;
        request.metadata_mut().insert("authorization", credential);
        client
            .backup(request)
            .await
            .map_err(|status| anyhow::anyhow!("the node refused: {}", status.message()))?
            .into_inner()
    };
    let partial = args.to.with_added_extension("partial");
    let mut file = File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
    let progress = bytes_progress();
    while let Some(piece) = pieces
        .message()
        .await
        .map_err(|status| anyhow::anyhow!("the backup broke off: {}", status.message()))?
    {
        file.write_all(&piece.data).with_context(|| format!("cannot write {}", partial.display()))?;
        progress.inc(piece.data.len() as u64);
    }
    file.sync_all()?;
    fs::rename(&partial, &args.to)?;
    progress.finish_and_clear();
    println!("backup of {} bytes in {}", progress.position(), args.to.display());
    Ok(())
}

/// Puts a backup into the log's directory, which must be empty.
pub fn restore(args: &Restore) -> anyhow::Result<()> {
    let config = config::load(&args.config, &Overrides::default())?;
    let log = config.log(&args.log).with_context(|| format!("no log {:?} is configured", args.log))?;
    if log.sandbox {
        let name = &log.name;
        bail!(
            "log {name} is a sandbox and not restored; run `maip admin reset-log {name}` when the cluster is back"
        );
    }
    let dir = config.log_dir(&log.name);
    let backup = File::open(&args.from).with_context(|| format!("cannot read {}", args.from.display()))?;
    let members: Vec<Member> = config.cluster.members.iter().map(Member::from).collect();
    if members.is_empty() {
        bail!("configuration field `cluster.members` is empty; list the nodes that restore this backup");
    }
    let size = ledger_log::restore(&dir, config.engine.into(), members, BufReader::new(backup))
        .with_context(|| format!("cannot restore {} into {}", args.from.display(), dir.display()))?;
    println!("restored log {} with {size} entries into {}", log.name, dir.display());
    println!(
        "start the node: it asks the witnesses before it signs, and refuses to sign when they have seen more"
    );
    Ok(())
}

async fn connect(config: &Config, ca: Option<&Path>) -> anyhow::Result<tonic::transport::Channel> {
    let ca = tls::read(ca.unwrap_or(&config.peer_tls.ca))?;
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)).domain_name("localhost");
    let endpoint = Endpoint::from_shared(format!("https://{}", config.listen))?
        .tls_config(tls)?
        .connect_timeout(CONNECT);
    endpoint
        .connect()
        .await
        .with_context(|| format!("cannot reach the node at {}; is it running?", config.listen))
}

fn bytes_progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {bytes} {bytes_per_sec}");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
