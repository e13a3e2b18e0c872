//! The file of a staple.

use std::fmt;

use super::map::{MAP_SIBLINGS_MAX, MapLeaf, MapProof, map_key, map_value_hash};
use crate::checkpoint::ORIGIN_BYTES_MAX;
use crate::merkle::Hash;
use crate::proof::{PROOF_BYTES_MAX, TlogProof, TlogProofError};
use crate::record::json::{self, JSON_BYTES_MAX};
use crate::record::{AgentId, DelegationId, Entry, RecordHash, SessionId, StateRoot, TenantId};
use crate::text;

/// First line of a staple.
pub const STAPLE_HEADER: &str = "maip-staple/1";

/// Longest status, in bytes of canonical JSON.
pub const STATUS_BYTES_MAX: usize = JSON_BYTES_MAX;

/// Longest name of a subject, in bytes: `agreement:` and 64 hex digits.
pub const SUBJECT_BYTES_MAX: usize = 74;

/// Largest staple that is read, in bytes.
pub const STAPLE_BYTES_MAX: usize = PROOF_BYTES_MAX
    + text::base64_len(STATUS_BYTES_MAX)
    + MAP_SIBLINGS_MAX * 45
    + ORIGIN_BYTES_MAX
    + SUBJECT_BYTES_MAX
    + 128;

/// Whether this is the one spelling of a subject's name: `maip-agent:…`, `maip-tenant:…`, `maip-deleg:…`, `maip-sess:…` or
/// `agreement:<64 hex>`. Any other text has no status in any map, and that would prove nothing.
pub fn is_subject(name: &str) -> bool {
    AgentId::parse(name).is_some()
        || TenantId::parse(name).is_some()
        || DelegationId::parse(name).is_some()
        || SessionId::parse(name).is_some()
        || name.strip_prefix("agreement:").is_some_and(|hash| RecordHash::parse(hash).is_some())
}

/// A staple, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staple {
    /// Origin of the log that it claims to be from.
    pub origin: String,
    /// Name of the subject that it claims to be about.
    pub subject: String,
    /// What it claims of the subject.
    pub standing: Standing,
    /// The subtrees beside the way to the subject's place, the lowest first.
    pub siblings: Vec<Hash>,
    /// The proof of the `state.root` entry, which is its `extra`.
    pub inclusion: TlogProof,
}

/// What the map holds in the place of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its status, canonical JSON.
    Present(Vec<u8>),
    /// No status: the only leaf there is that of another subject.
    Other(MapLeaf),
    /// No status: there is no leaf.
    Empty,
}

/// Why bytes are not a staple. The sender is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StapleError {
    /// Over [`STAPLE_BYTES_MAX`].
    #[error("a staple of {got} bytes is over the limit of {STAPLE_BYTES_MAX}")]
    TooLong {
        /// Bytes received.
        got: usize,
    },
    /// Not UTF-8.
    #[error("the staple is not utf-8")]
    Utf8,
    /// The first line is another.
    #[error("the first line is not {STAPLE_HEADER:?}")]
    Header,
    /// The origin line is missing, empty, too long or holds a control character.
    #[error("the origin line is missing, empty, over {ORIGIN_BYTES_MAX} bytes or holds a control character")]
    Origin,
    /// The subject line is missing or does not hold the canonical name of a subject.
    #[error("the subject line is missing or its name is not the one spelling of a subject")]
    Subject,
    /// The line that says what the map holds is missing or not in its one spelling.
    #[error("the third line is not \"value <base64>\", \"other <base64> <base64>\" or \"empty\"")]
    Standing,
    /// The status is not canonical JSON of an object.
    #[error("the status is not a canonical json object of at most {STATUS_BYTES_MAX} bytes")]
    Status,
    /// A hash line is not the canonical base64 of 32 bytes.
    #[error("a hash line is not canonical base64 of 32 bytes")]
    Hash,
    /// More than 256 hash lines.
    #[error("more than {MAP_SIBLINGS_MAX} hashes")]
    TooManyHashes,
    /// What follows the empty line is not a proof file.
    #[error("the proof of the state.root entry is malformed: {0}")]
    Inclusion(TlogProofError),
    /// The proof file does not carry the entry.
    #[error("the proof of the state.root entry does not carry the entry")]
    NoEntry,
}

