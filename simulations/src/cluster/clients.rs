//! Clients that write down what they are told, and send again what they were not told about.

use std::time::Duration;

use bytes::Bytes;
use ledger_format::{Policy, TlogProof, record::Entry, verify};
use ledger_log::{Ack, Credential, Reader, with_seed};

use super::{
    history::History,
    network::Network,
    oracle::{Acknowledged, Seen},
    records::Tenant,
};
use crate::dice::Dice;

/// How long a client waits for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A client sends one record this often at most, then takes it for lost.
const TRIES: u32 = 40;

/// One client's view of the world.
pub(super) struct Client {
    pub(super) number: u8,
    pub(super) network: Network,
    pub(super) nodes: Vec<u64>,
    pub(super) history: History,
    pub(super) seen: Seen,
    pub(super) dice: Dice,
    pub(super) policy: Policy,
    /// Operations on agents so far; see `registers`.
    pub(super) operations: u64,
}

impl Client {
    /// Sends records one after another, for ever.
    pub(super) async fn run(mut self) {
        let mut tenant = Tenant::new(self.number);
        loop {
            let record = tenant.next();
            let told = self.insist(record.clone()).await;
            // Now and then a record is sent once more although it was acknowledged: it keeps its index.
            if told && self.dice.once_in(1, 5) {
                self.insist(record).await;
            }
            self.pause(20, 400).await;
        }
    }

    pub(super) async fn pause(&mut self, least_ms: u64, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(self.dice.between(least_ms, most_ms))).await;
    }

    /// Sends a record again until it is acknowledged, but not for ever.
    pub(super) async fn insist(&mut self, record: Bytes) -> bool {
        for _ in 0..TRIES {
            let wanted = if self.dice.once_in(1, 3) { Ack::Witnessed } else { Ack::Sequenced };
            if self.send(record.clone(), wanted).await.is_ok() {
                return true;
            }
            self.pause(50, 500).await;
        }
        false
    }

    /// Sends a record to any node that runs; what is acknowledged is written down.
    pub(super) async fn send(&mut self, record: Bytes, wanted: Ack) -> Result<(), String> {
        let node = self.dice.pick(&self.nodes).copied().unwrap_or(1);
        let log = self.network.running(node).ok_or("the node is down")?;
        let submit = log.submit(vec![record.clone()], wanted, PATIENCE, Credential::Admin);
        let seed = self.dice.bits();
        let answers = tokio::select! {
            answers = with_seed(seed, submit) => answers,
            // The connection breaks.
            () = closed(log.reader()) => return Err("the node went down".into()),
        };
        let answer = answers.into_iter().next().ok_or("no answer")?;
        let told = match answer {
            Ok(told) => told,
            Err(refused) => {
                self.history.note(&format!("client {} at {node}: {}", self.number, refused.code));
                return Err(refused.to_string());
            }
        };
        self.history.note(&format!("client {} at {node}: index {}", self.number, told.index));
        let proven = wanted == Ack::Sequenced || self.proves(&record, told.proof.as_deref());
        let fact = Acknowledged { record, index: told.index, leaf: told.leaf };
        self.seen.facts().acknowledged.push(fact);
        if proven { Ok(()) } else { Err("no proof in time".into()) }
    }

    /// As a stranger would check it, offline.
    fn proves(&self, record: &[u8], proof: Option<&[u8]>) -> bool {
        let proof = proof.and_then(|bytes| TlogProof::parse(bytes).ok());
        let Some(proof) = proof else { return false };
        let Some(entry) = proof.entry() else { return false };
        let same = Entry::parse(entry).is_ok_and(|entry| entry.record == record);
        same && verify(entry, &proof, &self.policy).is_ok()
    }
}

/// Returns when a node has let go of its log; keeps none of its files open afterwards.
pub(super) async fn closed(reader: Reader) {
    reader.closed().await;
}
