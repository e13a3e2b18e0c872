//! An entry: the exact bytes that one leaf of the log commits to.
//!
//! ```text
//! {"at":1769000000000,"record":{"actor":...,"v":1}}
//! ```
//!
//! `at` is the log's time, chosen by the leader and never smaller than the entry's before it; all expiry and all "effective
//! from" come from it, never from the record's own clock.

use super::json::{INTEGER_MAX, JsonError};
use super::state_root::{self, StateRoot};
use crate::tile::ENTRY_BYTES_MAX;

const BEFORE_TIME: &[u8] = br#"{"at":"#;
const BEFORE_RECORD: &[u8] = br#","record":"#;

/// Most bytes that an entry adds to its record: the two keys, a time of 16 digits, the closing brace.
pub const ENTRY_OVERHEAD_BYTES: usize = BEFORE_TIME.len() + 16 + BEFORE_RECORD.len() + 1;

/// Longest record, so that its entry never passes the 65,535 bytes of an entry bundle's length field.
pub const RECORD_BYTES_MAX: usize = ENTRY_BYTES_MAX - ENTRY_OVERHEAD_BYTES;

/// An entry taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The log's time, ms since 1970.
    pub at: u64,
    /// The record's bytes, or those of a `state.root` ([`Entry::state_root`]). Not checked here: [`super::Record::parse`] does.
    pub record: &'a [u8],
}

/// Why bytes are not an entry. The log that serves them is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Longer than 65,535 bytes.
    #[error("entry of {size} bytes is longer than {ENTRY_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        size: usize,
    },
    /// Does not have the form `{"at":<ms>,"record":{...}}`.
    #[error("entry does not have the form {{\"at\":<ms>,\"record\":{{...}}}}")]
    Form,
    /// `at` is not a canonical integer from 0 to 2^53 - 1.
    #[error("at: not a canonical integer")]
    Time,
}

impl<'a> Entry<'a> {
    /// The entry of a record that was logged at `at` ms.
    ///
    /// # Panics
    /// If `at` is beyond 2^53 - 1 or the record is longer than [`RECORD_BYTES_MAX`]: the caller has checked both.
    pub fn encode(at: u64, record: &[u8]) -> Vec<u8> {
        assert!(at <= INTEGER_MAX && record.len() <= RECORD_BYTES_MAX, "the caller checks time and size");
        let mut out = Vec::with_capacity(record.len() + ENTRY_OVERHEAD_BYTES);
        out.extend_from_slice(BEFORE_TIME);
        out.extend_from_slice(at.to_string().as_bytes());
        out.extend_from_slice(BEFORE_RECORD);
        out.extend_from_slice(record);
        out.push(b'}');
        out
    }

    /// Takes an entry apart. With a record that parses, `Entry::encode` prints the same bytes again.
    pub fn parse(bytes: &'a [u8]) -> Result<Entry<'a>, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLarge { size: bytes.len() });
        }
        let rest = bytes.strip_prefix(BEFORE_TIME).ok_or(EntryError::Form)?;
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (time, rest) = rest.split_at(digits);
        let at = parse_time(time).ok_or(EntryError::Time)?;
        let record =
            rest.strip_prefix(BEFORE_RECORD).and_then(|r| r.strip_suffix(b"}")).ok_or(EntryError::Form)?;
        if !record.starts_with(b"{") || !record.ends_with(b"}") {
            return Err(EntryError::Form);
        }
        Ok(Entry { at, record })
    }

    /// What the log itself states here: `None` for an entry that holds a record, an error for one that holds neither.
    pub fn state_root(&self) -> Option<Result<StateRoot, JsonError>> {
        self.record.starts_with(state_root::BEGINNING).then(|| StateRoot::parse(self.record))
    }
}

fn parse_time(digits: &[u8]) -> Option<u64> {
    if digits.len() > 16 || digits.len() > 1 && digits[0] == b'0' {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|&at| at <= INTEGER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_apart_as_it_was_put_together() {
        for at in [0, 1_769_000_000_000, INTEGER_MAX] {
            let bytes = Entry::encode(at, b"{}");
            assert_eq!(Entry::parse(&bytes), Ok(Entry { at, record: b"{}" }));
        }
        let largest = vec![b'{'; RECORD_BYTES_MAX];
        assert_eq!(Entry::encode(INTEGER_MAX, &largest).len(), ENTRY_BYTES_MAX);
    }

    #[test]
    fn other_forms_are_refused() {
        let cases: &[(&str, EntryError)] = &[
            (r#"{"at":01,"record":{}}"#, EntryError::Time),
            (r#"{"at":,"record":{}}"#, EntryError::Time),
            (r#"{"at":-1,"record":{}}"#, EntryError::Time),
            (r#"{"at":9007199254740992,"record":{}}"#, EntryError::Time),
            (r#"{"at":1.0,"record":{}}"#, EntryError::Form),
            (r#"{"at":1, "record":{}}"#, EntryError::Form),
            (r#"{"at":1,"record":[]}"#, EntryError::Form),
            (r#"{"at":1,"record":{}"#, EntryError::Form),
            (r#"{"record":{},"at":1}"#, EntryError::Form),
            ("", EntryError::Form),
        ];
        for (text, want) in cases {
            assert_eq!(Entry::parse(text.as_bytes()), Err(*want), "{text}");
        }
    }
}
