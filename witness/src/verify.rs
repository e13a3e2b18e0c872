//! The verifying grade: cosign only a log whose entries replay.
//!
//! Each log's entries are fetched, checked against a root that the log has signed, and replayed with
//! [`ledger_state::Replayer`]: signatures, time, and every rule of the state machine. One invalid entry, or two
//! roots for one size, and the log is refused from then on. The replay lives in memory and starts from entry 0
//! with the process.
//!
//! **The order problem.** A log serves entries only below the size it has published, and it publishes only
//! what was cosigned. So what a checkpoint adds cannot be read before it is cosigned, unless the log offers
//! more. Two ways out, by configuration of the log:
//!
//! * `entries_url`: the log serves entries up to its applied size to its witnesses. Everything is replayed
//!   *before* the cosignature.
//! * without it, the replay *lags*: before a checkpoint is cosigned, everything published is replayed, which
//!   normally is all up to the checkpoint cosigned before. What stays unread is at most
//!   `verify.max_unverified` entries. An invalid entry among them is found as soon as it is published; then
//!   the log is refused, and the checkpoint that committed to the entry is kept as evidence.
//!
//! What is fetched is believed only after its hashes lead to a signed root. If they do not, the server is at
//! fault and nothing is held against the log.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger_format::{Checkpoint, Note, TILE_WIDTH, leaf_hash};
use ledger_state::ReplayError;
use tokio::sync::MutexGuard;

use crate::config::VerifyConfig;
use crate::decide::{Advance, Latest, authenticate};
pub use crate::fetch::FetchSetupError;
use crate::fetch::{FetchError, Fetcher, Prefixes};
use crate::logs::Log;
use crate::metrics::Metrics;

mod replay;

pub(crate) use replay::Replay;

/// How long a request waits for another one of the same log.
const TURN_WAIT: Duration = Duration::from_secs(2);
/// Entries between two lines of progress.
const PROGRESS_ENTRIES: u64 = 100_000;

/// Why a checkpoint is not cosigned by the verifying grade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Not readable yet, or the server gave something else than the log has signed. Worth a retry.
    NotYet(String),
    /// The log was caught now. Evidence is due.
    Caught(Caught),
    /// The log was caught before.
    Refused(String),
}

/// What a log did, and the checkpoint by which it is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caught {
    pub(crate) reason: String,
    /// Two roots for a size, instead of an invalid entry.
    pub(crate) is_fork: bool,
    pub(crate) tree: Latest,
    /// The note that signs `tree`, as far as it is at hand.
    pub(crate) note: Vec<u8>,
}

impl From<FetchError> for Doubt {
    fn from(error: FetchError) -> Self {
        Self::NotYet(error.to_string())
    }
}

/// The replays of all logs.
#[derive(Debug)]
pub struct Verifier {
    fetcher: Fetcher,
    config: VerifyConfig,
    replays: Mutex<HashMap<String, Arc<LogReplay>>>,
    metrics: Arc<Metrics>,
}

/// The replay of one log. Whoever holds `turn` decides, cosigns and stores for this log, so that no other
/// tree can be cosigned between the replay and the store.
#[derive(Debug, Default)]
pub(crate) struct LogReplay {
    turn: tokio::sync::Mutex<Replay>,
    /// Entries replayed, readable without the turn.
    verified: AtomicU64,
    /// Largest tree the log has asked for, so that the follower knows how far it may read.
    wanted: Mutex<Option<Latest>>,
    preferred: AtomicUsize,
    preferred_unpublished: AtomicUsize,
}

/// A tree that the log has signed, and its note.
struct Signed {
    tree: Latest,
    note: Vec<u8>,
}

impl Verifier {
    /// Reads `verify.ca`; replays nothing yet.
    pub fn new(config: VerifyConfig, metrics: Arc<Metrics>) -> Result<Self, FetchSetupError> {
        let fetcher = Fetcher::new(config.ca.as_deref(), Duration::from_millis(config.fetch_ms_max))?;
        Ok(Self { fetcher, config, replays: Mutex::default(), metrics })
    }

    /// The replay of a log.
    pub(crate) fn of(&self, origin: &str) -> Arc<LogReplay> {
        let mut replays = self.replays.lock().expect("nothing panics under this lock");
        replays.entry(origin.to_owned()).or_default().clone()
    }

    /// Entries replayed of a log, if it is replayed.
    pub(crate) fn verified(&self, origin: &str) -> Option<u64> {
        let replays = self.replays.lock().expect("nothing panics under this lock");
        replays.get(origin).map(|replay| replay.verified())
    }

    /// Lets go of the generations of a sandbox that are over: a replay holds the whole state of a log.
    pub(crate) fn forget_before(&self, log: &Log) {
        let Some(now) = log.generation_of(&log.origin).filter(|now| *now > 1) else { return };
        let mut replays = self.replays.lock().expect("nothing panics under this lock");
        replays.retain(|origin, _| log.generation_of(origin).is_none_or(|number| number >= now));
    }

