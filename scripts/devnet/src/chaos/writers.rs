//! Clients that write all the time: each remembers what was acknowledged and sends again what was not.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use ledger_proto::v1::Ack;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{Manifest, Submitter, workload::Agent};

/// How often each client has something to write; slower when it waits for an answer.
const PACE: Duration = Duration::from_millis(100);
/// Pause before a record is sent to the next node.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// How long a record may stay without an acknowledgement after everything is mended.
const LAST_LIMIT: Duration = Duration::from_secs(90);

/// What the cluster has promised: index and leaf hash.
pub(super) type Promises = BTreeMap<u64, Vec<u8>>;

/// The clients, at work.
#[derive(Debug)]
pub(super) struct Writers {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<Result<Promises>>>,
}

#[derive(Debug, Default)]
struct Shared {
    ending: AtomicBool,
    acknowledged: AtomicU64,
    resent: AtomicU64,
    /// Milliseconds from the start to the last acknowledgement of any client.
    last_ms: AtomicU64,
    longest_pause_ms: AtomicU64,
}

impl Shared {
    fn acknowledge(&self, start: Instant) {
        let now = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let before = self.last_ms.fetch_max(now, Ordering::Relaxed);
        self.longest_pause_ms.fetch_max(now.saturating_sub(before), Ordering::Relaxed);
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

impl Writers {
    /// One client for each agent; client `n` starts with node `n`.
    pub(super) fn start(manifest: &Manifest, agents: Vec<Agent>) -> Result<Writers> {
        let shared = Arc::new(Shared::default());
        let mut tasks = Vec::new();
        let start = Instant::now();
        for (number, agent) in agents.into_iter().enumerate() {
            let mut submitter = Submitter::connect(manifest, "main")?;
            (0..number).for_each(|_| submitter.turn());
            tasks.push(tokio::spawn(write(number, agent, submitter, Arc::clone(&shared), start)));
        }
        Ok(Writers { shared, tasks })
    }

    /// Records acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Times that a record was sent again.
    pub(super) fn resent(&self) -> u64 {
        self.shared.resent.load(Ordering::Relaxed)
    }

    /// The longest time in which no client got an answer, in milliseconds.
    pub(super) fn longest_pause_ms(&self) -> u64 {
        self.shared.longest_pause_ms.load(Ordering::Relaxed)
    }

    /// Lets each client bring its last record to an end, and gives every promise. Fails when an index was given to
    /// two records, or a record is not taken although all is mended.
    pub(super) async fn finish(self) -> Result<Promises> {
        self.shared.ending.store(true, Ordering::Relaxed);
        let mut all = Promises::new();
        for task in self.tasks {
            for (index, leaf) in task.await.context("a client ended by itself")?? {
                ensure!(all.insert(index, leaf).is_none(), "index {index} was given to two records");
            }
        }
        Ok(all)
    }
}

async fn write(
    number: usize,
    mut agent: Agent,
    mut submitter: Submitter,
    shared: Arc<Shared>,
    start: Instant,
) -> Result<Promises> {
    let mut promises = Promises::new();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut note = 0_u64;
    while !shared.ending.load(Ordering::Relaxed) {
        pace.tick().await;
        note += 1;
        let record = agent.receipt("ledger:post", &format!("client {number}, posting {note}"))?;
        let (index, leaf) = persist(&mut submitter, record, &shared).await?;
        ensure!(promises.insert(index, leaf).is_none(), "index {index} was given to two records");
        shared.acknowledge(start);
    }
    Ok(promises)
}

/// Sends one record, as it is, until it is acknowledged. Whatever a node says meanwhile is bad luck; only when
/// clients are asked to end, which is after all is mended, does patience have a limit.
async fn persist(submitter: &mut Submitter, record: Vec<u8>, shared: &Shared) -> Result<(u64, Vec<u8>)> {
    let mut mended: Option<Instant> = None;
    loop {
        let refusal = match submitter.submit_once(record.clone(), Ack::Sequenced).await {
            Ok(answer) => return Ok((answer.index, answer.leaf_hash.to_vec())),
            Err(refusal) => refusal,
        };
        shared.resent.fetch_add(1, Ordering::Relaxed);
        if shared.ending.load(Ordering::Relaxed) {
            let since = *mended.get_or_insert_with(Instant::now);
            ensure!(since.elapsed() < LAST_LIMIT, "all is mended and a record is not taken: {refusal:#}");
        }
        submitter.turn();
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}
