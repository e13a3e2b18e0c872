//! Subjects: whom payloads are about. One key each, which opens all that is kept about it.

use ledger_format::{payload::KEY_BYTES, record::Digest};

use super::{VaultError, files, payload::file_name};

/// Most bytes in the name of a subject.
pub const NAME_MAX: usize = 256;

/// Bytes of the key with which names become names of directories.
pub(super) const NAME_KEY_BYTES: usize = 32;

/// Bytes of a subject's key file: its key, then the salt of its commitment.
pub(super) const FILE_BYTES: usize = 64;

/// Separates this use of the hash from commitments.
const DOMAIN: &[u8] = b"maip-vault-subject/1";

/// What a subject's key file holds. Not `Debug`: it is secret.
pub(super) struct SubjectKey([u8; FILE_BYTES]);

impl SubjectKey {
    /// Key and salt from the system's randomness.
    pub(super) fn random() -> Result<Self, VaultError> {
        Ok(Self(files::random()?))
    }

    pub(super) fn from_bytes(bytes: [u8; FILE_BYTES]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; FILE_BYTES] {
        &self.0
    }

    /// What encrypts the subject's payloads.
    pub(super) fn cipher_key(&self) -> &[u8; KEY_BYTES] {
        self.0.first_chunk().expect("a key file begins with the key")
    }

    /// What names the subject in an `erasure` record. Without the salt in this file nobody can tell whom it names.
    pub(super) fn commitment(&self, name: &str) -> Digest {
        super::commitment(&self.0[FILE_BYTES / 2..], name.as_bytes())
    }
}

/// Name of the directory of a subject: a keyed hash.
pub(super) fn directory_name(name_key: &[u8; NAME_KEY_BYTES], name: &str) -> Result<String, VaultError> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(VaultError::BadName(name.len()));
    }
    // The key has a fixed length and the digest is never given to anybody who could extend it.
    file_name(&Digest::sha256(&[DOMAIN, name_key, name.as_bytes()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_commitments_depend_on_their_secrets() {
        let name = |key: u8, name: &str| directory_name(&[key; 32], name).unwrap();
        assert_eq!(name(1, "ada"), name(1, "ada"));
        assert_ne!(name(1, "ada"), name(2, "ada"));
        assert_ne!(name(1, "ada"), name(1, "bob"));
        let (mut one, two) = ([7; FILE_BYTES], SubjectKey::from_bytes([7; FILE_BYTES]));
        one[FILE_BYTES - 1] = 8;
        let one = SubjectKey::from_bytes(one);
        assert_ne!(one.commitment("ada"), two.commitment("ada"));
        assert_ne!(two.commitment("ada"), two.commitment("bob"));
    }

    #[test]
    fn a_name_is_there_and_not_too_long() {
        for (name, fits) in [(0, false), (1, true), (NAME_MAX, true), (NAME_MAX + 1, false)] {
            let made = directory_name(&[1; 32], &"n".repeat(name));
            assert_eq!(made.is_ok(), fits, "{name}");
        }
    }
}
