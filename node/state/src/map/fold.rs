//! Making the next version of the map.

use jmt::{JellyfishMerkleTree, KeyHash};
use ledger_format::{Hash, map_key};

use super::nodes::{MapHasher, Nodes, encode_node, node_key};
use super::{MAP_KEPT_MS, MAP_VERSIONS_KEPT, MAP_VERSIONS_MAX, MapVersion};
use crate::applied::{Alarm, Write};
use crate::keys;
use crate::view::{View, load};

/// Old versions that one new version drops at most: more than one, so that many go in time.
const DROPPED_AT_ONCE: u64 = 2;

/// What making a version did.
pub(super) struct Folded {
    /// Its root.
    pub(super) root: Hash,
    /// New nodes and values, and what no kept version needs any more; each key once.
    pub(super) writes: Vec<Write>,
}

/// Makes `version` from the one before it, at log time `log_ms`: these subjects get these statuses. Each subject once, at least one.
pub(super) fn fold<V: View + ?Sized>(
    view: &V,
    version: u64,
    log_ms: u64,
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
    // The first version follows the empty map, of which nothing is stored.
    if !stale.is_empty() && version > 1 {
        writes.push((keys::map_stale(version), Some(encode_keys(&stale))));
    }
    prune(view, version, log_ms, &mut writes)?;
    Ok(Folded { root, writes })
}

/// Key of the subject's newest value.
fn newest_value(view: &(impl View + ?Sized), key: Hash) -> Option<Vec<u8>> {
    view.next_key(&keys::map_value(key, u64::MAX), &keys::map_value_end(key))
}

/// Drops what only versions too old to be kept need.
fn prune<V: View + ?Sized>(
    view: &V,
    version: u64,
    log_ms: u64,
    writes: &mut Vec<Write>,
) -> Result<(), Alarm> {
    let Some(oldest) = oldest_version(view) else { return Ok(()) };
    for old in oldest..oldest + DROPPED_AT_ONCE {
        let behind = version.saturating_sub(old);
        let is_old = |map: MapVersion| map.log_ms.saturating_add(MAP_KEPT_MS) <= log_ms;
        if behind <= MAP_VERSIONS_KEPT
            || behind <= MAP_VERSIONS_MAX && !load(view, &keys::map_version(old))?.is_none_or(is_old)
        {
            break;
        }
        let key = keys::map_stale(old + 1);
        if let Some(bytes) = view.get(&key) {
            let corrupt = || Alarm::CorruptState { key: key.clone(), reason: "not a list of keys".into() };
            writes.extend(decode_keys(&bytes).ok_or_else(corrupt)?.into_iter().map(|key| (key, None)));
            writes.push((key, None));
        }
        writes.push((keys::map_version(old), None));
    }
    Ok(())
}

/// The oldest version that is kept; those after it are, too.
pub(super) fn oldest_version(view: &(impl View + ?Sized)) -> Option<u64> {
    let first = view.next_key(&keys::map_version(0), &keys::map_version(u64::MAX))?;
    first.get(1..)?.try_into().ok().map(u64::from_be_bytes)
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
