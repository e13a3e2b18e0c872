//! The hash tree of a log: RFC 6962 section 2.1 (RFC 9162 section 2.1) with SHA-256.
//!
//! ```text
//! size 7                      root
//!                     +--------+--------+
//!                     4                 3         k = largest power of two smaller than the size
//!                 +---+---+         +---+---+
//!                 2       2         2       1
//!                / \     / \       / \      |
//!               e0 e1   e2 e3     e4 e5     e6    leaf = SHA-256(0x00 || entry)
//!                                                 node = SHA-256(0x01 || left || right)
//! ```
//!
//! Building asks a [`HashReader`] for hashes of complete subtrees; who stores them is not decided here.
//! Verifying is separate code, takes nothing but numbers and hashes, and never panics.

mod frontier;
mod hash;
mod prove;
mod reader;
mod verify;

pub use frontier::Frontier;
pub use hash::{Hash, empty_root, leaf_hash, node_hash};
pub use prove::{prove_consistency, prove_inclusion, prove_subtree};
pub use reader::{HashReader, tree_root};
pub use verify::{ProofError, verify_consistency, verify_inclusion, verify_subtree};

pub(crate) use reader::{range_root, split_point};
pub(crate) use verify::{consistency_roots, inclusion_root};

/// Most hashes in any proof of the text formats: the height of a tree of 2^63 entries.
pub const PROOF_HASHES_MAX: usize = 63;

/// Whether `[start, end)` is a subtree of a tree of `size` entries: `start` is a multiple of the smallest
/// power of two that is at least `end - start`.
///
/// An empty interval is one (the smallest power is then 1). Section 4.1 of draft-ietf-plants-merkle-tree-certs.
pub fn is_subtree(start: u64, end: u64, size: u64) -> bool {
    if start > end || end > size {
        return false;
    }
    // Above 2^63 the power is 2^64, whose only multiple in range is 0.
    match (end - start).checked_next_power_of_two() {
        Some(power) => start.is_multiple_of(power),
        None => start == 0,
    }
}
