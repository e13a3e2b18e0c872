//! Reading tiles, bundles, entries and tree hashes, from the edge or from files.
//!
//! What comes from a file is checked before it is used: a tile against its parent, a bundle against its tile. A bit that
//! flipped at rest is never served and never hashed into a root; the scrub repairs it from a peer.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use ledger_format::{
    BundleId, Hash, HashReader, TILE_WIDTH, TileId, leaf_hash, parse_bundle, parse_tile, push_bundle_entry,
    record::AgentId, tree_root,
};
use ledger_state::keys;
use ledger_store::Space;

use super::{Ledger, LedgerError, tile_tree::TileTree};
use crate::{
    ablation::{self, Rule},
    alarm::{AlarmKind, Cause},
};

/// The tree of all applied entries.
pub(crate) struct LogHashes<'a>(&'a Ledger);

impl HashReader for LogHashes<'_> {
    type Error = LedgerError;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, LedgerError> {
        // The subtree covers 2^within hashes of one tile at a level that is a multiple of eight.
        let (tile_level, within) = (level / 8, level % 8);
        let start = index << within;
        let (tile, offset) = (start / TILE_WIDTH, (start % TILE_WIDTH) as usize);
        let at = offset >> within;
        let missing = || missing(tile_level, tile, (at + 1) << within);
        if let Some(held) = self.0.edge().tile(tile_level, tile) {
            return held.subtree(within, at).ok_or_else(missing);
        }
        self.0.checked_tile(tile_level, tile)?.and_then(|tile| tile.subtree(within, at)).ok_or_else(missing)
    }
}

