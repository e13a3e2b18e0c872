//! Why a vault does not do what was asked.

use std::{io, path::PathBuf};

use ledger_format::record::Digest;

use super::{MEDIA_MAX, NAME_MAX, VALUE_MAX};

/// Why a vault gave no payload, or took none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The system gave no randomness.
    #[error("no randomness: {0}")]
    NoRandomness(String),
    /// A directory that no vault was made in, or that has lost its `name-key`.
    #[error("{path} is not a vault: it holds no name-key")]
    NotAVault {
        /// Which directory.
        path: PathBuf,
    },
    /// A key file that others can read.
    #[error("{path} can be read by others (mode {mode:03o})")]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key file that has another length than keys have.
    #[error("{path} is not a key of this vault: it holds {bytes} bytes, and must hold {want}")]
    BadKey {
        /// Which file.
        path: PathBuf,
        /// Its length.
        bytes: usize,
        /// The length of such a key.
        want: usize,
    },
    /// Payloads without the key that opens them, and no erasure.
    #[error("{path} holds payloads and no key, and the vault knows of no erasure")]
    KeyMissing {
        /// The subject's directory.
        path: PathBuf,
    },
    /// The name of a subject.
    #[error("a subject's name has 1 to {NAME_MAX} bytes, this one has {0}")]
    BadName(usize),
    /// The note on what a value is.
    #[error("the note on a value has at most {MEDIA_MAX} bytes, this one has {0}")]
    LongMedia(usize),
    /// The value.
    #[error("a value has at most {VALUE_MAX} bytes")]
    LongValue,
    /// Commitments of a vault are SHA-256.
    #[error("{0} is no commitment of a vault: those begin with sha256:")]
    OtherDigest(Digest),
    /// Never put into this vault.
    #[error("the vault holds no payload {0}")]
    PayloadUnknown(Digest),
    /// Erased with its subject.
    #[error("the payload {0} is erased")]
    PayloadErased(Digest),
    /// Altered, cut short, put under another name, or under another subject's key.
    #[error("the payload {0} does not open: its file or its subject's key was altered")]
    Damaged(Digest),
    /// A newer program has written it.
    #[error("the payload {0} is in a newer form: use the program that wrote it, or a newer one")]
    Newer(Digest),
    /// Nothing was put under this name.
    #[error("the vault knows no subject of this name")]
    SubjectUnknown,
    /// Erased, and nothing is left to do.
    #[error("the subject of this name is erased")]
    SubjectErased,
}
