//! Checking proofs. Only arithmetic on numbers and hashes: no input makes these functions panic or allocate.

use super::{Hash, empty_root, is_subtree, node_hash};

/// Why a proof does not hold.
///
/// The prover is wrong (or the hashes are of something else); asking again with the same input never helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The index is not below the size.
    #[error("index {index} is outside the tree of {size} entries")]
    IndexOutsideTree {
        /// Index asked for.
        index: u64,
        /// Entries in the tree.
        size: u64,
    },
    /// The old tree is larger than the new one.
    #[error("old size {old} is larger than new size {new}")]
    SizesReversed {
        /// Size said to be older.
        old: u64,
        /// Size said to be newer.
        new: u64,
    },
    /// The interval is not aligned or does not lie in the tree.
    #[error("[{start}, {end}) is not a subtree of the tree of {size} entries")]
    NotASubtree {
        /// First leaf.
        start: u64,
        /// One past the last leaf.
        end: u64,
        /// Entries in the tree.
        size: u64,
    },
    /// Too few or too many hashes for these sizes.
    #[error("the proof has {got} hashes, which is the wrong number")]
    WrongLength {
        /// Hashes in the proof.
        got: usize,
    },
    /// The hashes do not lead to the old root, or to the subtree's hash.
    #[error("the proof does not lead to the older root")]
    OldRootMismatch,
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root")]
    RootMismatch,
}

/// Checks that `leaf` is at `index` in the tree of `size` entries under `root`.
///
/// Steps are numbered as in RFC 9162 section 2.1.3.2.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    // The comparison of step 5; all others are in `inclusion_root`.
    if inclusion_root(leaf, index, size, proof)? == root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// The root that an audit path leads to, for formats that sign the root without showing it.
pub(crate) fn inclusion_root(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Result<Hash, ProofError> {
    // Step 1.
    if index >= size {
        return Err(ProofError::IndexOutsideTree { index, size });
    }
    // Steps 2 and 3.
    let (mut fn_, mut sn, mut r) = (index, size - 1, leaf);
    // Step 4.
    for &p in proof {
        if sn == 0 {
            return Err(ProofError::WrongLength { got: proof.len() });
        }
        if fn_ & 1 == 1 || fn_ == sn {
            r = node_hash(p, r);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            r = node_hash(r, p);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    // Step 5.
    if sn == 0 { Ok(r) } else { Err(ProofError::WrongLength { got: proof.len() }) }
}

/// Checks that the tree of `old` entries under `old_root` is a prefix of the tree of `new` entries under
/// `new_root`.
///
/// Steps are numbered as in RFC 9162 section 2.1.4.2. The RFC leaves out two cases, which are ours: from the
/// empty tree (its root is fixed) and between equal sizes (roots must be equal) the proof is empty.
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: Hash,
    new_root: Hash,
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::SizesReversed { old, new });
    }
    if old == 0 || old == new {
        return verify_trivial(old, new, proof, old_root, new_root);
    }
    let (fr, sr) = consistency_roots(old, new, proof, old_root)?;
    // Step 7.
    if fr != old_root {
        return Err(ProofError::OldRootMismatch);
    }
    if sr != new_root {
        return Err(ProofError::RootMismatch);
    }
    Ok(())
}

/// The old and the new root that a consistency proof leads to; `0 < old < new`. The proof holds if they are
/// the roots of the two trees.
pub(crate) fn consistency_roots(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: Hash,
) -> Result<(Hash, Hash), ProofError> {
    debug_assert!(0 < old && old < new, "the other cases have no path");
    // Steps 1 and 2: for a power of two the old root itself starts the path.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        let (&first, rest) = proof.split_first().ok_or(ProofError::WrongLength { got: 0 })?;
        (first, rest)
    };
    // Steps 3 and 4.
    let shift = (old - 1).trailing_ones();
    // `old - 1` has at most 63 trailing ones: only `u64::MAX` has 64, and `old` is below `new`.
    let (mut fn_, mut sn) = ((old - 1) >> shift, (new - 1) >> shift);
    // Step 5.
    let (mut fr, mut sr) = (first, first);
    // Step 6.
    for &c in rest {
        if sn == 0 {
            return Err(ProofError::WrongLength { got: proof.len() });
        }
        if fn_ & 1 == 1 || fn_ == sn {
            fr = node_hash(c, fr);
            sr = node_hash(c, sr);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            sr = node_hash(sr, c);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    // Step 7, the comparisons of which are the caller's.
    if sn == 0 { Ok((fr, sr)) } else { Err(ProofError::WrongLength { got: proof.len() }) }
}

fn verify_trivial(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: Hash,
    new_root: Hash,
) -> Result<(), ProofError> {
    if !proof.is_empty() {
        return Err(ProofError::WrongLength { got: proof.len() });
    }
    if old == 0 && old_root != empty_root() {
        return Err(ProofError::OldRootMismatch);
    }
    if old == new && old_root != new_root {
        return Err(ProofError::RootMismatch);
    }
    Ok(())
}

/// Checks that the subtree `[start, end)` with hash `subtree` belongs to the tree of `size` entries under
/// `root` (draft-ietf-plants-merkle-tree-certs section 4.4; variable names are the draft's).
///
/// An empty interval belongs to every tree that reaches it; its hash is [`empty_root`] and its proof empty.
pub fn verify_subtree(
    start: u64,
    end: u64,
    size: u64,
    proof: &[Hash],
    subtree: Hash,
    root: Hash,
) -> Result<(), ProofError> {
    if !is_subtree(start, end, size) {
        return Err(ProofError::NotASubtree { start, end, size });
    }
    if start == end {
        return match (proof.is_empty(), subtree == empty_root(), size == 0 && root != empty_root()) {
            (false, _, _) => Err(ProofError::WrongLength { got: proof.len() }),
            (_, false, _) => Err(ProofError::OldRootMismatch),
            (_, _, true) => Err(ProofError::RootMismatch),
            _ => Ok(()),
        };
    }
    let (mut fn_, mut sn, mut tn) = (start, end - 1, size - 1);
    if sn == tn {
        while fn_ != sn {
            (fn_, sn, tn) = (fn_ >> 1, sn >> 1, tn >> 1);
        }
    } else {
        while fn_ != sn && sn & 1 == 1 {
            (fn_, sn, tn) = (fn_ >> 1, sn >> 1, tn >> 1);
        }
    }
    // When the subtree is not cut by the walk the verifier's own hash starts the path.
    let (first, rest) = if fn_ == sn {
        (subtree, proof)
    } else {
        let (&first, rest) = proof.split_first().ok_or(ProofError::WrongLength { got: 0 })?;
        (first, rest)
    };
    let (mut fr, mut sr) = (first, first);
    for &c in rest {
        if tn == 0 {
            return Err(ProofError::WrongLength { got: proof.len() });
        }
        if sn & 1 == 1 || sn == tn {
            if fn_ < sn {
                fr = node_hash(c, fr);
            }
            sr = node_hash(c, sr);
            while sn & 1 == 0 {
                (fn_, sn, tn) = (fn_ >> 1, sn >> 1, tn >> 1);
            }
        } else {
            sr = node_hash(sr, c);
        }
        (fn_, sn, tn) = (fn_ >> 1, sn >> 1, tn >> 1);
    }
    if tn != 0 {
        return Err(ProofError::WrongLength { got: proof.len() });
    }
    if fr != subtree {
        return Err(ProofError::OldRootMismatch);
    }
    if sr != root {
        return Err(ProofError::RootMismatch);
    }
    Ok(())
}
