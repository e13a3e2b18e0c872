//! The Raft log suite, and a model of what a log may hold after a crash.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, channel};

use bytes::Bytes;

use crate::StoreError;
use crate::raft_log::{RAFT_ENTRY_BYTES_MAX, RaftLog, Recovered};

/// Runs the suite on a new, empty log. `open` opens the same directory each time, after the last log was dropped.
pub fn check_raft_log(open: &mut dyn FnMut() -> (RaftLog, Recovered)) {
    let (log, found) = open();
    assert_eq!(found, Recovered::default(), "the suite needs an empty log");
    appends_are_readable_and_acknowledged(&log);
    refuses_gaps_and_giants(&log);
    reads_are_bounded(&log);
    truncates(&log);
    purges(&log);
    keeps_meta(&log);
    let (log, found) = reopens(log, open);
    assert_eq!((found.first, found.last, found.purged), (Some(31), Some(50), Some(30)));
    purges_past_the_end(&log);
    drop(log);
    let (log, found) = open();
    assert_eq!((found.first, found.last, found.purged), (Some(1001), Some(1002), Some(1000)));
    log.truncate_from(1).expect("truncate below what is purged");
    assert_eq!(log.indexes().expect("indexes"), None);
    refuses(&log, 1000);
    append(&log, 1001..=1001).recv().expect("an answer").expect("durable");
}

/// The entry of an index in these tests; sizes vary, also over the size of a small segment.
fn entry(index: u64, version: u8) -> Vec<u8> {
    let len = usize::try_from(index * 37 % 300).expect("small") + if index % 40 == 39 { 9000 } else { 8 };
    let mut bytes = vec![version; len];
    bytes[..8].copy_from_slice(&index.to_le_bytes());
    bytes
}

fn append(log: &RaftLog, indexes: RangeInclusive<u64>) -> Receiver<Result<(), StoreError>> {
    let (done, answer) = channel();
    let first = *indexes.start();
    let frames = indexes.map(|index| entry(index, 0)).collect();
    log.append(first, frames, Box::new(move |result| drop(done.send(result)))).expect("append");
    answer
}

fn refuses(log: &RaftLog, first: u64) {
    let refused = log.append(first, vec![Vec::new()], Box::new(|_| panic!("called after an error")));
    assert!(matches!(refused, Err(StoreError::Gap { got, .. }) if got == first), "{refused:?}");
}

fn check_entries(log: &RaftLog, indexes: RangeInclusive<u64>) {
    let read = log.read(0..u64::MAX, usize::MAX).expect("read");
    let want: Vec<_> = indexes.clone().map(|index| (index, Bytes::from(entry(index, 0)))).collect();
    assert!(read == want, "not the entries {indexes:?}");
    for index in indexes {
        assert_eq!(log.read(index..index + 1, 0).expect("read"), [(index, Bytes::from(entry(index, 0)))]);
    }
}

fn appends_are_readable_and_acknowledged(log: &RaftLog) {
    assert_eq!((log.indexes().expect("indexes"), log.purged().expect("purged")), (None, None));
    assert_eq!(log.read(0..10, 100).expect("read"), []);
    let answers: Vec<_> = (0..10).map(|n| append(log, n * 10 + 1..=n * 10 + 10)).collect();
    check_entries(log, 1..=100);
    for answer in answers {
        answer.recv().expect("an answer").expect("durable");
        assert!(answer.recv().is_err(), "answered once");
    }
    check_entries(log, 1..=100);
}

fn refuses_gaps_and_giants(log: &RaftLog) {
    refuses(log, 100);
    refuses(log, 102);
    let giant = vec![vec![0; RAFT_ENTRY_BYTES_MAX + 1]];
    let refused = log.append(101, giant, Box::new(|_| panic!("called after an error")));
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
    check_entries(log, 1..=100);
}

fn reads_are_bounded(log: &RaftLog) {
    let whole: Vec<usize> = (1..=100).map(|index| entry(index, 0).len()).collect();
    for count in 1..20 {
        let bytes = whole[9..9 + count].iter().sum::<usize>();
        assert_eq!(log.read(10..100, bytes).expect("read").len(), count);
        assert_eq!(log.read(10..100, bytes - 1).expect("read").len(), (count - 1).max(1));
    }
    assert_eq!(log.read(90..95, usize::MAX).expect("read").len(), 5);
    assert_eq!(log.read(95..95, usize::MAX).expect("read"), []);
    assert_eq!(log.read(101..200, usize::MAX).expect("read"), []);
}

