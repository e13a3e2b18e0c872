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
            pending.published =
                Some(Arc::new(PublishedCheckpoint::read(&published.note).map_err(Halt::Command)?));
        }
        Ok(outcomes)
    }

    fn commit(
        &self,
        last: LogId,
        membership: Option<StoredMembership>,
        pending: Pending,
    ) -> Result<(), Halt> {
        let Pending { overlay, mut chunks, published, .. } = pending;
        let erased = overlay.keys().any(|key| ledger_state::keys::is_erasure(key));
        for (key, value) in &overlay {
            match value {
                Some(value) => chunks.put(space_of(key), key.as_slice(), value.as_slice()),
                None => chunks.delete(space_of(key), key.as_slice()),
            }
        }
        chunks.put(Space::Meta, meta::APPLIED, codec::encode_log_id(&Some(last)).to_vec());
        if let Some(membership) = &membership {
            chunks.put(Space::Meta, meta::MEMBERSHIP, codec::encode_membership(membership).to_vec());
        }
        self.engine.commit(chunks).map_err(LedgerError::from)?;
        self.state.committed(overlay);
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