impl Staple {
    /// Reads a staple.
    pub fn parse(bytes: &[u8]) -> Result<Self, StapleError> {
        if bytes.len() > STAPLE_BYTES_MAX {
            return Err(StapleError::TooLong { got: bytes.len() });
        }
        let file = std::str::from_utf8(bytes).map_err(|_| StapleError::Utf8)?;
        let rest = file.strip_prefix(STAPLE_HEADER).and_then(|rest| rest.strip_prefix('\n'));
        let (origin, rest) = field(rest.ok_or(StapleError::Header)?, "origin ").ok_or(StapleError::Origin)?;
        if origin.is_empty() || origin.len() > ORIGIN_BYTES_MAX || text::has_control(origin) {
            return Err(StapleError::Origin);
        }
        let (subject, rest) = field(rest, "subject ").ok_or(StapleError::Subject)?;
        if !is_subject(subject) {
            return Err(StapleError::Subject);
        }
        let (line, rest) = text::split_line(rest).ok_or(StapleError::Standing)?;
        let standing = parse_standing(line)?;
        let (siblings, rest) = parse_siblings(rest)?;
        let inclusion = TlogProof::parse(rest.as_bytes()).map_err(StapleError::Inclusion)?;
        if inclusion.extra.is_none() {
            return Err(StapleError::NoEntry);
        }
        Ok(Self { origin: origin.to_owned(), subject: subject.to_owned(), standing, siblings, inclusion })
    }

    /// The exact bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// The status it claims; `None` where it claims that there is none.
    pub fn value(&self) -> Option<&[u8]> {
        match &self.standing {
            Standing::Present(value) => Some(value),
            Standing::Other(_) | Standing::Empty => None,
        }
    }

    /// What the `state.root` entry in the file says; `None` if the entry is no such one.
    pub fn state_root(&self) -> Option<StateRoot> {
        Entry::parse(self.inclusion.entry()?).ok()?.state_root()?.ok()
    }

    /// The proof in the map. The leaf of a status is not in the file: it follows from the subject and the status.
    pub fn map_proof(&self) -> MapProof {
        let leaf = match &self.standing {
            Standing::Present(value) => {
                Some(MapLeaf { key: map_key(&self.subject), value: map_value_hash(value) })
            }
            Standing::Other(leaf) => Some(*leaf),
            Standing::Empty => None,
        };
        MapProof { leaf, siblings: self.siblings.clone() }
    }
}

impl fmt::Display for Staple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{STAPLE_HEADER}\norigin {}\nsubject {}", self.origin, self.subject)?;
        match &self.standing {
            Standing::Present(value) => writeln!(f, "value {}", text::base64_encode(value))?,
            Standing::Other(leaf) => {
                writeln!(f, "other {} {}", leaf.key.to_base64(), leaf.value.to_base64())?
            }
            Standing::Empty => writeln!(f, "empty")?,
        }
        self.siblings.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.inclusion)
    }
}

/// A line that begins with a word, without it, and what follows.
fn field<'a>(rest: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    text::split_line(rest.strip_prefix(word)?)
}

fn parse_standing(line: &str) -> Result<Standing, StapleError> {
    if line == "empty" {
        return Ok(Standing::Empty);
    }
    if let Some(base64) = line.strip_prefix("value ") {
        let value = text::base64_decode(base64, STATUS_BYTES_MAX).ok_or(StapleError::Standing)?;
        return match json::parse(&value) {
            Ok(json::Value::Object(_)) => Ok(Standing::Present(value)),
            _ => Err(StapleError::Status),
        };
    }
    let leaf = line.strip_prefix("other ").and_then(|rest| {
        let (key, value) = rest.split_once(' ')?;
        Some(MapLeaf { key: Hash::from_base64(key)?, value: Hash::from_base64(value)? })
    });
    leaf.map(Standing::Other).ok_or(StapleError::Standing)
}

fn parse_siblings(block: &str) -> Result<(Vec<Hash>, &str), StapleError> {
    let (mut siblings, mut rest) = (Vec::new(), block);
    loop {
        let (line, after) = text::split_line(rest).ok_or(StapleError::Hash)?;
        rest = after;
        if line.is_empty() {
            return Ok((siblings, rest));
        }
        if siblings.len() == MAP_SIBLINGS_MAX {
            return Err(StapleError::TooManyHashes);
        }
        siblings.push(Hash::from_base64(line).ok_or(StapleError::Hash)?);
    }
}
