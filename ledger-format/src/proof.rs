//! Proof files: all it takes to verify offline that one entry is in a log.
//!
//! Spec: <https://c2sp.org/tlog-proof>
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>              optional; our files carry the entry here
//! index <decimal>
//! <base64 hash>               0 to 63 lines, the leaf's sibling first
//!
//! <checkpoint with signatures>
//! ```
//!
//! The number of hashes, the index and `extra` are not signed. [`verify`] takes the size and root from the
//! signed checkpoint only, and gives a [`Proven`], which nothing else can make.

use std::fmt;

use crate::checkpoint::Checkpoint;
use crate::merkle::{Hash, PROOF_HASHES_MAX, ProofError, leaf_hash, verify_inclusion};
use crate::note::{NOTE_BYTES_MAX, Note, NoteError, Vkey};
use crate::policy::{Policy, PolicyFailure};
use crate::text;
use crate::tile::ENTRY_BYTES_MAX;

/// First line of a proof file.
pub const PROOF_HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Most bytes of `extra`: it carries one entry.
pub const EXTRA_BYTES_MAX: usize = ENTRY_BYTES_MAX;

/// Largest proof file that is read, in bytes: a note, an entry in base64, 63 hashes and the fixed words.
pub const PROOF_BYTES_MAX: usize =
    NOTE_BYTES_MAX + text::base64_len(EXTRA_BYTES_MAX) + PROOF_HASHES_MAX * 45 + 128;

/// A proof file, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Not authenticated by itself. In our files the entry, whose leaf hash the proof is about.
    pub extra: Option<Vec<u8>>,
    /// Place of the entry in the log.
    pub index: u64,
    /// Audit path, the leaf's sibling first.
    pub hashes: Vec<Hash>,
    /// The checkpoint with its signatures.
    pub note: Note,
}

/// Why bytes are not a proof file. The sender is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlogProofError {
    /// Over [`PROOF_BYTES_MAX`].
    #[error("a proof file of {got} bytes is over the limit of {PROOF_BYTES_MAX}")]
    TooLong {
        /// Bytes received.
        got: usize,
    },
    /// Not UTF-8.
    #[error("the proof file is not utf-8")]
    Utf8,
    /// The first line is another.
    #[error("the first line is not {PROOF_HEADER:?}")]
    Header,
    /// `extra` is not canonical base64 of at most [`EXTRA_BYTES_MAX`] bytes.
    #[error("extra is not canonical base64 of at most {EXTRA_BYTES_MAX} bytes")]
    Extra,
    /// The index line is missing or not a canonical decimal.
    #[error("the index line is missing or its number is not a canonical decimal")]
    Index,
    /// A hash line is not the canonical base64 of 32 bytes.
    #[error("a hash line is not canonical base64 of 32 bytes")]
    Hash,
    /// More than 63 hash lines.
    #[error("more than {PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// What follows the empty line is not a signed note.
    #[error("the checkpoint is malformed: {0}")]
    Note(NoteError),
}

impl TlogProof {
    /// Reads a proof file.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLong { got: bytes.len() });
        }
        let file = std::str::from_utf8(bytes).map_err(|_| TlogProofError::Utf8)?;
        let rest = file.strip_prefix(PROOF_HEADER).and_then(|rest| rest.strip_prefix('\n'));
        let mut rest = rest.ok_or(TlogProofError::Header)?;
        let mut extra = None;
        if let Some(after) = rest.strip_prefix("extra ") {
            let (base64, after) = text::split_line(after).ok_or(TlogProofError::Extra)?;
            extra = Some(text::base64_decode(base64, EXTRA_BYTES_MAX).ok_or(TlogProofError::Extra)?);
            rest = after;
        }
        let after = rest.strip_prefix("index ").ok_or(TlogProofError::Index)?;
        let (index, after) = text::split_line(after).ok_or(TlogProofError::Index)?;
        let index = text::parse_decimal(index).ok_or(TlogProofError::Index)?;
        let (hashes, note) = parse_hash_lines(after).map_err(|error| match error {
            HashLinesError::Hash => TlogProofError::Hash,
            HashLinesError::TooMany => TlogProofError::TooManyHashes,
        })?;
        let note = Note::parse(note.as_bytes()).map_err(TlogProofError::Note)?;
        Ok(Self { extra, index, hashes, note })
    }

    /// The entry, if the file carries one. As good as its leaf hash: pass it to [`verify`].
    pub fn entry(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// The exact bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROOF_HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", text::base64_encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.note)
    }
}

/// What is wrong with a block of hash lines.
pub(crate) enum HashLinesError {
    /// Not a hash, or the block does not end in an empty line.
    Hash,
    /// More than 63.
    TooMany,
}

/// Reads at most 63 lines of base64 hashes and the empty line after them; gives what follows.
pub(crate) fn parse_hash_lines(block: &str) -> Result<(Vec<Hash>, &str), HashLinesError> {
    let mut hashes = Vec::new();
    let mut rest = block;
    loop {
        let (line, after) = text::split_line(rest).ok_or(HashLinesError::Hash)?;
        rest = after;
        if line.is_empty() {
            return Ok((hashes, rest));
        }
        if hashes.len() == PROOF_HASHES_MAX {
            return Err(HashLinesError::TooMany);
        }
        hashes.push(Hash::from_base64(line).ok_or(HashLinesError::Hash)?);
    }
}

/// An entry that is in a log. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proven {
    /// The checkpoint that covers the entry.
    pub checkpoint: Checkpoint,
    /// Key of the log that signed it.
    pub log: Vkey,
    /// Place of the entry in the log.
    pub index: u64,
    /// Leaf hash of the entry.
    pub leaf: Hash,
    /// Witnesses that cosigned, by name in the policy, with the time each stated in seconds since 1970.
    pub cosigners: Vec<(String, u64)>,
}

/// Why a proof does not prove. None is worth a retry with the same file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The checkpoint is not one the policy accepts.
    #[error(transparent)]
    Policy(#[from] PolicyFailure),
    /// The entry is not in the tree of the checkpoint.
    #[error("the entry is not proven to be in the log: {0}")]
    Inclusion(#[from] ProofError),
}

/// Verifies that `entry` is in a log that `policy` accepts. Steps are those of c2sp.org/tlog-proof, cheap
/// ones first.
///
/// The time of the cosignatures is returned, not judged: how old a proof may be is the caller's rule.
pub fn verify(entry: &[u8], proof: &TlogProof, policy: &Policy) -> Result<Proven, VerifyError> {
    // 1. The leaf hash. Size and root come from the checkpoint, never from the proof: a path that holds at
    //    one size can hold at others.
    let leaf = leaf_hash(entry);
    // 2 and 3. The log's signature under its own origin, and the witnesses' against the quorum.
    let witnessed = policy.check(&proof.note)?;
    // 4. The path to the root.
    let Checkpoint { size, root, .. } = witnessed.checkpoint;
    verify_inclusion(leaf, proof.index, size, &proof.hashes, root)?;
    Ok(Proven {
        checkpoint: witnessed.checkpoint,
        log: witnessed.log,
        index: proof.index,
        leaf,
        cosigners: witnessed.cosigners,
    })
}
