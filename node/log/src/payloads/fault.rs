//! Why a payload is not kept or not given.

use ledger_format::{
    payload::{BadRequest, MEDIA_MAX},
    record::Digest,
};
use ledger_store::StoreError;

use super::{PAYLOAD_BYTES_MAX, SUBJECT_PAYLOADS_MAX, TENANT_PAYLOAD_BYTES_MAX, TENANT_SUBJECTS_MAX};
use crate::ledger::LedgerError;

/// Why a payload is not kept or not given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadFault {
    /// The tenant is not registered, has no key, or is suspended.
    #[error("the log knows no active tenant of this id with a key")]
    TenantUnknown,
    /// The request is not the tenant's, or not of now.
    #[error(transparent)]
    Request(#[from] BadRequest),
    /// Commitments of payloads and subjects are SHA-256.
    #[error("{0} is no commitment to a payload or a subject: those begin with sha256:")]
    OtherDigest(Digest),
    /// The value or its note.
    #[error("nodes keep values of at most {PAYLOAD_BYTES_MAX} bytes, with a note of at most {MEDIA_MAX}")]
    TooLong,
    /// The subject has as many as it may have.
    #[error("a subject has at most {SUBJECT_PAYLOADS_MAX} payloads on the nodes")]
    SubjectFull,
    /// The tenant has as much as it may have.
    #[error(
        "a tenant has at most {TENANT_SUBJECTS_MAX} subjects and {TENANT_PAYLOAD_BYTES_MAX} bytes on the nodes"
    )]
    TenantFull,
    /// The subject is erased.
    #[error("the subject is erased")]
    SubjectErased,
    /// No node that answered has it.
    #[error("no node keeps the payload {0} for this subject")]
    PayloadUnknown(Digest),
    /// The file does not open; another node may have a good one.
    #[error("the payload {0} is damaged on this node")]
    Damaged(Digest),
    /// Fewer nodes than a majority keep it now. Asking again is safe.
    #[error("{kept} of {voters} voters keep the payload, which is no majority")]
    NoMajority {
        /// Voters that keep it.
        kept: usize,
        /// Voters of the cluster.
        voters: usize,
    },
    /// This node takes nothing for now.
    #[error("{0}")]
    Unavailable(String),
    /// The disk failed.
    #[error("this node cannot read or write its payloads: {0}")]
    Disk(String),
}

impl From<StoreError> for PayloadFault {
    fn from(error: StoreError) -> Self {
        Self::Disk(error.to_string())
    }
}

impl From<LedgerError> for PayloadFault {
    fn from(error: LedgerError) -> Self {
        Self::Disk(error.to_string())
    }
}
