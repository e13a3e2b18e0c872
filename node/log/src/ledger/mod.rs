//! The replicated state on this node's disk: engine, right edge and tile files, behind one door.
//!
//! Raft hands committed entries to [`Ledger::apply`] one batch at a time; everybody else only reads. What a batch
//! changes reaches the engine in one atomic write together with the raft_entry that caused it (rule S3), so after any
//! crash the state is that of some applied raft_entry, and replaying from there gives the same bytes.

mod apply;
mod cache;
mod edge;
mod endings;
mod error;
mod file_cache;
mod files;
mod open;
mod read;
mod restore;
#[cfg(test)]
mod restore_race;
mod tile_tree;
mod view;

use std::{
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
};

use ledger_format::{Checkpoint, Note};
use ledger_state::KeptPoints;
use ledger_store::{Engine, Files};
use tokio::sync::watch;

pub(crate) use apply::Work;
use cache::StateCache;
pub(crate) use edge::Edge;
use endings::Endings;
pub use error::LedgerError;
use file_cache::{BundleCache, TileCache};
pub(crate) use files::TileWriter;
pub(crate) use restore::Imported;

use crate::{
    alarm::Alarms,
    raft::types::{LogId, StoredMembership},
    snapshot::SnapshotWriters,
};

/// Keys of the engine's `Meta` space: bookkeeping of this node, not replicated.
pub(crate) mod meta {
    /// The last applied raft_entry.
    pub(crate) const APPLIED: &[u8] = b"applied";
    /// The membership in force at it.
    pub(crate) const MEMBERSHIP: &[u8] = b"membership";
    /// Entries below this index are in durable files (u64, a multiple of 256).
    pub(crate) const FILED: &[u8] = b"filed";
    /// Prefix of the entries at the right edge: `edge/` + index of the first one (u64), value in bundle encoding.
    pub(crate) const EDGE: &[u8] = b"edge/";

    /// Key of the edge chunk that begins at `index`.
    pub(crate) fn edge_key(index: u64) -> Vec<u8> {
        [EDGE, &index.to_be_bytes()].concat()
    }
}

/// How far this node has applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppliedMark {
    /// Index of the last applied raft_entry; 0 before the first.
    pub raft_index: u64,
    /// Term of that raft_entry.
    pub term: u64,
    /// Entries in the log.
    pub size: u64,
}

/// The checkpoint that every replica serves (rule V1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedCheckpoint {
    /// The signed note, byte for byte.
    pub note: Arc<[u8]>,
    /// The same, taken apart.
    pub parsed: Note,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The largest time among its cosignatures in milliseconds; 0 without any.
    pub at_ms: u64,
}

/// State and log of one hosted log on this node. All methods block on the disk at most for one read or commit.
pub(crate) struct Ledger {
    engine: Arc<dyn Engine>,
    files: Files,
    edge: RwLock<Edge>,
    tiles: Mutex<TileCache>,
    bundles: Mutex<BundleCache>,
    state: StateCache,
    endings: Endings,
    points: KeptPoints,
    applied: watch::Sender<AppliedMark>,
    published: watch::Sender<Option<Arc<PublishedCheckpoint>>>,
    seal_now: watch::Sender<Option<Range<u64>>>,
    erased_now: tokio::sync::Notify,
    raft: Mutex<RaftMark>,
    snapshot_writers: Arc<SnapshotWriters>,
    writer: TileWriter,
    alarms: Arc<Alarms>,
    dir: PathBuf,
}

/// What Raft asks the state machine at start.
#[derive(Clone, Default)]
pub(crate) struct RaftMark {
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

impl Ledger {
    /// Number of entries, also those not yet published.
    pub(crate) fn size(&self) -> u64 {
        self.applied.borrow().size
    }

    /// Waits until something was revoked, killed or suspended since the last call; the indexes of the entries that did it.
    pub(crate) async fn seal_now(&self) -> Range<u64> {
        let mut wanted = self.seal_now.subscribe();
        loop {
            if let Some(indexes) = self.seal_now.send_replace(None) {
                return indexes;
            }
            // The sender is ours, so it is not gone.
            let _ = wanted.wait_for(Option::is_some).await;
        }
    }

    fn want_sealed(&self, indexes: Range<u64>) {
        self.seal_now.send_modify(|wanted| *wanted = Some(join(wanted.take(), indexes)));
    }

    /// Waits until a subject is erased or the state is replaced, or comes back at once if that was since the last call.
    pub(crate) async fn erased_now(&self) {
        self.erased_now.notified().await;
    }

    /// Watches how far this node has applied.
    pub(crate) fn watch_applied(&self) -> watch::Receiver<AppliedMark> {
        self.applied.subscribe()
    }

    /// Watches the published checkpoint.
    pub(crate) fn watch_published(&self) -> watch::Receiver<Option<Arc<PublishedCheckpoint>>> {
        self.published.subscribe()
    }

    /// The published checkpoint.
    pub(crate) fn published(&self) -> Option<Arc<PublishedCheckpoint>> {
        self.published.borrow().clone()
    }

    /// What Raft knew when the last batch was committed.
    pub(crate) fn raft_mark(&self) -> RaftMark {
        self.raft.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The engine, for snapshots and backups.
    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// The tile files.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// The directory of this log.
    pub(crate) fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// The snapshots that are being written.
    pub(crate) fn snapshot_writers(&self) -> &Arc<SnapshotWriters> {
        &self.snapshot_writers
    }

    /// Signers' keys as points.
    pub(crate) fn points(&self) -> &KeptPoints {
        &self.points
    }

    /// Alarms of this log on this node.
    pub(crate) fn alarms(&self) -> &Arc<Alarms> {
        &self.alarms
    }

    /// Makes everything applied durable: tile files first, then the engine (rule S4).
    pub(crate) fn sync(&self) -> Result<(), LedgerError> {
        self.write_full_tiles()?;
        Ok(self.engine.sync()?)
    }

    /// Index below which entries are in durable files.
    pub(crate) fn filed(&self) -> u64 {
        self.edge().first()
    }

    /// Ends the thread that writes tile files.
    pub(crate) fn stop(&self) {
        self.writer.stop();
    }

    /// After files were repaired or replaced.
    pub(crate) fn forget_cached_files(&self) {
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.bundles.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Flips a bit of the tree in memory; see [`Edge::flip`].
    #[cfg(any(test, simulation))]
    pub(crate) fn flip_in_memory(&self, bit: usize) -> bool {
        self.edge.write().unwrap_or_else(PoisonError::into_inner).flip(bit)
    }

    fn edge(&self) -> RwLockReadGuard<'_, Edge> {
        self.edge.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_cached_state(&self) {
        self.state.clear();
        self.forget_cached_files();
    }
}

/// From the first index of both to the last.
pub(crate) fn join(some: Option<Range<u64>>, more: Range<u64>) -> Range<u64> {
    some.map_or(more.clone(), |some| some.start.min(more.start)..some.end.max(more.end))
}
