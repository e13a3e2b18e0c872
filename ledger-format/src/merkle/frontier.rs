//! The right edge of a growing tree: all that is needed to append and to know the root.

use super::{Hash, empty_root, node_hash};

/// Roots of the complete subtrees that make up a tree, largest first: one per set bit of the size.
///
/// 32 bytes times at most 64, however large the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes back what [`Frontier::size`] and [`Frontier::hashes`] gave. `None` if the number of hashes does
    /// not fit the size.
    pub fn from_parts(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        (hashes.len() == size.count_ones() as usize).then_some(Self { size, hashes })
    }

    /// Entries in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the complete subtrees, largest first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Appends one leaf hash.
    ///
    /// # Panics
    /// If the tree holds `u64::MAX` entries, which no log reaches.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Each trailing one-bit of the old size is a complete subtree as high as the one we carry: join them.
        for _ in 0..self.size.trailing_ones() {
            let left = self.hashes.pop().expect("one subtree per set bit of the size");
            hash = node_hash(left, hash);
        }
        self.hashes.push(hash);
        self.size = self.size.checked_add(1).expect("fewer than 2^64 entries");
        debug_assert_eq!(self.hashes.len(), self.size.count_ones() as usize);
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let root = self.hashes.iter().rev().copied().reduce(|right, left| node_hash(left, right));
        root.unwrap_or_else(empty_root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;

    #[test]
    fn parts_must_fit_the_size() {
        let mut frontier = Frontier::new();
        assert_eq!(frontier.root(), empty_root());
        for i in 0..5u8 {
            frontier.push(leaf_hash(&[i]));
        }
        let parts = (frontier.size(), frontier.hashes().to_vec());
        assert_eq!(Frontier::from_parts(parts.0, parts.1.clone()), Some(frontier));
        assert_eq!(Frontier::from_parts(7, parts.1), None);
        assert_eq!(Frontier::from_parts(0, Vec::new()), Some(Frontier::new()));
    }
}
