//! What nodes keep of a record apart from the log: written with it, in one step, or not at all.

use std::fmt;

use super::{PRIVATE_KEY_BYTES_MAX, PRIVATE_VALUE_BYTES_MAX};
use crate::codec::{DecodeError, Decoder, Encoder};

/// A private value that comes with a record: kept if the record gets an index now, not if it is refused or had one before.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Note {
    /// A note under a private key; `None` when key or value break the bounds of private state.
    pub fn new(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Option<Self> {
        let (key, value) = (key.into(), value.into());
        let fits = (1..=PRIVATE_KEY_BYTES_MAX).contains(&key.len()) && value.len() <= PRIVATE_VALUE_BYTES_MAX;
        fits.then_some(Self { key, value })
    }

    /// Where it is kept.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// What is kept.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    pub(crate) fn write_to(&self, e: &mut Encoder) {
        e.bytes(&self.key).bytes(&self.value);
    }

    pub(crate) fn read_from(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (key, value) = (d.bytes()?.to_vec(), d.bytes()?.to_vec());
        Self::new(key, value).ok_or(DecodeError::Invalid("note"))
    }
}

/// Values are secrets: what is printed says their length only.
impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Note({}, {} bytes)", String::from_utf8_lossy(&self.key), self.value.len())
    }
}
