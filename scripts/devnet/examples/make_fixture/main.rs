//! Makes the data directories of a release: `scripts/make-fixture RELEASE COMMIT` builds that commit's programs and runs this.
//!
//! Three nodes and three witnesses are given a history with records of every type, credentials, webhooks, runs of workflows and payloads;
//! a Raft snapshot is taken in the middle. Then one node is killed, the others go on for a while and are stopped in good order.

mod cast;
mod history;
mod private;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use devnet::{
    Devnet, Options, Submitter,
    fixture::{Entry, Fixture},
    grpc, wait_until_async,
};
use ledger_format::{
    leaf_hash,
    record::{Entry as LogEntry, Record, TYPES},
};
use ledger_proto::v1::LogRequest;

use cast::Cast;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Where the nodes listen for each other: loopback addresses of their own, as they cannot change.
const NETWORK: [u8; 2] = [127, 71];
const PORT: u16 = 18_710;
/// Entries that fill a tile and a bundle, so that there are files of them.
const FULL_TILE: u64 = ledger_format::TILE_WIDTH;
/// Records between the snapshot and the kill, and behind it.
const TAIL: usize = 12;

/// Makes the fixture of a release from the programs in `MAIP_BIN`.
#[derive(Parser)]
struct Cli {
    /// The release, e.g. 0.1.0.
    release: String,
    /// Its commit.
    commit: String,
    /// Where list and archive go.
    #[arg(long)]
    out: PathBuf,
    /// Third part of the nodes' loopback addresses: another one for each release, so that fixtures never meet.
    #[arg(long)]
    network: u8,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let dir = tempfile::tempdir()?;
    let mut options = Options::new(dir.path().join("devnet"))?;
    let [a, b] = NETWORK;
    options.peers = (1..=3)
        .map(|id| SocketAddr::from((Ipv4Addr::new(a, b, cli.network, id), PORT + u16::from(id))))
        .collect();
    let peers = options.peers.clone();
    // Raft keeps little behind a snapshot, so that a node has to begin with it.
    options.node_config_extra = format!("[raft]\nkeep_entries = {TAIL}\n");
    let mut devnet = Devnet::start(options)?;
    let origin = devnet.manifest().log("main")?.origin.clone();
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;

    let mut cast = Cast::new(&devnet, now)?;
    history::write(&mut cast, &origin).await?;
    let private = private::write(&devnet)?;
    while history::one_more(&mut cast).await? < FULL_TILE {}
    for id in devnet.node_ids() {
        let mut admin = grpc::admin(devnet.channel(id).await?, &devnet.manifest().admin_key)?;
        admin.snapshot(LogRequest { log: "main".into() }).await.context("no snapshot")?;
    }
    let leader = devnet.wait_for_leader("main", LIMIT).await?;
    for _ in 0..TAIL {
        history::one_more(&mut cast).await?;
    }
    devnet.kill(if leader == 3 { 2 } else { 3 })?;
    for _ in 0..TAIL {
        history::one_more(&mut cast).await?;
    }
    let (entries, checkpoint) = everything(&devnet, leader).await?;
    devnet.shut_down()?;

    let fixture = Fixture {
        release: cli.release,
        commit: cli.commit,
        peers,
        checkpoint,
        entries,
        api_key: private.api_key,
        questions: private.questions,
        payloads: private.payloads,
        files: BTreeMap::new(),
    };
    println!("{} entries, {} questions", fixture.entries.len(), fixture.questions.len());
    fixture.pack(devnet.data(), &cli.out)
}

/// Every entry, once all of them are published and nothing waits to be sealed; with the checkpoint over them.
async fn everything(devnet: &Devnet, node: u64) -> Result<(Vec<Entry>, String)> {
    let mut manifest = devnet.manifest().clone();
    manifest.nodes.retain(|info| info.id == node);
    let mut submitter = Submitter::connect(&manifest, "main")?;
    let (size, checkpoint) = wait_until_async("a quiet log", LIMIT, async || {
        let status = grpc::log_status(&manifest, manifest.node(node)?, "main").await?;
        ensure!(status.published_size == status.size, "{} of {}", status.published_size, status.size);
        let last = kind(&submitter.entry(status.size - 1, LIMIT).await?);
        ensure!(last == "state.root", "the last entry is a {last}");
        let note = submitter.wait_published(status.size, LIMIT).await?;
        Ok((status.size, String::from_utf8(note)?))
    })
    .await?;
    let mut entries = Vec::new();
    for index in 0..size {
        let bytes = submitter.entry(index, LIMIT).await?;
        entries.push(Entry { kind: kind(&bytes).to_owned(), leaf: leaf_hash(&bytes).to_hex() });
    }
    let seen: BTreeSet<&str> = entries.iter().map(|entry| entry.kind.as_str()).collect();
    let missing: Vec<&str> = TYPES.iter().map(|info| info.name).filter(|name| !seen.contains(name)).collect();
    ensure!(missing.is_empty() && seen.contains("state.root"), "no record of the types {missing:?}");
    Ok((entries, checkpoint))
}

/// The type of an entry's record; what nobody has signed is the log's own.
fn kind(entry: &[u8]) -> &'static str {
    let record = LogEntry::parse(entry).ok().and_then(|entry| Record::parse(entry.record).ok());
    record.map_or("state.root", |record| record.type_name())
}
