//! The right edge of the log: everything that is not yet in an immutable file.
//!
//! A tile is 256 hashes, a bundle 256 entries. Only full ones become files; what is still growing lives here, and a
//! partial tile that is served is a slice of it, so no partial file ever exists.
//!
//! ```text
//! files:   bundle 0 | bundle 1 | bundle 2 |
//! edge:                                     entries first..size, one partial tile per level,
//!                                           full tiles whose files are being written
//! ```

use std::{collections::BTreeMap, collections::VecDeque, sync::Arc};

use bytes::Bytes;
use ledger_format::{Hash, TILE_WIDTH};

use super::tile_tree::TileTree;

/// Level and index of a full tile, and its hashes.
pub(crate) type FullTile = ((u8, u64), Arc<TileTree>);

/// Entries and tiles that have no durable file yet.
#[derive(Default)]
pub(crate) struct Edge {
    /// Index of the first entry held; a multiple of 256.
    first: u64,
    entries: VecDeque<Bytes>,
    /// The partial tile at the right of each level; never 256 wide.
    partial: Vec<TileTree>,
    /// Full tiles without a durable file, by level and index.
    full: BTreeMap<(u8, u64), Arc<TileTree>>,
}

impl Edge {
    /// An edge that begins behind the files: `partial[l]` are the roots of the full tiles of level `l-1` that no full
    /// tile of level `l` covers. `first` must be a multiple of 256 and `partial[0]` empty.
    pub(crate) fn behind_files(first: u64, partial: Vec<Vec<Hash>>) -> Self {
        debug_assert!(first.is_multiple_of(TILE_WIDTH) && partial.first().is_none_or(Vec::is_empty));
        let partial = partial.iter().map(|row| TileTree::of(row)).collect();
        Self { first, entries: VecDeque::new(), partial, full: BTreeMap::new() }
    }

    /// Number of entries of the whole log.
    pub(crate) fn size(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Index of the first entry that is held here; below it, entries are in files.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Adds the next entry.
    pub(crate) fn push(&mut self, leaf: Hash, entry: Bytes) {
        let mut index = self.size();
        self.entries.push_back(entry);
        let mut hash = leaf;
        for level in 0_u8.. {
            if self.partial.len() == usize::from(level) {
                self.partial.push(TileTree::default());
            }
            let tile = &mut self.partial[usize::from(level)];
            tile.push(hash);
            let Some(root) = tile.root() else { return };
            let tile = std::mem::take(tile);
            hash = root;
            index /= TILE_WIDTH;
            self.full.insert((level, index), tile.into());
        }
    }

    /// The entry at `index`, if it is held here.
    pub(crate) fn entry(&self, index: u64) -> Option<&Bytes> {
        self.entries.get(usize::try_from(index.checked_sub(self.first)?).ok()?)
    }

    /// The tile, as wide as it is, if it is held here.
    pub(crate) fn tile(&self, level: u8, index: u64) -> Option<&TileTree> {
        if let Some(full) = self.full.get(&(level, index)) {
            return Some(full);
        }
        let partial = self.partial.get(usize::from(level))?;
        (index == self.partial_index(level) && partial.width() > 0).then_some(partial)
    }

    fn partial_index(&self, level: u8) -> u64 {
        let mut index = self.size();
        for _ in 0..=level {
            index /= TILE_WIDTH;
        }
        index
    }

    /// Flips a bit of the tree in memory, such that the root is wrong from now on. False while there is no tree.
    #[cfg(any(test, simulation))]
    pub(crate) fn flip(&mut self, bit: usize) -> bool {
        self.partial.iter_mut().any(|tile| tile.flip(bit))
    }

    /// Index behind the last full bundle.
    pub(crate) fn full_until(&self) -> u64 {
        self.size() / TILE_WIDTH * TILE_WIDTH
    }

    /// The full tiles that entries below `until` complete.
    pub(crate) fn full_tiles_until(&self, until: u64) -> Vec<FullTile> {
        let covered = |level: u8, index: u64| {
            TILE_WIDTH
                .checked_pow(u32::from(level) + 1)
                .and_then(|span| (index + 1).checked_mul(span))
                .is_some_and(|end| end <= until)
        };
        self.full
            .iter()
            .filter(|((level, index), _)| covered(*level, *index))
            .map(|(id, tile)| (*id, tile.clone()))
            .collect()
    }

    /// Forgets what files now hold: all entries and full tiles below `until`, a multiple of 256.
    pub(crate) fn forget(&mut self, until: u64) {
        debug_assert!(until.is_multiple_of(TILE_WIDTH));
        for (id, _) in self.full_tiles_until(until) {
            self.full.remove(&id);
        }
        while self.first < until && self.entries.pop_front().is_some() {
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger_format::{Frontier, leaf_hash, tile_root};

    use super::*;

    fn entry(i: u64) -> Bytes {
        Bytes::from(i.to_be_bytes().to_vec())
    }

    /// Levels above the first are reached only at 65,536 entries, so the edge is grown across that border.
    #[test]
    fn tiles_complete_at_every_level_and_are_forgotten_together() {
        let mut edge = Edge::default();
        let mut frontier = Frontier::new();
        for i in 0..65_536 + 300_u64 {
            let leaf = leaf_hash(&entry(i));
            edge.push(leaf, entry(i));
            frontier.push(leaf);
        }
        assert_eq!(edge.size(), 65_836);
        assert_eq!(edge.tile(0, 257).unwrap().width(), 44);
        assert_eq!(edge.tile(1, 1).unwrap().width(), 1);
        assert_eq!(edge.tile(2, 0).unwrap().width(), 1);
        assert_eq!(edge.tile(1, 0).unwrap().width(), 256);
        assert_eq!(edge.full_until(), 65_792);
        let whole = edge.full_tiles_until(65_792);
        assert_eq!(whole.len(), 257 + 1);
        assert_eq!(frontier.hashes()[0], edge.tile(1, 0).unwrap().root().unwrap());

        edge.forget(65_792);
        assert_eq!(edge.first(), 65_792);
        assert!(edge.entry(65_791).is_none());
        assert_eq!(edge.entry(65_792), Some(&entry(65_792)));
        assert!(edge.tile(1, 0).is_none() && edge.tile(0, 256).is_none());
        assert_eq!(edge.tile(0, 257).unwrap().width(), 44);
    }

    #[test]
    fn an_edge_behind_files_goes_on_where_they_end() {
        let leaves: Vec<Hash> = (0..600).map(|i| leaf_hash(&entry(i))).collect();
        let mut whole = Edge::default();
        for (i, leaf) in leaves.iter().enumerate() {
            whole.push(*leaf, entry(i as u64));
        }
        let roots = vec![tile_root(&leaves[..256]), tile_root(&leaves[256..512])];
        let mut edge = Edge::behind_files(512, vec![Vec::new(), roots]);
        for (i, leaf) in leaves.iter().enumerate().skip(512) {
            edge.push(*leaf, entry(i as u64));
        }
        for level in 0..2 {
            for index in 0..4 {
                if edge.tile(level, index).is_some() {
                    assert_eq!(edge.tile(level, index), whole.tile(level, index), "tile {level}/{index}");
                }
            }
        }
        assert_eq!(edge.tile(1, 0), whole.tile(1, 0));
        assert_eq!(edge.size(), 600);
    }
}
