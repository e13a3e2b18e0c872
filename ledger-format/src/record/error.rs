//! Why bytes are not a record.

use super::json::{JsonError, Reason};

/// Why a record was refused before anyone asked the log's state. Always the sender's fault; no retry helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Longer than an entry allows.
    #[error("record of {size} bytes is longer than {max}")]
    TooLarge {
        /// Its length.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// Not canonical JSON, or a field that breaks its rule.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// `type` is none of the types that this version knows.
    #[error("type: unknown record type \"{name}\"")]
    UnknownType {
        /// What stood there, cut to 64 bytes.
        name: String,
    },
    /// `type` is `state.root`, which the log makes itself.
    #[error("type: a state.root is made by the log itself, nobody submits one")]
    MadeByTheLog,
    /// `v` is not the version that this code reads.
    #[error("v: record version {got} is not {supported}")]
    UnsupportedVersion {
        /// What stood there.
        got: u64,
        /// The one that is read.
        supported: u64,
    },
    /// The actor may not sign this type of record.
    #[error("actor: a record of type {type_name} is signed by {allowed}")]
    ActorNotAllowed {
        /// The record's type.
        type_name: &'static str,
        /// Who may sign it.
        allowed: String,
    },
    /// `sig.kid` names another key than the one at hand.
    #[error("sig.kid: the record names key {named}, the signer's key is {wanted}")]
    WrongKey {
        /// The kid in the record.
        named: super::Kid,
        /// The kid of the key at hand.
        wanted: super::Kid,
    },
    /// The signature does not fit.
    #[error("sig.value: signature does not verify under key {kid}")]
    BadSignature {
        /// The key.
        kid: super::Kid,
    },
}

impl RecordError {
    /// A stable code for machines.
    pub fn code(&self) -> &'static str {
        match self {
            RecordError::TooLarge { .. } => "record.too_large",
            RecordError::Json(error) => error.reason.code(),
            RecordError::UnknownType { .. } => "record.type",
            RecordError::MadeByTheLog => "record.made_by_the_log",
            RecordError::UnsupportedVersion { .. } => "record.version",
            RecordError::ActorNotAllowed { .. } => "record.actor",
            RecordError::WrongKey { .. } => "record.wrong_key",
            RecordError::BadSignature { .. } => "record.signature",
        }
    }

    /// The field at fault, e.g. `body.scopes[3]`; empty for the record as a whole.
    pub fn field(&self) -> &str {
        match self {
            RecordError::TooLarge { .. } => "",
            RecordError::Json(error) => &error.path,
            RecordError::UnknownType { .. } | RecordError::MadeByTheLog => "type",
            RecordError::UnsupportedVersion { .. } => "v",
            RecordError::ActorNotAllowed { .. } => "actor",
            RecordError::WrongKey { .. } => "sig.kid",
            RecordError::BadSignature { .. } => "sig.value",
        }
    }

    /// What the sender should do.
    pub fn fix(&self) -> &'static str {
        match self {
            RecordError::TooLarge { .. } => Reason::TooLarge { max: 0 }.fix(),
            RecordError::Json(error) => error.reason.fix(),
            RecordError::UnknownType { .. } => "use a type of docs/record-format.md, or a newer server",
            RecordError::MadeByTheLog => "submit records of other types; the log makes this entry by itself",
            RecordError::UnsupportedVersion { .. } => "write version 1",
            RecordError::ActorNotAllowed { .. } => "let an allowed actor sign, and name it in actor",
            RecordError::WrongKey { .. } => "sign with the actor's current key",
            RecordError::BadSignature { .. } => "sign the canonical bytes of the record without sig",
        }
    }
}
