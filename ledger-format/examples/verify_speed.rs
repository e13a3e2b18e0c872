//! How long it takes to verify one proof file: an entry of a log of a million, three cosignatures.
//!
//! `cargo run --release -p ledger-format --example verify_speed`

use std::time::Instant;

use ledger_format::*;

const ORIGIN: &str = "maip.example/main";
const SIZE: u64 = 1_000_000;
const ROUNDS: u32 = 2_000;

/// A log whose entries are all alike, so that its million leaves need no memory.
struct Alike(Vec<Hash>);

impl HashReader for Alike {
    type Error = std::convert::Infallible;

    fn subtree(&self, level: u8, _: u64) -> Result<Hash, Self::Error> {
        Ok(self.0[usize::from(level)])
    }
}

fn main() {
    let entry = vec![b'x'; 600];
    let mut levels = vec![leaf_hash(&entry)];
    (0..20).for_each(|level| levels.push(node_hash(levels[level], levels[level])));
    let tree = Alike(levels);
    let (Ok(root), Ok(hashes)) = (tree_root(&tree, SIZE), prove_inclusion(&tree, SIZE / 3, SIZE));

    let log = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [1; 32]).expect("a good name");
    let text = Checkpoint::new(ORIGIN, SIZE, root).to_string();
    let mut note = Note::new(text.as_str());
    note.push(log.sign(&text));
    let mut policy = format!("log {}\n", log.vkey());
    for number in 1..=3 {
        let name = format!("witness{number}.example");
        let witness =
            NoteSigner::new(&name, SignatureType::CosignatureV1, [10 + number; 32]).expect("a good name");
        note.push(witness.cosign(&text, 1_767_225_600));
        policy += &format!("witness w{number} {}\n", witness.vkey());
    }
    let policy = Policy::parse(&(policy + "group all all w1 w2 w3\nquorum all\n")).expect("a good policy");
    let file = TlogProof { extra: Some(entry), index: SIZE / 3, hashes, note }.to_bytes();

    let start = Instant::now();
    for _ in 0..ROUNDS {
        let proof = TlogProof::parse(&file).expect("a good file");
        verify(proof.entry().expect("carried"), &proof, &policy).expect("a good proof");
    }
    let each_us = start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    println!("{} bytes, {SIZE} entries, log and 3 witnesses: {each_us:.0} us to read and verify", file.len());
}
