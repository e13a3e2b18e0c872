//! Signed notes: a text and signatures on it.
//!
//! Spec: <https://c2sp.org/signed-note>
//!
//! ```text
//! ledger.example/agents              text: any lines; it is what is signed, with its last newline
//! 70000
//! CsUYapGGPo4dkMgIAUqom/...=
//!                                    one empty line (the last one in the file)
//! — ledger.example/agents Az3gr...=  signature lines: em dash, key name, base64(key id || signature)
//! — witness.example/w1 jWbPP...=
//! ```
//!
//! This module reads, writes and checks single signatures. Whose signatures are enough is `policy`.

mod keys;
mod signature;
mod signer;
mod vkey;

use std::fmt;

use sha2::{Digest, Sha256};

use crate::text;

pub use signature::{SignatureError, SignatureLine, SignatureLineError};
pub use signer::{NoteSigner, SignerError};
pub use vkey::{Vkey, VkeyError};

/// Largest note that is read, in bytes. A hundred ML-DSA-44 lines fit three times over.
pub const NOTE_BYTES_MAX: usize = 1 << 20;

/// Most signature lines that are read. The spec asks for at least 16.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// Longest key name of a key of ours or of a policy: what one length byte of the ML-DSA message can say.
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// Algorithm and meaning of a signature: the byte before the key in a vkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureType {
    /// 0x01: Ed25519 over the text.
    Ed25519,
    /// 0x02: ECDSA.
    Ecdsa,
    /// 0x04: Ed25519 cosignature with a time, over a checkpoint.
    CosignatureV1,
    /// 0x05: RFC 6962 tree head.
    Rfc6962,
    /// 0x06: ML-DSA-44 cosignature with a time, over a checkpoint or subtree.
    MlDsa44,
    /// Any other byte.
    Other(u8),
}

impl SignatureType {
    /// The byte in a vkey and in the key id.
    pub fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Ecdsa => 0x02,
            Self::CosignatureV1 => 0x04,
            Self::Rfc6962 => 0x05,
            Self::MlDsa44 => 0x06,
            Self::Other(byte) => byte,
        }
    }

    /// The type of a byte. Never [`SignatureType::Other`] for a byte that has a name.
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            0x01 => Self::Ed25519,
            0x02 => Self::Ecdsa,
            0x04 => Self::CosignatureV1,
            0x05 => Self::Rfc6962,
            0x06 => Self::MlDsa44,
            other => Self::Other(other),
        }
    }

    /// Whether the signature starts with a time in seconds.
    pub fn is_cosignature(self) -> bool {
        matches!(self, Self::CosignatureV1 | Self::MlDsa44)
    }
}

/// First four bytes of a hash of name, type and public key: tells keys of one name apart. Not secure alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::hex_encode(&self.0))
    }
}

/// The key id: SHA-256(name || 0x0A || type || public key)\[:4\].
///
/// ECDSA is the exception of the spec: SHA-256(DER SubjectPublicKeyInfo)\[:4\].
pub fn key_id(name: &str, ty: SignatureType, public_key: &[u8]) -> KeyId {
    let mut sha = Sha256::new();
    if ty != SignatureType::Ecdsa {
        sha.update(name);
        sha.update([b'\n', ty.byte()]);
    }
    sha.update(public_key);
    let digest: [u8; 32] = sha.finalize().into();
    KeyId([digest[0], digest[1], digest[2], digest[3]])
}

/// Whether a text may name a key: not empty, no Unicode white space, no plus, no control character.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty()
        && !name.chars().any(|c| c.is_whitespace() || c == '+')
        && !name.bytes().any(|byte| byte < 0x20)
}

/// Why bytes are not a note. The sender is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Over [`NOTE_BYTES_MAX`].
    #[error("a note of {got} bytes is over the limit of {NOTE_BYTES_MAX}")]
    TooLong {
        /// Bytes received.
        got: usize,
    },
    /// Not UTF-8.
    #[error("the note is not utf-8")]
    Utf8,
    /// A byte below 0x20 that is not a newline.
    #[error("the note holds a control character")]
    Control,
    /// No empty line between text and signatures, or no text before it.
    #[error("the note has no empty line after a text")]
    NoSeparator,
    /// No signature line.
    #[error("the note has no signature")]
    NoSignature,
    /// More than [`NOTE_SIGNATURES_MAX`] signature lines.
    #[error("the note has more than {NOTE_SIGNATURES_MAX} signature lines")]
    TooManySignatures,
    /// A line after the separator is not a signature line, or the last has no newline.
    #[error("signature line {line} is malformed")]
    Signature {
        /// Which one, from 1.
        line: usize,
    },
}

/// A text and its signature lines, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// A text without signatures yet.
    ///
    /// # Panics
    /// If the text does not end in a newline, is only that, or holds control characters.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        assert!(text.len() > 1 && text.ends_with('\n'), "the text of a note is lines");
        assert!(!text::has_control(&text), "the text of a note has no control characters");
        Self { text, signatures: Vec::new() }
    }

    /// Reads a note. Signature lines of any key are kept, in order, duplicates too.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { got: bytes.len() });
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Utf8)?;
        if text::has_control(note) {
            return Err(NoteError::Control);
        }
        // The text may hold empty lines; the separator is the last one.
        let end = note.rfind("\n\n").ok_or(NoteError::NoSeparator)? + 1;
        let (text, mut rest) = (&note[..end], &note[end + 1..]);
        if text == "\n" {
            return Err(NoteError::NoSeparator);
        }
        let mut signatures = Vec::new();
        while !rest.is_empty() {
            if signatures.len() == NOTE_SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            let malformed = NoteError::Signature { line: signatures.len() + 1 };
            let (line, after) = text::split_line(rest).ok_or(malformed)?;
            signatures.push(SignatureLine::parse(line).map_err(|_| malformed)?);
            rest = after;
        }
        if signatures.is_empty() {
            return Err(NoteError::NoSignature);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Adds a signature line at the end. It is not checked: use [`Vkey::verify`] before adding what a stranger
    /// sent, as one bad line under a known key makes strict verifiers refuse the whole note.
    pub fn push(&mut self, line: SignatureLine) {
        self.signatures.push(line);
    }

    /// What is signed, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in order.
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// The line of a key. Of several the first counts and the others are ignored.
    pub fn signature_of(&self, vkey: &Vkey) -> Option<&SignatureLine> {
        self.signatures.iter().find(|line| line.key_id == vkey.key_id() && line.name == vkey.name())
    }

    /// The exact bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str("\n")?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
