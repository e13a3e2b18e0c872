//! One payload: salt, value and a note, as the log commits to it and as a file keeps it.
//!
//! ```text
//!   file   maip-vault-1\n || nonce (24) || XChaCha20-Poly1305 of the plaintext, bound to the commitment
//!   plain  salt (32) || length of the note (1) || note || value
//! ```

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305,
    aead::{Aead as _, Payload as Bound},
};
use ledger_format::record::{Digest, DigestAlgorithm};

use super::VaultError;

/// Bytes of a salt: more than anybody can try.
pub const SALT_BYTES: usize = 32;

/// Most bytes of a value: it is encrypted as a whole, in memory.
pub const VALUE_MAX: usize = 64 * 1024 * 1024;

/// Most bytes of the note on a value.
pub const MEDIA_MAX: usize = 255;

pub(super) const NONCE_BYTES: usize = 24;
const MAGIC: &[u8] = b"maip-vault-1\n";

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

/// The hex of a commitment: the name of its file.
pub(super) fn hex(digest: &Digest) -> String {
    let text = digest.to_string();
    text.split_once(':').map_or(text.clone(), |(_, hex)| hex.to_owned())
}

impl Payload {
    /// What a record says instead of the value.
    pub fn commitment(&self) -> Digest {
        commitment(&self.salt, &self.value)
    }

    /// The bytes of its file. The nonce must be random.
    pub(super) fn seal(&self, key: &[u8], nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>, VaultError> {
        if self.value.len() > VALUE_MAX {
            return Err(VaultError::LongValue);
        }
        let media = u8::try_from(self.media.len()).map_err(|_| VaultError::LongMedia(self.media.len()))?;
        let plain = [&self.salt[..], &[media], self.media.as_bytes(), &self.value].concat();
        let commitment = self.commitment();
        let sealed = XChaCha20Poly1305::new_from_slice(key)
            .ok()
            .and_then(|cipher| {
                cipher.encrypt(&nonce.into(), Bound { msg: &plain, aad: &bound(&commitment) }).ok()
            })
            .ok_or(VaultError::LongValue)?;
        Ok([MAGIC, &nonce, &sealed].concat())
    }

    /// Opens a file, and checks that what is in it is what `commitment` stands for.
    pub(super) fn open(key: &[u8], commitment: Digest, file: &[u8]) -> Result<Self, VaultError> {
        Self::try_open(key, &commitment, file)
            .filter(|payload| payload.commitment() == commitment)
            .ok_or(VaultError::Damaged(commitment))
    }

    fn try_open(key: &[u8], commitment: &Digest, file: &[u8]) -> Option<Self> {
        let (nonce, sealed) = file.strip_prefix(MAGIC)?.split_first_chunk::<NONCE_BYTES>()?;
        let cipher = XChaCha20Poly1305::new_from_slice(key).ok()?;
        let bound = Bound { msg: sealed, aad: &bound(commitment) };
        let plain = cipher.decrypt(&(*nonce).into(), bound).ok()?;
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

/// Commitments of a vault are SHA-256.
pub(super) fn checked(commitment: &Digest) -> Result<(), VaultError> {
    match commitment.algorithm {
        DigestAlgorithm::Sha256 => Ok(()),
        DigestAlgorithm::Blake3 => Err(VaultError::OtherDigest(*commitment)),
    }
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
                assert!(matches!(opened, Err(VaultError::Damaged(_))), "byte {at}");
            }
        }
        assert!(Payload::open(&[9; 32], commitment, &file).is_err(), "another key");
        assert!(Payload::open(&[1; 32], Digest::sha256(b"x"), &file).is_err(), "another name");
    }

    #[test]
    fn a_commitment_is_the_digest_of_salt_and_value() {
        let payload = payload();
        let digest = Digest::sha256(&[&[3; 32][..], b"the patient is well"].concat());
        assert_eq!(payload.commitment(), digest);
        assert_eq!(format!("sha256:{}", hex(&digest)), digest.to_string());
    }

    #[test]
    fn a_note_that_is_too_long_is_refused() {
        let long = Payload { media: "m".repeat(MEDIA_MAX + 1), ..payload() };
        assert!(matches!(long.seal(&[1; 32], [2; 24]), Err(VaultError::LongMedia(256))));
        let most = Payload { media: "m".repeat(MEDIA_MAX), ..payload() };
        assert!(most.seal(&[1; 32], [2; 24]).is_ok());
    }
}
