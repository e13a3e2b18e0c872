//! Proofs from the map: the status of a subject in one of the kept versions.

use jmt::storage::Node;
use ledger_format::status_proof::{EMPTY_MAP_ROOT, map_node_hash};
use ledger_format::{Hash, MapLeaf, MapProof, Standing, map_key};

use super::MapVersion;
use super::fold::oldest_version;
use super::nodes::{leaf_parts, read_node};
use crate::applied::Alarm;
use crate::keys;
use crate::scores::Number;
use crate::subject::Subject;
use crate::view::{View, load};

/// What a staple is made of, but for the proof of the `state.root` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StapleParts {
    /// The version, and with it the `state.root` entry and its index.
    pub version: MapVersion,
    /// What the map holds in the subject's place.
    pub standing: Standing,
    /// The subtrees beside the way to it, the lowest first.
    pub siblings: Vec<Hash>,
}

/// The status of a subject in the newest version whose `state.root` entry is below `published_size`. `None` when no kept
/// version is: the log has sealed nothing yet, or publishing is further behind than versions are kept.
///
/// # Errors
/// The state is damaged.
pub fn staple_parts<V: View + ?Sized>(
    view: &V,
    subject: Subject,
    published_size: u64,
) -> Result<Option<StapleParts>, Alarm> {
    let Some(version) = newest_below(view, published_size)? else { return Ok(None) };
    let key = map_key(&subject.to_string());
    let MapProof { leaf, siblings } = prove(view, version.version, key)?;
    let standing = match leaf {
        Some(leaf) if leaf.key == key => Standing::Present(value(view, key, version.version)?),
        Some(leaf) => Standing::Other(leaf),
        None => Standing::Empty,
    };
    Ok(Some(StapleParts { version, standing, siblings }))
}

/// The newest kept version whose entry is below that size. Indexes grow with versions, so it is found by halving.
fn newest_below<V: View + ?Sized>(view: &V, size: u64) -> Result<Option<MapVersion>, Alarm> {
    let Some(newest) = load::<Number>(view, keys::MAP_NEWEST)? else { return Ok(None) };
    let (mut low, mut high) = (oldest_version(view).unwrap_or(newest.value), newest.value + 1);
    let mut found = None;
    while low < high {
        let middle = low + (high - low) / 2;
        let key = keys::map_version(middle);
        let missing = || Alarm::CorruptState { key: key.clone(), reason: "a kept version is missing".into() };
        let version: MapVersion = load(view, &key)?.ok_or_else(missing)?;
        if version.index < size {
            found = Some(version);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(found)
}

/// The value of a key in a version that has one.
fn value<V: View + ?Sized>(view: &V, key: Hash, version: u64) -> Result<Vec<u8>, Alarm> {
    let from = keys::map_value(key, version);
    let found = view.next_key(&from, &keys::map_value_end(key)).and_then(|key| view.get(&key));
    found.ok_or(Alarm::CorruptState { key: from, reason: "a leaf of the status map has no value".into() })
}

/// The proof of what a version holds under a key.
pub(super) fn prove<V: View + ?Sized>(view: &V, version: u64, key: Hash) -> Result<MapProof, Alarm> {
    let mut siblings = Vec::new();
    let (mut version, mut path) = (version, Vec::new());
    let leaf = loop {
        let node = keys::map_node(version, &path);
        let damaged = |reason: &str| Alarm::CorruptState { key: node.clone(), reason: reason.to_owned() };
        let slots = match read_node(view, &node)? {
            Node::Null => break None,
            Node::Leaf(leaf) => {
                let (key, value) = leaf_parts(&leaf);
                break Some(MapLeaf { key, value: value.ok_or_else(|| damaged("not a leaf"))? });
            }
            Node::Internal(node) => Slots::of(node.children_sorted().map(|(nibble, child)| {
                let slot = Slot { hash: Hash(child.hash), version: child.version, is_leaf: child.is_leaf() };
                (nibble.as_usize(), slot)
            })),
        };
        let nibble = nibble_at(key, path.len()).ok_or_else(|| damaged("a node below the last bit"))?;
        match slots.descend(nibble, &mut siblings) {
            Some((nibble, child)) => {
                path.push(nibble);
                version = child.version;
            }
            None => break None,
        }
    };
    siblings.reverse();
    Ok(MapProof { leaf, siblings })
}

/// Four bits of a key; `None` behind its end.
fn nibble_at(key: Hash, place: usize) -> Option<u8> {
    let byte = key.0.get(place / 2)?;
    Some(if place.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

/// A child of a node.
#[derive(Clone, Copy)]
struct Slot {
    hash: Hash,
    version: u64,
    is_leaf: bool,
}

/// The children of a node, as the lowest level of a binary tree of four levels.
struct Slots([Option<Slot>; 16]);

impl Slots {
    fn of(children: impl Iterator<Item = (usize, Slot)>) -> Self {
        let mut slots = [None; 16];
        children.for_each(|(place, slot)| slots[place & 15] = Some(slot));
        Self(slots)
    }

    /// Goes down to a place, noting the subtrees beside the way from the top; the child there, or the only leaf of the subtree
    /// in which the place is.
    fn descend(&self, nibble: u8, siblings: &mut Vec<Hash>) -> Option<(u8, Slot)> {
        for level in (0..4).rev() {
            let width = 1 << level;
            let start = usize::from(nibble) & !(width - 1);
            siblings.push(self.hash(start ^ width, width));
            match self.only(start, width) {
                Only::Nothing => return None,
                Only::Child(place, slot) if slot.is_leaf || width == 1 => {
                    return Some((u8::try_from(place).ok()?, slot));
                }
                Only::Child(..) | Only::Several => {}
            }
        }
        None
    }

    /// The hash of the subtree over `width` places.
    fn hash(&self, start: usize, width: usize) -> Hash {
        match self.only(start, width) {
            Only::Nothing => EMPTY_MAP_ROOT,
            Only::Child(_, slot) if slot.is_leaf || width == 1 => slot.hash,
            Only::Child(..) | Only::Several => {
                let half = width / 2;
                map_node_hash(self.hash(start, half), self.hash(start + half, half))
            }
        }
    }

    fn only(&self, start: usize, width: usize) -> Only {
        let mut children = (start..start + width).filter_map(|place| Some((place, self.0[place]?)));
        match (children.next(), children.next()) {
            (None, _) => Only::Nothing,
            (Some((place, slot)), None) => Only::Child(place, slot),
            _ => Only::Several,
        }
    }
}

/// Which children a range of places has.
enum Only {
    Nothing,
    Child(usize, Slot),
    Several,
}
