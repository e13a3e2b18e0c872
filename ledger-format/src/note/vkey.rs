//! Verifier keys: `name+hex8(key id)+base64(type || public key)`.

use std::fmt;

use super::keys::{
    ED25519_PUBLIC_BYTES, ED25519_SIGNATURE_BYTES, ML_DSA_44_PUBLIC_BYTES, ML_DSA_44_SIGNATURE_BYTES,
    PublicKey,
};
use super::{KEY_NAME_BYTES_MAX, KeyId, SignatureError, SignatureLine, SignatureType, is_key_name, key_id};
use crate::cosignature;
use crate::merkle::Hash;
use crate::text;

/// Why a text is not a verifier key. Whoever wrote it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VkeyError {
    /// Not three parts joined by plus signs.
    #[error("a verifier key is name+hash+key")]
    Form,
    /// The name is empty, longer than [`KEY_NAME_BYTES_MAX`], or holds white space, plus or control characters.
    #[error("the key name is empty, too long, or holds a space, plus or control character")]
    Name,
    /// The key id is not 8 lower-case hex digits.
    #[error("the key id is not 8 lower-case hex digits")]
    KeyIdForm,
    /// The key id is not the hash of name and key.
    #[error("the key id is {got}, name and key give {want}")]
    KeyIdMismatch {
        /// In the text.
        got: KeyId,
        /// Computed.
        want: KeyId,
    },
    /// The key is not canonical base64, or empty.
    #[error("the key is not canonical base64 of a type and a key")]
    Base64,
    /// The type is none that signs checkpoints here.
    #[error("signature type {:#04x} is not supported", ty.byte())]
    UnsupportedType {
        /// What it says.
        ty: SignatureType,
    },
    /// The key has the wrong length, is not on the curve, or is of small order.
    #[error("the public key is not a usable key of its type")]
    PublicKey,
}

/// The name, type and public key of a signer of notes.
///
/// Holds a usable key of type 0x01, 0x04 or 0x06. Keys of type 0x06 are read by every build, but only one with
/// feature `ml-dsa` verifies them.
#[derive(Clone, Debug)]
pub struct Vkey {
    name: String,
    ty: SignatureType,
    key_id: KeyId,
    bytes: Vec<u8>,
    key: PublicKey,
}

impl PartialEq for Vkey {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.ty, &self.bytes) == (&other.name, other.ty, &other.bytes)
    }
}

impl Eq for Vkey {}

impl Vkey {
    /// Reads a key and checks its id.
    pub fn parse(text: &str) -> Result<Self, VkeyError> {
        // A name has no plus, base64 may: split twice from the left.
        let (name, rest) = text.split_once('+').ok_or(VkeyError::Form)?;
        let (id, key) = rest.split_once('+').ok_or(VkeyError::Form)?;
        let got = KeyId(text::hex_decode_array(id).ok_or(VkeyError::KeyIdForm)?);
        let typed = text::base64_decode(key, 1 + ML_DSA_44_PUBLIC_BYTES).ok_or(VkeyError::Base64)?;
        let (&ty, bytes) = typed.split_first().ok_or(VkeyError::Base64)?;
        let vkey = Self::new(name, SignatureType::from_byte(ty), bytes)?;
        if vkey.key_id != got {
            return Err(VkeyError::KeyIdMismatch { got, want: vkey.key_id });
        }
        Ok(vkey)
    }

    /// A log's key: Ed25519, type 0x01.
    pub fn ed25519(name: &str, public_key: &[u8; 32]) -> Result<Self, VkeyError> {
        Self::new(name, SignatureType::Ed25519, public_key)
    }

    /// A witness's key: Ed25519 with time, type 0x04.
    pub fn cosignature_v1(name: &str, public_key: &[u8; 32]) -> Result<Self, VkeyError> {
        Self::new(name, SignatureType::CosignatureV1, public_key)
    }

    /// A log's or witness's key: ML-DSA-44 with time, type 0x06.
    pub fn ml_dsa_44(name: &str, public_key: &[u8; 1_312]) -> Result<Self, VkeyError> {
        Self::new(name, SignatureType::MlDsa44, public_key)
    }

