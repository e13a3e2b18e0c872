//! Where the prover gets its hashes from, and roots computed from them.

use super::{Hash, empty_root, node_hash};

/// Gives the hashes of complete subtrees.
///
/// Implementations: tiles ([`crate::TileHashReader`]), a slice of leaf hashes (below), a store of the caller.
pub trait HashReader {
    /// What can go wrong when reading.
    type Error;

    /// The hash of the complete subtree of `2^level` leaves that starts at leaf `index << level`.
    ///
    /// Callers ask only for subtrees that lie wholly inside the tree they prove about.
    fn subtree(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// Leaf hashes in memory. Every call hashes its whole subtree: for tests and small trees.
impl HashReader for [Hash] {
    type Error = std::convert::Infallible;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let width = 1usize << level;
        let start = usize::try_from(index).expect("the subtree is in memory") * width;
        let mut hashes = self[start..start + width].to_vec();
        while hashes.len() > 1 {
            hashes = hashes.chunks_exact(2).map(|pair| node_hash(pair[0], pair[1])).collect();
        }
        Ok(hashes[0])
    }
}

impl HashReader for Vec<Hash> {
    type Error = std::convert::Infallible;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        self.as_slice().subtree(level, index)
    }
}

/// The root of the tree of the first `size` entries (RFC 6962 section 2.1).
pub fn tree_root<R: HashReader + ?Sized>(reader: &R, size: u64) -> Result<Hash, R::Error> {
    if size == 0 { Ok(empty_root()) } else { range_root(reader, 0, size) }
}

/// The largest power of two strictly smaller than `size`: where RFC 6962 splits a tree.
///
/// `size` is at least 2.
pub(crate) fn split_point(size: u64) -> u64 {
    debug_assert!(size >= 2, "a tree of one entry is not split");
    1 << (63 - (size - 1).leading_zeros())
}

/// The hash of the subtree `[start, end)`, which is not empty.
///
/// The interval is cut into complete subtrees, largest first, as the bits of its length tell. A subtree
/// starts at a multiple of a power of two no smaller than its length, so each cut is aligned.
pub(crate) fn range_root<R: HashReader + ?Sized>(reader: &R, start: u64, end: u64) -> Result<Hash, R::Error> {
    debug_assert!(start < end, "an empty range has no subtree to ask for");
    let mut pieces = Vec::new();
    let mut position = start;
    while position < end {
        let level = 63 - (end - position).leading_zeros();
        #[expect(clippy::cast_possible_truncation, reason = "at most 63")]
        pieces.push(reader.subtree(level as u8, position >> level)?);
        position += 1 << level;
    }
    let root = pieces.into_iter().rev().reduce(|right, left| node_hash(left, right));
    Ok(root.expect("the range is not empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_strictly_smaller() {
        for (size, want) in
            [(2, 1), (3, 2), (4, 2), (5, 4), (8, 4), (9, 8), (1 << 63, 1 << 62), (u64::MAX, 1 << 63)]
        {
            assert_eq!(split_point(size), want, "{size}");
        }
    }
}
