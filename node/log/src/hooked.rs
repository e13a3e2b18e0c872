//! An engine for tests: before it changes anything, somebody is asked.

use std::sync::Arc;

use ledger_store::{Batch, Engine, Pair, Pairs, Space, StoreError};

/// What is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Commit,
    Sync,
    Clear,
}

type Hook = Box<dyn Fn(Change) -> Result<(), StoreError> + Send + Sync>;

/// See the module. What the hook refuses does not happen.
pub(crate) struct Hooked {
    engine: Arc<dyn Engine>,
    hook: Hook,
}

impl Hooked {
    pub(crate) fn over(
        engine: Arc<dyn Engine>,
        hook: impl Fn(Change) -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Arc<dyn Engine> {
        Arc::new(Self { engine, hook: Box::new(hook) })
    }
}

impl Engine for Hooked {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.engine.scan(space, from, to, limit)
    }

    fn freeze(&self, space: Space) -> Result<Option<Pairs>, StoreError> {
        self.engine.freeze(space)
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        (self.hook)(Change::Commit)?;
        self.engine.commit(batch)
    }

    fn sync(&self) -> Result<(), StoreError> {
        (self.hook)(Change::Sync)?;
        self.engine.sync()
    }

    fn clear(&self, space: Space) -> Result<(), StoreError> {
        (self.hook)(Change::Clear)?;
        self.engine.clear(space)
    }

    fn disk_bytes(&self) -> u64 {
        self.engine.disk_bytes()
    }

    fn name(&self) -> &'static str {
        self.engine.name()
    }
}
