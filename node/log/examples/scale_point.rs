//! What a log of so many entries takes on one node: bytes by kind of file, processor time, memory, the time to open it again.
//!
//! `cargo run --release -p ledger-log --example scale_point -- DIR ENTRIES`: one node, real Raft log, real storage, real signatures, no
//! witnesses; one agent for each hundred receipts, statuses sealed as by default. Prints a name and a number a line, for
//! `simulations/scale`, which runs this once a size, in a process of its own each.

mod alone;

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use ledger_format::record::{
    Actor, AgentId, AgentRegister, AgentType, Body, Digest, Draft, ReceiptAction, Record, Scope, SigningKey,
    TenantRegister, Ulid,
};
use ledger_log::{Ack, Credential, HostedLog, SealOptions};

/// Receipts for each agent.
const RECEIPTS_AN_AGENT: u64 = 100;
const BATCH: u64 = 512;
const WRITERS: u64 = 4;
const LIMIT: Duration = Duration::from_secs(60);
/// Records whose checks are timed alone.
const CHECKED: u64 = 2_000;
/// How often: the kernel counts a thread's time in steps of some milliseconds.
const ROUNDS: u64 = 20;
/// Clock ticks a second in `/proc`, on every Linux.
const TICKS: f64 = 100.0;

type Fault = Box<dyn Error + Send + Sync>;

fn key() -> SigningKey {
    SigningKey::from_seed([3; 32])
}

fn record(number: u64, body: Body) -> Bytes {
    let id = Ulid::from_parts(2, u128::from(number));
    Draft::new(Ulid(1), id, Actor::Tenant, number, body).sign(&key()).to_bytes().into()
}

fn agent(number: u64) -> AgentId {
    AgentId(Ulid::from_parts(3, u128::from(number)))
}

fn scope() -> Scope {
    Scope::parse("ledger:post").expect("a scope")
}

fn registration(number: u64) -> Bytes {
    let body = AgentRegister {
        agent: agent(number),
        denies: Vec::new(),
        key: key().public(),
        name: format!("Agent {number}"),
        on_behalf_of: None,
        parent: None,
        runtime_type: Some("worker".into()),
        scopes: vec![scope()],
        agent_type: AgentType::Autonomous,
    };
    record(1 << 40 | number, Body::AgentRegister(Box::new(body)))
}

/// About 300 bytes of body.
fn receipt(number: u64, agents: u64) -> Bytes {
    let digest = Digest::sha256(&number.to_be_bytes());
    let body = ReceiptAction {
        approval: None,
        decision: None,
        grant: None,
        action: scope(),
        agent: agent(number * 7_919 % agents),
        detail: Vec::new(),
        input: digest,
        on_behalf_of: None,
        outcome: None,
        output: Digest::sha256(b"output"),
        session: None,
        tool: Some("bookkeeping".into()),
        verdict: None,
    };
    record(1 << 41 | number, Body::ReceiptAction(body))
}

async fn submit(log: &HostedLog, records: Vec<Bytes>) -> Result<(), Fault> {
    for answer in log.submit(records, Ack::Sequenced, LIMIT, Credential::Admin).await {
        answer.map_err(|refused| refused.to_string())?;
    }
    Ok(())
}

/// Writes everything; nanoseconds of processor time that the signing took, which a node does not pay.
async fn fill(log: &HostedLog, entries: u64, agents: u64) -> Result<u64, Fault> {
    let body =
        TenantRegister { key: Some(key().public()), name: "Large".into(), on_behalf_of: None, plan: None };
    submit(log, vec![record(1 << 42, Body::TenantRegister(body))]).await?;
    let signing = Arc::new(AtomicU64::new(0));
    let make = move |number: u64| match number.checked_sub(agents) {
        None => registration(number),
        Some(receipts) => receipt(receipts, agents),
    };
    // Agents first, by one writer: receipts speak of them.
    for (from, to, count) in [(0, agents, 1), (agents, entries, WRITERS)] {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..count {
            let (log, signing) = (log.clone(), signing.clone());
            writers.spawn(async move {
                let mut next = from + writer * BATCH;
                while next < to {
                    let before = thread_ns();
                    let records = (next..to.min(next + BATCH)).map(make).collect();
                    signing.fetch_add(thread_ns() - before, Ordering::Relaxed);
                    submit(&log, records).await?;
                    next += count * BATCH;
                }
                Ok::<(), Fault>(())
            });
        }
        while let Some(done) = writers.join_next().await {
            done??;
        }
    }
    Ok(signing.load(Ordering::Relaxed))
}

