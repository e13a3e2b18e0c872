//! Building a multi-proof: an `rs_merkle` tree in every tile that holds something to prove.

use rs_merkle::{Hasher, MerkleTree};

use super::{MULTI_PROOF_ENTRIES_MAX, MultiProof, items_above};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::merkle::{Hash, HashReader, ProofError, leaf_hash, node_hash, range_root};
use crate::note::Note;
use crate::tile::{ENTRY_BYTES_MAX, TILE_WIDTH};

/// Why no multi-proof could be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultiProofBuildError<E> {
    /// The caller's note is not a checkpoint.
    #[error("the note is not a checkpoint: {0}")]
    Checkpoint(CheckpointError),
    /// The caller gave no entry, too many, an entry over the limit, or indexes that do not ascend.
    #[error("entries must be 1 to {MULTI_PROOF_ENTRIES_MAX}, ascending, of at most {ENTRY_BYTES_MAX} bytes")]
    Entries,
    /// Hashes could not be read.
    #[error("the tree could not be read: {0}")]
    Read(E),
    /// The finished proof does not hold: an index is outside, an entry is not what the log holds there, or the
    /// tiles are not those of the checkpoint.
    #[error("entries, tiles and checkpoint do not belong together: {0}")]
    Mismatch(ProofError),
}

impl MultiProof {
    /// Proves entries under a checkpoint, from hashes of a tree at least as large.
    ///
    /// The result has been verified against the root of the checkpoint, not against its signatures.
    pub fn build<R: HashReader + ?Sized>(
        reader: &R,
        note: Note,
        entries: Vec<(u64, Vec<u8>)>,
    ) -> Result<Self, MultiProofBuildError<R::Error>> {
        let checkpoint = Checkpoint::parse(note.text()).map_err(MultiProofBuildError::Checkpoint)?;
        let ascending = entries.is_sorted_by(|(left, _), (right, _)| left < right);
        let short = entries.iter().all(|(_, entry)| entry.len() <= ENTRY_BYTES_MAX);
        if !ascending || !short || !(1..=MULTI_PROOF_ENTRIES_MAX).contains(&entries.len()) {
            return Err(MultiProofBuildError::Entries);
        }
        let (size, last) = (checkpoint.size, entries[entries.len() - 1].0);
        if last >= size {
            let outside = ProofError::IndexOutsideTree { index: last, size };
            return Err(MultiProofBuildError::Mismatch(outside));
        }
        let indexes = entries.iter().map(|&(index, _)| index).collect();
        let hashes = helper_hashes(reader, size, indexes).map_err(MultiProofBuildError::Read)?;
        let proof = Self { entries, hashes, note };
        proof.verify_tree(&checkpoint).map_err(MultiProofBuildError::Mismatch)?;
        Ok(proof)
    }
}

/// The hashes in the order of the format, level by level.
fn helper_hashes<R: HashReader + ?Sized>(
    reader: &R,
    size: u64,
    indexes: Vec<u64>,
) -> Result<Vec<Hash>, R::Error> {
    let mut hashes = Vec::new();
    let mut level = Level { height: 0, items: size, size };
    // Items of this level on the way from an entry to the root, ascending.
    let mut touched = indexes;
    while level.items > 1 {
        let mut above = Vec::new();
        for tile in touched.chunk_by(|left, right| left / TILE_WIDTH == right / TILE_WIDTH) {
            let index = tile[0] / TILE_WIDTH;
            hashes.extend(level.helpers_in_tile(reader, index, tile)?);
            above.push(index);
        }
        touched = above;
        level = Level { height: level.height + 8, items: items_above(level.items), size };
    }
    Ok(hashes)
}

/// A level of tiles in the tree of `size` entries.
struct Level {
    /// An item covers 2^height entries, the last one perhaps fewer.
    height: u8,
    items: u64,
    size: u64,
}

impl Level {
    fn helpers_in_tile<R: HashReader + ?Sized>(
        &self,
        reader: &R,
        tile: u64,
        touched: &[u64],
    ) -> Result<Vec<Hash>, R::Error> {
        let first = tile * TILE_WIDTH;
        let end = self.items.min(first.saturating_add(TILE_WIDTH));
        let items = (first..end).map(|item| self.item(reader, item)).collect::<Result<Vec<_>, _>>()?;
        let leaves: Vec<[u8; 32]> = items.iter().map(|hash| hash.0).collect();
        let positions: Vec<usize> = touched.iter().map(|item| (item - first) as usize).collect();
        let proof = MerkleTree::<Rfc6962>::from_leaves(&leaves).proof(&positions);
        Ok(proof.proof_hashes().iter().copied().map(Hash).collect())
    }

    fn item<R: HashReader + ?Sized>(&self, reader: &R, item: u64) -> Result<Hash, R::Error> {
        let complete = item < self.size >> self.height;
        if complete {
            reader.subtree(self.height, item)
        } else {
            range_root(reader, item << self.height, self.size)
        }
    }
}

/// The hashes of RFC 6962 for `rs_merkle`, whose own SHA-256 has no prefixes. A node without a right sibling goes
/// up unchanged, as in the RFC.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> Self::Hash {
        leaf_hash(data).0
    }

    fn concat_and_hash(left: &Self::Hash, right: Option<&Self::Hash>) -> Self::Hash {
        right.map_or(*left, |right| node_hash(Hash(*left), Hash(*right)).0)
    }
}