    /// Whether so much of a log is unread that requests will be refused.
    pub(crate) fn is_behind(&self, origin: &str, cosigned: u64) -> bool {
        self.verified(origin).unwrap_or(0) + self.config.max_unverified < cosigned
    }

    pub(crate) fn follow_interval(&self) -> Duration {
        Duration::from_millis(self.config.follow_interval_ms)
    }

    /// Replays what must be replayed before `advance` may be cosigned. `note` is the request's.
    pub(crate) async fn admit(
        &self,
        replays: &LogReplay,
        replay: &mut Replay,
        log: &Log,
        advance: &Advance,
        note: &Note,
    ) -> Result<(), Doubt> {
        replay.check()?;
        let to = advance.to();
        let asked = Signed { tree: to, note: note.to_bytes() };
        replays.want(to);
        if let Some(from) = advance.from() {
            replay.was_cosigned(from);
        }
        if to.size <= replay.progress.checked().size() {
            return replay.agree(asked);
        }
        if let Some(prefixes) = replays.unpublished(log) {
            self.within_reach(replay, to.size)?;
            return self.catch_up(replays, replay, log, &prefixes, asked).await;
        }
        // Nothing to read if all that was cosigned before is replayed and the rest is within bounds.
        let before = advance.from().map_or(0, |from| from.size);
        let checked = |replay: &Replay| replay.progress.checked().size();
        let is_in_bounds =
            |replay: &Replay| to.size.saturating_sub(checked(replay)) <= self.config.max_unverified;
        if before > 0 && checked(replay) >= before && is_in_bounds(replay) {
            return Ok(());
        }
        if let Some(published) = self.published(replays, log).await? {
            let target = if published.tree.size < to.size { published } else { asked };
            self.within_reach(replay, target.tree.size)?;
            self.catch_up(replays, replay, log, &replays.published(log), target).await?;
        }
        if is_in_bounds(replay) {
            return Ok(());
        }
        let (size, replayed, max) = (to.size, checked(replay), self.config.max_unverified);
        Err(Doubt::NotYet(format!(
            "{replayed} of {size} entries are replayed, and at most {max} may be missing"
        )))
    }

    /// Replays what the log has published meanwhile, as far as anybody asked for.
    pub(crate) async fn follow(&self, log: &Log, remembered: Option<Latest>) -> Result<(), Doubt> {
        let replays = self.of(&log.origin);
        let wanted = *replays.wanted.lock().expect("nothing panics under this lock");
        let Some(limit) = wanted.max_by_size(remembered) else { return Ok(()) };
        let mut replay = replays.turn.lock().await;
        if replay.refused.is_some() || replay.progress.checked().size() >= limit.size {
            return Ok(());
        }
        if let Some(remembered) = remembered {
            replay.was_cosigned(remembered);
        }
        if let Some(prefixes) = replays.unpublished(log) {
            let target = Signed { tree: limit, note: Vec::new() };
            return self.catch_up(&replays, &mut replay, log, &prefixes, target).await;
        }
        let Some(published) = self.published(&replays, log).await? else { return Ok(()) };
        let target = if published.tree.size <= limit.size {
            published
        } else {
            Signed { tree: limit, note: Vec::new() }
        };
        self.catch_up(&replays, &mut replay, log, &replays.published(log), target).await
    }

