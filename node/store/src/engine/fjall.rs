//! fjall: a log-structured merge tree; one keyspace a space, one journal for all.
//!
//! Memory is bounded: one cache for blocks, a few memtables a space, and filters and top-level indexes that grow with
//! the number of keys.

use std::{
    fs,
    ops::Bound,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::Arc,
};

use ::fjall::config::{
    BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
    PartitioningPolicy, PinningPolicy,
};
use ::fjall::{
    AbstractTree, Database, Guard, Iter, Keyspace, KeyspaceCreateOptions, LsmError, PersistMode, Readable,
};

use super::{Batch, Engine, EngineOptions, Pair, Pairs, Poison, Space, Verify};
use crate::StoreError;
use crate::dir::OwnedDir;

const NAME: &str = "fjall";
const VERSION: u32 = 1;
/// A memtable is written out at this size; two or three exist while one is being written out.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// Old journals are kept until their memtables are written out; past this the oldest memtables are. fjall's minimum.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;
const WORKER_THREADS: usize = 2;
/// Table files kept open.
const OPEN_FILES_MAX: usize = 128;

/// The database and its keyspaces, in the order of [`Space::ALL`].
pub(super) struct FjallEngine {
    db: Database,
    spaces: [Keyspace; 3],
    poison: Poison,
    // Unlocked last.
    dir: OwnedDir,
}

impl FjallEngine {
    pub(super) fn open(dir: &Path, options: &EngineOptions) -> Result<Self, StoreError> {
        let dir = OwnedDir::claim(dir, NAME, VERSION)?;
        let data = dir.path().join("data");
        let failed = |e| error(dir.path(), "open", e);
        if !data.exists() {
            create(dir.path(), &data, options)?;
        }
        let db = database(dir.path(), &data, options)?;
        let open = |space: Space| db.keyspace(keyspace_name(space), || keyspace_options(space));
        let spaces = [
            open(Space::Meta).map_err(failed)?,
            open(Space::State).map_err(failed)?,
            open(Space::Index).map_err(failed)?,
        ];
        Ok(FjallEngine { db, spaces, poison: Poison::default(), dir })
    }

    fn space(&self, space: Space) -> &Keyspace {
        &self.spaces[space as usize]
    }

    /// `None`: it is empty.
    fn range(&self, space: Space, from: &[u8], to: Option<&[u8]>) -> Result<Option<Iter>, StoreError> {
        self.poison.check()?;
        let end = match to {
            Some(to) if to <= from => return Ok(None),
            Some(to) => Bound::Excluded(to),
            None => Bound::Unbounded,
        };
        let range: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(from), end);
        Ok(Some(self.space(space).range::<&[u8], _>(range)))
    }

    fn failed(&self, action: &'static str) -> impl Fn(::fjall::Error) -> StoreError + use<> {
        let dir: PathBuf = self.dir.path().to_owned();
        move |e| error(&dir, action, e)
    }
}

/// Makes an empty database under another name first: fjall does not open one whose making was cut short.
fn create(dir: &Path, data: &Path, options: &EngineOptions) -> Result<(), StoreError> {
    let fresh = dir.join("data.new");
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Io { action, path, source: Arc::new(source) }
    };
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(io("remove", &fresh))?;
    }
    drop(database(dir, &fresh, options)?);
    fs::rename(&fresh, data).map_err(io("rename", &fresh))?;
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("fsync", dir))
}

/// Opens the database. What fjall does not expect in a damaged journal makes it panic: to us that is a refusal like any other.
fn database(dir: &Path, data: &Path, options: &EngineOptions) -> Result<Database, StoreError> {
    let builder = Database::builder(data)
        .cache_size(options.cache_bytes)
        .worker_threads(WORKER_THREADS)
        .max_cached_files(Some(OPEN_FILES_MAX))
        .max_journaling_size(JOURNAL_BYTES_MAX);
    let opened = panic::catch_unwind(AssertUnwindSafe(|| builder.open()));
    let opened = opened.map_err(|_| StoreError::Engine {
        engine: NAME,
        dir: dir.to_owned(),
        reason: "its files are damaged".into(),
    })?;
    opened.map_err(|e| error(dir, "open", e))
}

fn keyspace_name(space: Space) -> &'static str {
    match space {
        Space::Meta => "meta",
        Space::State => "state",
        Space::Index => "index",
    }
}

