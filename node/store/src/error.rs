//! Why a store could not do what it was asked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a store could not do what it was asked.
///
/// Three kinds. *The caller is wrong*: [`Gap`](Self::Gap), [`TooLarge`](Self::TooLarge),
/// [`EmptyKey`](Self::EmptyKey), [`Path`](Self::Path).
/// *An operator must act*: [`Locked`](Self::Locked), [`Foreign`](Self::Foreign), [`Newer`](Self::Newer),
/// [`Corrupt`](Self::Corrupt), [`Differs`](Self::Differs). *Fatal*: everything else; stop the process, what was
/// acknowledged before is safe. None is worth a retry on the same handle.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// A storage engine failed in a way that is not a plain I/O error.
    #[error("storage engine {engine} failed: {reason}; stop the node, then check the disk of {}", dir.display())]
    Engine {
        /// Name of the engine.
        engine: &'static str,
        /// Its directory.
        dir: PathBuf,
        /// In the words of the engine.
        reason: String,
    },
    /// Another process holds the directory.
    #[error("{} is in use by another process; stop that one first", .0.display())]
    Locked(PathBuf),
    /// The directory holds something else, for example the data of another engine.
    #[error("{} holds {found:?} and not {wanted:?}; point to another directory or configure what it holds", dir.display())]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// What its format file says.
        found: String,
        /// What was to be opened.
        wanted: String,
    },
    /// The directory was written by a newer version of this program.
    #[error("{} has format version {found}, this program reads up to {known}; run the newer program", dir.display())]
    Newer {
        /// The directory or file.
        dir: PathBuf,
        /// Version found.
        found: u32,
        /// Newest version this program reads.
        known: u32,
    },
    /// Bytes that were durable are damaged.
    #[error(
        "{} is damaged at byte {offset}: {reason}; do not edit or delete it: move the node's data aside and let it \
         rejoin as a new node with a new id, or restore the file from an exact copy",
        path.display()
    )]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// An immutable file exists with other bytes. Replay must write the same bytes; halt.
    #[error("{} exists with other bytes (first difference at byte {offset}); halt and compare with a peer", path.display())]
    Differs {
        /// The file.
        path: PathBuf,
        /// Offset of the first difference.
        offset: u64,
    },
    /// An append does not continue the log.
    #[error("append at index {got} does not continue the log, which expects {expected}")]
    Gap {
        /// The only index that continues the log.
        expected: u64,
        /// The index that was offered.
        got: u64,
    },
    /// One piece is larger than the format allows.
    #[error("{what} of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A key of no bytes, which some engines cannot hold.
    #[error("a key needs at least one byte")]
    EmptyKey,
    /// A relative path that leaves the root, or names a file that is not plain.
    #[error("{0:?} is not a plain relative path")]
    Path(String),
    /// An earlier write or fsync failed; this repeats the first failure.
    #[error("refused after an earlier failure: {0}; restart the node, do not retry")]
    Poisoned(Arc<StoreError>),
}

impl StoreError {
    /// Wraps what the operating system said about `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        StoreError::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, reason: impl Into<String>) -> Self {
        StoreError::Corrupt { path: path.to_owned(), offset, reason: reason.into() }
    }

    /// The error every later call gives once this one happened.
    pub(crate) fn poison(&self) -> Self {
        match self {
            StoreError::Poisoned(_) => self.clone(),
            first => StoreError::Poisoned(Arc::new(first.clone())),
        }
    }

    /// True when the disk or the quota is full, also through [`Poisoned`](Self::Poisoned): free space, then restart.
    pub fn is_no_space(&self) -> bool {
        match self {
            StoreError::Io { source, .. } => is_no_space(source),
            StoreError::Poisoned(first) => first.is_no_space(),
            _ => false,
        }
    }
}

/// True when the operating system says that the disk or the quota is full.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
