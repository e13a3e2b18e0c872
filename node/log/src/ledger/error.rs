//! Why the ledger on this node's disk could not be read or written.

use std::{io, path::Path};

use ledger_store::StoreError;

use crate::bytes_codec::Malformed;

/// Why state, edge or tiles could not be read or written. What was acknowledged before is safe; none is worth a retry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stored or received bytes are not what they must be.
    #[error(
        "{what} is damaged: {reason}; stop this node and run `maip log fsck`, or let it rejoin under a new id"
    )]
    Corrupt {
        /// What is damaged.
        what: String,
        /// How that was noticed.
        reason: String,
    },
    /// Stored bytes are of a form that this program does not know.
    #[error(
        "{what} was written by a newer program: {reason}; run that one, or a newer one, on this directory, and delete nothing"
    )]
    Newer {
        /// What it is.
        what: String,
        /// How that was noticed.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// A verb.
        action: &'static str,
        /// The file or directory.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

impl LedgerError {
    pub(crate) fn corrupt(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), reason: reason.into() }
    }

    /// What is wrong with stored bytes that do not decode.
    pub(crate) fn malformed(what: impl Into<String>, reason: &Malformed) -> Self {
        match reason {
            Malformed::Version { .. } => Self::Newer { what: what.into(), reason: reason.to_string() },
            Malformed::At { .. } => Self::corrupt(what, reason.to_string()),
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.display().to_string(), source }
    }

    /// True when the disk or a quota is full: free space, then restart.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Store(error) => error.is_no_space(),
            Self::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::Corrupt { .. } | Self::Newer { .. } => false,
        }
    }
}
