//! Checkpoints: what a log claims about itself at one size.
//!
//! Spec: <https://c2sp.org/tlog-checkpoint>
//!
//! ```text
//! ledger.example/agents        origin
//! 70000                        size, in entries
//! CsUYapGGPo4dkMgIAUqom/...=   root hash, base64
//! ```
//!
//! This module reads and writes the *text*. It does not check signatures: that is `note`, and deciding whose
//! signatures are enough is `policy`.

use std::fmt;

use crate::merkle::Hash;
use crate::text;

/// Longest origin, in bytes: what one length byte of the ML-DSA cosignature can say.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// Why a text is not a checkpoint.
///
/// Every variant means the *sender* is wrong; none is worth a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Fewer than three lines, or the last one has no newline.
    #[error("checkpoint text needs three newline-terminated lines")]
    Truncated,
    /// Empty, longer than [`ORIGIN_BYTES_MAX`], or with a control character.
    #[error("the origin is empty, longer than {ORIGIN_BYTES_MAX} bytes or holds a control character")]
    Origin,
    /// Not a canonical decimal: a sign, a leading zero, or too large.
    #[error("tree size is not a canonical decimal")]
    Size,
    /// Not the canonical base64 of 32 bytes.
    #[error("root hash is not canonical base64 of 32 bytes")]
    Root,
    /// An extension line is empty or holds a control character.
    #[error("an extension line is empty or holds a control character")]
    Extension,
}

/// Origin, size and root of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's identity; also the name of its key.
    pub origin: String,
    /// Entries in the log.
    pub size: u64,
    /// Root of the tree of those entries.
    pub root: Hash,
    /// Further lines, without newlines. Our logs never write any: ML-DSA cosignatures do not cover them.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Self {
        Self { origin: origin.into(), size, root, extensions: Vec::new() }
    }

    /// Reads the text of a note. That size 0 has the empty root is not checked here but wherever it matters
    /// ([`Checkpoint::is_empty_tree_with_other_root`]), because a witness answers it differently.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let (origin, rest) = text::split_line(text).ok_or(CheckpointError::Truncated)?;
        let (size, rest) = text::split_line(rest).ok_or(CheckpointError::Truncated)?;
        let (root, mut rest) = text::split_line(rest).ok_or(CheckpointError::Truncated)?;
        if origin.is_empty() || origin.len() > ORIGIN_BYTES_MAX || text::has_control(origin) {
            return Err(CheckpointError::Origin);
        }
        let size = text::parse_decimal(size).ok_or(CheckpointError::Size)?;
        let root = Hash::from_base64(root).ok_or(CheckpointError::Root)?;
        let mut extensions = Vec::new();
        while !rest.is_empty() {
            let (line, after) = text::split_line(rest).ok_or(CheckpointError::Truncated)?;
            if line.is_empty() || text::has_control(line) {
                return Err(CheckpointError::Extension);
            }
            extensions.push(line.to_owned());
            rest = after;
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// Whether this claims an impossible thing: no entries, but not the root of no entries.
    pub fn is_empty_tree_with_other_root(&self) -> bool {
        self.size == 0 && self.root != crate::merkle::empty_root()
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root.to_base64())?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

    #[track_caller]
    fn check(text: &str, want: Result<u64, CheckpointError>) {
        let parsed = Checkpoint::parse(text);
        if let Ok(checkpoint) = &parsed {
            assert_eq!(checkpoint.to_string(), text, "prints as read");
        }
        assert_eq!(parsed.map(|checkpoint| checkpoint.size), want, "{text:?}");
    }

    #[test]
    fn every_line_has_one_spelling() {
        use CheckpointError::{Extension, Origin, Root, Size, Truncated};
        check(&format!("o\n70000\n{ROOT}\n"), Ok(70_000));
        check(&format!("o\n18446744073709551615\n{ROOT}\n"), Ok(u64::MAX));
        check(&format!("o with space\n0\n{ROOT}\nextension\nanother\n"), Ok(0));
        check(&format!("o\n007\n{ROOT}\n"), Err(Size));
        check(&format!("o\n18446744073709551616\n{ROOT}\n"), Err(Size));
        check(&format!("\n7\n{ROOT}\n"), Err(Origin));
        check(&format!("{}\n7\n{ROOT}\n", "o".repeat(256)), Err(Origin));
        check(&format!("o\r\n7\n{ROOT}\n"), Err(Origin));
        check(&format!("o\n7\n{ROOT}"), Err(Truncated));
        check(&format!("o\n7\n{}\n", &ROOT[..43]), Err(Root));
        check(&format!("o\n7\n{}J=\n", &ROOT[..42]), Err(Root));
        check(&format!("o\n7\n{ROOT}\n\n"), Err(Extension));
        check(&format!("o\n7\n{ROOT}\nhalf"), Err(Truncated));
    }
}
