//! Making the next version of the map.

use jmt::{JellyfishMerkleTree, KeyHash};
use ledger_format::{Hash, map_key};

use super::MAP_VERSIONS_KEPT;
use super::nodes::{MapHasher, Nodes, encode_node, node_key};
use crate::applied::{Alarm, Write};
use crate::keys;
use crate::view::View;

/// What making a version did.
pub(super) struct Folded {
    /// Its root.
    pub(super) root: Hash,
    /// New nodes and values, and what no kept version needs any more; each key once.
    pub(super) writes: Vec<Write>,
}

/// Makes `version` from the one before it: these subjects get these statuses. Each subject once, at least one.
pub(super) fn fold<V: View + ?Sized>(
    view: &V,
    version: u64,
    statuses: Vec<(String, Vec<u8>)>,
) -> Result<Folded, Alarm> {
    let (mut writes, mut stale, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (subject, status) in statuses {
        let key = map_key(&subject);
        stale.extend(newest_value(view, key));
        writes.push((keys::map_value(key, version), Some(status.clone())));
        values.push((KeyHash(key.0), status));
    }
    let nodes = Nodes(view);
    let tree = JellyfishMerkleTree::<_, MapHasher>::new(&nodes);
    let damaged = |reason: String| Alarm::CorruptState { key: keys::MAP_NEWEST.to_vec(), reason };
    let (roots, update) = tree
        .batch_put_value_sets(vec![values], None, version)
        .map_err(|error| damaged(format!("the status map cannot be read: {error:#}")))?;
    let root = roots.first().map(|root| Hash(root.0)).ok_or_else(|| damaged("no root was made".into()))?;
    writes
        .extend(update.node_batch.nodes().iter().map(|(key, node)| (node_key(key), Some(encode_node(node)))));
    stale.extend(update.stale_node_index_batch.iter().map(|index| node_key(&index.node_key)));
    if !stale.is_empty() {
        writes.push((keys::map_stale(version), Some(encode_keys(&stale))));
    }
    prune(view, version, &mut writes)?;
    Ok(Folded { root, writes })
}

/// Key of the subject's newest value.
fn newest_value(view: &(impl View + ?Sized), key: Hash) -> Option<Vec<u8>> {
    view.next_key(&keys::map_value(key, u64::MAX), &keys::map_value_end(key))
}

/// Drops what only versions too old to be kept need.
fn prune<V: View + ?Sized>(view: &V, version: u64, writes: &mut Vec<Write>) -> Result<(), Alarm> {
    let Some(since) = version.checked_sub(MAP_VERSIONS_KEPT) else { return Ok(()) };
    let key = keys::map_stale(since);
    if let Some(bytes) = view.get(&key) {
        let corrupt = || Alarm::CorruptState { key: key.clone(), reason: "not a list of keys".into() };
        writes.extend(decode_keys(&bytes).ok_or_else(corrupt)?.into_iter().map(|key| (key, None)));
        writes.push((key, None));
    }
    if since > 1 {
        writes.push((keys::map_version(since - 1), None));
    }
    Ok(())
}

/// Keys one after the other, each after its length: none is longer than 42 bytes.
fn encode_keys(list: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(list.iter().map(|key| key.len() + 1).sum());
    for key in list {
        bytes.push(u8::try_from(key.len()).expect("keys of the map are short"));
        bytes.extend_from_slice(key);
    }
    bytes
}

fn decode_keys(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = Vec::new();
    while let Some((&length, rest)) = bytes.split_first() {
        let (key, rest) = rest.split_at_checked(usize::from(length))?;
        list.push(key.to_vec());
        bytes = rest;
    }
    Some(list)
}
