//! The status map written down as its definition says, slow and plain: what `jmt` and our verifier are held against.

use ledger_format::status_proof::{
    EMPTY_MAP_ROOT, MapLeaf, map_key, map_leaf_hash, map_node_hash, map_value_hash,
};
use ledger_format::{Hash, MapProof};

/// All leaves of one map.
pub(crate) struct Reference(Vec<MapLeaf>);

impl Reference {
    /// The map with these subjects and statuses.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let leaf = |(subject, value)| MapLeaf { key: map_key(subject), value: map_value_hash(value) };
        Self(entries.into_iter().map(leaf).collect())
    }

    /// Its root.
    pub(crate) fn root(&self) -> Hash {
        root(&self.0, 0)
    }

    /// The proof of what it holds under a key.
    pub(crate) fn prove(&self, key: Hash) -> MapProof {
        let (mut way, mut siblings) = (self.0.clone(), Vec::new());
        while way.len() > 1 {
            let depth = siblings.len();
            let (on, beside): (Vec<_>, Vec<_>) =
                way.into_iter().partition(|leaf| bit(leaf.key, depth) == bit(key, depth));
            siblings.push(root(&beside, depth + 1));
            way = on;
        }
        siblings.reverse();
        MapProof { leaf: way.first().copied(), siblings }
    }
}

fn bit(key: Hash, depth: usize) -> bool {
    key.0[depth / 8] >> (7 - depth % 8) & 1 == 1
}

fn root(leaves: &[MapLeaf], depth: usize) -> Hash {
    match leaves {
        [] => EMPTY_MAP_ROOT,
        [only] => map_leaf_hash(only),
        _ => {
            let (right, left): (Vec<MapLeaf>, Vec<MapLeaf>) =
                leaves.iter().partition(|leaf| bit(leaf.key, depth));
            map_node_hash(root(&left, depth + 1), root(&right, depth + 1))
        }
    }
}
