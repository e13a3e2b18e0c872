//! Taking records in: checked here, on every node; proposed by the leader, many in one raft_entry.
//!
//! ```text
//! submit ── check (parse, size, signature) ── queue ── batch ──┬── leader: propose ── apply ── outcomes
//!                                                             └── follower: forward to the leader's queue
//! ```
//! A batch goes out at once while few are under way and grows while they are: latency when idle, group commit under
//! load, without a timer.

mod batch;
mod check;
mod own;

use std::time::Duration;

use ledger_format::Hash;

pub use batch::Noted;
pub(crate) use batch::{Asker, LEADER_RETRY, Queue, run};
pub(crate) use check::{Checked, check};
pub use own::OwnRecord;
pub(crate) use own::Source;

/// How long an answer waits. Each level includes the ones before it (rule V4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ack {
    /// A majority has the record durably and it is applied; its index is final.
    #[default]
    Sequenced,
    /// A published checkpoint covers it.
    Published,
    /// That checkpoint satisfies the witness policy.
    Witnessed,
}

/// On whose behalf records are submitted. Records prove their own authorship; this is about admission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// The holder of the admin key: may register tenants.
    Admin,
}

/// A record that is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Place in the log, final.
    pub index: u64,
    /// `SHA-256(0x00 || entry)`: compare with your own.
    pub leaf: Hash,
    /// The log's time of the entry, milliseconds.
    pub log_ms: u64,
    /// The same record had been logged before, at this index (rule S2).
    pub duplicate: bool,
    /// The level that was reached.
    pub ack: Ack,
    /// The `.tlog-proof`, with [`Ack::Published`] and above.
    pub proof: Option<Vec<u8>>,
}

/// What kind of refusal, for status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusedKind {
    /// The record is wrong.
    Invalid,
    /// No or an unknown credential where one is needed.
    Unauthenticated,
    /// The credential or the actor may not do this.
    Forbidden,
    /// It contradicts a record that is in the log.
    Conflict,
    /// It refers to something that is not there.
    NotFound,
    /// Over a size limit.
    TooLarge,
    /// More than the tenant's plan includes.
    Quota,
    /// Too much at once; try again shortly.
    Busy,
    /// No leader for now; try again shortly.
    NoLeader,
    /// This log takes no records for now: fence, alarm or full disk.
    ReadOnly,
    /// Not in the time the caller gave. The record may still be logged: submit the same bytes again.
    Timeout,
    /// Our fault.
    Internal,
}

/// Why a record was not taken, or not to the level asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refused {
    /// For status codes.
    pub kind: RefusedKind,
    /// Stable, for programs.
    pub code: String,
    /// The field at fault, empty when none is.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub fix: String,
    /// When to try again; 0 when that would not help.
    pub retry_after_ms: u32,
}

impl Refused {
    pub(crate) fn new(kind: RefusedKind, code: &str, message: impl Into<String>, fix: &str) -> Self {
        let retry_after_ms = match kind {
            RefusedKind::Busy => 50,
            RefusedKind::NoLeader | RefusedKind::Timeout => 200,
            RefusedKind::ReadOnly => 5_000,
            _ => 0,
        };
        Self {
            kind,
            code: code.into(),
            field: String::new(),
            message: message.into(),
            fix: fix.into(),
            retry_after_ms,
        }
    }

    pub(crate) fn busy() -> Self {
        Self::new(
            RefusedKind::Busy,
            "BUSY",
            "too many records are waiting to be sequenced",
            "send the same record again after the hint",
        )
    }

    pub(crate) fn no_leader(why: impl Into<String>) -> Self {
        Self::new(
            RefusedKind::NoLeader,
            "NO_LEADER",
            why,
            "send the same record again, to this node or another one",
        )
    }

    pub(crate) fn timeout() -> Self {
        Self::new(
            RefusedKind::Timeout,
            "TIMEOUT",
            "the record was not sequenced in time; it may still be",
            "send the same record again: if it was logged, the answer is its first index",
        )
    }

    pub(crate) fn read_only(why: impl Into<String>) -> Self {
        Self::new(
            RefusedKind::ReadOnly,
            "READ_ONLY",
            why,
            "see the node's alarms; records are safe with you until this clears",
        )
    }
}

/// One record's fate, as the leader tells it.
pub(crate) type Fate = Result<Submitted, Refused>;

/// Longest time a submission may wait.
pub(crate) const TIMEOUT_MAX: Duration = Duration::from_secs(120);
