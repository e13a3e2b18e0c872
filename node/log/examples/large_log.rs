//! How much memory a node takes with a large log, and how fast it opens again.
//!
//! `cargo run --release -p ledger-log --example large_log -- DIR [ENTRIES] [ENGINE]`: one node, real Raft log, real
//! storage, real signatures, no witnesses. It prints records a second while it writes, then closes the log and opens it in
//! the same process, twice: the second opening is from warm files. Run it with `DIR` of a finished run and 0 entries to
//! measure a fresh process.

mod alone;

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use ledger_format::record::{
    Actor, AgentId, AgentRegister, AgentType, Body, Digest, Draft, ReceiptAction, Scope, SigningKey,
    TenantRegister, Ulid,
};
use ledger_log::{Ack, Credential, HostedLog, SealOptions};

const BATCH: u64 = 512;
const WRITERS: u64 = 4;
const LIMIT: Duration = Duration::from_secs(60);

fn tenant() -> (Ulid, SigningKey) {
    (Ulid::from_parts(1, 1), SigningKey::from_seed([3; 32]))
}

fn agent() -> (AgentId, SigningKey) {
    (AgentId(Ulid::from_parts(1, 2)), SigningKey::from_seed([4; 32]))
}

async fn register(log: &HostedLog) -> Result<(), Box<dyn Error>> {
    let ((tenant, tenant_key), (agent, agent_key)) = (tenant(), agent());
    let sign = |id, body| {
        Bytes::from(Draft::new(tenant, Ulid(id), Actor::Tenant, 1, body).sign(&tenant_key).to_bytes())
    };
    let records = vec![
        sign(
            1,
            Body::TenantRegister(TenantRegister {
                key: Some(tenant_key.public()),
                name: "Large".into(),
                on_behalf_of: None,
                plan: None,
            }),
        ),
        sign(
            2,
            Body::AgentRegister(Box::new(AgentRegister {
                agent,
                denies: Vec::new(),
                key: agent_key.public(),
                name: "Writer".into(),
                on_behalf_of: None,
                parent: None,
                runtime_type: None,
                scopes: vec![Scope::parse("ledger:post").ok_or("a scope")?],
                agent_type: AgentType::Autonomous,
            })),
        ),
    ];
    for answer in log.submit(records, Ack::Sequenced, LIMIT, Credential::Admin).await {
        answer?;
    }
    Ok(())
}

/// The `number`-th receipt: about 300 bytes of body.
fn receipt(number: u64) -> Result<Bytes, String> {
    let (agent, key) = agent();
    let digest = ledger_format::leaf_hash(&number.to_be_bytes());
    let body = ReceiptAction {
        approval: None,
        decision: None,
        grant: None,
        action: Scope::parse("ledger:post").ok_or("a scope")?,
        agent,
        detail: Vec::new(),
        input: Digest::parse(&format!("sha256:{digest}")).ok_or("a digest")?,
        on_behalf_of: None,
        outcome: None,
        output: Digest::parse(&format!("blake3:{digest}")).ok_or("a digest")?,
        session: None,
        tool: Some("bookkeeping".into()),
        verdict: None,
    };
    let id = Ulid::from_parts(2, u128::from(number));
    let draft = Draft::new(tenant().0, id, Actor::Agent(agent), number, Body::ReceiptAction(body));
    Ok(draft.sign(&key).to_bytes().into())
}

async fn fill(log: &HostedLog, entries: u64) -> Result<(), Box<dyn Error>> {
    register(log).await?;
    let from = log.status().size;
    let started = Instant::now();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let log = log.clone();
        writers.spawn(async move {
            let mut next = from + writer * BATCH;
            while next < from + entries {
                let records = (next..next + BATCH).map(receipt).collect::<Result<Vec<_>, _>>()?;
                for answer in log.submit(records, Ack::Sequenced, LIMIT, Credential::Anonymous).await {
                    answer.map_err(|refused| refused.to_string())?;
                }
                next += WRITERS * BATCH;
            }
            Ok::<(), String>(())
        });
    }
    let mut said = Instant::now();
    while !writers.is_empty() {
        tokio::select! {
            Some(done) = writers.join_next() => done??,
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        if said.elapsed() > Duration::from_secs(30) {
            said = Instant::now();
            let size = log.status().size;
            println!(
                "{size} entries, {:.0} a second, {} MiB",
                (size - from) as f64 / started.elapsed().as_secs_f64(),
                rss_mib()
            );
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "written: {} entries in {seconds:.0} s, {:.0} a second",
        log.status().size - from,
        entries as f64 / seconds
    );
    Ok(())
}

/// Resident memory of this process.
fn rss_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let fields: BTreeMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let kib = fields.get("VmRSS").and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let dir = PathBuf::from(args.first().ok_or("usage: large_log DIR [ENTRIES] [ENGINE]")?);
    let entries: u64 = args.get(1).map_or(Ok(10_000_000), |text| text.parse())?;
    let engine = args.get(2).map_or("fjall", String::as_str);
    let started = Instant::now();
    // Indexes are counted here.
    let log = alone::open(&dir, engine, SealOptions { interval_ms: 0, ..SealOptions::default() }).await?;
    println!(
        "opened {} entries in {:.2} s, {} MiB",
        log.status().size,
        started.elapsed().as_secs_f64(),
        rss_mib()
    );
    if entries > 0 {
        fill(&log, entries).await?;
    }
    println!("{} entries, {} MiB", log.status().size, rss_mib());
    log.shutdown().await;
    Ok(())
}
