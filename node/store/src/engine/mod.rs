//! Ordered bytes in three spaces, changed by atomic batches.
//!
//! Everything in an engine can be rebuilt by replaying the Raft log from the last snapshot; so [`Engine::commit`] need
//! not be durable, [`Engine::sync`] must be, and the caller syncs before it purges the Raft log.
//!
//! Why fjall is the default (`examples/bench_store.rs`, two busy cores, 33-byte keys, 72-byte values, default options):
//!
//! | engine | keys | load/s | get/s hit | get/s miss | memory, peak | disk | reopen |
//! |---|---|---|---|---|---|---|---|
//! | fjall | 10 M | 144 k | 65 k | 196 k | 129 MiB, 176 MiB | 1,765 MiB | 0.6 s |
//! | sled | 3 M | 26 k | 37 k | 49 k | 198 MiB, 224 MiB | 962 MiB | 1.9 s |

mod batch;
mod fjall;
mod memory;
mod sled;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use batch::Batch;
pub use verify::{VERIFY_STEP_BYTES, Verify};

use crate::StoreError;

/// Longest key in bytes; the shortest has one.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest value in bytes: room for a whole bundle of the largest entries. What grows beyond belongs in files.
pub const VALUE_BYTES_MAX: usize = 32 << 20;

/// Where a key lives. The spaces share batches and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// What only this node knows: the raft_index it has applied, marks of unfinished work.
    Meta,
    /// Replicated state: small, read and rewritten often.
    State,
    /// One key per record: written once, tens of millions of them.
    Index,
}

impl Space {
    /// All spaces.
    pub const ALL: [Space; 3] = [Space::Meta, Space::State, Space::Index];

    /// The byte that names the space on disk. Never reused.
    const fn byte(self) -> u8 {
        match self {
            Space::Meta => b'm',
            Space::State => b's',
            Space::Index => b'i',
        }
    }
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);
/// All pairs of a space in ascending order of keys, as [`Engine::freeze`] gives them.
pub type Pairs = Box<dyn Iterator<Item = Result<Pair, StoreError>> + Send>;

/// Ordered bytes. Handles are shared between threads; commits are serialized by the engine.
///
/// A batch is atomic for whoever opens the directory next. A reader on another thread may see the first half of a batch
/// that is being committed; readers that must not are kept behind a size by their owner.
pub trait Engine: Send + Sync + 'static {
    /// The value of a key; the empty key has none.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Up to `limit` pairs with `from <= key < to`, in ascending order of keys; no `to` means until the end of the space.
    fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError>;

    /// As [`Self::scan`], the keys alone: for values that are long and not asked for.
    fn keys(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.scan(space, from, to, limit)?.into_iter().map(|(key, _)| key).collect())
    }

    /// All pairs of a space as they are now, whatever is committed or cleared while they are read. Takes no longer for a large space, but
    /// the engine keeps what is overwritten meanwhile: do not hold it for long.
    ///
    /// `None`: this engine keeps no old versions. Who needs pairs of one moment then reads while nothing is committed.
    fn freeze(&self, _space: Space) -> Result<Option<Pairs>, StoreError> {
        Ok(None)
    }

    /// Applies a batch: all of it or nothing, across spaces, after all earlier batches. On return it survives the death
    /// of the process; a power cut may take it, together with everything committed later, until the next [`sync`].
    ///
    /// [`sync`]: Self::sync
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;

    /// Makes everything committed before durable.
    fn sync(&self) -> Result<(), StoreError>;

    /// Removes every key of a space. Durable on return. Not atomic: after a crash in between some keys may remain, so
    /// callers leave a mark in [`Space::Meta`] and clear again.
    fn clear(&self, space: Space) -> Result<(), StoreError>;

    /// The files that can be verified at this moment: what is written once, with a checksum of the whole. Not the journal of
    /// the newest batches, which is read at the next open only. Empty where an engine has no such files.
    fn files_at_rest(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Begins to read one of them again; `None` when the engine has let go of it since.
    fn verify(&self, _file: &Path) -> Result<Option<Verify>, StoreError> {
        Ok(None)
    }

    /// Bytes the engine occupies on disk.
    fn disk_bytes(&self) -> u64;

    /// Name of the engine, as in the configuration.
    fn name(&self) -> &'static str;
}

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Nothing on disk; for tests.
    Memory,
    /// Log-structured merge tree; the default.
    Fjall,
    /// B-tree-like; fine up to about a million keys.
    Sled,
}

impl EngineKind {
    /// All engines.
    pub const ALL: [EngineKind; 3] = [EngineKind::Memory, EngineKind::Fjall, EngineKind::Sled];

    /// The name in configuration files.
    pub const fn name(self) -> &'static str {
        match self {
            EngineKind::Memory => "memory",
            EngineKind::Fjall => "fjall",
            EngineKind::Sled => "sled",
        }
    }
}

impl std::str::FromStr for EngineKind {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, UnknownEngine> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| UnknownEngine(text.to_owned()))
    }
}

/// A configuration names an engine that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown engine {0:?}; known are fjall, sled and memory")]
pub struct UnknownEngine(String);

/// How an engine is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// Bytes of cache. Memory beyond it: fjall a few memtables of 8 MiB a space and about 6 bytes a key of
    /// [`Space::Index`]; sled several times the cache.
    pub cache_bytes: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions { cache_bytes: 48 << 20 }
    }
}

/// Opens an engine in `dir`, which it then holds alone; creates it in an empty or missing directory.
///
/// Fails when the directory is in use, or holds another engine's or a newer version's data.
pub fn open(kind: EngineKind, dir: &Path, options: &EngineOptions) -> Result<Arc<dyn Engine>, StoreError> {
    Ok(match kind {
        EngineKind::Memory => Arc::new(memory::MemoryEngine::default()),
        EngineKind::Fjall => Arc::new(fjall::FjallEngine::open(dir, options)?),
        EngineKind::Sled => Arc::new(sled::SledEngine::open(dir, options)?),
    })
}

/// Remembers the first failure of a write or an fsync and gives it to every later caller.
#[derive(Debug, Default)]
struct Poison(std::sync::OnceLock<StoreError>);

impl Poison {
    /// Fails when something failed before.
    fn check(&self) -> Result<(), StoreError> {
        match self.0.get() {
            Some(first) => Err(first.poison()),
            None => Ok(()),
        }
    }

    /// Runs a write; its failure is final.
    fn guard<T>(&self, write: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.check()?;
        write().inspect_err(|e| {
            // A second failure at the same time changes nothing: the first one stays.
            let _ = self.0.set(e.clone());
        })
    }
}
