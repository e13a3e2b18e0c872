//! The log, the witnesses and the trees that vectors are made of. All from fixed seeds.

use ledger_format::*;
use serde_json::{Value, json};

pub(crate) const ORIGIN: &str = "maip.example/main";
/// 2026-01-01T00:00:00Z.
pub(crate) const TIME_S: u64 = 1_767_225_600;

pub(crate) fn log_signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, SignatureType::Ed25519, [1; 32]).expect("a good name")
}

pub(crate) fn witness(number: u8) -> NoteSigner {
    let name = format!("witness{number}.example/w");
    NoteSigner::new(&name, SignatureType::CosignatureV1, [100 + number; 32]).expect("a good name")
}

pub(crate) fn policy_text() -> String {
    let mut text = format!("log {} https://log.example/\n", log_signer().vkey());
    for number in 1..=3 {
        text += &format!("witness w{number} {}\n", witness(number).vkey());
    }
    text + "group all-three 2 w1 w2 w3\nquorum all-three\n"
}

pub(crate) fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

pub(crate) fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|index| leaf_hash(&entry(index))).collect()
}

/// A tree that agrees with [`leaves`] below `from` only.
pub(crate) fn forked_leaves(size: u64, from: u64) -> Vec<Hash> {
    let other = |index| leaf_hash(format!("other {index}").as_bytes());
    (0..size).map(|index| if index < from { leaf_hash(&entry(index)) } else { other(index) }).collect()
}

pub(crate) fn root(leaves: &[Hash]) -> Hash {
    tree_root(leaves, leaves.len() as u64).expect("in memory")
}

pub(crate) fn checkpoint(leaves: &[Hash]) -> String {
    Checkpoint::new(ORIGIN, leaves.len() as u64, root(leaves)).to_string()
}

/// A checkpoint signed by the log and some witnesses.
pub(crate) fn note(leaves: &[Hash], witnesses: &[u8]) -> Note {
    note_of(&checkpoint(leaves), witnesses)
}

pub(crate) fn note_of(text: &str, witnesses: &[u8]) -> Note {
    let mut note = Note::new(text);
    note.push(log_signer().sign(text));
    for &number in witnesses {
        note.push(witness(number).cosign(text, TIME_S + u64::from(number)));
    }
    note
}

pub(crate) fn hexes(hashes: &[Hash]) -> Value {
    json!(hashes.iter().map(|hash| hash.to_hex()).collect::<Vec<_>>())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same hash with its first bit turned.
pub(crate) fn flip(hash: Hash) -> Hash {
    let mut bytes = hash.0;
    bytes[0] ^= 0x80;
    Hash(bytes)
}
