//! What the node's code asks for, and what it hears.

use std::collections::BTreeMap;

use ledger_state::{Expect, PrivateWrite, ValueDigest};

/// A change of the private state: done as a whole, if everything that it expects is so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub(super) expects: BTreeMap<Vec<u8>, Expect>,
    pub(super) writes: BTreeMap<Vec<u8>, PrivateWrite>,
}

impl Change {
    /// Changes nothing and expects nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if there is nothing under the key.
    #[must_use]
    pub fn expect_absent(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.expects.insert(key.into(), Expect::Absent);
        self
    }

    /// Only if this value is under the key: the one that was read before.
    #[must_use]
    pub fn expect_value(mut self, key: impl Into<Vec<u8>>, value: &[u8]) -> Self {
        self.expects.insert(key.into(), Expect::Is(ValueDigest::of(value)));
        self
    }

    /// Puts a value that stays.
    #[must_use]
    pub fn put(self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.write(key, PrivateWrite::Put { value: value.into(), expires_at_ms: None })
    }

    /// Puts a value that counts as absent from a log time on, ms since 1970.
    #[must_use]
    pub fn put_until(self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>, expires_at_ms: u64) -> Self {
        let expires_at_ms = Some(expires_at_ms);
        self.write(key, PrivateWrite::Put { value: value.into(), expires_at_ms })
    }

    /// Takes away what is under the key.
    #[must_use]
    pub fn delete(self, key: impl Into<Vec<u8>>) -> Self {
        self.write(key, PrivateWrite::Delete)
    }

    fn write(mut self, key: impl Into<Vec<u8>>, write: PrivateWrite) -> Self {
        self.writes.insert(key.into(), write);
        self
    }
}

/// What became of a change. Both are final: a majority has them, and this node has applied them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactOutcome {
    /// It is made.
    Done,
    /// Nothing is changed: something else is under this key, the first of those expected. Read it and decide anew.
    Conflict {
        /// The key.
        key: Vec<u8>,
    },
}
