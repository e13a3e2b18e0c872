//! Multi-proofs of every shape: built by `rs_merkle` inside tiles, verified by our own code.

use std::collections::BTreeSet;

use ledger_format::*;
use proptest::prelude::*;

const ORIGIN: &str = "maip.example/main";

fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, SignatureType::Ed25519, [1; 32]).expect("a good name")
}

fn policy() -> Policy {
    Policy::parse(&format!("log {}\nquorum none\n", signer().vkey())).expect("a good policy")
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// Tiles of a log in memory: rows of complete subtrees, 256 times larger each.
struct Tiles(Vec<Vec<Hash>>);

impl Tiles {
    fn of(size: u64) -> Self {
        let mut rows = vec![(0..size).map(|index| leaf_hash(&entry(index))).collect::<Vec<_>>()];
        while let Some(row) = rows.last().filter(|row| row.len() >= 256) {
            rows.push(row.chunks_exact(256).map(tile_root).collect());
        }
        Self(rows)
    }
}

impl TileReader for Tiles {
    type Error = String;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Vec<Hash>, String> {
        let start = index as usize * 256;
        let row = self.0.get(usize::from(level)).ok_or("no such level")?;
        row.get(start..start + usize::from(width))
            .map(<[Hash]>::to_vec)
            .ok_or_else(|| "past the end".to_owned())
    }
}

fn note(reader: &impl HashReader<Error: std::fmt::Debug>, size: u64) -> Note {
    let root = tree_root(reader, size).expect("in memory");
    let text = Checkpoint::new(ORIGIN, size, root).to_string();
    let mut note = Note::new(text.as_str());
    note.push(signer().sign(&text));
    note
}

fn build(tiles: &Tiles, size: u64, indexes: &BTreeSet<u64>) -> MultiProof {
    let reader = TileHashReader::new(tiles, size);
    let entries = indexes.iter().map(|&index| (index, entry(index))).collect();
    MultiProof::build(&reader, note(&reader, size), entries).expect("a good request")
}

#[test]
fn one_entry_has_its_audit_path() {
    let tiles = Tiles::of(1_100);
    for size in (1..=1_100).step_by(7).chain([256, 257, 512, 513, 1_024]) {
        for index in [0, size / 2, size - 1] {
            let proof = build(&tiles, size, &BTreeSet::from([index]));
            let path = prove_inclusion(&TileHashReader::new(&tiles, size), index, size).expect("in memory");
            assert_eq!(proof.hashes, path, "{index} of {size}");
        }
    }
}

#[test]
fn every_entry_needs_no_hash() {
    let tiles = Tiles::of(700);
    for size in [1, 2, 255, 256, 257, 511, 700] {
        let proof = build(&tiles, size, &(0..size).collect());
        assert!(proof.hashes.is_empty(), "size {size}");
        let proven = proof.verify(&policy()).expect("a good proof");
        assert_eq!(proven.leaves.len() as u64, size);
    }
}

#[test]
fn three_levels_of_tiles() {
    let size = 70_000;
    let tiles = Tiles::of(size);
    let indexes = BTreeSet::from([0, 1, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999]);
    let proof = build(&tiles, size, &indexes);
    let proven = proof.verify(&policy()).expect("a good proof");
    assert_eq!(proven.leaves.iter().map(|&(index, _)| index).collect::<BTreeSet<_>>(), indexes);
    let alone: usize =
        indexes.iter().map(|&index| build(&tiles, size, &BTreeSet::from([index])).hashes.len()).sum();
    assert!(proof.hashes.len() * 3 < alone * 2, "{} hashes, {alone} one by one", proof.hashes.len());
}

#[test]
fn what_cannot_be_built() {
    let tiles = Tiles::of(300);
    let reader = TileHashReader::new(&tiles, 300);
    let note = note(&reader, 300);
    let try_build =
        |entries: Vec<(u64, Vec<u8>)>| MultiProof::build(&reader, note.clone(), entries).map(|_| ());
    let refused = Err(MultiProofBuildError::Entries);
    assert_eq!(try_build(Vec::new()), refused);
    assert_eq!(try_build(vec![(5, entry(5)), (4, entry(4))]), refused);
    assert_eq!(try_build(vec![(5, entry(5)), (5, entry(5))]), refused);
    assert_eq!(try_build(vec![(5, vec![0; ENTRY_BYTES_MAX + 1])]), refused);
    let outside = ProofError::IndexOutsideTree { index: 300, size: 300 };
    assert_eq!(try_build(vec![(300, entry(300))]), Err(MultiProofBuildError::Mismatch(outside)));
    let mismatch = Err(MultiProofBuildError::Mismatch(ProofError::RootMismatch));
    assert_eq!(try_build(vec![(5, entry(6))]), mismatch, "an entry that the log does not hold there");
}

fn request() -> impl Strategy<Value = (u64, BTreeSet<u64>)> {
    (1u64..1_100).prop_flat_map(|size| (Just(size), prop::collection::btree_set(0..size, 1..20)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_proof_holds_and_only_as_issued((size, indexes) in request(), at in any::<prop::sample::Index>(), bit in 0..256usize) {
        let (tiles, policy) = (Tiles::of(1_100), policy());
        let proof = build(&tiles, size, &indexes);
        prop_assert!(proof.verify(&policy).is_ok());
        prop_assert_eq!(MultiProof::parse(&proof.to_bytes()), Ok(proof.clone()));

        let refused = |change: &dyn Fn(&mut MultiProof)| {
            let mut changed = proof.clone();
            change(&mut changed);
            changed.verify(&policy).is_err()
        };
        if !proof.hashes.is_empty() {
            let place = at.index(proof.hashes.len());
            let turned = refused(&|p| p.hashes[place].0[bit / 8] ^= 1 << (bit % 8));
            prop_assert!(turned, "bit {} of hash {}", bit, place);
            let missing = refused(&|p| drop(p.hashes.splice(place..=place, [])));
            prop_assert!(missing, "without hash {}", place);
        }
        let place = at.index(proof.hashes.len() + 1);
        let extra = refused(&|p| p.hashes.insert(place, leaf_hash(b"")));
        prop_assert!(extra, "one more hash at {}", place);
        let victim = at.index(proof.entries.len());
        prop_assert!(refused(&|p| p.entries[victim].1.push(b'!')), "entry {} changed", victim);
        prop_assert!(refused(&|p| drop(p.entries.remove(victim))), "entry {} left out", victim);
        let unsorted = refused(&|p| p.entries.reverse());
        prop_assert!(unsorted || proof.entries.len() == 1, "entries in another order");
    }
}
