//! The state in memory: for tests, for witnesses that replay, for tools.

use std::collections::BTreeMap;
use std::ops::Bound;

use ledger_format::{Hash, node_hash};

use crate::applied::{Alarm, Applied, Outcome};
use crate::apply::apply;
use crate::command::Command;
use crate::view::View;

/// All state and all tree hashes of one log, in memory. About 300 bytes an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Hashes of the complete subtrees, one list per level; level 0 are the leaves.
    levels: Vec<Vec<Hash>>,
}

impl MemoryState {
    /// The state before the first command.
    pub fn new() -> Self {
        Self::default()
    }

    /// State from a snapshot: every key with its value, and the leaf hashes of every entry.
    pub fn from_parts(
        values: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
        leaves: impl IntoIterator<Item = Hash>,
    ) -> Self {
        let mut state = Self { values: values.into_iter().collect(), levels: Vec::new() };
        leaves.into_iter().for_each(|leaf| state.push_leaf(leaf));
        state
    }

    /// Every key with its value, by ascending key.
    pub fn values(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.values
    }

    /// The leaf hashes, by index.
    pub fn leaves(&self) -> &[Hash] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// Applies a command and stores what follows from it.
    pub fn apply(&mut self, command: &Command) -> Applied {
        let applied = apply(self, command);
        self.store(&applied);
        applied
    }

    /// Applies a command; the answers alone, or the alarm.
    pub fn run(&mut self, command: &Command) -> Result<Vec<Outcome>, Alarm> {
        let applied = self.apply(command);
        applied.alarm.map_or(Ok(applied.outcomes), Err)
    }

    /// Stores what a command did. Nothing, if it raised an alarm.
    pub fn store(&mut self, applied: &Applied) {
        if applied.alarm.is_some() {
            return;
        }
        for (key, value) in &applied.writes {
            match value {
                Some(value) => self.values.insert(key.clone(), value.clone()),
                None => self.values.remove(key),
            };
        }
        applied.entries.iter().for_each(|entry| self.push_leaf(entry.leaf));
    }

    fn push_leaf(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(hash);
            let [.., left, right] = row.as_slice() else { return };
            if row.len() % 2 == 1 {
                return;
            }
            hash = node_hash(*left, *right);
        }
    }
}

impl View for MemoryState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.values.get(key).cloned()
    }

    fn next_key(&self, from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
        if from >= to {
            return None;
        }
        self.values
            .range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
            .next()
            .map(|(key, _)| key.clone())
    }

    fn subtree(&self, level: u8, index: u64) -> Option<Hash> {
        self.levels.get(usize::from(level))?.get(usize::try_from(index).ok()?).copied()
    }
}
