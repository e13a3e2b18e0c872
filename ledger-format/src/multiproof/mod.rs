//! Multi-proofs: one file that proves many entries under one checkpoint.
//!
//! The format is ours; paths that several entries share are in it once.
//!
//! ```text
//! maip-multi-proof/1
//! entry <index> <base64 entry>      1 to 4,096 lines, indexes ascending
//! <base64 hash>                     as many as needed, no more; order below
//!
//! <checkpoint with signatures>
//! ```
//!
//! The tree is seen as tiles of up to 256 items: items of level 0 are leaf hashes, an item of level l+1 is the
//! root of a tile of level l. At the right edge of a level stands one item more than in the tiles of
//! c2sp.org/tlog-tiles: the root of whatever is left below. With it every tile is an RFC 6962 tree of its items
//! and the root of the topmost tile is the root of the log.
//!
//! ```text
//! size 70,000:  level 0  273 full tiles, one of 112     (274 roots)
//!               level 1  one full tile, one of 17 + 1    (18 items: the last is the tile of 112)
//!               level 2  one of 1 + 1                     its root is the log's
//! ```
//!
//! Order of the hashes: by level, then by tile from left to right, and inside a tile by layer from the items up,
//! then from left to right; a hash is there exactly if the verifier cannot compute it and needs it. For one
//! entry that is the audit path of RFC 6962.
//!
//! `rs_merkle` builds the trees inside tiles. Verification ([`MultiProof::verify`]) is ours: its verifier accepts
//! hashes that nobody needed.

mod build;
mod verify;

use std::fmt;

use crate::merkle::Hash;
use crate::note::{Note, NoteError};
use crate::text;
use crate::tile::ENTRY_BYTES_MAX;

pub use build::MultiProofBuildError;
pub use verify::MultiProven;

/// First line of a multi-proof.
pub const MULTI_PROOF_HEADER: &str = "maip-multi-proof/1";

/// Most entries in one file.
pub const MULTI_PROOF_ENTRIES_MAX: usize = 4_096;

/// Largest file that is read, in bytes.
pub const MULTI_PROOF_BYTES_MAX: usize = 16 << 20;

/// Many entries and what proves them, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiProof {
    /// The entries with their places in the log, ascending.
    pub entries: Vec<(u64, Vec<u8>)>,
    /// What the verifier cannot compute, in the order above.
    pub hashes: Vec<Hash>,
    /// The checkpoint with its signatures.
    pub note: Note,
}

/// Why bytes are not a multi-proof. The sender is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultiProofError {
    /// Over [`MULTI_PROOF_BYTES_MAX`].
    #[error("a multi-proof of {got} bytes is over the limit of {MULTI_PROOF_BYTES_MAX}")]
    TooLong {
        /// Bytes received.
        got: usize,
    },
    /// Not UTF-8.
    #[error("the multi-proof is not utf-8")]
    Utf8,
    /// The first line is another.
    #[error("the first line is not {MULTI_PROOF_HEADER:?}")]
    Header,
    /// An entry line is not an index and canonical base64 of at most 65,535 bytes.
    #[error("an entry line is not a decimal index and canonical base64 of at most {ENTRY_BYTES_MAX} bytes")]
    Entry,
    /// Indexes are not strictly ascending.
    #[error("entry {index} follows one of the same or a higher index")]
    Order {
        /// The index that comes too late.
        index: u64,
    },
    /// No entry, or more than [`MULTI_PROOF_ENTRIES_MAX`].
    #[error("a multi-proof has 1 to {MULTI_PROOF_ENTRIES_MAX} entries")]
    EntryCount,
    /// A hash line is not the canonical base64 of 32 bytes, or the empty line is missing.
    #[error("a hash line is not canonical base64 of 32 bytes, or the empty line after them is missing")]
    Hash,
    /// What follows the empty line is not a signed note.
    #[error("the checkpoint is malformed: {0}")]
    Note(NoteError),
}

impl MultiProof {
    /// Reads a multi-proof.
    pub fn parse(bytes: &[u8]) -> Result<Self, MultiProofError> {
        if bytes.len() > MULTI_PROOF_BYTES_MAX {
            return Err(MultiProofError::TooLong { got: bytes.len() });
        }
        let file = std::str::from_utf8(bytes).map_err(|_| MultiProofError::Utf8)?;
        let (header, rest) = text::split_line(file).ok_or(MultiProofError::Header)?;
        if header != MULTI_PROOF_HEADER {
            return Err(MultiProofError::Header);
        }
        let (entries, mut rest) = parse_entries(rest)?;
        let mut hashes = Vec::new();
        loop {
            let (line, after) = text::split_line(rest).ok_or(MultiProofError::Hash)?;
            rest = after;
            if line.is_empty() {
                break;
            }
            hashes.push(Hash::from_base64(line).ok_or(MultiProofError::Hash)?);
        }
        let note = Note::parse(rest.as_bytes()).map_err(MultiProofError::Note)?;
        Ok(Self { entries, hashes, note })
    }

    /// The exact bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

type Entries = Vec<(u64, Vec<u8>)>;

fn parse_entries(mut rest: &str) -> Result<(Entries, &str), MultiProofError> {
    let mut entries: Entries = Vec::new();
    while let Some(after) = rest.strip_prefix("entry ") {
        let (line, after) = text::split_line(after).ok_or(MultiProofError::Entry)?;
        let (index, entry) = line.split_once(' ').ok_or(MultiProofError::Entry)?;
        let index = text::parse_decimal(index).ok_or(MultiProofError::Entry)?;
        let entry = text::base64_decode(entry, ENTRY_BYTES_MAX).ok_or(MultiProofError::Entry)?;
        if entries.last().is_some_and(|&(last, _)| last >= index) {
            return Err(MultiProofError::Order { index });
        }
        if entries.len() == MULTI_PROOF_ENTRIES_MAX {
            return Err(MultiProofError::EntryCount);
        }
        entries.push((index, entry));
        rest = after;
    }
    if entries.is_empty() { Err(MultiProofError::EntryCount) } else { Ok((entries, rest)) }
}

impl fmt::Display for MultiProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MULTI_PROOF_HEADER}")?;
        for (index, entry) in &self.entries {
            writeln!(f, "entry {index} {}", text::base64_encode(entry))?;
        }
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.note)
    }
}

/// Items at the next level of tiles: one per tile of `items` items.
fn items_above(items: u64) -> u64 {
    items.div_ceil(crate::tile::TILE_WIDTH)
}
