//! The replicated state machine, as openraft wants to see it.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{Stream, TryStreamExt as _};
use ledger_state::Command;
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    entry::RaftEntry as _,
    storage::{EntryResponder, RaftStateMachine, Snapshot},
};

use super::types::{LogId, SnapshotMeta, StoredMembership, TypeConfig};
use crate::{
    alarm::AlarmKind,
    ledger::{Ledger, LedgerError, Work},
    snapshot::{self, Look, SnapshotWriter},
};

/// A Raft snapshot on its way: the file that holds it.
pub(crate) type SnapshotData = PathBuf;
type RaftSnapshot = openraft::alias::SnapshotOf<TypeConfig, SnapshotData>;

/// Raft entries that are committed to the engine in one write.
const ENTRIES_AT_ONCE: usize = 256;

/// Applies what Raft has committed.
pub(crate) struct Machine {
    ledger: Arc<Ledger>,
    /// Raft knows of a snapshot, and may have purged its log behind it: from now on there must be one.
    snapshot_known: bool,
}

impl Machine {
    pub(crate) fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger, snapshot_known: false }
    }

    fn apply_some(&self, some: &mut Vec<EntryResponder<TypeConfig>>) -> io::Result<()> {
        let mut work = Vec::with_capacity(some.len());
        let mut responders = Vec::with_capacity(some.len());
        for (entry, responder) in some.drain(..) {
            let id = entry.log_id();
            work.push((
                id,
                match entry.payload {
                    EntryPayload::Blank => Work::Blank,
                    EntryPayload::Normal(proposal) => Work::Command(proposal.0),
                    EntryPayload::Membership(members) => Work::Membership(members),
                },
            ));
            responders.push(responder);
        }
        let replies = self.ledger.apply(work).map_err(|halt| {
            self.ledger.alarms().raise(AlarmKind::ConsensusStopped, halt.to_string());
            io::Error::other(halt)
        })?;
        for (responder, reply) in responders.into_iter().zip(replies) {
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        Ok(())
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let mark = self.ledger.raft_mark();
        Ok((mark.applied, mark.membership))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut some = Vec::new();
        while let Some(entry) = entries.try_next().await? {
            // What is applied in one write is seen at once, at its end. Folding statuses takes long and follows on the heels of each
            // kill: a node that learns of both together must deny before it folds.
            if is_seal(&entry) && !some.is_empty() {
                self.apply_some(&mut some)?;
            }
            some.push(entry);
            if some.len() >= ENTRIES_AT_ONCE {
                self.apply_some(&mut some)?;
            }
        }
        if some.is_empty() { Ok(()) } else { self.apply_some(&mut some) }
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        self.snapshot_known = true;
        // Begun here, between two applies, so that the copy is of one raft_entry; written beside the next ones.
        let writer = Mutex::new(Some(SnapshotWriter::begin(&self.ledger)));
        Builder { writer, dir: self.ledger.dir().to_owned() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, data: SnapshotData) -> Result<(), io::Error> {
        self.snapshot_known = true;
        self.ledger.install(&data).map_err(io::Error::other)?;
        let applied = self.ledger.raft_mark().applied;
        if applied != meta.last_log_id {
            return Err(io::Error::other(format!(
                "the snapshot ends at {applied:?}, not at {:?}",
                meta.last_log_id
            )));
        }
        snapshot::prune(self.ledger.dir()).map_err(io::Error::other)
    }

    /// Raft asks at its start, and when a node needs more than is in the log. It stops for good when there is nothing then.
    async fn get_current_snapshot(&mut self) -> Result<Option<RaftSnapshot>, io::Error> {
        let look = if self.snapshot_known { Look::Manifest } else { Look::Whole };
        let found = snapshot::own(self.ledger.dir(), self.ledger.alarms(), look).map_err(io::Error::other)?;
        if let Some((path, manifest)) = found {
            self.snapshot_known = true;
            return Ok(Some(Snapshot { meta: manifest.meta, snapshot: path }));
        }
        if !self.snapshot_known {
            return Ok(None);
        }
        // Records wait for it. That is rare: a disk has damaged the file.
        self.get_snapshot_builder().await.build_snapshot().await.map(Some)
    }
}

fn is_seal((entry, _): &EntryResponder<TypeConfig>) -> bool {
    matches!(&entry.payload, EntryPayload::Normal(proposal) if Command::is_seal(&proposal.0))
}

/// Writes one snapshot. A newer one may have been installed by then: Raft keeps to that, and so does [`snapshot::prune`].
pub(crate) struct Builder {
    /// Locked by nobody: a writer can be sent to another thread, and Raft asks that its builder can be looked at from several.
    writer: Mutex<Option<Result<SnapshotWriter, LedgerError>>>,
    dir: PathBuf,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<RaftSnapshot, io::Error> {
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let writer = writer.ok_or_else(|| io::Error::other("this snapshot was already handed over"))?;
        let written = writer.map_err(io::Error::other)?.finish().await.map_err(io::Error::other)?;
        snapshot::prune(&self.dir).map_err(io::Error::other)?;
        Ok(Snapshot { meta: written.manifest.meta, snapshot: written.path })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ledger_state::Private;
    use ledger_store::{EngineKind, EngineOptions};

    use super::*;
    use crate::{
        alarm::Alarms,
        raft::types::{LeaderId, Proposal, RaftEntry},
    };

    fn entry(index: u64, command: &Command) -> EntryResponder<TypeConfig> {
        let log_id = LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index };
        let payload = EntryPayload::Normal(Proposal(Bytes::from(command.encode())));
        (RaftEntry { log_id, payload }, None)
    }

    /// Whatever a newer leader proposes: who does not know it stops before it, and is nowhere else than the others.
    #[tokio::test]
    async fn a_newer_programs_command_stops_the_node_before_it() {
        for unknown in [&[1, 200, 0][..], &[1, 4, 200], &[2, 1, 0]] {
            let dir = tempfile::tempdir().unwrap();
            let engine =
                ledger_store::open(EngineKind::Memory, dir.path(), &EngineOptions::default()).unwrap();
            let ledger = Ledger::open(dir.path(), engine, Arc::new(Alarms::default())).unwrap();
            let mut newer = entry(1, &Command::Seal { log_ms: 1 });
            newer.0.payload = EntryPayload::Normal(Proposal(Bytes::from_static(unknown)));
            let refused = Machine::new(ledger.clone()).apply(futures::stream::iter([Ok(newer)])).await;
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("newer software; upgrade this node"), "{refused}");
            assert_eq!(ledger.watch_applied().borrow().raft_index, 0, "{unknown:?}");
            assert!(ledger.alarms().is_standing(AlarmKind::ConsensusStopped), "{unknown:?}");
            ledger.stop();
        }
    }

    /// A follower often learns of a kill and of the fold behind it in one breath.
    #[tokio::test]
    async fn what_comes_before_a_fold_is_seen_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let engine = ledger_store::open(EngineKind::Memory, dir.path(), &EngineOptions::default()).unwrap();
        let ledger = Ledger::open(dir.path(), engine, Arc::new(Alarms::default())).unwrap();
        let node = |id| Command::Private(Private::NodeId { id, incarnation: 7 });
        let commands = [node(1), node(2), Command::Seal { log_ms: 1 }, node(3)];
        let mut seen = Vec::new();
        let entries: Vec<_> = (1..).zip(&commands).map(|(index, command)| entry(index, command)).collect();
        let watched = entries.into_iter().map(|entry| {
            seen.push(ledger.watch_applied().borrow().raft_index);
            Ok(entry)
        });
        Machine::new(ledger.clone()).apply(futures::stream::iter(watched)).await.unwrap();
        assert_eq!(seen, [0, 0, 0, 2], "applied when each entry was asked for");
        assert_eq!(ledger.watch_applied().borrow().raft_index, 4);
        ledger.stop();
    }

    /// Raft goes on applying while its builder writes; what is installed meanwhile stays the newest snapshot.
    #[tokio::test]
    async fn entries_are_applied_while_a_snapshot_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let engine = ledger_store::open(EngineKind::Memory, dir.path(), &EngineOptions::default()).unwrap();
        let ledger = Ledger::open(dir.path(), engine, Arc::new(Alarms::default())).unwrap();
        let mut machine = Machine::new(ledger.clone());
        let node = |id| entry(id, &Command::Private(Private::NodeId { id, incarnation: 7 }));
        machine.apply(futures::stream::iter([Ok(node(1))])).await.unwrap();
        let mut early = machine.get_snapshot_builder().await;
        machine.apply(futures::stream::iter([Ok(node(2)), Ok(node(3))])).await.unwrap();
        let mut late = machine.get_snapshot_builder().await;
        machine.apply(futures::stream::iter([Ok(node(4))])).await.unwrap();
        let late = late.build_snapshot().await.unwrap();
        let early = early.build_snapshot().await.unwrap();
        let reached = |snapshot: &RaftSnapshot| snapshot.meta.last_log_id.map(|id| id.index);
        assert_eq!((reached(&early), reached(&late)), (Some(1), Some(3)));
        assert_eq!(ledger.watch_applied().borrow().raft_index, 4);
        let kept = machine.get_current_snapshot().await.unwrap().unwrap();
        assert_eq!((reached(&kept), kept.snapshot), (Some(3), late.snapshot.clone()));
        assert!(!early.snapshot.exists(), "an older one takes room");
        // It is whole: another node comes to the same state by it and the entry behind it.
        let other = tempfile::tempdir().unwrap();
        let engine = ledger_store::open(EngineKind::Memory, other.path(), &EngineOptions::default()).unwrap();
        let second = Ledger::open(other.path(), engine, Arc::new(Alarms::default())).unwrap();
        let mut follower = Machine::new(second.clone());
        follower.install_snapshot(&late.meta, late.snapshot).await.unwrap();
        follower.apply(futures::stream::iter([Ok(node(4))])).await.unwrap();
        let state = |ledger: &Ledger| ledger.engine().scan(ledger_store::Space::State, &[], None, usize::MAX);
        assert_eq!(state(&second).unwrap(), state(&ledger).unwrap());
        ledger.stop();
        second.stop();
    }
}
