//! Building proofs. The answers are byte for byte those of RFC 6962.

use super::{Hash, HashReader, is_subtree, range_root, split_point};

/// The audit path of entry `index` in the tree of `size` entries (RFC 6962 section 2.1.1): the leaf's sibling
/// first, the root's child last.
///
/// # Panics
/// If `index >= size`: check what strangers ask for first.
pub fn prove_inclusion<R: HashReader + ?Sized>(
    reader: &R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, R::Error> {
    assert!(index < size, "index {index} is outside the tree of {size} entries");
    prove_subtree(reader, index, index + 1, size)
}

/// The proof that the tree of `old` entries is a prefix of the tree of `new` entries (RFC 6962 section
/// 2.1.2). Empty when `old` is 0 or equal to `new`.
///
/// # Panics
/// If `old > new`.
pub fn prove_consistency<R: HashReader + ?Sized>(
    reader: &R,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, R::Error> {
    assert!(old <= new, "sizes are reversed: {old} is larger than {new}");
    if old == 0 || old == new { Ok(Vec::new()) } else { prove_subtree(reader, 0, old, new) }
}

/// The proof that the subtree `[start, end)` belongs to the tree of `size` entries
/// (draft-ietf-plants-merkle-tree-certs section 4.3). `[i, i+1)` gives an audit path, `[0, old)` a
/// consistency proof. An empty interval has an empty proof.
///
/// # Panics
/// If `[start, end)` is not a subtree of that tree (see [`is_subtree`]).
pub fn prove_subtree<R: HashReader + ?Sized>(
    reader: &R,
    start: u64,
    end: u64,
    size: u64,
) -> Result<Vec<Hash>, R::Error> {
    assert!(is_subtree(start, end, size), "[{start}, {end}) is not a subtree of {size} entries");
    if start == end {
        return Ok(Vec::new());
    }
    // The spec recurses towards the subtree; we walk, and turn the hashes round at the end.
    let mut outermost_first = Vec::new();
    let (mut low, mut high, mut start) = (0, size, start);
    // The verifier knows the hash of the subtree, unless we had to cut it.
    let mut known_to_verifier = true;
    while (start, end) != (low, high) {
        let middle = low + split_point(high - low);
        if end <= middle {
            outermost_first.push(range_root(reader, middle, high)?);
            high = middle;
        } else {
            outermost_first.push(range_root(reader, low, middle)?);
            if start < middle {
                debug_assert_eq!(start, low, "only a subtree that starts where the tree does is cut");
                start = middle;
                known_to_verifier = false;
            }
            low = middle;
        }
    }
    if !known_to_verifier {
        outermost_first.push(range_root(reader, low, high)?);
    }
    outermost_first.reverse();
    Ok(outermost_first)
}
