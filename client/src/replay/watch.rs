//! Looking on while a log replays.

use std::convert::Infallible;

use ledger_format::Hash;
use ledger_state::{Applied, MemoryState, ReplayState, View};

/// Sees each entry of a replay with the state before and after it.
pub trait Watcher {
    /// An entry keeps the rules and is about to change the state. Its signature may turn out wrong later: then there is no replay.
    fn before(&mut self, state: &MemoryState, applied: &Applied);
    /// It has changed the state.
    fn after(&mut self, state: &MemoryState, applied: &Applied);
}

/// Sees nothing.
impl Watcher for () {
    fn before(&mut self, _: &MemoryState, _: &Applied) {}
    fn after(&mut self, _: &MemoryState, _: &Applied) {}
}

/// The state of a replay that somebody looks on to.
pub(super) struct Watched<'w> {
    pub(super) state: MemoryState,
    pub(super) watcher: &'w mut dyn Watcher,
}

impl View for Watched<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.state.get(key)
    }

    fn next_key(&self, from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
        self.state.next_key(from, to)
    }

    fn subtree(&self, level: u8, index: u64) -> Option<Hash> {
        self.state.subtree(level, index)
    }
}

impl ReplayState for Watched<'_> {
    type Error = Infallible;

    fn store(&mut self, applied: &Applied) -> Result<(), Infallible> {
        self.watcher.before(&self.state, applied);
        self.state.store(applied);
        self.watcher.after(&self.state, applied);
        Ok(())
    }
}
