//! The tree's nodes as state values, and the tree's hash: what `jmt` asks for, over a view.

use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{KeyHash, OwnedValue, SimpleHasher, Version};
use ledger_format::{Hash, map_value_hash};

use crate::applied::Alarm;
use crate::keys;
use crate::view::View;

/// SHA-256. The tree hashes short texts only, so they are put together first.
pub(super) struct MapHasher(Vec<u8>);

impl SimpleHasher for MapHasher {
    fn new() -> Self {
        Self(Vec::with_capacity(96))
    }

    fn update(&mut self, data: &[u8]) {
        self.0.extend_from_slice(data);
    }

    fn finalize(self) -> [u8; 32] {
        map_value_hash(&self.0).0
    }
}

/// The nodes in a view.
pub(super) struct Nodes<'v, V: ?Sized>(pub(super) &'v V);

/// Key of a node.
pub(super) fn node_key(key: &NodeKey) -> Vec<u8> {
    let nibbles: Vec<u8> = key.nibble_path().nibbles().map(u8::from).collect();
    keys::map_node(key.version(), &nibbles)
}

/// Bytes of a node: version byte, then the crate's own form.
pub(super) fn encode_node(node: &Node) -> Vec<u8> {
    let mut bytes = vec![crate::values::VERSION];
    borsh::to_writer(&mut bytes, node).expect("memory takes every byte");
    bytes
}

/// The node under a key; a missing or unreadable one means that this state is damaged.
pub(super) fn read_node(view: &(impl View + ?Sized), key: &[u8]) -> Result<Node, Alarm> {
    let corrupt = |reason: &str| Alarm::CorruptState { key: key.to_vec(), reason: reason.to_owned() };
    let bytes = view.get(key).ok_or_else(|| corrupt("a node of the status map is missing"))?;
    match bytes.split_first() {
        Some((&crate::values::VERSION, rest)) => {
            borsh::from_slice(rest).map_err(|_| corrupt("not a node of the status map"))
        }
        _ => Err(corrupt("a node of the status map of an unknown version")),
    }
}

/// What a leaf holds: its key, and the hash of its value, which the crate shows in its bytes only.
pub(super) fn leaf_parts(leaf: &LeafNode) -> (Hash, Option<Hash>) {
    let bytes = borsh::to_vec(leaf).unwrap_or_default();
    let value = bytes.get(32..).and_then(|value| value.try_into().ok()).map(Hash);
    (Hash(leaf.key_hash().0), value)
}

impl<V: View + ?Sized> TreeReader for Nodes<'_, V> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        // Version 0 is the map before the first subject.
        if key.version() == 0 {
            return Ok(Some(Node::Null));
        }
        read_node(self.0, &node_key(key)).map(Some).map_err(|alarm| anyhow::Error::msg(alarm.to_string()))
    }

    fn get_value_option(&self, _: Version, _: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        anyhow::bail!("making a version of the map reads no values")
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("the map is never restored from its leaves")
    }
}
