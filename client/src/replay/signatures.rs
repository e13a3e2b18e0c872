//! The signatures of a replay, verified on all cores while the state machine goes on.
//!
//! ```text
//!   replay ---> batch of jobs ---> bounded queue ---> worker threads ---> the first that is wrong
//! ```
//!
//! A signature needs nothing but its record and its key, so the order does not matter; what counts at the end is that all were
//! verified, and the least index of those that are wrong.

use std::{
    panic::resume_unwind,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{JoinHandle, available_parallelism, spawn},
};

use ledger_state::{KeptPoints, ReplayError, SignatureJob};

/// Most worker threads, however many cores there are.
const THREADS_MAX: usize = 64;
/// Signatures that a worker takes at once.
const BATCH_JOBS: usize = 64;
/// Batches that wait for each worker before the replay waits for them.
const BATCHES_WAITING: usize = 4;

/// Worker threads that verify.
#[derive(Debug)]
pub(super) struct Signatures {
    batch: Vec<SignatureJob>,
    queue: SyncSender<Vec<SignatureJob>>,
    workers: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What the workers share: the first wrong signature so far, and the keys.
#[derive(Debug, Default)]
struct Shared {
    is_any: AtomicBool,
    first: Mutex<Option<ReplayError>>,
    points: KeptPoints,
}

impl Shared {
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
        let (waiting, shared) = (Arc::new(Mutex::new(waiting)), Arc::new(Shared::default()));
        let worker = |_| {
            let (waiting, shared) = (waiting.clone(), shared.clone());
            spawn(move || work(&waiting, &shared))
        };
        Self { batch: Vec::new(), queue, workers: (0..threads).map(worker).collect(), shared }
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
        self.shared.is_any.load(Ordering::Acquire)
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
        let first = self.shared.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.map_or(Ok(()), Err)
    }
}

fn work(waiting: &Mutex<Receiver<Vec<SignatureJob>>>, shared: &Shared) {
    loop {
        let batch = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return };
        // After a wrong one the rest matters too: it may hold one with a lesser index.
        for error in batch.iter().filter_map(|job| job.verify(&shared.points).err()) {
            shared.add(error);
        }
    }
}
