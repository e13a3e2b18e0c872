//! Applying committed raft_entries: decode, ask the state machine, commit everything in one write.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use ledger_format::push_bundle_entry;
use ledger_state::{Applied, Command, Outcome};
use ledger_store::{Batch, Space};

use super::{
    AppliedMark, Ledger, LedgerError, PublishedCheckpoint, RaftMark, meta,
    view::{LedgerView, Overlay, space_of},
};
use crate::{
    alarm::AlarmKind,
    raft::{
        codec,
        types::{LogId, Membership, Reply, StoredMembership},
    },
};

/// Why this node must stop applying. The durable state is right; going on would make it wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Halt {
    /// The disk failed.
    #[error("storage failed while applying: {0}")]
    Store(#[from] LedgerError),
    /// A committed command cannot be read: another version wrote it, or the disk changed it.
    #[error("a committed command cannot be read: {0}")]
    Command(String),
    /// This node's state contradicts what the cluster signed (rule S5).
    #[error("this node's state contradicts the log: {0}")]
    Corrupt(String),
}

/// What a raft_entry asks of the state.
pub(crate) enum Work {
    /// A leader's blank entry.
    Blank,
    /// An encoded command.
    Command(Bytes),
    /// A change of the cluster.
    Membership(Membership),
}

/// Changes of one batch of raft_entries, before they are committed.
#[derive(Default)]
struct Pending {
    overlay: Overlay,
    chunks: Batch,
    entries_bytes: usize,
    published: Option<Arc<PublishedCheckpoint>>,
}

impl Ledger {
    /// Applies raft_entries in order and commits their changes and the last one's id in one atomic write.
    ///
    /// The right edge in memory moves on before the commit: readers never look beyond the published size, and that moves
    /// only after it.
    pub(crate) fn apply(&self, entries: Vec<(LogId, Work)>) -> Result<Vec<Reply>, Halt> {
        let Some(last) = entries.last().map(|(id, _)| *id) else { return Ok(Vec::new()) };
        let mut pending = Pending::default();
        let mut membership = None;
        let mut replies = Vec::with_capacity(entries.len());
        for (id, work) in entries {
            let reply = match work {
                Work::Blank => Reply::default(),
                Work::Membership(members) => {
                    membership = Some(StoredMembership::new(Some(id), members));
                    Reply::default()
                }
                Work::Command(bytes) => Reply { outcomes: self.apply_command(&bytes, &mut pending)? },
            };
            replies.push(reply);
        }
        self.commit(last, membership, pending)?;
        Ok(replies)
    }

    fn apply_command(&self, bytes: &Bytes, pending: &mut Pending) -> Result<Vec<Outcome>, Halt> {
        let command = Command::decode(bytes).map_err(|error| Halt::Command(error.to_string()))?;
        let view = LedgerView::new(self, &pending.overlay);
        let applied = ledger_state::apply(&view, &command);
        if let Some(error) = view.into_fault() {
            return Err(error.into());
        }
        if let Some(alarm) = &applied.alarm {
            self.alarms.raise(AlarmKind::RootMismatch, alarm.to_string());
            return Err(Halt::Corrupt(alarm.to_string()));
        }
        let Applied { outcomes, entries, writes, published, seal_now, .. } = applied;
        if let Some(indexes) = seal_now {
            self.want_sealed(indexes);
        }
        if let Some(first) = entries.first() {
            let mut chunk = Vec::with_capacity(entries.iter().map(|e| e.bytes.len() + 2).sum());
            let first = first.index;
            let mut edge = self.edge.write().unwrap_or_else(PoisonError::into_inner);
            for entry in entries {
                push_bundle_entry(&mut chunk, &entry.bytes).map_err(|e| Halt::Command(e.to_string()))?;
                edge.push(entry.leaf, Bytes::from(entry.bytes));
            }
            pending.entries_bytes += chunk.len();
            pending.chunks.put(Space::Meta, meta::edge_key(first), chunk);
        }
        pending.overlay.extend(writes);
        if let Some(published) = published {
            let published = PublishedCheckpoint::read(&published.note).map_err(Halt::Command)?;
            self.check_tiles(&published)?;
            pending.published = Some(Arc::new(published));
        }
        Ok(outcomes)
    }