    /// The tree the log has published, if any, with its signature checked.
    async fn published(&self, replays: &LogReplay, log: &Log) -> Result<Option<Signed>, Doubt> {
        let Some(note) = self.fetcher.checkpoint(&replays.published(log)).await? else { return Ok(None) };
        let wrong = |reason: String| Doubt::NotYet(format!("the published checkpoint: {reason}"));
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| wrong(error.to_string()))?;
        if checkpoint.origin != log.origin {
            return Err(wrong(format!("it is of the log {:?}", checkpoint.origin)));
        }
        authenticate(&log.keys, &note).map_err(|refusal| wrong(refusal.to_string()))?;
        let tree = Latest { size: checkpoint.size, root: checkpoint.root };
        Ok(Some(Signed { tree, note: note.to_bytes() }))
    }

    fn within_reach(&self, replay: &Replay, size: u64) -> Result<(), Doubt> {
        let replayed = replay.progress.replayed();
        if size.saturating_sub(replayed) <= self.config.inline_max {
            return Ok(());
        }
        Err(Doubt::NotYet(format!("replaying: {replayed} of {size} entries are done")))
    }

    /// Fetches, checks and replays up to a signed tree. What is replayed when it breaks off stays replayed: the next pass goes on there.
    async fn catch_up(
        &self,
        replays: &LogReplay,
        replay: &mut Replay,
        log: &Log,
        prefixes: &Prefixes<'_>,
        target: Signed,
    ) -> Result<(), Doubt> {
        let (size, root) = (target.tree.size, target.tree.root);
        let misled = || {
            Doubt::NotYet(format!(
                "the entries read do not lead to the root that the log has signed for size {size}"
            ))
        };
        replays.show(replay);
        let checked = replay.progress.checked();
        if size <= checked.size() {
            let is_other = size == checked.size() && root != checked.root();
            return if is_other { Err(misled()) } else { Ok(()) };
        }
        if size < replay.progress.replayed() {
            return Err(replay::is_smaller(replay.progress.replayed()));
        }
        let mut ahead = replay.progress.read().clone();
        let mut run = Run { fork: replay.progress.fork(), ..Run::default() };
        let mut next_progress = ahead.size() + PROGRESS_ENTRIES;
        while ahead.size() < size {
            let bundle = ahead.size() / TILE_WIDTH;
            let width = (size - bundle * TILE_WIDTH).min(TILE_WIDTH) as u16;
            let entries = self.fetcher.entries(prefixes, bundle, width).await?;
            let known = (ahead.size() - bundle * TILE_WIDTH) as usize;
            for entry in entries.into_iter().skip(known) {
                ahead.push(leaf_hash(&entry));
                run.fork = run.fork.or_else(|| replay.contradiction(&ahead));
                run.staged.push(entry);
            }
            // Long runs are replayed as they come, before the root is known to be right.
            if run.staged.len() as u64 >= self.config.inline_max && ahead.size() < size {
                self.feed(replays, replay, &mut run).await?;
            }
            if ahead.size() >= next_progress {
                tracing::info!(origin = log.origin, replayed = ahead.size(), of = size, "replaying");
                next_progress += PROGRESS_ENTRIES;
            }
        }
        if ahead.root() != root {
            if replay.progress.is_unchecked() {
                replay.begin_again();
                replays.show(replay);
            }
            return Err(misled());
        }
        if let Some(fork) = run.fork {
            let reason = format!("the log has signed two roots for size {fork}");
            return Err(replay.catch(reason, true, target));
        }
        self.feed(replays, replay, &mut run).await?;
        if let Some(invalid) = run.invalid {
            let doubt = replay.judge(&invalid, target);
            replays.show(replay);
            return Err(doubt);
        }
        replay.reached(size);
        Ok(())
    }

    /// Replays what is staged, on a thread for blocking work: signatures cost tens of microseconds each.
    async fn feed(&self, replays: &LogReplay, replay: &mut Replay, run: &mut Run) -> Result<(), Doubt> {
        let staged = std::mem::take(&mut run.staged);
        if run.invalid.is_some() {
            return Ok(());
        }
        let before = replay.progress.replayed();
        let mut progress = std::mem::take(&mut replay.progress);
        let work = tokio::task::spawn_blocking(move || {
            let invalid = progress.take(&staged);
            (progress, invalid)
        });
        // A panic of the replay, or a caller that drops this future, leaves the empty progress behind: the next run starts from entry 0.
        let (progress, invalid) =
            work.await.map_err(|error| Doubt::NotYet(format!("the replay broke off: {error}")))?;
        replay.progress = progress;
        replay.progress.found(run.fork);
        run.invalid = invalid;
        self.metrics.entries_replayed.add(replay.progress.replayed() - before);
        replays.show(replay);
        Ok(())
    }
}

/// One pass of [`Verifier::catch_up`].
#[derive(Default)]
struct Run {
    /// Entries fetched and not replayed.
    staged: Vec<Vec<u8>>,
    /// The first entry that does not replay. It counts only once the root is known to be right.
    invalid: Option<ReplayError>,
    /// The first size with two roots.
    fork: Option<u64>,
}

impl LogReplay {
    /// Where published entries are read. The configuration demands at least one prefix.
    fn published<'a>(&'a self, log: &'a Log) -> Prefixes<'a> {
        Prefixes { urls: &log.urls, preferred: &self.preferred }
    }

    /// Where entries are read before publication, if the log offers it.
    fn unpublished<'a>(&'a self, log: &'a Log) -> Option<Prefixes<'a>> {
        let urls = &log.entries_urls;
        (!urls.is_empty()).then_some(Prefixes { urls, preferred: &self.preferred_unpublished })
    }

    /// Entries replayed.
    pub(crate) fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// Waits for the turn to decide about this log.
    pub(crate) async fn turn(&self) -> Result<MutexGuard<'_, Replay>, Doubt> {
        let verified = self.verified();
        tokio::time::timeout(TURN_WAIT, self.turn.lock())
            .await
            .map_err(|_| Doubt::NotYet(format!("replaying: {verified} entries are done")))
    }

    /// Tells those without the turn how far the replay is.
    fn show(&self, replay: &Replay) {
        self.verified.store(replay.progress.replayed(), Ordering::Relaxed);
    }

    fn want(&self, tree: Latest) {
        let mut wanted = self.wanted.lock().expect("nothing panics under this lock");
        *wanted = wanted.max_by_size(Some(tree));
    }
}

trait MaxBySize {
    fn max_by_size(self, other: Self) -> Self;
}

impl MaxBySize for Option<Latest> {
    fn max_by_size(self, other: Self) -> Self {
        [self, other].into_iter().flatten().max_by_key(|latest| latest.size)
    }
}

#[cfg(test)]
mod tests;