fn truncates(log: &RaftLog) {
    log.truncate_after(200).expect("nothing to remove");
    log.truncate_after(80).expect("truncate");
    check_entries(log, 1..=80);
    refuses(log, 82);
    // The second append of an index must not be taken for the first.
    drop(append(log, 81..=90));
    log.truncate_from(81).expect("truncate");
    append(log, 81..=85).recv().expect("an answer").expect("durable");
    check_entries(log, 1..=85);
    log.truncate_after(50).expect("truncate");
    check_entries(log, 1..=50);
}

fn purges(log: &RaftLog) {
    for (index, first) in [(10, 11), (5, 11), (30, 31)] {
        log.purge_to(index).expect("purge");
        check_entries(log, first..=50);
        assert_eq!(log.purged().expect("purged"), Some(first - 1));
    }
}

fn keeps_meta(log: &RaftLog) {
    assert_eq!(log.read_meta(1).expect("meta"), None);
    log.save_meta(1, vec![1; 10]).expect("meta");
    log.save_meta(1, vec![2; 20]).expect("meta");
    log.save_meta_lazy(255, Vec::new()).expect("meta");
    log.save_meta_lazy(7, vec![7]).expect("meta");
    assert_eq!(log.read_meta(1).expect("meta").as_deref(), Some(&[2; 20][..]));
    assert_eq!(log.read_meta(255).expect("meta").as_deref(), Some(&[][..]));
}

fn reopens(log: RaftLog, open: &mut dyn FnMut() -> (RaftLog, Recovered)) -> (RaftLog, Recovered) {
    drop(log);
    let (log, found) = open();
    let meta = BTreeMap::from([(1, vec![2; 20]), (7, vec![7]), (255, vec![])]);
    assert_eq!((&found.meta, found.cut_bytes), (&meta, 0));
    assert_eq!(log.read_meta(7).expect("meta").as_deref(), Some(&[7][..]));
    check_entries(&log, 31..=50);
    (log, found)
}

fn purges_past_the_end(log: &RaftLog) {
    log.purge_to(1000).expect("purge");
    assert_eq!(log.indexes().expect("indexes"), None);
    refuses(log, 51);
    append(log, 1001..=1002).recv().expect("an answer").expect("durable");
    check_entries(log, 1001..=1002);
}

/// What a log holds, apart from lazy metadata: comparable with a log and with what was recovered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaftLogModel {
    /// The index of the next append, once that is fixed.
    pub next: Option<u64>,
    /// Highest purged index.
    pub purged: Option<u64>,
    /// The entries.
    pub entries: BTreeMap<u64, Vec<u8>>,
    /// Metadata that was saved durably.
    pub meta: BTreeMap<u8, Vec<u8>>,
}

impl RaftLogModel {
    /// Adds entries at the end (at 1 in a log that never held any); returns the first index.
    pub fn append(&mut self, frames: &[Vec<u8>]) -> u64 {
        let first = self.next.unwrap_or(1);
        self.entries.extend((first..).zip(frames.iter().cloned()));
        self.next = Some(first + frames.len() as u64);
        first
    }

    /// Removes `index` and what follows.
    pub fn truncate_from(&mut self, index: u64) {
        let lowest = self.purged.map_or(0, |purged| purged + 1);
        let index = index.max(lowest);
        self.entries.retain(|at, _| *at < index);
        self.next = self.next.map(|next| next.min(index));
    }

    /// Removes everything up to and with `index`.
    pub fn purge_to(&mut self, index: u64) {
        self.entries.retain(|at, _| *at > index);
        self.purged = self.purged.max(Some(index));
        self.next = self.next.max(Some(index + 1));
    }

    /// The model of an open log, without the metadata keys that are only saved lazily.
    pub fn of(log: &RaftLog, found: &Recovered, lazy: &[u8]) -> Self {
        let entries = log.read(0..u64::MAX, usize::MAX).expect("read");
        let next = found.last.or(found.purged).map(|last| last + 1);
        RaftLogModel {
            next,
            purged: found.purged,
            entries: entries.into_iter().map(|(index, bytes)| (index, bytes.to_vec())).collect(),
            meta: found
                .meta
                .iter()
                .filter(|(k, _)| !lazy.contains(k))
                .map(|(k, v)| (*k, v.clone()))
                .collect(),
        }
    }

    /// True when a log that reads back as `found` may have been in this state. The next index is part of the state only
    /// where entries or a purge show it.
    pub fn reads_back_as(&self, found: &RaftLogModel) -> bool {
        self.purged == found.purged && self.entries == found.entries && self.meta == found.meta
    }
}
