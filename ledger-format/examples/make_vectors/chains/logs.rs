//! A log that takes whatever it is told.

use std::collections::BTreeMap;

use ledger_format::record::{Actor, Body, Draft, Entry, Record, RecordHash, SigningKey, StateRoot, Ulid};
use ledger_format::*;

use crate::reference::Reference;
use crate::world::TIME_S;

pub(super) const START_MS: u64 = TIME_S * 1_000;

/// A log in the making.
pub(super) struct Log {
    pub(super) origin: &'static str,
    signer: NoteSigner,
    witness: NoteSigner,
    entries: Vec<Vec<u8>>,
    names: Vec<(String, u64)>,
    staples: Vec<(String, String, Vec<u8>, u64, MapProof)>,
    /// The time of the next entry, ms since 1970.
    pub(super) ms: u64,
    next_id: u128,
}

impl Log {
    pub(super) fn new(origin: &'static str, seed: u8) -> Log {
        let witness = format!("witness.{origin}");
        Log {
            origin,
            signer: NoteSigner::new(origin, SignatureType::Ed25519, [seed; 32]).expect("a good name"),
            witness: NoteSigner::new(&witness, SignatureType::CosignatureV1, [seed + 100; 32])
                .expect("a good name"),
            entries: Vec::new(),
            names: Vec::new(),
            staples: Vec::new(),
            ms: START_MS,
            next_id: u128::from(seed) << 40,
        }
    }

    /// Its lines in a policy.
    pub(super) fn policy(&self, name: &str) -> String {
        format!("log {}\nwitness {name} {}\n", self.signer.vkey(), self.witness.vkey())
    }

    pub(super) fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Logs bytes as they are.
    pub(super) fn raw(&mut self, name: &str, record: &[u8]) -> u64 {
        let index = self.size();
        self.entries.push(Entry::encode(self.ms, record));
        self.names.push((name.to_owned(), index));
        self.ms += 1_000;
        index
    }

    /// Logs a record that somebody signs.
    pub(super) fn say(
        &mut self,
        name: &str,
        tenant: Ulid,
        actor: Actor,
        key: &SigningKey,
        body: Body,
    ) -> RecordHash {
        let record = self.draft(tenant, actor, key, body);
        self.raw(name, &record.to_bytes());
        record.hash()
    }

    pub(super) fn draft(&mut self, tenant: Ulid, actor: Actor, key: &SigningKey, body: Body) -> Record {
        self.next_id += 1;
        Draft::new(tenant, Ulid::from_parts(START_MS, self.next_id), actor, START_MS, body).sign(key)
    }

    /// States the root of a map at `at_ms` and staples all of it; names get `suffix` behind the subject's.
    pub(super) fn seal(&mut self, suffix: &str, statuses: &[(&str, String, String)], lag: u64, at_ms: u64) {
        let map =
            Reference::new(statuses.iter().map(|(_, subject, value)| (subject.as_str(), value.as_bytes())));
        let index = self.size();
        let root = StateRoot {
            as_of_size: index - lag,
            map_root: map.root(),
            trust_alg: "maip-trust/1".into(),
            step: None,
            version: index,
        };
        self.entries.push(Entry::encode(at_ms, &root.to_bytes()));
        for (name, subject, value) in statuses {
            let proof = map.prove(map_key(subject));
            let name = format!("{name}{suffix}");
            self.staples.push((name, subject.clone(), value.clone().into_bytes(), index, proof));
        }
    }

    /// The texts of all parts.
    pub(super) fn publish(&self, pool: &mut BTreeMap<String, String>) {
        let leaves: Vec<Hash> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let size = self.size();
        let root = tree_root(&leaves, size).expect("in memory");
        let text = Checkpoint::new(self.origin, size, root).to_string();
        let mut note = Note::new(&text);
        note.push(self.signer.sign(&text));
        note.push(self.witness.cosign(&text, TIME_S + 3_700));
        let prove = |index: u64| TlogProof {
            extra: Some(self.entries[usize::try_from(index).expect("small")].clone()),
            index,
            hashes: prove_inclusion(&leaves, index, size).expect("in memory"),
            note: note.clone(),
        };
        for (name, index) in &self.names {
            pool.insert(name.clone(), prove(*index).to_string());
        }
        for (name, subject, value, index, proof) in &self.staples {
            let staple = Staple {
                origin: self.origin.into(),
                subject: subject.clone(),
                standing: Standing::Present(value.clone()),
                siblings: proof.siblings.clone(),
                inclusion: prove(*index),
            };
            pool.insert(name.clone(), staple.to_string());
        }
    }
}
