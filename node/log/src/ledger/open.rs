//! Opening the ledger: from what is on disk to the right edge in memory.

use std::{
    path::Path,
    sync::{Arc, Mutex, RwLock},
};

use bytes::Bytes;
use ledger_format::{Hash, TILE_WIDTH, leaf_hash, tile_root};
use ledger_state::KeptPoints;
use ledger_store::{Engine, Files, Space};
use tokio::sync::watch;

use super::{
    AppliedMark, BundleCache, Edge, Endings, Ledger, LedgerError, PublishedCheckpoint, RaftMark, StateCache,
    TileCache, TileWriter, meta,
    view::{LedgerView, Overlay},
};
use crate::{
    alarm::{AlarmKind, Alarms},
    raft::codec,
    snapshot,
};

impl Ledger {
    /// Opens the state under `dir`, finishing a snapshot installation that a crash interrupted.
    ///
    /// # Errors
    /// Storage that cannot be read, or does not fit together: the root computed from tiles must be the one that the
    /// state remembers.
    pub(crate) fn open(
        dir: &Path,
        engine: Arc<dyn Engine>,
        alarms: Arc<Alarms>,
    ) -> Result<Arc<Self>, LedgerError> {
        let ledger = Self::open_unloaded(dir, engine, alarms)?;
        snapshot::remove_unfinished(dir)?;
        ledger.finish_import()?;
        ledger.load()?;
        ledger.writer.start(&ledger).map_err(|e| LedgerError::io("start the tile writer of", dir, e))?;
        Ok(ledger)
    }

    /// The parts, before anything is read.
    pub(crate) fn open_unloaded(
        dir: &Path,
        engine: Arc<dyn Engine>,
        alarms: Arc<Alarms>,
    ) -> Result<Arc<Self>, LedgerError> {
        let files = Files::open(&dir.join("tiles"))?;
        Ok(Arc::new(Self {
            engine,
            files,
            edge: RwLock::default(),
            tiles: Mutex::new(TileCache::default()),
            bundles: Mutex::new(BundleCache::default()),
            state: StateCache::default(),
            endings: Endings::default(),
            points: KeptPoints::default(),
            applied: watch::Sender::default(),
            published: watch::Sender::default(),
            seal_now: watch::Sender::new(None),
            erased_now: tokio::sync::Notify::new(),
            raft: Mutex::default(),
            snapshot_writers: Arc::default(),
            writer: TileWriter::default(),
            alarms,
            dir: dir.to_owned(),
        }))
    }

    /// Reads everything that is kept in memory, replacing what was there.
    pub(super) fn load(&self) -> Result<(), LedgerError> {
        self.forget_cached_state();
        let edge = self.load_edge()?;
        let size = edge.size();
        *self.edge.write().unwrap_or_else(std::sync::PoisonError::into_inner) = edge;
        self.check_root(size)?;

        let mark = self.load_raft_mark()?;
        let (raft_index, term) = mark.applied.map_or((0, 0), |id| (id.index, id.leader_id.term));
        *self.raft.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = mark;
        self.applied.send_replace(AppliedMark { raft_index, term, size });
        let published = self.with_view(|view| ledger_state::status(view))?.published;
        let published = match published {
            Some(published) => Some(Arc::new(
                PublishedCheckpoint::read(&published.note)
                    .map_err(|e| LedgerError::corrupt("published checkpoint", e))?,
            )),
            None => None,
        };
        self.published.send_replace(published);
        Ok(())
    }

    fn load_raft_mark(&self) -> Result<RaftMark, LedgerError> {
        let corrupt = |e: crate::bytes_codec::Malformed| LedgerError::malformed("raft bookkeeping", &e);
        let applied = match self.engine.get(Space::Meta, meta::APPLIED)? {
            Some(bytes) => codec::decode_log_id(Bytes::from(bytes)).map_err(corrupt)?,
            None => None,
        };
        let membership = match self.engine.get(Space::Meta, meta::MEMBERSHIP)? {
            Some(bytes) => codec::decode_membership(Bytes::from(bytes)).map_err(corrupt)?,
            None => Default::default(),
        };
        Ok(RaftMark { applied, membership })
    }

