//! How a request can end: what is answered, and as what it is counted.

use crate::decide::Refusal;
use crate::sign::NoTime;

/// Every way a request can end, as counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    /// 200.
    Cosigned,
    /// 400.
    Malformed,
    /// 404.
    UnknownOrigin,
    /// 403.
    Forbidden,
    /// 400.
    OldSizeTooLarge,
    /// 409.
    Conflict,
    /// 422.
    EmptyTreeRoot,
    /// 422, alarm.
    Fork,
    /// 422.
    Proof,
    /// 422, alarm: the log holds an entry that does not replay.
    Invalid,
    /// 503: entries that must be replayed first cannot be read yet.
    Unverified,
    /// 429.
    Budget,
    /// 503.
    Busy,
    /// 500.
    Failed,
}

impl Outcome {
    /// In the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Cosigned,
        Self::Malformed,
        Self::UnknownOrigin,
        Self::Forbidden,
        Self::OldSizeTooLarge,
        Self::Conflict,
        Self::EmptyTreeRoot,
        Self::Fork,
        Self::Proof,
        Self::Invalid,
        Self::Unverified,
        Self::Budget,
        Self::Busy,
        Self::Failed,
    ];

    /// As a metric label and in log lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosigned => "cosigned",
            Self::Malformed => "malformed",
            Self::UnknownOrigin => "unknown_origin",
            Self::Forbidden => "forbidden",
            Self::OldSizeTooLarge => "old_size_too_large",
            Self::Conflict => "conflict",
            Self::EmptyTreeRoot => "empty_tree_root",
            Self::Fork => "fork",
            Self::Proof => "proof",
            Self::Invalid => "invalid",
            Self::Unverified => "unverified",
            Self::Budget => "budget",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }
}

/// Why there are no signatures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// The specification says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The log holds entries that do not replay. It stays refused.
    #[error("the log does not replay: {0}")]
    Invalid(String),
    /// Entries that must be replayed first cannot be read yet. Try again.
    #[error("not cosigned yet: {0}")]
    Unverified(String),
    /// The log has had its new checkpoints of today.
    #[error("the daily budget of this log is used up; it begins again in {retry_after_s} s")]
    Budget {
        /// Seconds to the next day.
        retry_after_s: u64,
    },
    /// Too much at once. Try again.
    #[error("this witness is busy")]
    Busy,
    /// This witness is broken; the caller can do nothing.
    #[error("this witness cannot cosign now: {0}")]
    Failed(String),
}

impl Denial {
    /// How it is counted.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(Refusal::Malformed(_)) => Outcome::Malformed,
            Self::Refused(Refusal::UnknownOrigin(_)) => Outcome::UnknownOrigin,
            Self::Refused(Refusal::NoTrustedSignature | Refusal::BadTrustedSignature(_)) => {
                Outcome::Forbidden
            }
            Self::Refused(Refusal::OldSizeTooLarge { .. }) => Outcome::OldSizeTooLarge,
            Self::Refused(Refusal::Conflict { .. }) => Outcome::Conflict,
            Self::Refused(Refusal::EmptyTreeRoot) => Outcome::EmptyTreeRoot,
            Self::Refused(Refusal::Fork { .. }) => Outcome::Fork,
            Self::Refused(Refusal::Proof(_)) => Outcome::Proof,
            Self::Invalid(_) => Outcome::Invalid,
            Self::Unverified(_) => Outcome::Unverified,
            Self::Budget { .. } => Outcome::Budget,
            Self::Busy => Outcome::Busy,
            Self::Failed(_) => Outcome::Failed,
        }
    }
}

impl From<NoTime> for Denial {
    fn from(error: NoTime) -> Self {
        Self::Failed(error.to_string())
    }
}
