//! The one thread that compares, stores and releases: group commit.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use ledger_format::origin_path;
use tokio::sync::oneshot;

use super::codec;
use super::disk::Disk;
use super::journal::{Journal, JournalError};
use super::{CommitError, Remembered, Shared};
use crate::sign::{Cosigned, Released};

/// Answers that share one flush.
const GROUP_MAX: usize = 512;

/// A cosigned checkpoint on its way to the disk.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) cosigned: Cosigned,
    pub(super) reply: Reply,
}

/// The thread that owns the journal.
#[derive(Debug)]
pub(super) struct Writer<D> {
    journal: Journal<D>,
    shared: Arc<Shared>,
    identity: String,
    _lock: Option<File>,
}

impl<D: Disk> Writer<D> {
    /// A writer for the memory of `identity`; `lock` is released with it.
    pub(super) fn new(journal: Journal<D>, shared: Arc<Shared>, identity: &str, lock: Option<File>) -> Self {
        Self { journal, shared, identity: identity.to_owned(), _lock: lock }
    }

    /// Stores and answers until the queue ends or the disk fails.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            let mut group = vec![first];
            while group.len() < GROUP_MAX
                && let Ok(next) = requests.try_recv()
            {
                group.push(next);
            }
            let started = Instant::now();
            let (replies, verdicts): (Vec<_>, Vec<_>) = self.stage(group).into_iter().unzip();
            let stored = verdicts.iter().filter_map(|verdict| verdict.as_ref().ok()?.write.clone()).collect();
            if let Err(error) = self.store(stored) {
                let reason = error.to_string();
                tracing::error!(reason, "the memory is out of service");
                self.shared.failure.send_replace(Some(reason.clone()));
                for reply in replies {
                    let _ = reply.send(Err(CommitError::Failed(reason.clone())));
                }
                return;
            }
            self.shared.metrics.persist_seconds.observe(started.elapsed());
            self.shared.metrics.persist_group.observe_count(replies.len() as u64);
            for (reply, verdict) in replies.into_iter().zip(verdicts) {
                // The caller may have gone away; the memory moved all the same, and its next request is
                // answered with the new size.
                let _ = reply.send(verdict.map(|staged| staged.cosigned.release()));
            }
        }
    }

    /// Compares each request with what is remembered, counting those before it in the group.
    fn stage(&self, group: Vec<Request>) -> Vec<(Reply, Result<Staged, CommitError>)> {
        let durable = self.shared.latest.read().expect("no writer panics while it holds the lock");
        let mut ahead: HashMap<String, Arc<Remembered>> = HashMap::new();
        let mut verdicts = Vec::with_capacity(group.len());
        for Request { cosigned, reply } in group {
            let path = origin_path(cosigned.origin());
            let current = ahead.get(&path).or_else(|| durable.get(&path));
            let advance = cosigned.advance();
            let (now, to) = (current.map(|current| current.latest()), advance.to());
            let goes_back =
                now.is_some_and(|now| to.size < now.size || (to.size == now.size && to.root != now.root));
            if now != advance.from() || goes_back {
                verdicts.push((reply, Err(CommitError::Conflict)));
                continue;
            }
            // Two requests that refresh one checkpoint may arrive in the other order: keep the newer time.
            let is_newer =
                current.is_none_or(|current| (to.size, cosigned.time_s()) > (current.size, current.time_s));
            let write = is_newer.then(|| Arc::new(cosigned.to_remembered()));
            if let Some(remembered) = &write {
                ahead.insert(path, remembered.clone());
            }
            verdicts.push((reply, Ok(Staged { cosigned, write })));
        }
        verdicts
    }

    /// Makes the group durable, then visible.
    fn store(&mut self, group: Vec<Arc<Remembered>>) -> Result<(), JournalError> {
        if group.is_empty() {
            return Ok(());
        }
        let payload = codec::encode_records(group.iter().map(|remembered| &**remembered));
        if self.journal.fits(payload.len()) {
            self.journal.append(&payload)?;
        } else {
            let mut all =
                self.shared.latest.read().expect("no writer panics while it holds the lock").clone();
            all.extend(group.iter().map(|remembered| (origin_path(&remembered.origin), remembered.clone())));
            self.journal
                .turn(&codec::encode_opening(&self.identity, all.values().map(|remembered| &**remembered)))?;
            self.shared.metrics.memory_turns.add(1);
        }
        let mut latest = self.shared.latest.write().expect("no reader panics while it holds the lock");
        latest.extend(group.into_iter().map(|remembered| (origin_path(&remembered.origin), remembered)));
        Ok(())
    }
}

type Reply = oneshot::Sender<Result<Released, CommitError>>;

/// A request that passed the comparison.
#[derive(Debug)]
struct Staged {
    cosigned: Cosigned,
    /// What must be stored; `None` if something newer for the same tree already is.
    write: Option<Arc<Remembered>>,
}
