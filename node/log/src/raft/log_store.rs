//! The Raft log on disk, as openraft wants to see it.
//!
//! A thin adapter: entries are encoded by [`super::codec`] and kept by [`ledger_store::RaftLog`], which makes one
//! fdatasync durable for everybody who waits (rule L2: nothing is acknowledged before that).

use std::{fmt::Debug, io, ops::Bound, ops::RangeBounds, sync::Arc};

use ledger_store::RaftLog;
use openraft::{
    OptionalSend, RaftLogReader,
    entry::RaftEntry as _,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use parking::Mutex;

use super::{
    codec,
    types::{LogId, RaftEntry, TypeConfig, Vote},
};

/// Keys of the small values kept beside the Raft log.
const META_VOTE: u8 = 1;
const META_COMMITTED: u8 = 2;
const META_PURGED: u8 = 3;
/// Bytes of entries that one replication read returns at most, beyond the first entry.
const READ_BYTES_MAX: usize = 4 << 20;

/// `std::sync::Mutex` without poisoning: a panic while it is held stops the log anyway.
mod parking {
    pub(super) struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}

/// What is known in memory about the ends of the Raft log.
#[derive(Default)]
struct Ends {
    vote: Option<Vote>,
    purged: Option<LogId>,
    last: Option<LogId>,
}

/// The Raft log. Cheap to clone; all clones are one log.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: Arc<RaftLog>,
    ends: Arc<Mutex<Ends>>,
    #[cfg(simulation)]
    slow: super::slow::SlowDisk,
}

impl LogStore {
    /// `applied` is what the state has applied. In a restored log no vote is left, and openraft wants one that is no older than
    /// whoever led when the last entry was made.
    pub(crate) fn open(log: RaftLog, applied: Option<LogId>) -> io::Result<Self> {
        let mut ends = Ends::default();
        if let Some(bytes) = log.read_meta(META_VOTE).map_err(io::Error::other)? {
            ends.vote = Some(codec::decode_vote(bytes).map_err(io::Error::other)?);
        }
        ends.vote = ends.vote.or(applied.map(|id| Vote { leader_id: id.leader_id, committed: false }));
        if let Some(bytes) = log.read_meta(META_PURGED).map_err(io::Error::other)? {
            ends.purged = codec::decode_log_id(bytes).map_err(io::Error::other)?;
        }
        if let Some(purged) = ends.purged
            && log.indexes().map_err(io::Error::other)?.is_some_and(|(first, _)| first <= purged.index)
        {
            // A crash came between the two writes of a purge: it is finished now.
            log.purge_to(purged.index).map_err(io::Error::other)?;
        }
        ends.last = ends.purged;
        if let Some((_, last)) = log.indexes().map_err(io::Error::other)? {
            let frames = log.read(last..last + 1, usize::MAX).map_err(io::Error::other)?;
            if let Some((_, frame)) = frames.into_iter().next() {
                ends.last = Some(codec::decode_entry(frame).map_err(io::Error::other)?.log_id());
            }
        }
        Ok(Self {
            log: Arc::new(log),
            ends: Arc::new(Mutex::new(ends)),
            #[cfg(simulation)]
            slow: super::slow::SlowDisk::default(),
        })
    }

    /// The same on a disk whose syncs take so many simulated milliseconds.
    #[cfg(simulation)]
    pub(crate) fn slow(self, sync_ms: Arc<std::sync::atomic::AtomicU64>) -> Self {
        Self { slow: super::slow::SlowDisk::new(sync_ms), ..self }
    }

