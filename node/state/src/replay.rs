//! Replay: the state from the entries alone, trusting nobody.
//!
//! Whoever holds the entries can rebuild every answer that the log gives. A verifying witness signs only what replays, and a
//! monitor that replays notices a log that took what its rules forbid, gave a record a second index, or let time run back.

use std::sync::Arc;

use ledger_format::Hash;
use ledger_format::record::{Entry, EntryError, Record, RecordError, SealStep};

use crate::applied::{Alarm, Applied, Outcome};
use crate::apply::apply;
use crate::command::Command;
use crate::keys;
use crate::memory::MemoryState;
use crate::points::KeptPoints;
use crate::rejection::Rejection;
use crate::signature_job::SignatureJob;
use crate::signer::{SignatureFault, signer_key};
use crate::status::status;
use crate::values::Tree;
use crate::view::{View, load};

/// Why an entry does not replay. Unless the replayer itself is damaged, the log broke its own rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} does not replay: {fault}")]
pub struct ReplayError {
    /// Index of the entry.
    pub index: u64,
    /// What is wrong with it.
    pub fault: ReplayFault,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayFault {
    /// Not the next index.
    #[error("expected entry {expected}")]
    Order {
        /// The next index.
        expected: u64,
    },
    /// Not an entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Its record is not a record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The log's time ran back.
    #[error("its time {at} is before {previous} of the entry before it")]
    TimeRanBack {
        /// Its time, ms since 1970.
        at: u64,
        /// The time of the entry before it.
        previous: u64,
    },
    /// Nobody who may sign it has signed it.
    #[error("the signature is not good: {0}")]
    Signature(Rejection),
    /// By the log's rules it should have been refused.
    #[error("the log should have refused it: {0}")]
    Forbidden(Rejection),
    /// The same record is in the log already.
    #[error("the same record is at index {first} already")]
    Duplicate {
        /// Where it was first.
        first: u64,
    },
    /// Applying it gives another entry than the log holds.
    #[error("applying its record gives another entry")]
    OtherBytes,
    /// It says `state.root` and is not one.
    #[error("its state.root is malformed: {0}")]
    StateRoot(String),
    /// It seals statuses although none had changed.
    #[error("it seals statuses and none had changed")]
    NothingToSeal,
    /// Its `state.root` does not commit to the statuses that follow from the entries before it.
    #[error("its state.root commits to other statuses than those that follow from the entries before it")]
    OtherStatus,
    /// The replayer's own state is damaged.
    #[error("the state of the replay is damaged: {0}")]
    Damaged(Alarm),
}

/// Where a replay keeps its state.
pub trait ReplayState: View {
    /// What can go wrong when storing.
    type Error;

    /// Stores the writes and entries of one step, all or nothing.
    fn store(&mut self, applied: &Applied) -> Result<(), Self::Error>;
}

impl ReplayState for MemoryState {
    type Error = std::convert::Infallible;

    fn store(&mut self, applied: &Applied) -> Result<(), Self::Error> {
        MemoryState::store(self, applied);
        Ok(())
    }
}

/// Rebuilds the state from entries in order. After an error it stands where it stood before that entry.
#[derive(Clone, Debug, Default)]
pub struct Replayer<S = MemoryState> {
    state: S,
    /// Keys that signed lately; copies of a replay share them.
    points: Arc<KeptPoints>,
}

/// Why a step of a replay failed: the log is wrong, or the replay's own storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError<E> {
    /// The entry does not replay.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The state could not be stored.
    #[error("storing the state of the replay failed: {0}")]
    Store(E),
}

/// What a step with its signature left open gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The entry's leaf hash.
    pub leaf: Hash,
    /// What is left to verify; nothing for a `state.root`, which the replay has computed itself.
    pub signature: Option<SignatureJob>,
}

/// An entry that keeps the rules.
struct Judged {
    leaf: Hash,
    applied: Applied,
    signature: Option<SignatureJob>,
}

impl Replayer<MemoryState> {
    /// A replay in memory, from entry 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next entry, keeping state in memory. See [`Replayer::step`].
    pub fn push(&mut self, index: u64, entry: &[u8]) -> Result<Hash, ReplayError> {
        self.step(index, entry).map_err(|error| match error {
            StepError::Replay(error) => error,
            StepError::Store(never) => match never {},
        })
    }
}

impl<S: ReplayState> Replayer<S> {
    /// Goes on from a state that an earlier replay left.
    pub fn resume(state: S) -> Self {
        Self { state, points: Arc::default() }
    }

