//! Changes that belong together.

use super::{KEY_BYTES_MAX, Space, VALUE_BYTES_MAX};
use crate::StoreError;

/// One change: a value, or `None` to delete.
pub(super) struct Change {
    pub(super) space: Space,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// Changes that are applied together, in order: the last one to a key wins.
#[derive(Default)]
pub struct Batch {
    pub(super) changes: Vec<Change>,
    bytes: usize,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn put(&mut self, space: Space, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.push(space, key.into(), Some(value.into()));
    }

    /// Deletes a key; a missing one is fine.
    pub fn delete(&mut self, space: Space, key: impl Into<Vec<u8>>) {
        self.push(space, key.into(), None);
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// True when there is nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, space: Space, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.changes.push(Change { space, key, value });
    }

    /// Refuses what some engine could not hold, so that all engines refuse alike.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for change in &self.changes {
            if change.key.is_empty() {
                return Err(StoreError::EmptyKey);
            }
            check_size("key", change.key.len(), KEY_BYTES_MAX)?;
            check_size("value", change.value.as_ref().map_or(0, Vec::len), VALUE_BYTES_MAX)?;
        }
        Ok(())
    }
}

fn check_size(what: &'static str, bytes: usize, limit: usize) -> Result<(), StoreError> {
    if bytes > limit { Err(StoreError::TooLarge { what, bytes, limit }) } else { Ok(()) }
}
