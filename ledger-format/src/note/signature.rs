//! One signature line of a note.

use std::fmt;

use super::{KeyId, NOTE_BYTES_MAX, SignatureType, is_key_name};
use crate::cosignature;
use crate::text;

const KEY_ID_BYTES: usize = 4;

/// `— <key name> <base64 of key id and signature>`: who signed, and the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignatureLine {
    /// Name of the key.
    pub name: String,
    /// Which key of that name.
    pub key_id: KeyId,
    /// What follows the key id; for cosignatures 8 bytes of time, then the signature.
    pub signature: Vec<u8>,
}

/// The text is not a signature line. The sender is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a signature line: em dash, key name and base64 of a key id and signature, one space between")]
pub struct SignatureLineError;

/// Why a signature does not count. The signer, or whoever carried the line, is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Name or key id are another key's.
    #[error("the signature line belongs to another key")]
    OtherKey,
    /// The signature has the wrong length for its type.
    #[error("the signature is {got} bytes long, its type has {want}")]
    Length {
        /// Bytes of this type.
        want: usize,
        /// Bytes in the line.
        got: usize,
    },
    /// The time is over 2^63 - 1.
    #[error("the time of the cosignature is out of range")]
    Time,
    /// The signature is not over this text by this key.
    #[error("the signature is wrong")]
    Wrong,
    /// A cosignature of this type covers a checkpoint, and the text is none.
    #[error("the signed text is not a checkpoint")]
    NotACheckpoint,
    /// This build cannot check this type; the line says nothing either way.
    #[error("this build does not verify signatures of type {:#04x}", ty.byte())]
    Unsupported {
        /// Type of the key.
        ty: SignatureType,
    },
}

impl SignatureLine {
    /// Reads a line without its newline.
    pub fn parse(line: &str) -> Result<Self, SignatureLineError> {
        Self::parse_inner(line).ok_or(SignatureLineError)
    }

    fn parse_inner(line: &str) -> Option<Self> {
        let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
        if !is_key_name(name) {
            return None;
        }
        let mut key_id = text::base64_decode(base64, NOTE_BYTES_MAX)?;
        if key_id.len() <= KEY_ID_BYTES {
            return None;
        }
        let signature = key_id.split_off(KEY_ID_BYTES);
        Some(Self { name: name.to_owned(), key_id: KeyId(key_id.try_into().ok()?), signature })
    }

    /// The time of a cosignature in seconds since 1970, given the type of the key. Not verified. `None` if the
    /// type carries no time or the line is too short.
    pub fn timestamp(&self, ty: SignatureType) -> Option<u64> {
        if ty.is_cosignature() {
            cosignature::split_time(&self.signature).map(|(time, _)| time)
        } else {
            None
        }
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(KEY_ID_BYTES + self.signature.len());
        bytes.extend_from_slice(&self.key_id.0);
        bytes.extend_from_slice(&self.signature);
        write!(f, "— {} {}", self.name, text::base64_encode(&bytes))
    }
}
