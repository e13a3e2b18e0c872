//! Who writes while a cluster is upgraded, and minds every record.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail, ensure};
use devnet::{
    Devnet, Submitter, wait_until,
    workload::{Agent, Tenant},
};
use ledger_format::Hash;
use ledger_proto::v1::Ack;

/// How many write at a time.
const WRITERS: usize = 3;
/// Most records of one writer: more than an upgrade takes time for.
const RECORDS_MAX: usize = 20_000;
/// Between two records of a writer, so that what is checked at the end stays small.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a number of records may take.
const LIMIT: Duration = Duration::from_secs(90);

/// A record that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logged {
    pub(crate) index: u64,
    pub(crate) leaf: Hash,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    logged: Mutex<Vec<Logged>>,
    /// Longest time that a record of any writer took.
    longest: Mutex<Duration>,
    failed: Mutex<Option<String>>,
}

/// Some writers, each with an agent of its own and another node to begin with.
pub(crate) struct Load {
    shared: Arc<Shared>,
    writers: Vec<thread::JoinHandle<()>>,
}

impl Load {
    pub(crate) async fn start(devnet: &Devnet, tenant: &Tenant) -> Result<Load> {
        let mut load = Load { shared: Arc::default(), writers: Vec::new() };
        let mut submitter = Submitter::connect(devnet.manifest(), "main")?;
        for number in 0..WRITERS {
            let agent = Agent::new(tenant, &format!("writer {number}"))?;
            submitter.submit(tenant.register_agent(&agent)?, Ack::Sequenced).await?;
            let (shared, manifest) = (load.shared.clone(), devnet.manifest().clone());
            load.writers.push(thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let wrote = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
                    runtime.block_on(async {
                        let mut submitter = Submitter::connect(&manifest, "main")?;
                        (0..number).for_each(|_| submitter.turn());
                        write(submitter, agent, &shared).await
                    })
                });
                if let Err(error) = wrote {
                    *lock(&shared.failed) = Some(format!("{error:#}"));
                }
            }));
        }
        Ok(load)
    }

    /// Waits until this many more records were acknowledged; fails when a writer has given up.
    pub(crate) fn wait_more(&self, records: usize) -> Result<()> {
        let goal = lock(&self.shared.logged).len() + records;
        let mut failed = None;
        wait_until("more records", LIMIT, || {
            failed.clone_from(&lock(&self.shared.failed));
            let now = lock(&self.shared.logged).len();
            ensure!(now >= goal || failed.is_some(), "{now} of {goal}");
            Ok(())
        })?;
        failed.map_or(Ok(()), |error| Err(anyhow!("a writer gave up: {error}")))
    }

    /// The longest time that a record took since this was asked for the last time.
    pub(crate) fn longest_pause(&self) -> Duration {
        std::mem::take(&mut *lock(&self.shared.longest))
    }

    /// What was acknowledged, each index once.
    pub(crate) fn end(self) -> Result<Vec<Logged>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            writer.join().map_err(|_| anyhow!("a writer panicked"))?;
        }
        if let Some(error) = lock(&self.shared.failed).take() {
            bail!("a writer gave up: {error}");
        }
        let logged = std::mem::take(&mut *lock(&self.shared.logged));
        let indexes: BTreeSet<u64> = logged.iter().map(|one| one.index).collect();
        ensure!(indexes.len() == logged.len(), "an index was given twice");
        Ok(logged)
    }
}

async fn write(mut submitter: Submitter, mut agent: Agent, shared: &Shared) -> Result<()> {
    for number in 0..RECORDS_MAX {
        if shared.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let record = agent.receipt("ledger:post", &format!("posting {number}"))?;
        let begin = Instant::now();
        let answer = submitter.submit(record, Ack::Sequenced).await?;
        let leaf = Hash(answer.leaf_hash[..].try_into()?);
        lock(&shared.logged).push(Logged { index: answer.index, leaf });
        note(shared, begin.elapsed());
        submitter.turn();
        tokio::time::sleep(PAUSE).await;
    }
    bail!("{RECORDS_MAX} records were not enough")
}

fn note(shared: &Shared, took: Duration) {
    let mut longest = lock(&shared.longest);
    *longest = longest.max(took);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
