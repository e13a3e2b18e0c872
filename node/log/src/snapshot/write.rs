//! Writing a snapshot while the ledger goes on.
//!
//! A [`SnapshotWriter`] begins between two applies: it makes the manifest and has the engine freeze the state, which takes no longer for a
//! large one. What is frozen is then written step by step, on threads that may block, while the next raft_entries are applied.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use ledger_format::{TILE_WIDTH, push_bundle_entry};
use ledger_store::{Pair, Pairs, Space, StoreError};
use tokio::sync::watch;

use super::{END, MAGIC, Manifest, UNFINISHED, snapshot_path};
use crate::{
    ledger::{Ledger, LedgerError},
    raft::types::SnapshotMeta,
};

/// Keys written in one step. Few in a simulation, whose states are small: there, too, much happens meanwhile.
const KEYS_AT_ONCE: usize = if cfg!(simulation) { 16 } else { 4_096 };
/// Bytes after which what was written is synced: one sync of all of it at the end would hold up those of the Raft log.
const SYNC_BYTES: usize = 4 << 20;

/// A snapshot that is being written. Dropped unfinished, it leaves nothing.
pub(crate) struct SnapshotWriter {
    manifest: Manifest,
    /// What is not written yet.
    pairs: Pairs,
    out: Hashed,
    ledger: Arc<Ledger>,
    // Last: whoever waits for the end of a writer may count on the ledger to be let go of.
    place: Place,
}

/// A complete snapshot.
pub(crate) struct Written {
    pub(crate) manifest: Manifest,
    pub(crate) path: PathBuf,
    /// Its bytes, also after a newer one has taken its place. To be read from the start.
    pub(crate) file: File,
}

impl SnapshotWriter {
    /// Begins a snapshot of the present state: call it between two applies. An engine that keeps no old versions is read to the end here.
    pub(crate) fn begin(ledger: &Arc<Ledger>) -> Result<Self, LedgerError> {
        let manifest = manifest(ledger)?;
        let frozen = ledger.engine().freeze(Space::State)?;
        let place = Place::take(ledger, manifest.meta.last_log_id.map_or(0, |id| id.index))?;
        let mut out = Hashed::new(place.create()?);
        let begun = out.put(MAGIC).and_then(|()| out.put_value(&manifest.encode()));
        begun.map_err(|e| place.failed(e))?;
        let at_once = frozen.is_none();
        let pairs = frozen.unwrap_or_else(|| Box::new(scan(ledger.clone())));
        let mut writer = Self { manifest, pairs, out, ledger: ledger.clone(), place };
        while at_once && writer.step()? {}
        Ok(writer)
    }

    /// Writes all that is left, and makes the snapshot and the state that it is of durable (rule S4).
    pub(crate) async fn finish(mut self) -> Result<Written, LedgerError> {
        loop {
            let path = self.place.path.clone();
            let died = |e| LedgerError::io("write", &path, io::Error::other(e));
            let step = beside(move || {
                let more = self.step()?;
                Ok::<_, LedgerError>((self, more))
            });
            let more;
            (self, more) = step.await.map_err(died)??;
            if !more {
                return beside(move || self.complete()).await.map_err(died)?;
            }
        }
    }

    /// Writes some pairs. Whether there may be more.
    fn step(&mut self) -> Result<bool, LedgerError> {
        self.place.writers.check(&self.place.path)?;
        for _ in 0..KEYS_AT_ONCE {
            let Some(pair) = self.pairs.next() else { return Ok(false) };
            let (key, value) = pair?;
            let written = self.out.put_value(&key).and_then(|()| self.out.put_value(&value));
            written.map_err(|e| self.place.failed(e))?;
        }
        Ok(true)
    }

    fn complete(mut self) -> Result<Written, LedgerError> {
        self.place.writers.check(&self.place.path)?;
        let written = self.out.put(&END.to_be_bytes()).and_then(|()| self.out.close());
        let file = written.map_err(|e| self.place.failed(e))?;
        // Raft purges its log behind what bears a snapshot's name, now or after the next start.
        self.ledger.sync()?;
        self.place.give_name()?;
        Ok(Written { manifest: self.manifest, path: self.place.path.clone(), file })
    }
}

/// Where a snapshot is written, and where its writer is counted.
struct Place {
    writers: Arc<SnapshotWriters>,
    temporary: PathBuf,
    path: PathBuf,
}

impl Place {
    fn take(ledger: &Arc<Ledger>, raft_index: u64) -> Result<Self, LedgerError> {
        let path = snapshot_path(ledger.dir(), raft_index);
        // A backup may be of the same raft_index at the same time.
        let number = ledger.snapshot_writers().begin(&path)?;
        let temporary = path.with_extension(format!("{number}.{UNFINISHED}"));
        Ok(Self { writers: ledger.snapshot_writers().clone(), temporary, path })
    }

