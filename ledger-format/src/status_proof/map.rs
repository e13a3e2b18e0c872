//! Proofs in the status map: that a key has a value, or none.

use sha2::{Digest, Sha256};

use crate::merkle::Hash;

/// Most siblings of a proof: one for each bit of a key.
pub const MAP_SIBLINGS_MAX: usize = 256;

/// Hash of a subtree without leaves, and so the root of the map without subjects.
pub const EMPTY_MAP_ROOT: Hash = Hash(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

const LEAF_DOMAIN: &[u8] = b"JMT::LeafNode";
const NODE_DOMAIN: &[u8] = b"JMT::IntrnalNode";

/// Place of a subject in the map: SHA-256 of its name.
pub fn map_key(subject: &str) -> Hash {
    Hash(Sha256::digest(subject).into())
}

/// What a leaf holds of a value: its SHA-256.
pub fn map_value_hash(value: &[u8]) -> Hash {
    Hash(Sha256::digest(value).into())
}

/// The hash of a leaf.
pub fn map_leaf_hash(leaf: &MapLeaf) -> Hash {
    hash_two(LEAF_DOMAIN, leaf.key, leaf.value)
}

/// The hash of two neighbouring subtrees.
pub fn map_node_hash(left: Hash, right: Hash) -> Hash {
    hash_two(NODE_DOMAIN, left, right)
}

fn hash_two(domain: &[u8], first: Hash, second: Hash) -> Hash {
    Hash(Sha256::new().chain_update(domain).chain_update(first.0).chain_update(second.0).finalize().into())
}

/// A leaf of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapLeaf {
    /// Its place: [`map_key`] of its subject.
    pub key: Hash,
    /// [`map_value_hash`] of its value.
    pub value: Hash,
}

/// What leads from the place of a key to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapProof {
    /// The only leaf of the lowest subtree on the way to the key; `None` if that subtree is empty.
    pub leaf: Option<MapLeaf>,
    /// The subtrees beside the way, the lowest first.
    pub siblings: Vec<Hash>,
}

/// Why a proof does not show what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapProofError {
    /// More siblings than a key has bits.
    #[error("more than {MAP_SIBLINGS_MAX} siblings")]
    TooManySiblings,
    /// It should show a value and shows that there is none.
    #[error("the proof shows that the subject has no status")]
    NoValue,
    /// It should show that there is no value and leads to the key's own leaf.
    #[error("the proof shows that the subject has a status")]
    HasValue,
    /// It leads to the leaf of another key.
    #[error("the proof is about another subject")]
    OtherKey,
    /// The leaf holds another value.
    #[error("the map holds another status of the subject")]
    OtherValue,
    /// The other leaf is not where the key's would be.
    #[error("the other subject's leaf is not in the place of this one")]
    NotOnTheWay,
    /// Another root comes out.
    #[error("the proof leads to another root than that of the map")]
    RootMismatch,
}

impl MapProof {
    /// Whether the map with this root has this value under the key, or none.
    pub fn verify(&self, root: Hash, key: Hash, value: Option<&[u8]>) -> Result<(), MapProofError> {
        if self.siblings.len() > MAP_SIBLINGS_MAX {
            return Err(MapProofError::TooManySiblings);
        }
        self.check_leaf(key, value)?;
        // Bit d of the key, from the most significant, says to which side the way goes at depth d.
        let bit = |depth: usize| key.0[depth / 8] >> (7 - depth % 8) & 1 == 1;
        let mut hash = self.leaf.as_ref().map_or(EMPTY_MAP_ROOT, map_leaf_hash);
        for (sibling, depth) in self.siblings.iter().zip((0..self.siblings.len()).rev()) {
            hash = if bit(depth) { map_node_hash(*sibling, hash) } else { map_node_hash(hash, *sibling) };
        }
        if hash == root { Ok(()) } else { Err(MapProofError::RootMismatch) }
    }

    fn check_leaf(&self, key: Hash, value: Option<&[u8]>) -> Result<(), MapProofError> {
        match (value, &self.leaf) {
            (Some(_), None) => Err(MapProofError::NoValue),
            (Some(_), Some(leaf)) if leaf.key != key => Err(MapProofError::OtherKey),
            (Some(value), Some(leaf)) if leaf.value != map_value_hash(value) => {
                Err(MapProofError::OtherValue)
            }
            (None, Some(leaf)) if leaf.key == key => Err(MapProofError::HasValue),
            (None, Some(leaf)) if common_bits(leaf.key, key) < self.siblings.len() => {
                Err(MapProofError::NotOnTheWay)
            }
            _ => Ok(()),
        }
    }
}

/// Bits that two keys share from the most significant on.
fn common_bits(a: Hash, b: Hash) -> usize {
    let bytes = a.0.iter().zip(&b.0).take_while(|(a, b)| a == b).count();
    match (a.0.get(bytes), b.0.get(bytes)) {
        (Some(a), Some(b)) => bytes * 8 + (a ^ b).leading_zeros() as usize,
        _ => MAP_SIBLINGS_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_bits_are_counted() {
        let zero = Hash([0; 32]);
        for bit in 0..256 {
            let mut other = zero;
            other.0[bit / 8] = 0x80 >> (bit % 8);
            assert_eq!(common_bits(zero, other), bit);
        }
        assert_eq!(common_bits(zero, zero), 256);
    }

    #[test]
    fn the_empty_map_knows_nobody() {
        let proof = MapProof { leaf: None, siblings: Vec::new() };
        assert_eq!(proof.verify(EMPTY_MAP_ROOT, map_key("x"), None), Ok(()));
        assert_eq!(proof.verify(EMPTY_MAP_ROOT, map_key("x"), Some(b"{}")), Err(MapProofError::NoValue));
        let long = MapProof { leaf: None, siblings: vec![EMPTY_MAP_ROOT; 257] };
        assert_eq!(long.verify(EMPTY_MAP_ROOT, map_key("x"), None), Err(MapProofError::TooManySiblings));
    }
}
