//! An engine of ordered maps, for tests and as the model the others are compared with.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use super::{Batch, Engine, Pair, Pairs, Space};
use crate::StoreError;

/// Keys of all spaces, the space first.
type Map = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

/// See the module.
#[derive(Default)]
pub(super) struct MemoryEngine {
    map: RwLock<Map>,
}

impl Engine for MemoryEngine {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        Ok(map.get(&(space, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Vec::new());
        }
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let end = match to {
            Some(to) => Bound::Excluded((space, to.to_vec())),
            None => Bound::Unbounded,
        };
        let pairs = map.range((Bound::Included((space, from.to_vec())), end));
        let pairs = pairs.take_while(|((s, _), _)| *s == space).take(limit);
        Ok(pairs.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn freeze(&self, space: Space) -> Result<Option<Pairs>, StoreError> {
        Ok(Some(Box::new(self.scan(space, &[], None, usize::MAX)?.into_iter().map(Ok))))
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        batch.check()?;
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        for change in batch.changes {
            match change.value {
                Some(value) => map.insert((change.space, change.key), value),
                None => map.remove(&(change.space, change.key)),
            };
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&self, space: Space) -> Result<(), StoreError> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.retain(|(s, _), _| *s != space);
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}