    /// Bytes that the Raft log takes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.log.disk_bytes()
    }

    fn read(&self, from: u64, to: u64, max_bytes: usize) -> io::Result<Vec<RaftEntry>> {
        let frames = self.log.read(from..to, max_bytes).map_err(io::Error::other)?;
        frames.into_iter().map(|(_, frame)| codec::decode_entry(frame).map_err(io::Error::other)).collect()
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<RaftEntry>, io::Error> {
        let from = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(index) => index + 1,
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        self.read(from, to, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<RaftEntry>, io::Error> {
        self.read(start, end, READ_BYTES_MAX)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.ends.lock().vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let ends = self.ends.lock();
        Ok(LogState { last_purged_log_id: ends.purged, last_log_id: ends.last })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.log.save_meta(META_VOTE, codec::encode_vote(vote)).map_err(io::Error::other)?;
        #[cfg(simulation)]
        self.slow.wait().await;
        self.ends.lock().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        // May be lost with the power: Raft finds the commit index again, it only takes longer.
        self.log.save_meta_lazy(META_COMMITTED, codec::encode_log_id(&committed)).map_err(io::Error::other)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        match self.log.read_meta(META_COMMITTED).map_err(io::Error::other)? {
            // Saved lazily, so it may name an entry that the power cut took: then it is as good as absent.
            Some(bytes) => {
                let id = codec::decode_log_id(bytes).map_err(io::Error::other)?;
                Ok(id.filter(|id| Some(*id) <= self.ends.lock().last))
            }
            None => Ok(None),
        }
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut frames = Vec::new();
        let mut first = None;
        let mut last = None;
        for entry in entries {
            first.get_or_insert(entry.log_id().index);
            last = Some(entry.log_id());
            frames.push(codec::encode_entry(&entry));
        }
        let Some(first) = first else {
            callback.io_completed(Ok(()));
            return Ok(());
        };
        self.ends.lock().last = last;
        #[cfg(simulation)]
        let callback = self.slow.later(callback);
        let on_durable = Box::new(move |result: Result<(), ledger_store::StoreError>| {
            callback.io_completed(result.map_err(io::Error::other));
        });
        self.log.append(first, frames, on_durable).map_err(io::Error::other)?;
        // A simulation's clock does not wait for the writing thread.
        if cfg!(simulation) { self.log.flush().map_err(io::Error::other) } else { Ok(()) }
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        self.log.truncate_from(last_log_id.map_or(0, |id| id.index + 1)).map_err(io::Error::other)?;
        self.ends.lock().last = last_log_id;
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.log.save_meta(META_PURGED, codec::encode_log_id(&Some(log_id))).map_err(io::Error::other)?;
        {
            let mut ends = self.ends.lock();
            ends.purged = Some(log_id);
            ends.last = ends.last.max(Some(log_id));
        }
        self.log.purge_to(log_id.index).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use ledger_store::RaftLogOptions;
    use openraft::EntryPayload;

    use super::*;
    use crate::raft::types::LeaderId;

    /// A backup holds no votes: without this one, openraft refuses a log whose last leader is of a later term than the first.
    #[tokio::test]
    async fn a_restored_log_without_a_vote_begins_with_its_last_leaders() {
        let dir = tempfile::tempdir().unwrap();
        let options = RaftLogOptions { reserve_bytes: 0, ..RaftLogOptions::default() };
        let open = |applied| {
            let (log, _) = RaftLog::open(dir.path(), &options).unwrap();
            LogStore::open(log, applied).unwrap()
        };
        assert_eq!(open(None).read_vote().await.unwrap(), None, "a new log has no leader to remember");
        let last = LogId { leader_id: LeaderId { term: 7, node_id: 2 }, index: 40 };
        let mut restored = open(Some(last));
        let vote = restored.read_vote().await.unwrap().unwrap();
        assert_eq!((vote.leader_id, vote.committed), (last.leader_id, false));

        let own = Vote { leader_id: LeaderId { term: 9, node_id: 3 }, committed: false };
        restored.save_vote(&own).await.unwrap();
        drop(restored);
        assert_eq!(
            open(Some(last)).read_vote().await.unwrap(),
            Some(own),
            "its own vote counts once it has one"
        );
    }

    fn id(index: u64) -> LogId {
        LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index }
    }

    /// A snapshot that was installed reaches beyond the Raft log: what is left of it must not be read again.
    #[tokio::test]
    async fn a_purge_that_a_crash_cut_in_half_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let open =
            || ledger_store::RaftLog::open(dir.path(), &ledger_store::RaftLogOptions::default()).unwrap().0;
        let log = open();
        let frames = (1..=3)
            .map(|index| codec::encode_entry(&RaftEntry { log_id: id(index), payload: EntryPayload::Blank }));
        log.append(1, frames.collect(), Box::new(|done| done.unwrap())).unwrap();
        log.save_meta(META_PURGED, codec::encode_log_id(&Some(id(5)))).unwrap();
        drop(log);

        let mut store = LogStore::open(open(), None).unwrap();
        let state = store.get_log_state().await.unwrap();
        assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(5)), Some(id(5))));
        assert_eq!(store.log.indexes().unwrap(), None);
    }
}