    /// Index below which entries are in durable files.
    pub(super) fn filed_until(&self) -> Result<u64, LedgerError> {
        let bytes = self.engine.get(Space::Meta, meta::FILED)?;
        let filed = bytes.and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes);
        Ok(filed)
    }

    fn load_edge(&self) -> Result<Edge, LedgerError> {
        let filed = self.filed_until()?;
        let mut edge = Edge::behind_files(filed, self.partial_tiles_behind(filed)?);
        for (key, chunk) in self.engine.scan(Space::Meta, meta::EDGE, Some(b"edge0"), usize::MAX)? {
            let first = key.strip_prefix(meta::EDGE).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
            let first = first.ok_or_else(|| LedgerError::corrupt("edge", "a key is malformed"))?;
            for (index, entry) in (first..).zip(bundle_entries(&Bytes::from(chunk))?) {
                if index == edge.size() {
                    edge.push(leaf_hash(&entry), entry);
                } else if index > edge.size() {
                    return Err(LedgerError::corrupt(
                        "edge",
                        format!("entries {} to {index} are missing", edge.size()),
                    ));
                }
            }
        }
        Ok(edge)
    }

    /// The partial tiles of all levels for a log that ends at `filed`, from the roots of the full tiles below them.
    pub(super) fn partial_tiles_behind(&self, filed: u64) -> Result<Vec<Vec<Hash>>, LedgerError> {
        let mut partial = vec![Vec::new()];
        let mut full_below = filed / TILE_WIDTH;
        let mut level = 0_u8;
        while full_below > 0 {
            let first = full_below / TILE_WIDTH * TILE_WIDTH;
            let mut row: Vec<Hash> = Vec::with_capacity(TILE_WIDTH as usize);
            for index in first..full_below {
                let tile = self.read_full_tile(level, index)?;
                let tile = tile.ok_or_else(|| {
                    LedgerError::corrupt(format!("tile/{level}/{index}"), "the tile is missing")
                })?;
                row.push(tile_root(&tile));
            }
            partial.push(row);
            full_below /= TILE_WIDTH;
            level += 1;
        }
        Ok(partial)
    }

    fn check_root(&self, size: u64) -> Result<(), LedgerError> {
        let overlay = Overlay::new();
        let view = LedgerView::new(self, &overlay);
        let status = ledger_state::status(&view);
        if let Some(error) = view.into_fault() {
            return Err(error);
        }
        if status.size != size {
            return Err(LedgerError::corrupt(
                "state",
                format!("the state has {} entries, the tiles have {size}", status.size),
            ));
        }
        if size > 0 && self.root_at(size)? != status.root {
            let text = format!("the root of {size} entries computed from tiles is not the one in the state");
            self.alarms.raise(AlarmKind::Corruption, text.clone());
            let what = crate::scrub::damaged_at_edge(self, self.filed_until()?);
            return Err(LedgerError::corrupt(what.unwrap_or_else(|| "the tree".into()), text));
        }
        Ok(())
    }
}

/// The entries of a chunk in bundle encoding, without copying.
pub(super) fn bundle_entries(chunk: &Bytes) -> Result<Vec<Bytes>, LedgerError> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < chunk.len() {
        let short = || LedgerError::corrupt("edge", format!("an entry is cut off at byte {at}"));
        let len = chunk.get(at..at + 2).ok_or_else(short)?;
        let end = at + 2 + usize::from(u16::from_be_bytes([len[0], len[1]]));
        if end > chunk.len() {
            return Err(short());
        }
        entries.push(chunk.slice(at + 2..end));
        at = end;
    }
    Ok(entries)
}