fn keyspace_options(space: Space) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
    match space {
        // Nearly all of it are entries that leave it within a second: not worth compressing.
        Space::Meta => return options.data_block_compression_policy(CompressionPolicy::disabled()),
        Space::State => return options,
        Space::Index => {}
    }
    // Random keys, read one at a time and most often absent (deduplication): small blocks, and filters and block indexes
    // in memory, about 6 bytes a key. Hashes do not compress.
    let bloom = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
    options
        .data_block_size_policy(BlockSizePolicy::all(4 * 1024))
        .data_block_compression_policy(CompressionPolicy::disabled())
        .filter_policy(FilterPolicy::all(bloom))
        .filter_block_partitioning_policy(PartitioningPolicy::all(false))
        .index_block_partitioning_policy(PartitioningPolicy::all(false))
        .filter_block_pinning_policy(PinningPolicy::all(true))
        .index_block_pinning_policy(PinningPolicy::all(true))
}

impl Engine for FjallEngine {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.poison.check()?;
        if key.is_empty() {
            return Ok(None);
        }
        let value = self.space(space).get(key).map_err(self.failed("read"))?;
        Ok(value.map(|v| v.to_vec()))
    }

    fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let pairs = self.range(space, from, to)?.into_iter().flatten().take(limit).map(Guard::into_inner);
        pairs.map(|pair| pair.map(|(k, v)| (k.to_vec(), v.to_vec())).map_err(self.failed("read"))).collect()
    }

    fn keys(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let keys = self.range(space, from, to)?.into_iter().flatten().take(limit).map(Guard::key);
        keys.map(|key| key.map(|key| key.to_vec()).map_err(self.failed("read"))).collect()
    }

    fn freeze(&self, space: Space) -> Result<Option<Pairs>, StoreError> {
        self.poison.check()?;
        let failed = self.failed("read");
        let pairs = self.db.snapshot().iter(self.space(space)).map(Guard::into_inner);
        Ok(Some(Box::new(
            pairs.map(move |pair| pair.map(|(k, v)| (k.to_vec(), v.to_vec())).map_err(&failed)),
        )))
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        batch.check()?;
        self.poison.guard(|| {
            let mut writes = self.db.batch();
            for change in batch.changes {
                let keyspace = self.space(change.space);
                match change.value {
                    Some(value) => writes.insert(keyspace, change.key, value),
                    None => writes.remove(keyspace, change.key),
                }
            }
            // Out of our buffers into the kernel's: survives the process, not the power.
            writes.durability(Some(PersistMode::Buffer)).commit().map_err(self.failed("write"))
        })
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.poison.guard(|| self.db.persist(PersistMode::SyncData).map_err(self.failed("sync")))
    }

    fn clear(&self, space: Space) -> Result<(), StoreError> {
        self.poison.guard(|| {
            self.space(space).clear().map_err(self.failed("clear"))?;
            self.db.persist(PersistMode::SyncData).map_err(self.failed("sync"))
        })
    }

    fn files_at_rest(&self) -> Vec<PathBuf> {
        let versions = self.spaces.iter().map(|keyspace| keyspace.tree.current_version());
        versions
            .flat_map(|version| {
                version.iter_tables().map(|table| table.path.to_path_buf()).collect::<Vec<_>>()
            })
            .collect()
    }

    fn verify(&self, file: &Path) -> Result<Option<Verify>, StoreError> {
        for keyspace in &self.spaces {
            let version = keyspace.tree.current_version();
            if let Some(table) = version.iter_tables().find(|table| **table.path == *file) {
                return Verify::begin(file, table.checksum().into_u128(), table.clone()).map(Some);
            }
        }
        Ok(None)
    }

    fn disk_bytes(&self) -> u64 {
        crate::dir::disk_bytes(self.dir.path())
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

/// Keeps plain I/O errors plain, so that a full disk is recognised.
fn error(dir: &Path, action: &'static str, error: ::fjall::Error) -> StoreError {
    match error {
        ::fjall::Error::Io(e) | ::fjall::Error::Storage(LsmError::Io(e)) => StoreError::io(action, dir, e),
        ::fjall::Error::Locked => StoreError::Locked(dir.to_owned()),
        other => {
            StoreError::Engine { engine: NAME, dir: dir.to_owned(), reason: format!("{action}: {other:?}") }
        }
    }
}