impl Ledger {
    /// The tree hashes of all applied entries.
    pub(crate) fn hashes(&self) -> LogHashes<'_> {
        LogHashes(self)
    }

    /// The root at `size`, re-derived from tiles. `size` must not exceed what is applied.
    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        tree_root(&self.hashes(), size)
    }

    /// Size of the log and its root, computed from tiles and found to be what the state says: of all that is applied, or a moment behind.
    ///
    /// # Errors
    /// The two trees that this node keeps differ: a bit has flipped in one of them. The alarm is raised.
    pub(crate) fn checked_root(&self) -> Result<(u64, Hash), LedgerError> {
        let kept = self.with_view(|view| ledger_state::status(view))?;
        let root = self.root_at(kept.size)?;
        if root == kept.root || ablation::is_off(Rule::G1) {
            return Ok((kept.size, root));
        }
        let text = format!("the root of {} entries from tiles is not the one in the state", kept.size);
        self.alarms.raise(AlarmKind::RootMismatch, text.clone());
        Err(LedgerError::corrupt("tiles or state", text))
    }

    /// One hash of a tile that is as wide.
    fn tile_hash(&self, level: u8, index: u64, at: usize) -> Result<Hash, LedgerError> {
        LogHashes(self).subtree(8 * level, index * TILE_WIDTH + at as u64)
    }

    /// A full tile from its file, found to be what its parent says; `None` when there is no such file.
    fn checked_tile(&self, level: u8, index: u64) -> Result<Option<Arc<TileTree>>, LedgerError> {
        if let Some(tile) = self.tiles.lock().unwrap_or_else(PoisonError::into_inner).get((level, index)) {
            return Ok(Some(tile));
        }
        let Some(hashes) = self.read_full_tile(level, index)? else { return Ok(None) };
        let tile = Arc::new(TileTree::of(&hashes));
        // A parent in a file is itself checked, up to the edge, whose root the state keeps too.
        let expected = self.tile_hash(level + 1, index / TILE_WIDTH, (index % TILE_WIDTH) as usize)?;
        if tile.root() != Some(expected) {
            let path = TileId { level, index, width: TILE_WIDTH as u16 }.path();
            let text = "it does not hash to what its parent says";
            self.alarms.raise_for(AlarmKind::Corruption, Cause::Reader, format!("{path}: {text}"));
            return Err(LedgerError::corrupt(path, text));
        }
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner).put((level, index), tile.clone());
        Ok(Some(tile))
    }

    /// A full bundle from its file, found to be what its tile says; `None` when there is no such file.
    fn checked_bundle(&self, index: u64) -> Result<Option<Bytes>, LedgerError> {
        let id = BundleId { index, width: TILE_WIDTH as u16 };
        let Some(bytes) = self.files.read(&id.path())? else { return Ok(None) };
        let damaged = |text: String| {
            self.alarms.raise_for(AlarmKind::Corruption, Cause::Reader, format!("{}: {text}", id.path()));
            LedgerError::corrupt(id.path(), text)
        };
        let entries = parse_bundle(&bytes, id.width).map_err(|e| damaged(e.to_string()))?;
        // The edge may hold the tile a moment longer than the file has been there.
        let held = self.edge().tile(0, index).cloned().map(Arc::new);
        let tile = match held {
            Some(tile) => Some(tile),
            None => self.checked_tile(0, index)?,
        };
        let tile = tile.ok_or_else(|| missing(0, index, TILE_WIDTH as usize))?;
        if let Some(at) =
            entries.iter().zip(tile.hashes()).position(|(entry, hash)| leaf_hash(entry) != *hash)
        {
            let entry = index * TILE_WIDTH + at as u64;
            return Err(damaged(format!("entry {entry} does not hash to what its tile says")));
        }
        Ok(Some(bytes.into()))
    }

    /// A full tile from its file; `None` when there is no such file.
    pub(crate) fn read_full_tile(&self, level: u8, index: u64) -> Result<Option<Arc<[Hash]>>, LedgerError> {
        let path = TileId { level, index, width: TILE_WIDTH as u16 }.path();
        let Some(bytes) = self.files.read(&path)? else { return Ok(None) };
        let hashes =
            parse_tile(&bytes, TILE_WIDTH as u16).map_err(|e| LedgerError::corrupt(&path, e.to_string()))?;
        Ok(Some(hashes.into()))
    }

    /// The first `id.width` hashes of a tile, encoded; `None` when the log is not that wide there.
    pub(crate) fn tile_bytes(&self, id: TileId) -> Result<Option<Bytes>, LedgerError> {
        let width = usize::from(id.width);
        if let Some(tile) = self.edge().tile(id.level, id.index) {
            return Ok(tile
                .hashes()
                .get(..width)
                .map(|hashes| Bytes::from(ledger_format::encode_tile(hashes))));
        }
        let tile = self.checked_tile(id.level, id.index)?;
        Ok(tile.map(|tile| Bytes::from(ledger_format::encode_tile(&tile.hashes()[..width]))))
    }

    /// The first `id.width` entries of a bundle, encoded; `None` when the log does not have them.
    pub(crate) fn bundle_bytes(&self, id: BundleId) -> Result<Option<Bytes>, LedgerError> {
        let first = id.index * TILE_WIDTH;
        let end = first + u64::from(id.width);
        {
            let edge = self.edge();
            if first >= edge.first() {
                let mut bundle = Vec::new();
                for index in first..end {
                    let Some(entry) = edge.entry(index) else { return Ok(None) };
                    push_bundle_entry(&mut bundle, entry)
                        .map_err(|e| LedgerError::corrupt("edge", e.to_string()))?;
                }
                return Ok(Some(bundle.into()));
            }
        }
        let Some(whole) = self.checked_bundle(id.index)? else { return Ok(None) };
        let len = prefix_len(&whole, id.width)
            .ok_or_else(|| LedgerError::corrupt(id.path(), "bundle is too short"))?;
        Ok(Some(whole.slice(..len)))
    }

    /// Indices of the receipts about an agent that are at or behind `from` and before `to`, at most `limit`.
    pub(crate) fn receipts_between(
        &self,
        agent: AgentId,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Result<Vec<u64>, LedgerError> {
        let (first, end) = (keys::receipt(agent, from), keys::receipt(agent, to));
        let found = self.engine().scan(Space::Index, &first, Some(&end), limit)?;
        Ok(found.iter().filter_map(|(key, _)| keys::receipt_index(key)).collect())
    }

    /// The entry at `index`; `None` beyond the end of the log. From a file it may cost the check of its whole bundle.
    pub(crate) fn entry(&self, index: u64) -> Result<Option<Bytes>, LedgerError> {
        Ok(self.entries(index, index + 1)?.into_iter().next())
    }

    /// The entries at `from` and behind it, as far as they are in one bundle and before `end`; none beyond the end of the log.
    pub(crate) fn entries(&self, from: u64, end: u64) -> Result<Vec<Bytes>, LedgerError> {
        let bundle = from / TILE_WIDTH;
        let end = end.min((bundle + 1) * TILE_WIDTH);
        {
            let edge = self.edge();
            if from >= edge.first() {
                return Ok((from..end).map_while(|index| edge.entry(index).cloned()).collect());
            }
        }
        let (skipped, taken) = ((from % TILE_WIDTH) as usize, end.saturating_sub(from) as usize);
        Ok(self.entries_of(bundle)?.iter().skip(skipped).take(taken).cloned().collect())
    }

    /// All entries of a full bundle that is in a file, found to be what its tile says.
    fn entries_of(&self, bundle: u64) -> Result<Arc<[Bytes]>, LedgerError> {
        if let Some(entries) = self.bundles.lock().unwrap_or_else(PoisonError::into_inner).get(bundle) {
            return Ok(entries);
        }
        let bytes = self.checked_bundle(bundle)?.ok_or_else(|| {
            let path = BundleId { index: bundle, width: TILE_WIDTH as u16 }.path();
            LedgerError::corrupt(path, "the bundle is missing")
        })?;
        let entries: Arc<[Bytes]> = super::open::bundle_entries(&bytes)?.into();
        self.bundles.lock().unwrap_or_else(PoisonError::into_inner).put(bundle, Arc::clone(&entries));
        Ok(entries)
    }
}

