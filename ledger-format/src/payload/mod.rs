//! Payloads: values that stay out of the log. A record carries the commitment, the digest of a random salt and the value.
//!
//! ```text
//!   file   maip-vault-1\n || nonce (24) || XChaCha20-Poly1305 of the plaintext, bound to the commitment
//!   plain  salt (32) || length of the note (1) || note || value
//! ```
//! Tenants keep such files in a vault of their own, nodes keep them in a store beside the log. Each is encrypted under a key of its
//! subject; when that key is destroyed, the payload is erased, and proofs over the commitment still verify.

mod request;

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305,
    aead::{Aead as _, Payload as Bound},
};

pub use request::{BadRequest, PayloadAct, PayloadRequest, REQUEST_AGE_MAX_MS};

use crate::record::{Digest, DigestAlgorithm};

/// Bytes of a salt: more than anybody can try.
pub const SALT_BYTES: usize = 32;

/// Bytes of the key of a subject's payloads.
pub const KEY_BYTES: usize = 32;

/// Most bytes of a value: it is encrypted as a whole, in memory.
pub const VALUE_MAX: usize = 64 * 1024 * 1024;

/// Most bytes of the note on a value.
pub const MEDIA_MAX: usize = 255;

/// Bytes of the nonce of a sealed payload.
pub const NONCE_BYTES: usize = 24;

const MAGIC: &[u8] = b"maip-vault-1\n";
/// What files of every version begin with; then the version and a newline.
const FAMILY: &[u8] = b"maip-vault-";
/// The version in [`MAGIC`], a digit.
const VERSION: u8 = b'1';

/// Why a payload cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The note on what a value is.
    #[error("the note on a value has at most {MEDIA_MAX} bytes, this one has {0}")]
    LongMedia(usize),
    /// The value.
    #[error("a value has at most {VALUE_MAX} bytes")]
    LongValue,
    /// Altered, cut short, under another commitment, or under another subject's key.
    #[error("the payload {0} does not open: its file or its subject's key was altered")]
    Damaged(Digest),
    /// A newer program has written it.
    #[error("the payload {0} is in a newer form: use the program that wrote it, or a newer one")]
    Newer(Digest),
    /// Commitments to payloads are SHA-256.
    #[error("{0} is no commitment to a payload: those begin with sha256:")]
    OtherDigest(Digest),
}

/// A value that stays out of the log, and what opens its commitment. Not `Debug`: it is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// Random; who has it and the value can prove what the log commits to.
    pub salt: [u8; SALT_BYTES],
    /// What the value is, e.g. a media type; may be empty.
    pub media: String,
    /// The value.
    pub value: Vec<u8>,
}

/// The commitment to a value: `sha256:` of salt and value, `H(salt || value)`.
pub fn commitment(salt: &[u8], value: &[u8]) -> Digest {
    Digest::sha256(&[salt, value].concat())
}

/// The name of the file of a payload: the hex of its commitment.
///
/// # Errors
/// [`PayloadError::OtherDigest`].
pub fn file_name(commitment: &Digest) -> Result<String, PayloadError> {
    match commitment.algorithm {
        DigestAlgorithm::Sha256 => Ok(commitment.to_string().split_off("sha256:".len())),
        DigestAlgorithm::Blake3 => Err(PayloadError::OtherDigest(*commitment)),
    }
}

impl Payload {
    /// What a record says instead of the value.
    pub fn commitment(&self) -> Digest {
        commitment(&self.salt, &self.value)
    }

