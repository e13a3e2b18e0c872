//! Payloads as the vault keeps them: the form is the ledger's, the errors are the vault's.

use ledger_format::{
    payload::{self, PayloadError},
    record::Digest,
};

pub use ledger_format::payload::{MEDIA_MAX, Payload, SALT_BYTES, VALUE_MAX, commitment};

use super::VaultError;

impl From<PayloadError> for VaultError {
    fn from(error: PayloadError) -> Self {
        match error {
            PayloadError::LongMedia(bytes) => VaultError::LongMedia(bytes),
            PayloadError::Damaged(commitment) => VaultError::Damaged(commitment),
            PayloadError::Newer(commitment) => VaultError::Newer(commitment),
            PayloadError::OtherDigest(digest) => VaultError::OtherDigest(digest),
            _ => VaultError::LongValue,
        }
    }
}

/// The name of the file of a payload.
pub(super) fn file_name(commitment: &Digest) -> Result<String, VaultError> {
    Ok(payload::file_name(commitment)?)
}