    /// S5 for the other tree: the state judges a checkpoint by the root that it keeps, but what this node serves and votes with
    /// comes from tiles. Tiles that cannot be read have raised their own alarm and are repaired; the state was right.
    fn check_tiles(&self, published: &PublishedCheckpoint) -> Result<(), Halt> {
        let size = published.checkpoint.size;
        match self.root_at(size) {
            Ok(own) if own != published.checkpoint.root => {
                let text = format!(
                    "the tiles of this node give another root for {size} entries than the log has signed"
                );
                self.alarms.raise(AlarmKind::RootMismatch, text.clone());
                Err(Halt::Corrupt(text))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn commit(
        &self,
        last: LogId,
        membership: Option<StoredMembership>,
        pending: Pending,
    ) -> Result<(), Halt> {
        let Pending { overlay, mut chunks, published, .. } = pending;
        let erased = overlay.keys().any(|key| ledger_state::keys::is_erasure(key));
        let mut state = Vec::new();
        for (key, value) in overlay {
            let space = space_of(&key);
            if space == Space::State {
                state.push((key.clone(), value.clone()));
            }
            match value {
                Some(value) => chunks.put(space, key, value),
                None => chunks.delete(space, key),
            }
        }
        chunks.put(Space::Meta, meta::APPLIED, codec::encode_log_id(&Some(last)).to_vec());
        if let Some(membership) = &membership {
            chunks.put(Space::Meta, meta::MEMBERSHIP, codec::encode_membership(membership).to_vec());
        }
        self.engine.commit(chunks).map_err(LedgerError::from)?;
        self.state.committed(state);
        self.endings.committed();
        {
            let mut mark = self.raft.lock().unwrap_or_else(PoisonError::into_inner);
            let membership = membership.unwrap_or_else(|| mark.membership.clone());
            *mark = RaftMark { applied: Some(last), membership };
        }
        let size = self.edge().size();
        self.applied.send_replace(AppliedMark { raft_index: last.index, term: last.leader_id.term, size });
        if let Some(published) = published {
            self.published.send_replace(Some(published));
        }
        if erased {
            self.erased_now.notify_one();
        }
        self.file_full_tiles();
        Ok(())
    }
}

impl PublishedCheckpoint {
    /// Reads a note that apply has already checked.
    pub(crate) fn read(note: &[u8]) -> Result<Self, String> {
        let parsed = ledger_format::Note::parse(note).map_err(|e| e.to_string())?;
        let checkpoint = ledger_format::Checkpoint::parse(parsed.text()).map_err(|e| e.to_string())?;
        // A cosignature begins with its time; a plain log signature is exactly 64 bytes and has none.
        let times = parsed.signatures().iter().filter(|line| line.signature.len() > 64);
        let at_ms = times
            .filter_map(|line| line.signature.first_chunk::<8>())
            .map(|time| u64::from_be_bytes(*time).saturating_mul(1_000))
            .max()
            .unwrap_or(0);
        Ok(Self { note: note.into(), parsed, checkpoint, at_ms })
    }
}

#[cfg(test)]
mod tests {
    use ledger_format::{
        Checkpoint, Note, NoteSigner, SignatureType,
        record::{Actor, Body, Draft, GenesisLimits, LogGenesis, LogKey, LogKeyAction, SigningKey, Ulid},
    };
    use ledger_store::{EngineKind, EngineOptions};

    use super::*;
    use crate::{alarm::Alarms, raft::types::LeaderId};

    const ORIGIN: &str = "log.example/a";

    fn apply(ledger: &Ledger, index: u64, command: &Command) -> Result<Vec<Reply>, Halt> {
        let id = LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index };
        ledger.apply(vec![(id, Work::Command(command.encode().into()))])
    }

    fn genesis(signer: &NoteSigner) -> Command {
        let operator = SigningKey::from_seed([2; 32]);
        let body = Body::LogGenesis(Box::new(LogGenesis {
            limits: GenesisLimits::default(),
            log_keys: vec![signer.vkey().to_string()],
            operator_key: operator.public(),
            origin: ORIGIN.into(),
            policy: format!("log {}\nquorum none\n", signer.vkey()),
            predecessor: None,
            trust_algorithm: "maip-trust/1".into(),
        }));
        let record = Draft::new(Ulid(0), Ulid::from_parts(1, 1), Actor::Operator, 1, body).sign(&operator);
        Command::Append { log_ms: 1, records: vec![record.to_bytes()] }
    }

    /// Any second entry.
    fn second() -> Command {
        let key = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [9; 32]).unwrap();
        let body = Body::LogKey(LogKey { action: LogKeyAction::Add, vkey: key.vkey().to_string() });
        let draft = Draft::new(Ulid(0), Ulid::from_parts(1, 2), Actor::Operator, 2, body);
        Command::Append { log_ms: 2, records: vec![draft.sign(&SigningKey::from_seed([2; 32])).to_bytes()] }
    }

    /// S5: the state keeps a root of its own and finds nothing wrong; what is served comes from the other tree.
    #[test]
    fn s5_a_tree_in_memory_that_contradicts_a_checkpoint_halts_the_node() {
        let dir = tempfile::tempdir().unwrap();
        let engine = ledger_store::open(EngineKind::Memory, dir.path(), &EngineOptions::default()).unwrap();
        let alarms = Arc::new(Alarms::default());
        let ledger = Ledger::open(dir.path(), engine, alarms.clone()).unwrap();
        let signer = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [1; 32]).unwrap();
        apply(&ledger, 1, &genesis(&signer)).unwrap();
        let mut note =
            Note::new(Checkpoint::new(ORIGIN.to_owned(), 1, ledger.root_at(1).unwrap()).to_string());
        let line = signer.sign(note.text());
        note.push(line);
        let publish = Command::Publish { note: note.to_bytes() };
        assert_eq!(apply(&ledger, 2, &publish).unwrap()[0].outcomes, [Outcome::Done]);

        ledger.checked_root().unwrap();

        assert!(ledger.flip_in_memory(5));
        assert!(matches!(apply(&ledger, 3, &publish), Err(Halt::Corrupt(_))));
        assert!(alarms.is_standing(AlarmKind::RootMismatch));
        assert_eq!(ledger.raft_mark().applied.map(|id| id.index), Some(2), "nothing more is applied");
        ledger.stop();
    }

    /// G1: also when the log grows while its root is voted on.
    #[test]
    fn g1_the_two_trees_of_a_node_are_compared_where_the_state_stands() {
        let dir = tempfile::tempdir().unwrap();
        let engine = ledger_store::open(EngineKind::Memory, dir.path(), &EngineOptions::default()).unwrap();
        let alarms = Arc::new(Alarms::default());
        let ledger = Ledger::open(dir.path(), engine, alarms.clone()).unwrap();
        ledger.checked_root().unwrap();
        let signer = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [1; 32]).unwrap();
        apply(&ledger, 1, &genesis(&signer)).unwrap();
        ledger.checked_root().unwrap();
        assert!(ledger.flip_in_memory(77));
        apply(&ledger, 2, &second()).unwrap();
        assert_eq!(ledger.size(), 2, "the log has grown");
        assert!(ledger.checked_root().is_err());
        assert!(alarms.is_standing(AlarmKind::RootMismatch));
        ledger.stop();
    }
}
