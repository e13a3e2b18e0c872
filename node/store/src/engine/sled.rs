//! sled 0.34.7: all spaces in one tree, the space as the first byte of the key, so that one batch spans them.
//!
//! Two of sled's promises are kept here, because sled does not. Its `flush` ends in `sync_file_range`, which makes
//! neither the file's metadata nor the disk's write cache durable: [`Engine::sync`] calls `fdatasync` on sled's file.
//! And it never syncs its directory, nor the files it keeps large values in.
//!
//! Its cache limit is not a limit of its memory, and it writes and reads slower the more keys it holds. Use it up to
//! about a million.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Batch, Engine, EngineOptions, Pair, Poison, Space};
use crate::StoreError;
use crate::dir::OwnedDir;

const NAME: &str = "sled";
const VERSION: u32 = 1;
/// How often, and how long apart, opening is tried while an earlier handle of this process is still closing.
const OPEN_ATTEMPTS: u32 = 500;
const OPEN_PAUSE: Duration = Duration::from_millis(10);
/// Keys removed at once by [`Engine::clear`].
const CLEAR_STEP: usize = 10_000;

/// The database and the file it appends to.
pub(super) struct SledEngine {
    db: ::sled::Db,
    log: File,
    /// Nodes of the tree that are too large for the log are files of their own; those that were synced.
    synced_blobs: Mutex<BTreeSet<PathBuf>>,
    poison: Poison,
    // Unlocked last.
    dir: OwnedDir,
}

impl SledEngine {
    pub(super) fn open(dir: &Path, options: &EngineOptions) -> Result<Self, StoreError> {
        let dir = OwnedDir::claim(dir, NAME, VERSION)?;
        let data = dir.path().join("data");
        let config = ::sled::Config::new()
            .path(&data)
            .cache_capacity(options.cache_bytes)
            // Every commit flushes; nothing is left for a background thread.
            .flush_every_ms(None);
        let db = open_patiently(&config).map_err(|e| error(dir.path(), "open", e))?;
        let log_path = data.join("db");
        let log = File::open(&log_path).map_err(|e| StoreError::io("open", &log_path, e))?;
        let engine = SledEngine { db, log, synced_blobs: Mutex::default(), poison: Poison::default(), dir };
        engine.sync()?;
        sync_path(engine.dir.path())?;
        Ok(engine)
    }

    fn failed(&self, action: &'static str) -> impl Fn(::sled::Error) -> StoreError {
        let dir: PathBuf = self.dir.path().to_owned();
        move |e| error(&dir, action, e)
    }

    fn apply(&self, changes: impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>) -> Result<(), StoreError> {
        let mut writes = ::sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => writes.insert(key, value),
                None => writes.remove(key),
            }
        }
        self.db.apply_batch(writes).map_err(self.failed("write"))?;
        // Into the kernel: survives the process, not the power.
        self.db.flush().map(drop).map_err(self.failed("flush"))
    }

    fn sync_files(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(self.failed("flush"))?;
        let data = self.dir.path().join("data");
        self.sync_blobs(&data.join("blobs"))?;
        self.log.sync_data().map_err(|e| StoreError::io("sync", &data.join("db"), e))?;
        for path in list(&data)? {
            // The snapshot sled recovers from is small and written rarely.
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snap.")) {
                sync_path(&path)?;
            }
        }
        sync_path(&data)
    }

    /// Syncs the large nodes written since the last time. They are written once and removed when they are replaced.
    fn sync_blobs(&self, blobs: &Path) -> Result<(), StoreError> {
        let mut synced = self.synced_blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let there: BTreeSet<PathBuf> = list(blobs)?.into_iter().collect();
        let mut fresh = there.difference(&synced).peekable();
        if fresh.peek().is_some() {
            fresh.try_for_each(|path| sync_path(path))?;
            sync_path(blobs)?;
        }
        *synced = there;
        Ok(())
    }
}

/// sled's threads may hold its own lock a moment longer than its last handle lives. We hold ours, so nobody else can.
fn open_patiently(config: &::sled::Config) -> ::sled::Result<::sled::Db> {
    for _ in 0..OPEN_ATTEMPTS {
        match config.open() {
            Err(::sled::Error::Io(e)) if e.to_string().contains("could not acquire lock") => {
                std::thread::sleep(OPEN_PAUSE);
            }
            opened => return opened,
        }
    }
    config.open()
}

fn tree_key(space: Space, key: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(1 + key.len());
    whole.push(space.byte());
    whole.extend_from_slice(key);
    whole
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match std::fs::read_dir(dir) {
        Ok(entries) => {
            Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect())
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(StoreError::io("list", dir, e)),
    }
}

/// Syncs a file or directory; one that sled has removed meanwhile needs none.
fn sync_path(path: &Path) -> Result<(), StoreError> {
    match File::open(path).and_then(|file| file.sync_all()) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("sync", path, e)),
        _ => Ok(()),
    }
}

impl Engine for SledEngine {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.poison.check()?;
        let value = self.db.get(tree_key(space, key)).map_err(self.failed("read"))?;
        Ok(value.map(|v| v.to_vec()))
    }

    fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.poison.check()?;
        let end = match to {
            Some(to) if to <= from => return Ok(Vec::new()),
            Some(to) => tree_key(space, to),
            None => vec![space.byte() + 1],
        };
        let pairs = self.db.range(tree_key(space, from)..end).take(limit);
        pairs
            .map(|pair| pair.map(|(k, v)| (k[1..].to_vec(), v.to_vec())).map_err(self.failed("read")))
            .collect()
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        batch.check()?;
        let changes = batch.changes.into_iter().map(|c| (tree_key(c.space, &c.key), c.value));
        self.poison.guard(|| self.apply(changes))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.poison.guard(|| self.sync_files())
    }

    fn clear(&self, space: Space) -> Result<(), StoreError> {
        loop {
            let pairs = self.scan(space, &[], None, CLEAR_STEP)?;
            if pairs.is_empty() {
                return self.sync();
            }
            let changes = pairs.into_iter().map(|(key, _)| (tree_key(space, &key), None));
            self.poison.guard(|| self.apply(changes))?;
        }
    }

    fn disk_bytes(&self) -> u64 {
        crate::dir::disk_bytes(self.dir.path())
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

/// Keeps plain I/O errors plain, so that a full disk is recognised.
fn error(dir: &Path, action: &'static str, error: ::sled::Error) -> StoreError {
    match error {
        ::sled::Error::Io(e) => StoreError::io(action, dir, e),
        other => {
            StoreError::Engine { engine: NAME, dir: dir.to_owned(), reason: format!("{action}: {other}") }
        }
    }
}
