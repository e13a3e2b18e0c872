//! What the witness remembers: for each log the last checkpoint it cosigned, durable before anybody is told.
//!
//! ```text
//! request --Cosigned--> queue --> writer thread: compare, one frame for all that wait, one flush
//! request <--Released------------ and only then the signatures
//! ```
//!
//! * The comparison and the write happen on one thread, so of two requests that were decided on the same
//!   remembered checkpoint one is stored and the other one is told what is remembered now.
//! * [`Released`] is the only thing that gives the signature lines away. The writer thread makes it, after the
//!   flush; and [`Signer`](crate::sign::Signer) makes it again from what is remembered, which is flushed.
//! * After a failed write or flush the memory is out of service for good ([`Memory::failure`]): retrying a
//!   flush can report success for bytes that were dropped. The program stops and reads the disk anew.
//! * The state directory is made by [`create`] alone. [`Memory::open`] never makes anything, so that a
//!   misspelt path cannot start a witness that has forgotten what it signed.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use ledger_format::{Checkpoint, Hash, Note, origin_path};
use tokio::sync::{oneshot, watch};

use crate::decide::Latest;
use crate::metrics::Metrics;
use crate::sign::{Cosigned, Released};

mod codec;
pub(crate) mod disk;
mod journal;
mod writer;

use disk::{Disk, Files};
use journal::Journal;
pub use journal::JournalError;
use writer::{Request, Writer};

/// Requests that may wait for the writer thread. More are told to come again.
const QUEUE_MAX: usize = 4096;

/// The last checkpoint cosigned for one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Origin of the log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root at that size.
    pub root: Hash,
    /// Timestamp of our cosignature, in seconds.
    pub time_s: u64,
    /// The checkpoint with the log's signature and ours, as served to monitors.
    pub note: Arc<[u8]>,
}

impl Remembered {
    /// What a decision needs.
    pub fn latest(&self) -> Latest {
        Latest { size: self.size, root: self.root }
    }

    /// Builds it from the note, the only copy of the facts that is stored.
    fn from_note(note: &[u8], time_s: u64) -> Option<Self> {
        let parsed = Note::parse(note).ok()?;
        let checkpoint = Checkpoint::parse(parsed.text()).ok()?;
        let Checkpoint { origin, size, root, .. } = checkpoint;
        Some(Self { origin, size, root, time_s, note: note.into() })
    }
}

/// Why the memory does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The directory is not there, or was never made by `init`.
    #[error(
        "{dir} holds no witness memory ({source}); a witness that starts without its memory can be made to \
         sign a fork. Check `state_dir`; for a new witness run `maip-witness init`"
    )]
    Missing {
        /// The configured directory.
        dir: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// There is a memory already.
    #[error("{dir} already holds a witness memory; nothing was changed")]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has it open.
    #[error("another maip-witness is running on {dir}; two writers would forget each other's answers")]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// The memory is another witness's.
    #[error("the memory in {dir} belongs to {found}, and the configured key is {configured}")]
    OtherWitness {
        /// The directory.
        dir: PathBuf,
        /// Verifier key that the memory was made for.
        found: String,
        /// Verifier key of the configured key.
        configured: String,
    },
    /// The memory cannot be read back, or the disk failed.
    #[error("the memory in {dir} cannot be used: {source}")]
    Journal {
        /// The directory.
        dir: PathBuf,
        /// What is wrong.
        source: JournalError,
    },
}

/// Why a cosigned checkpoint was not released.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Another request for the same log came first: decide again.
    #[error("another checkpoint of this log was cosigned meanwhile")]
    Conflict,
    /// Too many requests wait for the disk: try again later.
    #[error("too many requests wait for the disk")]
    Busy,
    /// The memory is out of service; nothing will be cosigned until the program is started again.
    #[error("the memory is out of service: {0}")]
    Failed(String),
}

/// The memory, open. Dropping it stops the writer thread after what it was given.
#[derive(Debug)]
pub struct Memory {
    shared: Arc<Shared>,
    queue: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// By [`origin_path`], which is what monitors ask with. Only what is durable is in here.
    latest: RwLock<HashMap<String, Arc<Remembered>>>,
    failure: watch::Sender<Option<String>>,
    metrics: Arc<Metrics>,
}

/// Makes an empty memory in `dir`, which must exist and hold none. `identity` is the witness's vkey.
pub fn create(dir: &Path, identity: &str) -> Result<(), MemoryError> {
    let journal = |source: JournalError| MemoryError::Journal { dir: dir.into(), source };
    let files = Files::create(dir).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => MemoryError::Exists { dir: dir.into() },
        _ => journal(error.into()),
    })?;
    Journal::create(files, &codec::encode_opening(identity, [])).map_err(journal)?;
    Ok(())
}

impl Memory {
    /// Opens the memory that [`create`] made, for this process alone.
    pub fn open(dir: &Path, identity: &str, metrics: Arc<Metrics>) -> Result<Self, MemoryError> {
        let missing = |source| MemoryError::Missing { dir: dir.into(), source };
        // The files first: the lock file would otherwise be made in a directory that is not ours.
        let files = Files::open(dir).map_err(missing)?;
        let lock = lock(dir)?;
        Self::on(files, Some(lock), dir, identity, metrics)
    }

