//! From a staple to what it proves, and how fresh that is.

use super::map::{MapProofError, map_key};
use super::staple::Staple;
use crate::policy::{FUTURE_TOLERANCE_S, Policy};
use crate::proof::{Proven, VerifyError, verify};
use crate::record::json::JsonError;
use crate::record::{Entry, EntryError, StateRoot};

/// What the verifier asks. All of it is the verifier's own: none may come from the file.
#[derive(Clone, Copy, Debug)]
pub struct StapleQuestion<'a> {
    /// Origin of the log in which the subject lives. A policy may list other logs, which do not know the subject.
    pub origin: &'a str,
    /// The subject's name.
    pub subject: &'a str,
    /// The verifier's clock, seconds since 1970.
    pub now_s: u64,
    /// How old the status may be, in seconds; `None` to take any, and judge [`StapleVerdict`] instead.
    pub max_age_s: Option<u64>,
}

/// What a staple proves. Only [`verify_staple`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StapleVerdict {
    /// The subject's status, canonical JSON; `None`: the log knows no such subject.
    pub value: Option<Vec<u8>>,
    /// What the `state.root` entry says.
    pub state_root: StateRoot,
    /// The log's time in that entry, ms since 1970.
    pub log_ms: u64,
    /// Its place, the checkpoint and who cosigned it.
    pub proven: Proven,
    /// When a quorum of witnesses vouched for the checkpoint, seconds since 1970; see [`Policy::vouched_at`].
    pub witnessed_s: Option<u64>,
    /// Until when the status is known to have been this, seconds since 1970. The witnesses' time if the checkpoint ends with
    /// the `state.root` and no change waited; else no later than the log's time in that entry, because what came after it in
    /// the log may have changed the status. `None` if changes waited or no witness states a time.
    pub known_s: Option<u64>,
}

/// Why a staple does not prove what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StapleFailure {
    /// It is about another subject.
    #[error("the staple is about {found}")]
    OtherSubject {
        /// The subject in the file.
        found: String,
    },
    /// It is from another log.
    #[error("the staple is from the log {found:?}")]
    OtherLog {
        /// The origin in the file or in the checkpoint.
        found: String,
    },
    /// The entry is not in a log that the policy accepts.
    #[error("the state.root entry is not proven: {0}")]
    Entry(#[from] VerifyError),
    /// The proven bytes are no entry.
    #[error("what is proven is not an entry: {0}")]
    Form(#[from] EntryError),
    /// The proven entry holds a record: somebody's word, not the log's state.
    #[error("the entry holds a record, not a state.root")]
    NotStateRoot,
    /// The proven entry says `state.root` and is not one.
    #[error("the state.root is malformed: {0}")]
    StateRoot(JsonError),
    /// It claims to know entries that came after it.
    #[error("the state.root at index {index} claims to hold {as_of_size} entries")]
    AsOfAhead {
        /// Its place.
        index: u64,
        /// What it claims.
        as_of_size: u64,
    },
    /// The map with that root does not hold this.
    #[error(transparent)]
    Map(#[from] MapProofError),
    /// The witnesses' time is ahead of the verifier's clock.
    #[error("the witnesses' time is {ahead_s} s ahead of this clock: one of them is wrong")]
    FromTheFuture {
        /// By how much.
        ahead_s: u64,
    },
    /// An age was asked for and no witness states a time.
    #[error("no witness states a time, so the age is unknown")]
    NoWitnessTime,
    /// An age was asked for and changes waited to get into the map, of which the status may be one.
    #[error(
        "the map held changes up to index {as_of_size} only, of {index}: take a staple of a later state.root"
    )]
    Behind {
        /// Up to where the map was complete.
        as_of_size: u64,
        /// Place of the entry.
        index: u64,
    },
    /// Older than asked for.
    #[error("the status is known until {known_s} only, {age_s} s ago")]
    Stale {
        /// Until when, seconds since 1970.
        known_s: u64,
        /// How long ago that was.
        age_s: u64,
    },
}

/// Verifies that the log of the question holds this status of the question's subject, and that it is fresh enough.
///
/// A fresh checkpoint alone proves no freshness: it also covers every older `state.root`. So the age is counted from
/// [`StapleVerdict::known_s`].
pub fn verify_staple(
    staple: &Staple,
    policy: &Policy,
    question: &StapleQuestion<'_>,
) -> Result<StapleVerdict, StapleFailure> {
    if staple.subject != question.subject {
        return Err(StapleFailure::OtherSubject { found: staple.subject.clone() });
    }
    if staple.origin != question.origin {
        return Err(StapleFailure::OtherLog { found: staple.origin.clone() });
    }
    let bytes = staple.inclusion.entry().unwrap_or_default();
    let entry = Entry::parse(bytes)?;
    let state_root =
        entry.state_root().ok_or(StapleFailure::NotStateRoot)?.map_err(StapleFailure::StateRoot)?;
    // Hashing is cheap, signatures are not.
    staple.map_proof().verify(state_root.map_root, map_key(question.subject), staple.value())?;
    let proven = verify(bytes, &staple.inclusion, policy)?;
    if proven.checkpoint.origin != question.origin {
        return Err(StapleFailure::OtherLog { found: proven.checkpoint.origin });
    }
    let (index, as_of_size) = (proven.index, state_root.as_of_size);
    if as_of_size > index {
        return Err(StapleFailure::AsOfAhead { index, as_of_size });
    }
    let witnessed_s = policy.vouched_at(&staple.inclusion.note, &proven.cosigners);
    let complete = as_of_size == index;
    let ends_the_log = index + 1 == proven.checkpoint.size;
    let known_s = witnessed_s
        .filter(|_| complete)
        .map(|witnessed| if ends_the_log { witnessed } else { witnessed.min(entry.at / 1_000) });
    let verdict = StapleVerdict {
        value: staple.value().map(<[u8]>::to_vec),
        state_root,
        log_ms: entry.at,
        proven,
        witnessed_s,
        known_s,
    };
    check_age(&verdict, question)?;
    Ok(verdict)
}

fn check_age(verdict: &StapleVerdict, question: &StapleQuestion<'_>) -> Result<(), StapleFailure> {
    let Some(max_age_s) = question.max_age_s else { return Ok(()) };
    let witnessed_s = verdict.witnessed_s.ok_or(StapleFailure::NoWitnessTime)?;
    if witnessed_s > question.now_s.saturating_add(FUTURE_TOLERANCE_S) {
        return Err(StapleFailure::FromTheFuture { ahead_s: witnessed_s - question.now_s });
    }
    let (index, as_of_size) = (verdict.proven.index, verdict.state_root.as_of_size);
    let known_s = verdict.known_s.ok_or(StapleFailure::Behind { as_of_size, index })?;
    let age_s = question.now_s.saturating_sub(known_s);
    if age_s > max_age_s { Err(StapleFailure::Stale { known_s, age_s }) } else { Ok(()) }
}