/// Waits until the status map holds every change.
async fn sealed(log: &HostedLog) -> Result<(), Fault> {
    while log.reader().map_status()?.waits_since.is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Nanoseconds for which this thread has run.
fn thread_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// Seconds of processor time that this process has used.
fn process_s() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may hold spaces.
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS
}

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let fields: BTreeMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let kib = fields.get("VmRSS").and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Bytes on disk below a directory by what they are.
fn count_bytes(dir: &Path, root: &Path, bytes: &mut BTreeMap<&'static str, u64>) -> Result<(), Fault> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            count_bytes(&path, root, bytes)?;
            continue;
        }
        let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
        let kind = if name.contains("tile/entries") {
            "bundles_bytes"
        } else if name.contains("tile/") {
            "tiles_bytes"
        } else if name.contains("engine/") {
            "engine_bytes"
        } else if name.contains("raft/") {
            "raft_log_bytes"
        } else if name.ends_with(".snapshot") {
            "snapshot_bytes"
        } else {
            "other_bytes"
        };
        *bytes.entry(kind).or_default() += fs::metadata(&path)?.len();
    }
    Ok(())
}

/// Microseconds of processor time that parsing, and parsing with checking the signature, take a record.
fn checks() -> Result<(f64, f64), Fault> {
    let records: Vec<Bytes> = (0..CHECKED).map(|number| receipt(number, 100)).collect();
    let public = key().public();
    let mut parsed = Vec::new();
    let before = thread_ns();
    for _ in 0..ROUNDS {
        parsed = records.iter().map(|bytes| Record::parse(bytes)).collect::<Result<Vec<_>, _>>()?;
    }
    let parsing = thread_ns() - before;
    let before = thread_ns();
    for _ in 0..ROUNDS {
        parsed.iter().try_for_each(|record| record.verify_signature(&public))?;
    }
    let verifying = thread_ns() - before;
    let each = |ns: u64| ns as f64 / (CHECKED * ROUNDS) as f64 / 1_000.0;
    Ok((each(parsing), each(verifying)))
}

async fn open(dir: &Path) -> Result<HostedLog, Fault> {
    alone::open(dir, "fjall", SealOptions::default()).await.map_err(|error| error.to_string().into())
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [dir, entries] = args.as_slice() else { return Err("usage: scale_point DIR ENTRIES".into()) };
    let (dir, entries): (&Path, u64) = (Path::new(dir), entries.parse()?);
    let agents = (entries / RECEIPTS_AN_AGENT).max(1);
    let log = open(dir).await?;
    let (started, before) = (Instant::now(), process_s());
    let signing_ns = fill(&log, entries, agents).await?;
    let written = started.elapsed();
    sealed(&log).await?;
    let cpu = process_s() - before - signing_ns as f64 / 1e9;
    let peak = resident();
    log.snapshot().await?;
    let status = log.status();
    log.shutdown().await;
    drop(log);
    let mut bytes = BTreeMap::new();
    count_bytes(dir, dir, &mut bytes)?;
    let reopened = Instant::now();
    let log = open(dir).await?;
    let open_s = reopened.elapsed().as_secs_f64();
    log.shutdown().await;
    let (parse_us, verify_us) = checks()?;
    println!("records {entries}\nagents {agents}\nentries {}", status.size);
    println!("seconds {:.3}\nsealed_seconds {:.3}", written.as_secs_f64(), started.elapsed().as_secs_f64());
    println!("cpu_s {cpu:.3}\nparse_us {parse_us:.3}\nverify_us {verify_us:.3}");
    println!("resident_bytes {peak}\nopen_s {open_s:.3}");
    for (kind, bytes) in bytes {
        println!("{kind} {bytes}");
    }
    Ok(())
}
