//! Bytes on disk: the ordered key-value engine, the Raft log and immutable files.
//!
//! ```text
//! engine/     ordered bytes in three spaces, atomic batches     small and mutable things, rebuildable from the Raft log
//! raft_log/   segmented write-ahead log, one fdatasync a group  the promise a node makes when it acknowledges
//! files       immutable files under a root directory            tiles and entry bundles, served as they are
//! disk        the only door to the operating system's files     tests put a failing disk behind it
//! space       free space and the reserve                        bookkeeping still fits when the disk is full
//! ```
//!
//! Nothing here knows what the bytes mean: no ledger words, no consensus library. Every call blocks; the caller picks
//! the thread. There is no clock and no randomness.
//!
//! # What is assumed of the medium
//!
//! 1. A completed `fsync` or `fdatasync` has made the bytes of that file durable, and an `fsync` of a directory has made
//!    the names in it durable.
//! 2. A failed `fsync` says nothing about what is durable, then or later: the kernel may have dropped the dirty pages.
//!    So the first failure is final and every later call repeats it (see [`StoreError::Poisoned`]).
//! 3. Bytes may rot. Every Raft log frame carries a checksum that is checked whenever it is read; immutable files are
//!    checked against the hashes of the tree by their owner.
//! 4. One process at a time: every directory is locked while it is open.

mod dir;
mod erasable;
mod error;
mod files;
mod space;

pub mod disk;
pub mod engine;
pub mod raft_log;

#[cfg(feature = "testing")]
pub mod conformance;

pub use engine::{Batch, Engine, EngineKind, EngineOptions, Pair, Pairs, Space, open};
pub use erasable::ErasableFiles;
pub use error::StoreError;
pub use files::Files;
pub use raft_log::{RaftLog, RaftLogOptions, Recovered};
pub use space::free_bytes;
