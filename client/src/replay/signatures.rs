//! The signatures of a replay, verified on all cores while the state machine goes on.
//!
//! ```text
//!   replay ---> batch of jobs ---> bounded queue ---> worker threads ---> the first that is wrong
//! ```
//!
//! A signature needs nothing but its record and its key, so the order does not matter; what counts at the end is that all were
//! verified, and the least index of those that are wrong.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    panic::resume_unwind,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{JoinHandle, available_parallelism, spawn},
};

use ledger_format::record::PublicKey;
use ledger_state::{Points, ReplayError, SignatureJob};

/// Most worker threads, however many cores there are.
const THREADS_MAX: usize = 64;
/// Signatures that a worker takes at once.
const BATCH_JOBS: usize = 64;
/// Batches that wait for each worker before the replay waits for them.
const BATCHES_WAITING: usize = 4;
/// Keys that a worker keeps decoded; beyond it begins anew.
const POINTS_MAX: usize = 4_096;

/// Worker threads that verify.
#[derive(Debug)]
pub(super) struct Signatures {
    batch: Vec<SignatureJob>,
    queue: SyncSender<Vec<SignatureJob>>,
    workers: Vec<JoinHandle<()>>,
    found: Arc<Found>,
}

/// The first wrong signature so far.
#[derive(Debug, Default)]
struct Found {
    is_any: AtomicBool,
    first: Mutex<Option<ReplayError>>,
}

impl Found {
    fn add(&self, error: ReplayError) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|known| error.index < known.index) {
            *first = Some(error);
        }
        self.is_any.store(true, Ordering::Release);
    }
}

impl Signatures {
    /// Starts a worker for each core.
    pub(super) fn start() -> Self {
        let threads = available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let (queue, waiting) = sync_channel(threads * BATCHES_WAITING);
        let (waiting, found) = (Arc::new(Mutex::new(waiting)), Arc::new(Found::default()));
        let worker = |_| {
            let (waiting, found) = (waiting.clone(), found.clone());
            spawn(move || work(&waiting, &found))
        };
        Self { batch: Vec::new(), queue, workers: (0..threads).map(worker).collect(), found }
    }

    /// Leaves one to the workers. Waits when they are behind.
    pub(super) fn push(&mut self, job: SignatureJob) {
        self.batch.push(job);
        if self.batch.len() == BATCH_JOBS {
            self.send();
        }
    }

    fn send(&mut self) {
        // Without a worker left one has panicked, and `finish` says so.
        let _ = self.queue.send(std::mem::take(&mut self.batch));
    }

    /// Whether a wrong one is known already, so that going on is no use.
    pub(super) fn is_any_wrong(&self) -> bool {
        self.found.is_any.load(Ordering::Acquire)
    }

    /// Waits for all of them.
    ///
    /// # Errors
    /// The wrong one with the least index.
    pub(super) fn finish(mut self) -> Result<(), ReplayError> {
        self.send();
        drop(self.queue);
        for worker in self.workers {
            if let Err(panic) = worker.join() {
                resume_unwind(panic);
            }
        }
        let first = self.found.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.map_or(Ok(()), Err)
    }
}

fn work(waiting: &Mutex<Receiver<Vec<SignatureJob>>>, found: &Found) {
    let points = KeptPoints::default();
    loop {
        let batch = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return };
        // After a wrong one the rest matters too: it may hold one with a lesser index.
        for error in batch.iter().filter_map(|job| job.verify(&points).err()) {
            found.add(error);
        }
    }
}

/// Keys as points, of one worker.
#[derive(Default)]
struct KeptPoints(RefCell<BTreeMap<[u8; 32], PublicKey>>);

impl Points for KeptPoints {
    fn get(&self, public: &[u8; 32]) -> Option<PublicKey> {
        self.0.borrow().get(public).copied()
    }

    fn put(&self, point: PublicKey) {
        let mut kept = self.0.borrow_mut();
        if kept.len() >= POINTS_MAX {
            kept.clear();
        }
        kept.insert(*point.as_bytes(), point);
    }
}
