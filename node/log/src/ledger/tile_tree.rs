//! One tile with the hashes above it, so that a proof looks hashes up instead of computing them.
//!
//! ```text
//! row 8   root of the tile, once it is full
//! row 1   hashes over pairs
//! row 0   the tile: up to 256 hashes
//! ```
//! Each pushed hash costs one more on average, and the root of a full tile is there for nothing.

use ledger_format::{Hash, TILE_WIDTH, node_hash};

/// Rows of a tile: widths 256, 128, … 1.
const ROWS: usize = 9;

/// A tile, full or still growing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TileTree {
    rows: [Vec<Hash>; ROWS],
}

impl TileTree {
    /// The tree over the hashes of a tile, at most 256.
    pub(crate) fn of(hashes: &[Hash]) -> Self {
        debug_assert!(hashes.len() as u64 <= TILE_WIDTH);
        let mut tree = Self::default();
        for hash in hashes {
            tree.push(*hash);
        }
        tree
    }

    /// Adds the next hash.
    pub(crate) fn push(&mut self, hash: Hash) {
        let mut carried = hash;
        for row in 0..ROWS {
            self.rows[row].push(carried);
            let [.., left, right] = self.rows[row][..] else { return };
            if !self.rows[row].len().is_multiple_of(2) {
                return;
            }
            carried = node_hash(left, right);
        }
    }

    /// The tile itself.
    pub(crate) fn hashes(&self) -> &[Hash] {
        &self.rows[0]
    }

    /// How many hashes the tile has.
    pub(crate) fn width(&self) -> usize {
        self.rows[0].len()
    }

    /// The hash over the complete subtree of 2^`level` hashes that is the `index`-th of its kind in the tile.
    pub(crate) fn subtree(&self, level: u8, index: usize) -> Option<Hash> {
        self.rows.get(usize::from(level))?.get(index).copied()
    }

    /// Flips a bit in the hash that covers the newest ones: from now on the root is wrong. False for an empty tile.
    #[cfg(any(test, simulation))]
    pub(crate) fn flip(&mut self, bit: usize) -> bool {
        let Some(row) = self.rows.iter_mut().find(|row| !row.len().is_multiple_of(2)) else { return false };
        let Some(hash) = row.last_mut() else { return false };
        hash.0[bit / 8 % 32] ^= 1 << (bit % 8);
        true
    }

    /// The root, once the tile is full.
    pub(crate) fn root(&self) -> Option<Hash> {
        self.rows[ROWS - 1].first().copied()
    }
}

#[cfg(test)]
mod tests {
    use ledger_format::{leaf_hash, tile_root};

    use super::*;

    #[test]
    fn every_row_is_what_hashing_the_tile_gives() {
        let hashes: Vec<Hash> = (0..256_u64).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let full = TileTree::of(&hashes);
        assert_eq!(full.root(), Some(tile_root(&hashes)));
        assert_eq!(full.subtree(8, 0), full.root());
        for (level, index) in [(0, 0), (0, 255), (1, 3), (3, 31), (7, 1)] {
            let width = 1 << level;
            let mut row = hashes[index * width..(index + 1) * width].to_vec();
            while row.len() > 1 {
                row = row.chunks_exact(2).map(|pair| node_hash(pair[0], pair[1])).collect();
            }
            assert_eq!(full.subtree(level as u8, index), Some(row[0]), "{level} {index}");
        }
        let growing = TileTree::of(&hashes[..5]);
        assert_eq!((growing.width(), growing.root()), (5, None));
        assert_eq!(growing.subtree(2, 0), full.subtree(2, 0));
        assert_eq!(growing.subtree(2, 1), None, "not complete yet");
        assert_eq!(growing.subtree(1, 2), None);
    }
}
