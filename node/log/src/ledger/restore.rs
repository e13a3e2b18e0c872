//! Taking over another node's state: bundles verified one by one, then the small state in one step (rule R1).
//!
//! A Raft snapshot is a manifest {size, root, right edge, state}; it never holds the log. Full bundles are fetched from a
//! peer, each with a proof against the manifest's root, and tiles are computed from them, so nothing unverified is stored.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use ledger_format::{Hash, TILE_WIDTH, leaf_hash, tile_root, verify_subtree};
use ledger_store::{
    Batch, Space,
    disk::{Disk, RealDisk},
};

use super::{Edge, Ledger, LedgerError, meta, open::bundle_entries, tile_tree::TileTree, view::space_of};
use crate::{
    raft::codec,
    snapshot::{self, Manifest, SnapshotFile},
};

/// Meta key: path of a snapshot whose installation has begun.
const INSTALLING: &[u8] = b"installing";
/// Keys written per engine commit while state is replaced.
const KEYS_AT_ONCE: usize = 4_096;

/// Bundles from a peer on their way into this ledger.
pub(crate) struct Imported<'a> {
    ledger: &'a Ledger,
    manifest: &'a Manifest,
    edge: Edge,
}

impl<'a> Imported<'a> {
    /// Begins behind the files that this node already has.
    pub(crate) fn begin(ledger: &'a Ledger, manifest: &'a Manifest) -> Result<Self, LedgerError> {
        ledger.write_full_tiles()?;
        let filed = ledger.filed_until()?;
        Ok(Self { ledger, manifest, edge: Edge::behind_files(filed, ledger.partial_tiles_behind(filed)?) })
    }

    /// Index of the next bundle that is needed; `None` when all full ones are here.
    pub(crate) fn next_bundle(&self) -> Option<u64> {
        (self.edge.size() < self.manifest.full_until()).then(|| self.edge.size() / TILE_WIDTH)
    }

    /// Takes one full bundle: checks it against the manifest's root, computes its tiles, stores both durably.
    pub(crate) fn add(&mut self, bundle: &Bytes, proof: &[Hash]) -> Result<(), LedgerError> {
        let first = self.edge.size();
        let what = || format!("bundle {} from a peer", first / TILE_WIDTH);
        let entries = bundle_entries(bundle)?;
        if entries.len() as u64 != TILE_WIDTH {
            return Err(LedgerError::corrupt(what(), format!("{} entries instead of 256", entries.len())));
        }
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        verify_subtree(
            first,
            first + TILE_WIDTH,
            self.manifest.size,
            proof,
            tile_root(&leaves),
            self.manifest.root,
        )
        .map_err(|e| LedgerError::corrupt(what(), e.to_string()))?;
        let mut index_batch = Batch::default();
        for (i, (leaf, entry)) in leaves.into_iter().zip(entries).enumerate() {
            for (key, value) in ledger_state::record_index(first + i as u64, &entry) {
                index_batch.put(space_of(&key), key, value);
            }
            self.edge.push(leaf, entry);
        }
        let until = self.edge.full_until();
        let mut files =
            vec![(ledger_format::BundleId { index: first / TILE_WIDTH, width: 256 }.path(), bundle.to_vec())];
        for ((level, index), tile) in self.edge.full_tiles_until(until) {
            files.push((
                ledger_format::TileId { level, index, width: 256 }.path(),
                ledger_format::encode_tile(tile.hashes()),
            ));
        }
        self.ledger.write_files(&files)?;
        self.ledger.engine.commit(index_batch)?;
        self.edge.forget(until);
        Ok(())
    }

    /// Checks that the manifest's right edge completes the tree to its root.
    pub(crate) fn finish(mut self) -> Result<(), LedgerError> {
        for entry in bundle_entries(&self.manifest.edge)? {
            self.edge.push(leaf_hash(&entry), entry);
        }
        let corrupt = |text: &str| Err(LedgerError::corrupt("raft snapshot", text));
        if self.edge.size() != self.manifest.size {
            return corrupt("its right edge does not end at its size");
        }
        let leaves_root = self.root();
        if self.manifest.size > 0 && leaves_root? != self.manifest.root {
            return corrupt("its entries do not give its root");
        }
        Ok(())
    }

    fn root(&self) -> Result<Hash, LedgerError> {
        ledger_format::tree_root(&EdgeHashes { edge: &self.edge, ledger: self.ledger }, self.manifest.size)
    }
}

/// The tree of an edge that is not installed yet, over files that are.
struct EdgeHashes<'a> {
    edge: &'a Edge,
    ledger: &'a Ledger,
}