    /// The bytes of its file. The nonce must be random.
    ///
    /// # Errors
    /// The note or the value is too long.
    pub fn seal(&self, key: &[u8; KEY_BYTES], nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>, PayloadError> {
        if self.value.len() > VALUE_MAX {
            return Err(PayloadError::LongValue);
        }
        let media = u8::try_from(self.media.len()).map_err(|_| PayloadError::LongMedia(self.media.len()))?;
        let plain = [&self.salt[..], &[media], self.media.as_bytes(), &self.value].concat();
        let bound = Bound { msg: &plain, aad: &bound(&self.commitment()) };
        let sealed = XChaCha20Poly1305::new(key.into()).encrypt(&nonce.into(), bound);
        Ok([MAGIC, &nonce, &sealed.map_err(|_| PayloadError::LongValue)?].concat())
    }

    /// Opens a file, and checks that what is in it is what `commitment` stands for.
    ///
    /// # Errors
    /// [`PayloadError::Damaged`], [`PayloadError::Newer`].
    pub fn open(key: &[u8; KEY_BYTES], commitment: Digest, file: &[u8]) -> Result<Self, PayloadError> {
        if file.strip_prefix(FAMILY).is_some_and(
            |rest| matches!(rest, [version, b'\n', ..] if version.is_ascii_digit() && *version > VERSION),
        ) {
            return Err(PayloadError::Newer(commitment));
        }
        Self::try_open(key, &commitment, file)
            .filter(|payload| payload.commitment() == commitment)
            .ok_or(PayloadError::Damaged(commitment))
    }

    fn try_open(key: &[u8; KEY_BYTES], commitment: &Digest, file: &[u8]) -> Option<Self> {
        let (nonce, sealed) = file.strip_prefix(MAGIC)?.split_first_chunk::<NONCE_BYTES>()?;
        let bound = Bound { msg: sealed, aad: &bound(commitment) };
        let plain = XChaCha20Poly1305::new(key.into()).decrypt(&(*nonce).into(), bound).ok()?;
        let (salt, rest) = plain.split_first_chunk::<SALT_BYTES>()?;
        let (&length, rest) = rest.split_first()?;
        let (media, value) = rest.split_at_checked(usize::from(length))?;
        let media = String::from_utf8(media.to_vec()).ok()?;
        Some(Self { salt: *salt, media, value: value.to_vec() })
    }
}

/// What a ciphertext belongs to: a file under another name does not open.
fn bound(commitment: &Digest) -> Vec<u8> {
    [MAGIC, &commitment.bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Payload {
        Payload { salt: [3; 32], media: "text/plain".into(), value: b"the patient is well".to_vec() }
    }

    #[test]
    fn what_is_sealed_opens_and_cannot_be_read() {
        for value in [&b""[..], b"the patient is well"] {
            let payload = Payload { value: value.to_vec(), ..payload() };
            let file = payload.seal(&[1; 32], [2; 24]).unwrap();
            assert!(Payload::open(&[1; 32], payload.commitment(), &file).unwrap() == payload);
            for secret in [&b"patient"[..], b"text/plain", &[3; 32]] {
                assert!(!file.windows(secret.len()).any(|bytes| bytes == secret));
            }
        }
    }

    #[test]
    fn every_altered_byte_every_cut_and_every_other_key_is_noticed() {
        let payload = payload();
        let (file, commitment) = (payload.seal(&[1; 32], [2; 24]).unwrap(), payload.commitment());
        for at in 0..file.len() {
            let mut altered = file.clone();
            altered[at] ^= 1;
            for bad in [&altered[..], &file[..at]] {
                let opened = Payload::open(&[1; 32], commitment, bad);
                assert!(matches!(opened, Err(PayloadError::Damaged(_))), "byte {at}");
            }
        }
        let newer = [b"maip-vault-2\n", &file[MAGIC.len()..]].concat();
        let refused = Payload::open(&[1; 32], commitment, &newer).err();
        assert_eq!(refused, Some(PayloadError::Newer(commitment)));
        assert!(Payload::open(&[9; 32], commitment, &file).is_err(), "another key");
        assert!(Payload::open(&[1; 32], Digest::sha256(b"x"), &file).is_err(), "another name");
    }

    #[test]
    fn a_commitment_is_the_digest_of_salt_and_value() {
        let payload = payload();
        let digest = Digest::sha256(&[&[3; 32][..], b"the patient is well"].concat());
        assert_eq!(payload.commitment(), digest);
        assert_eq!(format!("sha256:{}", file_name(&digest).unwrap()), digest.to_string());
    }

    #[test]
    fn a_note_that_is_too_long_is_refused() {
        let long = Payload { media: "m".repeat(MEDIA_MAX + 1), ..payload() };
        assert!(matches!(long.seal(&[1; 32], [2; 24]), Err(PayloadError::LongMedia(256))));
        let most = Payload { media: "m".repeat(MEDIA_MAX), ..payload() };
        assert!(most.seal(&[1; 32], [2; 24]).is_ok());
    }
}