    fn on<D: Disk>(
        disk: D,
        lock: Option<File>,
        dir: &Path,
        identity: &str,
        metrics: Arc<Metrics>,
    ) -> Result<Self, MemoryError> {
        let failed = |source: JournalError| MemoryError::Journal { dir: dir.into(), source };
        let (mut journal, found) = Journal::open(disk).map_err(failed)?;
        let corrupt = |what: &str| failed(JournalError::Corrupt(what.to_owned()));
        if let Some(found) = codec::version(&found.opening).filter(|found| *found > codec::VERSION) {
            return Err(failed(JournalError::Newer { found, known: codec::VERSION }));
        }
        let (owner, mut records) = codec::decode_opening(&found.opening)
            .ok_or_else(|| corrupt("the opening frame is not readable"))?;
        if owner != identity {
            let (found, configured) = (owner, identity.to_owned());
            return Err(MemoryError::OtherWitness { dir: dir.into(), found, configured });
        }
        for frame in &found.frames {
            records.extend(codec::decode_records(frame).ok_or_else(|| corrupt("a frame is not readable"))?);
        }
        let mut latest = HashMap::new();
        for (time_s, note) in records {
            let remembered = Remembered::from_note(&note, time_s)
                .ok_or_else(|| corrupt("a remembered checkpoint is not readable"))?;
            replay(&mut latest, remembered).map_err(|what| corrupt(&what))?;
        }
        if found.repaired > 0 {
            tracing::warn!(
                copies = found.repaired,
                "damaged copies in the memory were repaired from their twins"
            );
            metrics.memory_repaired.add(found.repaired);
        }
        journal
            .turn(&codec::encode_opening(identity, latest.values().map(|remembered| &**remembered)))
            .map_err(failed)?;

        let shared =
            Arc::new(Shared { latest: RwLock::new(latest), failure: watch::Sender::new(None), metrics });
        let (queue, requests) = sync_channel(QUEUE_MAX);
        let writer = Writer::new(journal, shared.clone(), identity, lock);
        let writer = std::thread::Builder::new()
            .name("witness-memory".into())
            .spawn(move || writer.run(&requests))
            .map_err(|error| failed(error.into()))?;
        Ok(Self { shared, queue: Some(queue), writer: Some(writer) })
    }

    /// The last checkpoint cosigned for an origin, if any. Durable.
    pub fn latest(&self, origin: &str) -> Option<Arc<Remembered>> {
        self.latest_by_path(&origin_path(origin))
    }

    /// The same, by the lower-case hex SHA-256 of the origin.
    pub fn latest_by_path(&self, path: &str) -> Option<Arc<Remembered>> {
        self.shared
            .latest
            .read()
            .expect("the writer does not panic while it holds the lock")
            .get(path)
            .cloned()
    }

    /// Everything remembered, in no order.
    pub fn all(&self) -> Vec<Arc<Remembered>> {
        self.shared
            .latest
            .read()
            .expect("the writer does not panic while it holds the lock")
            .values()
            .cloned()
            .collect()
    }

    /// Stores a cosigned checkpoint and gives its signatures away when it is durable.
    pub async fn commit(&self, cosigned: Cosigned) -> Result<Released, CommitError> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().expect("the queue lives as long as the memory");
        match queue.try_send(Request { cosigned, reply }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(CommitError::Busy),
            Err(TrySendError::Disconnected(_)) => return Err(self.shared.failed()),
        }
        // The writer answers everything it takes, unless it has stopped.
        answer.await.unwrap_or_else(|_| Err(self.shared.failed()))
    }

    /// Returns when the memory has gone out of service, with the reason. The program must then stop.
    pub async fn failure(&self) -> String {
        let mut failure = self.shared.failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Whether the memory can still store.
    pub fn is_in_service(&self) -> bool {
        self.shared.failure.borrow().is_none()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was already reported by its thread.
            let _ = writer.join();
        }
    }
}

impl Shared {
    /// The writer is gone: by a failure of the disk, which it has reported, or by a panic, which is reported here.
    fn failed(&self) -> CommitError {
        self.failure.send_if_modified(|failure| {
            let is_news = failure.is_none();
            failure.get_or_insert_with(|| "the writer has stopped".into());
            is_news
        });
        CommitError::Failed(self.failure.borrow().clone().unwrap_or_default())
    }
}

/// Adds a stored record to what is remembered; says why if it contradicts what came before.
fn replay(latest: &mut HashMap<String, Arc<Remembered>>, next: Remembered) -> Result<(), String> {
    let path = origin_path(&next.origin);
    if let Some(before) = latest.get(&path) {
        if next.size < before.size {
            return Err(format!(
                "the memory of {:?} goes back from {} to {}",
                next.origin, before.size, next.size
            ));
        }
        if next.size == before.size && next.root != before.root {
            return Err(format!("the memory of {:?} holds two roots for size {}", next.origin, next.size));
        }
    }
    latest.insert(path, Arc::new(next));
    Ok(())
}

/// Takes the process lock of a state directory.
fn lock(dir: &Path) -> Result<File, MemoryError> {
    let missing = |source| MemoryError::Missing { dir: dir.into(), source };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join("lock"))
        .map_err(missing)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(MemoryError::Locked { dir: dir.into() }),
        Err(fs::TryLockError::Error(error)) => Err(missing(error)),
    }
}

#[cfg(test)]
mod tests;
