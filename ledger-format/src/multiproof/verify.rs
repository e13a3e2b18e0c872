//! Verifying a multi-proof. No input makes this panic, and no hash may be missing or left over.

use super::{MultiProof, items_above};
use crate::checkpoint::Checkpoint;
use crate::merkle::{Hash, ProofError, leaf_hash, node_hash};
use crate::note::Vkey;
use crate::policy::Policy;
use crate::proof::VerifyError;
use crate::tile::TILE_WIDTH;

/// Entries that are in a log. Only [`MultiProof::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MultiProven {
    /// The checkpoint that covers the entries.
    pub checkpoint: Checkpoint,
    /// Key of the log that signed it.
    pub log: Vkey,
    /// Index and leaf hash of each entry, ascending.
    pub leaves: Vec<(u64, Hash)>,
    /// Witnesses that cosigned, by name in the policy, with the time each stated in seconds since 1970.
    pub cosigners: Vec<(String, u64)>,
}

impl MultiProof {
    /// Verifies that all entries are in a log that `policy` accepts.
    pub fn verify(&self, policy: &Policy) -> Result<MultiProven, VerifyError> {
        let witnessed = policy.check(&self.note)?;
        let leaves = self.verify_tree(&witnessed.checkpoint)?;
        let (checkpoint, log, cosigners) = (witnessed.checkpoint, witnessed.log, witnessed.cosigners);
        Ok(MultiProven { checkpoint, log, leaves, cosigners })
    }

    /// Checks the entries against the root of a checkpoint; gives their leaf hashes.
    pub(super) fn verify_tree(&self, checkpoint: &Checkpoint) -> Result<Vec<(u64, Hash)>, ProofError> {
        let size = checkpoint.size;
        let leaves: Vec<_> = self.entries.iter().map(|(index, entry)| (*index, leaf_hash(entry))).collect();
        let wrong_length = ProofError::WrongLength { got: self.hashes.len() };
        // The fields are public: what the parser holds must be held here too.
        let last = leaves.last().ok_or(wrong_length)?.0;
        if last >= size || !leaves.is_sorted_by(|left, right| left.0 < right.0) {
            return Err(ProofError::IndexOutsideTree { index: last, size });
        }
        let mut helpers = self.hashes.iter();
        let mut known = leaves.clone();
        let mut items = size;
        while items > 1 {
            known = known
                .chunk_by(|left, right| left.0 / TILE_WIDTH == right.0 / TILE_WIDTH)
                .map(|tile| Some((tile[0].0 / TILE_WIDTH, root_of_tile(tile, items, &mut helpers)?)))
                .collect::<Option<_>>()
                .ok_or(wrong_length)?;
            items = items_above(items);
        }
        if helpers.next().is_some() {
            return Err(wrong_length);
        }
        // One tile is left, and its root is the root of the tree.
        if known[0].1 == checkpoint.root { Ok(leaves) } else { Err(ProofError::RootMismatch) }
    }
}

/// The root of one tile of a level of `items` items, from the known items in it and helper hashes. `None` if
/// these run out.
fn root_of_tile<'a>(
    known: &[(u64, Hash)],
    items: u64,
    helpers: &mut impl Iterator<Item = &'a Hash>,
) -> Option<Hash> {
    let first = known[0].0 / TILE_WIDTH * TILE_WIDTH;
    let mut width = (items - first).min(TILE_WIDTH);
    let mut layer: Vec<_> = known.iter().map(|&(item, hash)| (item - first, hash)).collect();
    while width > 1 {
        let mut above = Vec::with_capacity(layer.len());
        let mut rest = layer.iter().copied().peekable();
        while let Some((place, hash)) = rest.next() {
            let sibling = place ^ 1;
            let joined = if let Some((_, right)) = rest.next_if(|&(next, _)| next == sibling) {
                node_hash(hash, right)
            } else if sibling >= width {
                // The last of an odd number goes up as it is.
                hash
            } else if sibling < place {
                node_hash(*helpers.next()?, hash)
            } else {
                node_hash(hash, *helpers.next()?)
            };
            above.push((place / 2, joined));
        }
        layer = above;
        width = width.div_ceil(2);
    }
    Some(layer[0].1)
}
