//! Reading and writing evidence files.

use std::fmt;

use super::{EVIDENCE_BYTES_MAX, EVIDENCE_HEADER, Evidence, EvidenceError, EvidenceKind, PrefixProof};
use crate::merkle::{Hash, PROOF_HASHES_MAX};
use crate::note::Note;
use crate::proof::TlogProof;
use crate::status_proof::Staple;
use crate::text;

impl Evidence {
    /// Reads an evidence file. It is well-formed then; whether it convicts, [`Evidence::judge`] tells.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > EVIDENCE_BYTES_MAX {
            return Err(EvidenceError::TooLong { got: bytes.len() });
        }
        let file = std::str::from_utf8(bytes).map_err(|_| EvidenceError::Utf8)?;
        let (header, rest) = text::split_line(file).ok_or(EvidenceError::Header)?;
        if header != EVIDENCE_HEADER {
            return Err(EvidenceError::Header);
        }
        let (kind, rest) = text::split_line(rest).ok_or(EvidenceError::Kind)?;
        let kind = kind.strip_prefix("kind ").and_then(EvidenceKind::from_name).ok_or(EvidenceError::Kind)?;
        let (prefix, rest) = parse_prefix(rest)?;
        if matches!(kind, EvidenceKind::BadEntry | EvidenceKind::StatusContradiction) {
            return match prefix {
                None if kind == EvidenceKind::BadEntry => parse_bad_entry(rest),
                None => parse_contradiction(rest),
                Some(_) => Err(EvidenceError::Prefix),
            };
        }
        let (first, rest) = parse_note(rest)?;
        let (second, rest) = parse_note(rest)?;
        if !rest.is_empty() {
            return Err(EvidenceError::Trailing);
        }
        match (kind, prefix) {
            (EvidenceKind::LogForkSameSize, None) => Ok(Self::LogForkSameSize { first, second }),
            (EvidenceKind::LogInconsistent, Some(prefix)) => {
                Ok(Self::LogInconsistent { old: first, new: second, prefix })
            }
            (EvidenceKind::WitnessFork, prefix) => Ok(Self::WitnessFork { first, second, prefix }),
            _ => Err(EvidenceError::Prefix),
        }
    }

    /// The exact bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

fn parse_prefix(rest: &str) -> Result<(Option<PrefixProof>, &str), EvidenceError> {
    let Some(after) = rest.strip_prefix("prefix ") else { return Ok((None, rest)) };
    let (root, mut rest) = text::split_line(after).ok_or(EvidenceError::Prefix)?;
    let root = Hash::from_base64(root).ok_or(EvidenceError::Prefix)?;
    let mut hashes = Vec::new();
    // A hash has no space and no part starts without one.
    while let Some((line, after)) = text::split_line(rest)
        && !line.contains(' ')
    {
        if hashes.len() == PROOF_HASHES_MAX {
            return Err(EvidenceError::Prefix);
        }
        hashes.push(Hash::from_base64(line).ok_or(EvidenceError::Prefix)?);
        rest = after;
    }
    Ok((Some(PrefixProof { root, hashes }), rest))
}

/// Reads `<word> <bytes>`, a newline, and so many bytes.
fn parse_part<'a>(word: &str, rest: &'a str) -> Result<(&'a str, &'a str), EvidenceError> {
    let (line, rest) = text::split_line(rest).ok_or(EvidenceError::Part)?;
    let bytes = line
        .strip_prefix(word)
        .and_then(|line| line.strip_prefix(' '))
        .and_then(text::parse_decimal)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or(EvidenceError::Part)?;
    // Also refused: an end inside a character.
    rest.split_at_checked(bytes).ok_or(EvidenceError::Part)
}

fn parse_note(rest: &str) -> Result<(Note, &str), EvidenceError> {
    let (note, rest) = parse_part("note", rest)?;
    Ok((Note::parse(note.as_bytes()).map_err(EvidenceError::Note)?, rest))
}

/// Reads a proof file that carries its entry.
fn parse_proof(rest: &str) -> Result<(TlogProof, &str), EvidenceError> {
    let (proof, rest) = parse_part("proof", rest)?;
    let proof = TlogProof::parse(proof.as_bytes()).map_err(EvidenceError::Proof)?;
    if proof.extra.is_none() { Err(EvidenceError::NoEntry) } else { Ok((proof, rest)) }
}

fn parse_bad_entry(rest: &str) -> Result<Evidence, EvidenceError> {
    let (proof, rest) = parse_proof(rest)?;
    if rest.is_empty() { Ok(Evidence::BadEntry { proof }) } else { Err(EvidenceError::Trailing) }
}

fn parse_contradiction(rest: &str) -> Result<Evidence, EvidenceError> {
    let (ending, rest) = parse_proof(rest)?;
    let (staple, rest) = parse_part("staple", rest)?;
    if !rest.is_empty() {
        return Err(EvidenceError::Trailing);
    }
    let staple = Box::new(Staple::parse(staple.as_bytes()).map_err(EvidenceError::Staple)?);
    Ok(Evidence::StatusContradiction { ending, staple })
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{EVIDENCE_HEADER}\nkind {}", self.kind().name())?;
        let (prefix, parts) = match self {
            Self::LogForkSameSize { first, second } => (None, [first, second]),
            Self::LogInconsistent { old, new, prefix } => (Some(prefix), [old, new]),
            Self::WitnessFork { first, second, prefix } => (prefix.as_ref(), [first, second]),
            Self::BadEntry { proof } => return write_part(f, "proof", &proof.to_string()),
            Self::StatusContradiction { ending, staple } => {
                write_part(f, "proof", &ending.to_string())?;
                return write_part(f, "staple", &staple.to_string());
            }
        };
        if let Some(PrefixProof { root, hashes }) = prefix {
            writeln!(f, "prefix {}", root.to_base64())?;
            hashes.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        }
        parts.into_iter().try_for_each(|note| write_part(f, "note", &note.to_string()))
    }
}

fn write_part(f: &mut fmt::Formatter<'_>, word: &str, part: &str) -> fmt::Result {
    write!(f, "{word} {}\n{part}", part.len())
}