fn missing(level: u8, index: u64, width: usize) -> LedgerError {
    LedgerError::corrupt(format!("tile/{level}/{index}"), format!("fewer than {width} hashes are stored"))
}

/// Length in bytes of the first `width` entries of a bundle.
fn prefix_len(bundle: &[u8], width: u16) -> Option<usize> {
    let mut at = 0;
    for _ in 0..width {
        let len = bundle.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_be_bytes([len[0], len[1]]));
    }
    (at <= bundle.len()).then_some(at)
}

#[cfg(test)]
pub(super) mod tests {
    use ledger_format::record::{Actor, Body, Draft, SigningKey, TenantRegister, Ulid};
    use ledger_state::Command;
    use ledger_store::{EngineKind, EngineOptions};

    use super::*;
    use crate::{
        alarm::Alarms,
        ledger::Work,
        raft::types::{LeaderId, LogId},
    };

    /// A genesis and so many tenants less one.
    pub(in crate::ledger) fn records(size: u64) -> Vec<Vec<u8>> {
        let population = include_str!("../../../state/fuzz/population");
        let genesis = population.lines().next().expect("a first line").as_bytes().to_vec();
        let tenant = |number: u64| {
            let key = SigningKey::from_seed([7; 32]);
            let body = TenantRegister {
                key: Some(key.public()),
                name: format!("Tenant {number}"),
                on_behalf_of: None,
                plan: None,
            };
            let (id, tenant) =
                (Ulid::from_parts(1, u128::from(number)), Ulid::from_parts(2, u128::from(number)));
            Draft::new(tenant, id, Actor::Tenant, 1, Body::TenantRegister(body)).sign(&key).to_bytes()
        };
        [genesis].into_iter().chain((1..size).map(tenant)).collect()
    }

    #[test]
    fn entries_are_read_up_to_the_end_of_their_bundle() {
        let dir = tempfile::tempdir().unwrap();
        let engine = ledger_store::open(EngineKind::Memory, dir.path(), &EngineOptions::default()).unwrap();
        let ledger = Ledger::open(dir.path(), engine, Arc::new(Alarms::default())).unwrap();
        let size = 2 * TILE_WIDTH + 40;
        let append = Command::Append { log_ms: 1, records: records(size) };
        let id = LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index: 1 };
        ledger.apply(vec![(id, Work::Command(append.encode().into()))]).unwrap();
        ledger.write_full_tiles().unwrap();
        assert_eq!((ledger.size(), ledger.edge().first()), (size, 2 * TILE_WIDTH), "two bundles are files");

        // What was read once is not read again.
        let first = ledger.entry(300).unwrap().unwrap();
        let path = BundleId { index: 1, width: TILE_WIDTH as u16 }.path();
        let bytes = ledger.files().read(&path).unwrap().unwrap();
        ledger.files().replace(&path, b"damaged").unwrap();
        assert_eq!(ledger.entry(300).unwrap(), Some(first.clone()));
        ledger.forget_cached_files();
        assert!(ledger.entry(300).is_err(), "and never without its hash");
        ledger.files().replace(&path, &bytes).unwrap();
        assert_eq!(ledger.entry(300).unwrap(), Some(first));

        let all: Vec<_> = (0..size).map(|index| ledger.entry(index).unwrap().unwrap()).collect();
        let table = [
            (0, 1, 1),
            (0, size, 256),
            (1, 4, 3),
            (250, size, 6),
            (255, 256, 1),
            (256, 700, 256),
            (500, 520, 12),
            (512, size, 40),
            (520, 530, 10),
            (540, 700, 12),
            (size, size + 9, 0),
            (9, 9, 0),
            (600, 600, 0),
        ];
        for (from, end, count) in table {
            let found = ledger.entries(from, end).unwrap();
            assert_eq!(found.len(), count, "{from}..{end}");
            assert!(
                found.iter().zip(&all[(from.min(size)) as usize..]).all(|(a, b)| a == b),
                "{from}..{end}"
            );
        }
        assert_eq!(ledger.entry(size).unwrap(), None);
        ledger.stop();
    }
}
