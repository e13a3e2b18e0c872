//! Proofs in the status map against the crate `jmt`, which makes them, and against the map's plain definition.

mod reference;

use std::collections::BTreeMap;

use jmt::mock::MockTreeStore;
use jmt::storage::TreeWriter as _;
use jmt::{KeyHash, Sha256Jmt};
use ledger_format::status_proof::{EMPTY_MAP_ROOT, map_leaf_hash, map_node_hash};
use ledger_format::{Hash, MapLeaf, MapProof, MapProofError, map_key};
use proptest::prelude::*;
use reference::Reference;
use serde_json::Value;

type Map = BTreeMap<String, Vec<u8>>;

/// A map that `jmt` keeps, in as many versions as it was given sets.
struct Jmt(MockTreeStore, u64);

impl Jmt {
    fn new(sets: &[&Map]) -> Self {
        let store = MockTreeStore::default();
        for (version, set) in (0..).zip(sets) {
            let values = set.iter().map(|(name, value)| (KeyHash(map_key(name).0), Some(value.clone())));
            let (_, update) = Sha256Jmt::new(&store).put_value_set(values, version).unwrap();
            store.write_node_batch(&update.node_batch).unwrap();
        }
        Self(store, sets.len() as u64 - 1)
    }

    fn root(&self, version: u64) -> Hash {
        Hash(Sha256Jmt::new(&self.0).get_root_hash(version).unwrap().0)
    }

    /// Its own proof, brought into our form through its serde form: it gives no other access.
    fn prove(&self, key: Hash, version: u64) -> MapProof {
        let (_, proof) = Sha256Jmt::new(&self.0).get_with_proof(KeyHash(key.0), version).unwrap();
        let json = serde_json::to_value(&proof).unwrap();
        let siblings = json["siblings"].as_array().unwrap().iter().map(node_hash).collect();
        MapProof { leaf: leaf(&json["leaf"]), siblings }
    }
}

fn hash(json: &Value) -> Hash {
    Hash(serde_json::from_value(json.clone()).unwrap())
}

fn leaf(json: &Value) -> Option<MapLeaf> {
    json.is_object().then(|| MapLeaf { key: hash(&json["key_hash"]), value: hash(&json["value_hash"]) })
}

fn node_hash(json: &Value) -> Hash {
    if json == "Null" {
        return EMPTY_MAP_ROOT;
    }
    match json.get("Leaf") {
        Some(json) => map_leaf_hash(&leaf(json).unwrap()),
        None => map_node_hash(hash(&json["Internal"]["left_child"]), hash(&json["Internal"]["right_child"])),
    }
}

/// Up to `max` subjects with small statuses.
fn map(max: usize) -> impl Strategy<Value = Map> {
    let entry = (0..u64::MAX, any::<u16>());
    prop::collection::vec(entry, 1..max).prop_map(|entries| {
        let status = |n| format!(r#"{{"n":{n}}}"#).into_bytes();
        entries.into_iter().map(|(id, n)| (format!("subject {id}"), status(n))).collect()
    })
}

fn reference(map: &Map) -> Reference {
    Reference::new(map.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// What `jmt` proves we verify, and it proves what the definition says.
    #[test]
    fn every_proof_of_jmt_verifies(map in map(1_000), absent in prop::collection::vec("[a-z]{1,12}", 20)) {
        let (jmt, plain) = (Jmt::new(&[&map]), reference(&map));
        let root = jmt.root(0);
        prop_assert_eq!(root, plain.root());
        for (name, value) in map.iter().take(100) {
            let proof = jmt.prove(map_key(name), 0);
            prop_assert_eq!(&proof, &plain.prove(map_key(name)));
            prop_assert_eq!(proof.verify(root, map_key(name), Some(value)), Ok(()));
            prop_assert_eq!(proof.verify(root, map_key(name), None), Err(MapProofError::HasValue));
            prop_assert_eq!(proof.verify(root, map_key(name), Some(b"{}")), Err(MapProofError::OtherValue));
        }
        for name in &absent {
            let proof = jmt.prove(map_key(name), 0);
            prop_assert_eq!(&proof, &plain.prove(map_key(name)));
            prop_assert_eq!(proof.verify(root, map_key(name), None), Ok(()));
            let claimed: Option<&[u8]> = Some(b"{}");
            prop_assert!(proof.verify(root, map_key(name), claimed).is_err());
        }
    }

    /// No bit of a proof can change.
    #[test]
    fn a_flipped_bit_is_refused(map in map(200), pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let plain = reference(&map);
        let (name, value) = map.iter().nth(pick.index(map.len())).unwrap();
        for (key, value) in [(map_key(name), Some(value.as_slice())), (map_key("nobody"), None)] {
            let proof = plain.prove(key);
            prop_assert_eq!(proof.verify(plain.root(), key, value), Ok(()));
            let mut wrong = proof.clone();
            let mut hashes: Vec<&mut Hash> = wrong.siblings.iter_mut().collect();
            if let Some(leaf) = &mut wrong.leaf {
                hashes.extend([&mut leaf.key, &mut leaf.value]);
            }
            if !hashes.is_empty() {
                let bit = at.index(hashes.len() * 256);
                hashes[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
                prop_assert!(wrong.verify(plain.root(), key, value).is_err());
            }
            let mut root = plain.root();
            root.0[at.index(32)] ^= 1;
            prop_assert_eq!(proof.verify(root, key, value), Err(MapProofError::RootMismatch));
            let mut short = proof.clone();
            if short.siblings.pop().is_some() {
                prop_assert!(short.verify(plain.root(), key, value).is_err());
            }
        }
    }

    /// A proof says nothing of another subject, and nothing of a version in which the subject had another status.
    #[test]
    fn other_subjects_and_versions_are_refused(old in map(100), changes in map(60), pick in any::<prop::sample::Index>()) {
        let mut new = old.clone();
        new.extend(changes.iter().map(|(name, value)| (name.clone(), value.clone())));
        let changed = old.keys().nth(pick.index(old.len())).unwrap();
        new.insert(changed.clone(), br#"{"status":"revoked"}"#.to_vec());
        let mut set = changes;
        set.insert(changed.clone(), new[changed].clone());
        let jmt = Jmt::new(&[&old, &set]);
        prop_assert_eq!(jmt.root(jmt.1), reference(&new).root());
        let stale = jmt.prove(map_key(changed), 0);
        prop_assert_eq!(stale.verify(jmt.root(0), map_key(changed), Some(&old[changed])), Ok(()));
        prop_assert!(stale.verify(jmt.root(1), map_key(changed), Some(&old[changed])).is_err());
        prop_assert!(stale.verify(jmt.root(1), map_key(changed), Some(&new[changed])).is_err());
        for (name, value) in &new {
            let proof = jmt.prove(map_key(name), 1);
            prop_assert_eq!(proof.verify(jmt.root(1), map_key(name), Some(value)), Ok(()));
            if name != changed {
                prop_assert!(proof.verify(jmt.root(1), map_key(changed), Some(&new[changed])).is_err());
                prop_assert!(proof.verify(jmt.root(1), map_key(changed), None).is_err(), "not absent either");
            }
        }
    }
}
