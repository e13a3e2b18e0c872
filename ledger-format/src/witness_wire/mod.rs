//! What logs and witnesses say to each other: the bodies of `add-checkpoint` and `sign-subtree`.
//!
//! Spec: <https://c2sp.org/tlog-witness>
//!
//! ```text
//! POST /add-checkpoint          POST /sign-subtree            200 answers a signature line or more,
//!   old <size>                    subtree <start> <end>       409 the size the witness knows,
//!   <base64 hash>  0 to 63        <base64 subtree hash>       anything else a text for people.
//!                                 <base64 hash>  0 to 63
//!   <checkpoint>
//!                                 <checkpoint>
//! ```
//!
//! Bytes only: what a witness decides is in its own crate.

mod answers;
mod requests;

use sha2::{Digest, Sha256};

use crate::merkle::PROOF_HASHES_MAX;
use crate::note::{NOTE_BYTES_MAX, NoteError};
use crate::text;

pub use answers::{encode_cosignature_lines, parse_cosignature_lines, parse_size_answer, size_answer};
pub use requests::{AddCheckpoint, SignSubtree};

/// Largest request body that is read, in bytes: a note, 64 hashes and the fixed words.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + (PROOF_HASHES_MAX + 1) * 45 + 128;

/// Largest answer that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = NOTE_BYTES_MAX;

/// Content type of the answer 409.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// Why a body is malformed. Whoever sent it is wrong: a witness answers 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Over [`REQUEST_BYTES_MAX`] or [`ANSWER_BYTES_MAX`].
    #[error("a body of {got} bytes is over the limit of {max}")]
    TooLong {
        /// Bytes received.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Not UTF-8.
    #[error("the body is not utf-8")]
    Utf8,
    /// The first line is not `old <size>` or `subtree <start> <end>` in canonical decimals.
    #[error("the first line is malformed")]
    FirstLine,
    /// `[start, end)` is not aligned.
    #[error("the interval is not a subtree: its start is not a multiple of a large enough power of two")]
    NotASubtree,
    /// A hash line is not the canonical base64 of 32 bytes, or the empty line is missing.
    #[error("a hash line is not canonical base64 of 32 bytes, or the empty line after them is missing")]
    Hash,
    /// More than 63 hash lines.
    #[error("more than {PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// What follows the empty line is not a signed note.
    #[error("the checkpoint is malformed: {0}")]
    Note(NoteError),
    /// The answer is not a decimal and a newline.
    #[error("the answer is not a tree size")]
    SizeAnswer,
    /// The answer is not one or more signature lines.
    #[error("the answer is not signature lines")]
    CosignatureLines,
}

/// How the monitoring interface names a log: lower-case hex of SHA-256(origin).
pub fn origin_path(origin: &str) -> String {
    text::hex_encode(&Sha256::digest(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_origin_is_a_hash() {
        assert_eq!(origin_path("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
