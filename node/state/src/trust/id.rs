//! Names of agents and tenants, as inputs carry them.

use std::fmt;
use std::sync::Arc;

/// Longest id, in bytes.
pub const ID_BYTES_MAX: usize = 64;

/// Id of an agent or a tenant: 1 to 64 characters of `A-Za-z0-9._:-`, ordered by bytes. A copy is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(Arc<str>);

impl Id {
    /// The id, or `None` when the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        let fits = (1..=ID_BYTES_MAX).contains(&text.len());
        (fits && text.bytes().all(allowed)).then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_characters() {
        for good in ["a", "maip-agent:01J", "A._:-9", &"x".repeat(64)] {
            assert_eq!(Id::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "ä", "a\n", "a/b", &"x".repeat(65)] {
            assert_eq!(Id::parse(bad), None, "{bad:?}");
        }
        assert!(Id::parse("T5").unwrap() < Id::parse("t3").unwrap(), "bytes, not letters");
    }
}