    pub(crate) fn new(name: &str, ty: SignatureType, bytes: &[u8]) -> Result<Self, VkeyError> {
        if !is_key_name(name) || name.len() > KEY_NAME_BYTES_MAX {
            return Err(VkeyError::Name);
        }
        let key = match ty {
            SignatureType::Ed25519 | SignatureType::CosignatureV1 => {
                <&[u8; ED25519_PUBLIC_BYTES]>::try_from(bytes).ok().and_then(PublicKey::ed25519)
            }
            SignatureType::MlDsa44 => {
                <&[u8; ML_DSA_44_PUBLIC_BYTES]>::try_from(bytes).ok().and_then(PublicKey::ml_dsa_44)
            }
            SignatureType::Ecdsa | SignatureType::Rfc6962 | SignatureType::Other(_) => {
                return Err(VkeyError::UnsupportedType { ty });
            }
        };
        let key = key.ok_or(VkeyError::PublicKey)?;
        Ok(Self { name: name.to_owned(), ty, key_id: key_id(name, ty, bytes), bytes: bytes.to_vec(), key })
    }

    /// Name of the signer; for a log its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells keys of one name apart.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Algorithm and meaning.
    pub fn signature_type(&self) -> SignatureType {
        self.ty
    }

    /// The bytes of the public key, without the type.
    pub fn public_key(&self) -> &[u8] {
        &self.bytes
    }

    /// Checks a signature line over the text of a note. Gives the time in seconds of a cosignature, `None` for
    /// other types. The time is signed but not compared with any clock.
    pub fn verify(&self, text: &str, line: &SignatureLine) -> Result<Option<u64>, SignatureError> {
        self.check_owner(line)?;
        match self.ty {
            SignatureType::CosignatureV1 => {
                let (time_s, signature) = split_time(&line.signature, ED25519_SIGNATURE_BYTES)?;
                self.check(&cosignature::message_v1(time_s, text), signature)?;
                Ok(Some(time_s))
            }
            SignatureType::MlDsa44 => {
                let (time_s, signature) = split_time(&line.signature, ML_DSA_44_SIGNATURE_BYTES)?;
                let message = cosignature::message_of_checkpoint(&self.name, time_s, text)
                    .ok_or(SignatureError::NotACheckpoint)?;
                self.check(&message, signature)?;
                Ok(Some(time_s))
            }
            _ => {
                check_length(&line.signature, ED25519_SIGNATURE_BYTES)?;
                self.check(text.as_bytes(), &line.signature)?;
                Ok(None)
            }
        }
    }

    /// Checks an ML-DSA-44 cosignature of the subtree `[start, end)` with this hash. Gives its time, which is 0
    /// unless the subtree is a whole tree.
    pub fn verify_subtree(
        &self,
        origin: &str,
        (start, end): (u64, u64),
        hash: Hash,
        line: &SignatureLine,
    ) -> Result<u64, SignatureError> {
        self.check_owner(line)?;
        if self.ty != SignatureType::MlDsa44 {
            return Err(SignatureError::Unsupported { ty: self.ty });
        }
        let (time_s, signature) = split_time(&line.signature, ML_DSA_44_SIGNATURE_BYTES)?;
        let message = cosignature::message_of_subtree(&self.name, time_s, origin, (start, end), hash)
            .ok_or(SignatureError::Time)?;
        self.check(&message, signature)?;
        Ok(time_s)
    }

    fn check_owner(&self, line: &SignatureLine) -> Result<(), SignatureError> {
        if line.key_id == self.key_id && line.name == self.name {
            Ok(())
        } else {
            Err(SignatureError::OtherKey)
        }
    }

    /// Checks raw bytes, for the formats that are not notes.
    pub(crate) fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match self.key.verify(message, signature) {
            Some(true) => Ok(()),
            Some(false) => Err(SignatureError::Wrong),
            None => Err(SignatureError::Unsupported { ty: self.ty }),
        }
    }
}

fn check_length(signature: &[u8], want: usize) -> Result<(), SignatureError> {
    if signature.len() == want { Ok(()) } else { Err(SignatureError::Length { want, got: signature.len() }) }
}

fn split_time(signature: &[u8], want: usize) -> Result<(u64, &[u8]), SignatureError> {
    check_length(signature, cosignature::TIME_BYTES + want)?;
    let (time_s, rest) = cosignature::split_time(signature).ok_or(SignatureError::Time)?;
    if time_s > cosignature::TIME_S_MAX { Err(SignatureError::Time) } else { Ok((time_s, rest)) }
}

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = Vec::with_capacity(1 + self.bytes.len());
        typed.push(self.ty.byte());
        typed.extend_from_slice(&self.bytes);
        write!(f, "{}+{}+{}", self.name, self.key_id, text::base64_encode(&typed))
    }
}
