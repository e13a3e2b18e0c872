//! Private keys of logs and witnesses.

use std::fmt;

use super::keys::PrivateKey;
use super::{SignatureLine, SignatureType, Vkey, VkeyError, key_id};
use crate::cosignature;
use crate::merkle::Hash;
use crate::text;

const PREFIX: &str = "PRIVATE+KEY+";
const SEED_BYTES: usize = 32;

/// Why a text is not a private key. The file is wrong. No variant carries any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// Not `PRIVATE+KEY+name+hash+seed`.
    #[error("a private key is PRIVATE+KEY+name+hash+seed")]
    Form,
    /// The seed is not canonical base64 of a type and 32 bytes.
    #[error("the seed is not canonical base64 of a type and 32 bytes")]
    Seed,
    /// The name or the type cannot sign, or this build lacks the type.
    #[error("the key cannot be used: {0}")]
    Key(VkeyError),
    /// The key id is not the hash of name and public key.
    #[error("the key id does not match name and seed")]
    KeyIdMismatch,
}

/// The private key of a signer of notes.
///
/// The text form, which is Go's and not in the spec: `PRIVATE+KEY+name+hex8(key id)+base64(type || seed)`.
pub struct NoteSigner {
    vkey: Vkey,
    key: PrivateKey,
}

impl NoteSigner {
    /// The key that grows from a seed of 32 random bytes.
    pub fn new(name: &str, ty: SignatureType, seed: [u8; 32]) -> Result<Self, SignerError> {
        let key = match ty {
            SignatureType::Ed25519 | SignatureType::CosignatureV1 => PrivateKey::ed25519(&seed),
            #[cfg(feature = "ml-dsa")]
            SignatureType::MlDsa44 => PrivateKey::ml_dsa_44(&seed),
            ty => return Err(SignerError::Key(VkeyError::UnsupportedType { ty })),
        };
        let vkey = Vkey::new(name, ty, &key.public_bytes()).map_err(SignerError::Key)?;
        Ok(Self { vkey, key })
    }

    /// Reads a private key; one newline at the end is allowed, as editors leave it.
    pub fn parse(text: &str) -> Result<Self, SignerError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let rest = text.strip_prefix(PREFIX).ok_or(SignerError::Form)?;
        let (name, rest) = rest.split_once('+').ok_or(SignerError::Form)?;
        let (id, seed) = rest.split_once('+').ok_or(SignerError::Form)?;
        let typed = text::base64_decode_array::<{ 1 + SEED_BYTES }>(seed).ok_or(SignerError::Seed)?;
        let (ty, seed) = (typed[0], typed.last_chunk().expect("longer than a seed"));
        let signer = Self::new(name, SignatureType::from_byte(ty), *seed)?;
        if signer.vkey.key_id().to_string() == id { Ok(signer) } else { Err(SignerError::KeyIdMismatch) }
    }

    /// The same secret under another name.
    pub(crate) fn named(&self, name: &str) -> Result<Self, SignerError> {
        Self::new(name, self.vkey.signature_type(), self.key.seed())
    }

    /// The text form, without a newline. Keep it in a file of mode 0600.
    pub fn to_private_text(&self) -> String {
        let mut typed = vec![self.vkey.signature_type().byte()];
        typed.extend_from_slice(&self.key.seed());
        let (name, id) = (self.vkey.name(), self.vkey.key_id());
        debug_assert_eq!(id, key_id(name, self.vkey.signature_type(), self.vkey.public_key()));
        format!("{PREFIX}{name}+{id}+{}", text::base64_encode(&typed))
    }

    /// The public half.
    pub fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    /// Signs the text of a note with a key of type 0x01. Deterministic.
    ///
    /// # Panics
    /// If the key is of another type: such a key signs only with [`NoteSigner::cosign`].
    pub fn sign(&self, text: &str) -> SignatureLine {
        assert_eq!(self.vkey.signature_type(), SignatureType::Ed25519, "not a key that signs plain notes");
        self.line(self.key.sign(text.as_bytes()))
    }

    /// Cosigns the text of a checkpoint as seen at `time_s`, seconds since 1970, with a key of type 0x04 or
    /// 0x06.
    ///
    /// # Panics
    /// If the key is of another type, the time is over 2^63 - 1, or the text is not a checkpoint: parse it
    /// before deciding to cosign it.
    pub fn cosign(&self, text: &str, time_s: u64) -> SignatureLine {
        assert!(time_s <= cosignature::TIME_S_MAX, "the time is out of range");
        let message = match self.vkey.signature_type() {
            SignatureType::CosignatureV1 => cosignature::message_v1(time_s, text),
            SignatureType::MlDsa44 => cosignature::message_of_checkpoint(self.vkey.name(), time_s, text)
                .expect("the text is a checkpoint"),
            ty => panic!("a key of type {:#04x} does not cosign", ty.byte()),
        };
        self.line(cosignature::join_time(time_s, &self.key.sign(&message)))
    }

    /// Cosigns the subtree `[start, end)` of a log with time 0. `None` if the type of this key has no such
    /// statement (only 0x06 has), or the origin is longer than 255 bytes.
    pub fn cosign_subtree(&self, origin: &str, range: (u64, u64), hash: Hash) -> Option<SignatureLine> {
        if self.vkey.signature_type() != SignatureType::MlDsa44 {
            return None;
        }
        let message = cosignature::message_of_subtree(self.vkey.name(), 0, origin, range, hash)?;
        Some(self.line(cosignature::join_time(0, &self.key.sign(&message))))
    }

    /// Signs raw bytes, for the formats that are not notes.
    pub(crate) fn sign_raw(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message)
    }

    fn line(&self, signature: Vec<u8>) -> SignatureLine {
        SignatureLine { name: self.vkey.name().to_owned(), key_id: self.vkey.key_id(), signature }
    }
}

/// Shows the public half only.
impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.vkey)
    }
}
