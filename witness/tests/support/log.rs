//! A transparency log in memory, honest or not, made of `ledger_format` only.

use std::convert::Infallible;

use ledger_format::{
    AddCheckpoint, Checkpoint, Hash, HashReader, Note, NoteSigner, SignatureType, leaf_hash, node_hash,
    prove_consistency, tree_root,
};

/// A log that signs whatever it is told to.
#[derive(Clone)]
pub struct TestLog {
    pub origin: String,
    key_name: String,
    seed: [u8; 32],
    /// Complete subtrees by level.
    levels: Vec<Vec<Hash>>,
}

impl TestLog {
    /// A log whose key has the origin as its name, with `size` entries.
    pub fn new(origin: &str, size: u64) -> Self {
        let mut seed = [7; 32];
        for (at, byte) in origin.bytes().enumerate() {
            seed[at % 32] ^= byte.rotate_left(at as u32 / 32);
        }
        let mut log = Self { origin: origin.into(), key_name: origin.into(), seed, levels: vec![Vec::new()] };
        log.grow(size, "");
        log
    }

    /// The same log with another key.
    pub fn with_key(mut self, name: &str, seed: u8) -> Self {
        self.key_name = name.into();
        self.seed = [seed; 32];
        self
    }

    /// The same tree and key under another origin.
    pub fn with_origin(mut self, origin: &str) -> Self {
        self.origin = origin.into();
        self
    }

    /// Adds entries up to `size`; another `branch` gives other entries.
    pub fn grow(&mut self, size: u64, branch: &str) {
        while (self.levels[0].len() as u64) < size {
            let entry = format!("{branch} entry {} of {}", self.levels[0].len(), self.origin);
            self.push(leaf_hash(entry.as_bytes()));
        }
    }

    /// Adds a leaf.
    pub fn push(&mut self, mut hash: Hash) {
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(hash);
            let [.., left, right] = self.levels[level][..] else { return };
            if self.levels[level].len() % 2 == 1 {
                return;
            }
            hash = node_hash(left, right);
        }
    }

    /// A log that agrees with this one below `at` and differs after it.
    pub fn fork(&self, at: u64, branch: &str) -> Self {
        let size = self.levels[0].len() as u64;
        let mut fork = Self { levels: vec![Vec::new()], ..self.clone() };
        for &leaf in &self.levels[0][..at as usize] {
            fork.push(leaf);
        }
        fork.grow(size, branch);
        fork
    }

    pub fn key(&self) -> NoteSigner {
        NoteSigner::new(&self.key_name, SignatureType::Ed25519, self.seed).expect("a key name")
    }

    pub fn vkey(&self) -> String {
        self.key().vkey().to_string()
    }

    pub fn root(&self, size: u64) -> Hash {
        let Ok(root) = tree_root(self, size);
        root
    }

    pub fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        let Ok(proof) = prove_consistency(self, old, new);
        proof
    }

    pub fn text(&self, size: u64) -> String {
        Checkpoint::new(self.origin.clone(), size, self.root(size)).to_string()
    }

    /// Any text, signed by this log.
    pub fn sign(&self, text: &str) -> Note {
        let mut note = Note::new(text.to_owned());
        note.push(self.key().sign(text));
        note
    }

    /// The request an honest log sends.
    pub fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        AddCheckpoint { old, proof: self.proof(old, new), note: self.sign(&self.text(new)) }
    }

    pub fn body(&self, old: u64, new: u64) -> Vec<u8> {
        self.request(old, new).to_bytes()
    }
}

impl HashReader for TestLog {
    type Error = Infallible;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(self.levels[usize::from(level)][index as usize])
    }
}
