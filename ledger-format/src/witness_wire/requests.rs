//! Requests of a log to a witness.

use std::fmt;

use super::{REQUEST_BYTES_MAX, WireError};
use crate::merkle::{Hash, is_subtree};
use crate::note::Note;
use crate::proof::{HashLinesError, parse_hash_lines};
use crate::text;

/// "This is my tree now, and here is why it extends the one you know."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size the witness is thought to have cosigned last, 0 for never.
    pub old: u64,
    /// Consistency proof from `old` to the size of the checkpoint.
    pub proof: Vec<Hash>,
    /// The new checkpoint, signed by the log.
    pub note: Note,
}

impl AddCheckpoint {
    /// Reads a body. Sizes are not compared with the checkpoint: that answer is the witness's.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let text = check_body(body)?;
        let (line, rest) = text::split_line(text).ok_or(WireError::FirstLine)?;
        let old = line.strip_prefix("old ").and_then(text::parse_decimal).ok_or(WireError::FirstLine)?;
        let (proof, note) = parse_proof_and_note(rest)?;
        Ok(Self { old, proof, note })
    }

    /// The exact bytes of the body.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.note)
    }
}

/// "You cosigned this checkpoint; cosign this part of it too."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignSubtree {
    /// First leaf of the subtree.
    pub start: u64,
    /// One past its last leaf.
    pub end: u64,
    /// Hash of the subtree.
    pub hash: Hash,
    /// Proof that it belongs to the tree of the checkpoint.
    pub proof: Vec<Hash>,
    /// A checkpoint with a cosignature of the witness that is asked.
    pub note: Note,
}

impl SignSubtree {
    /// Reads a body. The interval is a subtree of some tree; whether of this one, the proof tells.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let text = check_body(body)?;
        let (line, rest) = text::split_line(text).ok_or(WireError::FirstLine)?;
        let (start, end) = line
            .strip_prefix("subtree ")
            .and_then(|range| range.split_once(' '))
            .and_then(|(start, end)| Some((text::parse_decimal(start)?, text::parse_decimal(end)?)))
            .ok_or(WireError::FirstLine)?;
        if !is_subtree(start, end, u64::MAX) {
            return Err(WireError::NotASubtree);
        }
        let (hash, rest) = text::split_line(rest).ok_or(WireError::Hash)?;
        let hash = Hash::from_base64(hash).ok_or(WireError::Hash)?;
        let (proof, note) = parse_proof_and_note(rest)?;
        Ok(Self { start, end, hash, proof, note })
    }

    /// The exact bytes of the body.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for SignSubtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "subtree {} {}\n{}", self.start, self.end, self.hash.to_base64())?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.note)
    }
}

fn check_body(body: &[u8]) -> Result<&str, WireError> {
    if body.len() > REQUEST_BYTES_MAX {
        return Err(WireError::TooLong { got: body.len(), max: REQUEST_BYTES_MAX });
    }
    std::str::from_utf8(body).map_err(|_| WireError::Utf8)
}

fn parse_proof_and_note(rest: &str) -> Result<(Vec<Hash>, Note), WireError> {
    let (proof, note) = parse_hash_lines(rest).map_err(|error| match error {
        HashLinesError::Hash => WireError::Hash,
        HashLinesError::TooMany => WireError::TooManyHashes,
    })?;
    let note = Note::parse(note.as_bytes()).map_err(WireError::Note)?;
    Ok((proof, note))
}