    fn create(&self) -> Result<File, LedgerError> {
        let folder = self.path.parent().expect("a snapshot path has a folder");
        let file = fs::create_dir_all(folder).and_then(|()| {
            File::options().read(true).write(true).create(true).truncate(true).open(&self.temporary)
        });
        file.map_err(|e| self.failed(e))
    }

    fn give_name(&self) -> Result<(), LedgerError> {
        let folder = self.path.parent().expect("a snapshot path has a folder");
        let named = fs::rename(&self.temporary, &self.path).and_then(|()| File::open(folder)?.sync_all());
        named.map_err(|e| self.failed(e))
    }

    fn failed(&self, error: io::Error) -> LedgerError {
        LedgerError::io("write", &self.path, error)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A complete one has another name; should this fail, the next start removes it.
        let _ = fs::remove_file(&self.temporary);
        self.writers.end();
    }
}

/// The writers of a ledger's snapshots. They must end before it is closed.
#[derive(Default)]
pub(crate) struct SnapshotWriters(watch::Sender<Going>);

#[derive(Default)]
struct Going {
    /// So many were begun: the number of the next one.
    begun: u64,
    now: usize,
    stopped: bool,
}

impl SnapshotWriters {
    fn begin(&self, path: &Path) -> Result<u64, LedgerError> {
        let mut number = None;
        self.0.send_if_modified(|going| {
            if !going.stopped {
                number = Some(going.begun);
                going.begun += 1;
                going.now += 1;
            }
            number.is_some()
        });
        number.ok_or_else(|| closing(path))
    }

    fn end(&self) {
        self.0.send_modify(|going| going.now -= 1);
    }

    /// From now on none begins. Waits until those that have begun are abandoned: each sees it at its next step.
    pub(crate) async fn stop(&self) {
        self.0.send_modify(|going| going.stopped = true);
        // The sender is ours, so it is not gone.
        let _ = self.0.subscribe().wait_for(|going| going.now == 0).await;
    }

    fn check(&self, path: &Path) -> Result<(), LedgerError> {
        if self.0.borrow().stopped { Err(closing(path)) } else { Ok(()) }
    }
}

fn closing(path: &Path) -> LedgerError {
    LedgerError::io("write", path, io::Error::other("this log is being closed"))
}

/// Beside other work. A simulation has one thread and its own time: there, too, something else happens between two steps.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    #[cfg(simulation)]
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    blocking(work).await
}

/// Where blocking is allowed: in a simulation on its one thread.
#[cfg_attr(simulation, allow(clippy::unused_async, reason = "it waits elsewhere"))]
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    #[cfg(simulation)]
    return Ok(work());
    #[cfg(not(simulation))]
    tokio::task::spawn_blocking(work).await
}

fn manifest(ledger: &Ledger) -> Result<Manifest, LedgerError> {
    let mark = ledger.raft_mark();
    let size = ledger.size();
    let mut edge = Vec::new();
    for index in size / TILE_WIDTH * TILE_WIDTH..size {
        let entry = ledger
            .entry(index)?
            .ok_or_else(|| LedgerError::corrupt("edge", format!("entry {index} is missing")))?;
        push_bundle_entry(&mut edge, &entry).map_err(|e| LedgerError::corrupt("edge", e.to_string()))?;
    }
    let meta = SnapshotMeta { last_log_id: mark.applied, last_membership: mark.membership };
    Ok(Manifest { meta, size, root: ledger.root_at(size)?, edge: edge.into() })
}

/// The state as it is read: for engines that cannot freeze it.
fn scan(ledger: Arc<Ledger>) -> impl Iterator<Item = Result<Pair, StoreError>> + Send {
    let mut from = Some(Vec::new());
    let chunks = std::iter::from_fn(move || {
        match ledger.engine().scan(Space::State, from.as_deref()?, None, KEYS_AT_ONCE) {
            Ok(pairs) => {
                from = Some([pairs.last()?.0.as_slice(), &[0]].concat());
                Some(pairs.into_iter().map(Ok).collect())
            }
            Err(error) => {
                from = None;
                Some(vec![Err(error)])
            }
        }
    });
    chunks.flatten()
}

/// A file, and the hash of what is in it.
struct Hashed {
    file: BufWriter<File>,
    hash: blake3::Hasher,
    unsynced: usize,
}

impl Hashed {
    fn new(file: File) -> Self {
        Self { file: BufWriter::new(file), hash: blake3::Hasher::new(), unsynced: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.file.write_all(bytes)?;
        self.unsynced += bytes.len();
        if self.unsynced >= SYNC_BYTES {
            self.unsynced = 0;
            self.file.flush()?;
            self.file.get_ref().sync_data()?;
        }
        Ok(())
    }

    fn put_value(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = u32::try_from(bytes.len()).map_err(|_| io::Error::other("a value above 4 GiB"))?;
        self.put(&len.to_be_bytes())?;
        self.put(bytes)
    }

    /// Ends the file with its hash. All of it is durable then.
    fn close(&mut self) -> io::Result<File> {
        let digest = self.hash.finalize();
        self.file.write_all(digest.as_bytes())?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        self.file.get_ref().try_clone()
    }
}