    /// The state after the last entry.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The state after the last entry.
    pub fn into_state(self) -> S {
        self.state
    }

    /// Entries taken.
    pub fn size(&self) -> u64 {
        status(&self.state).size
    }

    /// Root over the entries taken.
    pub fn root(&self) -> Hash {
        status(&self.state).root
    }

    /// Takes the next entry: canonical form, order, time, signature, every rule of the state machine. Returns its leaf hash.
    pub fn step(&mut self, index: u64, entry: &[u8]) -> Result<Hash, StepError<S::Error>> {
        let judged = self.judge(index, entry).map_err(|fault| ReplayError { index, fault })?;
        if let Some(job) = &judged.signature {
            job.verify(&*self.points)?;
        }
        self.state.store(&judged.applied).map_err(StepError::Store)?;
        Ok(judged.leaf)
    }

    /// As [`Replayer::step`], but for the signature, which is left to the caller: a signature takes most of the time of a replay and can be
    /// verified on any thread, whatever came before and after. The replay is worth nothing unless every job that it gave turns out good;
    /// the first wrong entry is the one with the least index of those that a step refused or a job found wrong.
    pub fn step_unsigned(&mut self, index: u64, entry: &[u8]) -> Result<Step, StepError<S::Error>> {
        let Judged { leaf, applied, signature } =
            self.judge(index, entry).map_err(|fault| ReplayError { index, fault })?;
        self.state.store(&applied).map_err(StepError::Store)?;
        Ok(Step { leaf, signature })
    }

    fn judge(&self, index: u64, bytes: &[u8]) -> Result<Judged, ReplayFault> {
        let tree: Tree = load(&self.state, keys::TREE).map_err(ReplayFault::Damaged)?.unwrap_or_default();
        let size = tree.frontier.size();
        if index != size {
            return Err(ReplayFault::Order { expected: size });
        }
        let entry = Entry::parse(bytes)?;
        if entry.at < tree.last_at {
            return Err(ReplayFault::TimeRanBack { at: entry.at, previous: tree.last_at });
        }
        if let Some(state_root) = entry.state_root() {
            let root = state_root.map_err(|error| ReplayFault::StateRoot(error.to_string()))?;
            return self.judge_state_root(index, entry.at, root.step, bytes);
        }
        let record = Record::parse(entry.record)?;
        let command = Command::Append { log_ms: entry.at, records: vec![entry.record.to_vec()] };
        let applied = apply(&self.state, &command);
        if let Some(alarm) = applied.alarm {
            return Err(ReplayFault::Damaged(alarm));
        }
        let leaf = match applied.outcomes.first() {
            Some(Outcome::Sequenced { index: first, duplicate: true, .. }) => {
                return Err(ReplayFault::Duplicate { first: *first });
            }
            Some(Outcome::Sequenced { leaf, .. }) => *leaf,
            Some(Outcome::Rejected(rejection)) => return Err(ReplayFault::Forbidden(rejection.clone())),
            _ => return Err(ReplayFault::OtherBytes),
        };
        if !applied.entries.first().is_some_and(|new| new.index == index && new.bytes == bytes) {
            return Err(ReplayFault::OtherBytes);
        }
        // The rules come first because they are cheap; the signature costs more than all of them.
        let key = signer_key(&self.state, &record).map_err(|fault| match fault {
            SignatureFault::Rejected(rejection) => ReplayFault::Signature(rejection),
            SignatureFault::Corrupt(alarm) => ReplayFault::Damaged(alarm),
        })?;
        Ok(Judged { leaf, applied, signature: Some(SignatureJob::new(index, record, key)) })
    }

    /// A `state.root` needs no signature: sealing the same subjects of the state as it is here must give the same one.
    fn judge_state_root(
        &self,
        index: u64,
        at: u64,
        step: Option<SealStep>,
        bytes: &[u8],
    ) -> Result<Judged, ReplayFault> {
        let command = match step {
            Some(step) => Command::SealStep { log_ms: at, step },
            None => Command::Seal { log_ms: at },
        };
        let applied = apply(&self.state, &command);
        if let Some(alarm) = applied.alarm {
            return Err(ReplayFault::Damaged(alarm));
        }
        match applied.entries.first() {
            None => Err(ReplayFault::NothingToSeal),
            Some(new) if new.index == index && new.bytes == bytes => {
                Ok(Judged { leaf: new.leaf, applied, signature: None })
            }
            Some(_) => Err(ReplayFault::OtherStatus),
        }
    }
}