impl ledger_format::HashReader for EdgeHashes<'_> {
    type Error = LedgerError;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, LedgerError> {
        let (tile_level, within) = (level / 8, level % 8);
        let start = index << within;
        let (tile, offset) = (start / TILE_WIDTH, (start % TILE_WIDTH) as usize);
        let missing = || LedgerError::corrupt("tiles", format!("tile {tile_level}/{tile} is too short"));
        let at = offset >> within;
        if let Some(held) = self.edge.tile(tile_level, tile) {
            return held.subtree(within, at).ok_or_else(missing);
        }
        let hashes = self.ledger.read_full_tile(tile_level, tile)?.ok_or_else(missing)?;
        TileTree::of(&hashes).subtree(within, at).ok_or_else(missing)
    }
}

impl Ledger {
    /// Replaces the state by the snapshot's. Its full bundles must already be here ([`Imported`]).
    ///
    /// The path is noted first and the note removed last: a crash in between repeats the installation at the next open. A snapshot that is
    /// damaged, or that a power cut would take, is not noted: this node would never open again.
    pub(crate) fn install(&self, path: &Path) -> Result<(), LedgerError> {
        self.install_from(&RealDisk, path)
    }

    /// The same, from any disk.
    pub(crate) fn install_from(&self, disk: &dyn Disk, path: &Path) -> Result<(), LedgerError> {
        let snapshot = SnapshotFile::read(path)?;
        snapshot::make_durable(disk, path)?;
        let mut batch = Batch::default();
        batch.put(Space::Meta, INSTALLING, path.to_string_lossy().as_bytes());
        self.engine.commit(batch)?;
        self.engine.sync()?;
        // Whoever writes files notes how far they go, and thinks of the edge that was: not in between.
        let _turn = self.writer.take_turn();
        self.replace_state(snapshot)?;
        self.load()?;
        self.erased_now.notify_one();
        Ok(())
    }

    /// Reads the per-record index back from bundles that are already in files, checking them on the way.
    pub(crate) fn index_files(&self, manifest: &Manifest) -> Result<(), LedgerError> {
        for index in 0..manifest.full_until() / TILE_WIDTH {
            let path = ledger_format::BundleId { index, width: 256 }.path();
            let bundle = self
                .files
                .read(&path)?
                .ok_or_else(|| LedgerError::corrupt(&path, "the bundle is missing"))?;
            let entries = bundle_entries(&Bytes::from(bundle))?;
            let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
            if self.read_full_tile(0, index)?.as_deref() != Some(leaves.as_slice()) {
                return Err(LedgerError::corrupt(path, "it does not match its tile"));
            }
            let mut batch = Batch::default();
            for (i, entry) in entries.iter().enumerate() {
                for (key, value) in ledger_state::record_index(index * TILE_WIDTH + i as u64, entry) {
                    batch.put(space_of(&key), key, value);
                }
            }
            self.engine.commit(batch)?;
        }
        Ok(())
    }

    /// Finishes an installation that a crash interrupted.
    pub(super) fn finish_import(&self) -> Result<(), LedgerError> {
        match self.engine.get(Space::Meta, INSTALLING)? {
            Some(path) => {
                let path = PathBuf::from(String::from_utf8_lossy(&path).into_owned());
                self.replace_state(SnapshotFile::read(&path)?)
            }
            None => Ok(()),
        }
    }

    fn replace_state(&self, mut snapshot: SnapshotFile) -> Result<(), LedgerError> {
        let manifest = snapshot.manifest().clone();
        self.engine.clear(Space::State)?;
        let mut batch = Batch::default();
        for key in self.engine.keys(Space::Meta, meta::EDGE, Some(b"edge0"), usize::MAX)? {
            batch.delete(Space::Meta, key);
        }
        while let Some((key, value)) = snapshot.next_pair()? {
            batch.put(Space::State, key, value);
            if batch.len() >= KEYS_AT_ONCE {
                self.engine.commit(std::mem::take(&mut batch))?;
            }
        }
        let full_until = manifest.full_until();
        if !manifest.edge.is_empty() {
            batch.put(Space::Meta, meta::edge_key(full_until), manifest.edge.to_vec());
            for (i, entry) in bundle_entries(&manifest.edge)?.iter().enumerate() {
                for (key, value) in ledger_state::record_index(full_until + i as u64, entry) {
                    batch.put(space_of(&key), key, value);
                }
            }
        }
        batch.put(Space::Meta, meta::FILED, full_until.to_be_bytes());
        batch.put(Space::Meta, meta::APPLIED, codec::encode_log_id(&manifest.meta.last_log_id).to_vec());
        batch.put(
            Space::Meta,
            meta::MEMBERSHIP,
            codec::encode_membership(&manifest.meta.last_membership).to_vec(),
        );
        batch.delete(Space::Meta, INSTALLING);
        self.engine.commit(batch)?;
        Ok(self.engine.sync()?)
    }
}
