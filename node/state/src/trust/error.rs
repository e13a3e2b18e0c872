//! Why an input changes nothing.

/// Why an input is rejected. Always the fault of who derived the input from the log; the state is as it was, clock included.
///
/// When several apply, the first in this order is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Not an object, or `kind` is missing or none of the table's.
    #[error("unknown kind: use one of the documented kinds")]
    UnknownKind,
    /// A field is missing, unknown, of the wrong type or out of range.
    #[error("malformed: give exactly the kind's fields, within their ranges")]
    Malformed,
    /// The outcome is a string, but not one of the kind's.
    #[error("unknown outcome: use one of the kind's outcomes")]
    UnknownOutcome,
    /// An attestation cites an interaction that is younger than itself.
    #[error("the cited interaction lies in the future: cite one that the log holds")]
    InteractionInFuture,
    /// Earlier than an accepted input; equal is fine.
    #[error("time went backwards: hand inputs in by log time")]
    TimeWentBackwards,
    /// The agent is registered already. An id is never used again, not even after a kill.
    #[error("agent is registered already: use a new id")]
    DuplicateAgent,
    /// The agent, or who attests, is not registered.
    #[error("unknown agent: register it first")]
    UnknownAgent,
}

impl TrustError {
    /// The name of the error in vector files and in other languages.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownKind => "unknown_kind",
            Self::Malformed => "malformed_event",
            Self::UnknownOutcome => "unknown_outcome",
            Self::InteractionInFuture => "interaction_in_future",
            Self::TimeWentBackwards => "time_went_backwards",
            Self::DuplicateAgent => "duplicate_agent",
            Self::UnknownAgent => "unknown_agent",
        }
    }
}

/// Why the engine stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError<E> {
    /// The input or the question is bad; nothing was written.
    #[error(transparent)]
    Rejected(#[from] TrustError),
    /// The store failed. It may hold a part of the change: its owner throws it away.
    #[error("the store of trust states failed")]
    Store(E),
}
