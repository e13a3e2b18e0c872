//! What a look at a log gives.

use super::{Caught, MirrorError};
use crate::source::SourceError;

/// What one look at the log gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing new since the head.
    Unchanged {
        /// Size of the head.
        size: u64,
    },
    /// New entries, all in order.
    Advanced {
        /// Size of the old head.
        from: u64,
        /// Size of the new one.
        to: u64,
    },
    /// A checkpoint that contradicts nothing and that too few witnesses have cosigned so far; the head stays.
    Unwitnessed {
        /// Size of that checkpoint.
        size: u64,
        /// What is missing.
        reason: String,
    },
    /// A checkpoint older than the head, and consistent with it: a stale cache, or a log that went back.
    Older {
        /// Its size.
        size: u64,
        /// Size of the head.
        head: u64,
    },
}

/// Why a look gave no answer, or a bad one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The log cannot be read; a later look may work.
    #[error("{0}")]
    Unreachable(#[from] SourceError),
    /// What is served is not signed by a log of the policy, or not a checkpoint: it convicts nobody.
    #[error("the checkpoint cannot be judged: {0}")]
    NotTheLogs(String),
    /// The log uses records that this version does not know.
    #[error("entry {index} is newer than this program: {reason}")]
    TooNew {
        /// Where.
        index: u64,
        /// What is unknown.
        reason: String,
    },
    /// The log cheated. The file convicts it.
    #[error("{}", .0.words)]
    Caught(Box<Caught>),
    /// What is served does not fit the signed checkpoint; nothing that was served is signed, so nobody is convicted.
    #[error("{0}")]
    Damaged(String),
    /// The monitor's own directory is damaged or cannot be written.
    #[error("the monitor's own memory: {0}")]
    Memory(String),
}

impl From<MirrorError> for Trouble {
    fn from(error: MirrorError) -> Self {
        Self::Memory(error.to_string())
    }
}
