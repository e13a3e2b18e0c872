//! What `ledger_state::apply` sees: committed state, plus what the same batch has already changed.

use std::{cell::RefCell, collections::BTreeMap, ops::Bound};

use ledger_format::{Hash, HashReader as _};
use ledger_state::{Ending, View, keys::AGENT_KEY_PREFIX};
use ledger_store::Space;

use super::{Ledger, LedgerError};
use crate::ablation::{self, Rule};

/// Which space of the engine a key of the state lives in. Per-record keys are many and rebuilt from entries; the rest is
/// small and goes into snapshots.
pub(crate) fn space_of(key: &[u8]) -> Space {
    if ledger_state::keys::is_per_record(key) { Space::Index } else { Space::State }
}

/// Writes of a batch that are not yet committed.
pub(crate) type Overlay = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Committed state under an overlay.
pub(crate) struct LedgerView<'a> {
    ledger: &'a Ledger,
    overlay: &'a Overlay,
    /// Whether it shows agents as ended that are about to end. Never to apply: that sees what the raft_entries before have made.
    early: bool,
    /// `View` cannot fail, storage can: the first failure is kept here and whoever owns the view must look.
    fault: RefCell<Option<LedgerError>>,
}

impl<'a> LedgerView<'a> {
    pub(crate) fn new(ledger: &'a Ledger, overlay: &'a Overlay) -> Self {
        Self { ledger, overlay, early: false, fault: RefCell::new(None) }
    }

    /// The first storage failure, if there was one; every answer since then is void.
    pub(crate) fn into_fault(self) -> Option<LedgerError> {
        self.fault.into_inner()
    }

    fn note<T>(&self, result: Result<T, LedgerError>) -> Option<T> {
        result.map_err(|error| self.fault.borrow_mut().get_or_insert(error).to_string()).ok()
    }
}

impl View for LedgerView<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        if ablation::is_off(Rule::S2) && key.first() == Some(&ledger_state::RECORD_KEY_PREFIX) {
            return None;
        }
        if let Some(value) = self.overlay.get(key) {
            return value.clone();
        }
        if !self.early || key.first() != Some(&AGENT_KEY_PREFIX) {
            return self.note(self.ledger.state_value(key))?;
        }
        let announced = self.ledger.endings.announced();
        let value = self.note(self.ledger.state_value(key))??;
        let plain = LedgerView::new(self.ledger, self.overlay);
        let ended = announced.ended(&plain, key, &value);
        self.note(plain.into_fault().map_or(Ok(()), Err))?;
        Some(ended.unwrap_or(value))
    }

    fn next_key(&self, from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
        if from >= to {
            return None;
        }
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let above =
            self.overlay.range::<[u8], _>(bounds).find(|(_, value)| value.is_some()).map(|(key, _)| key);
        let mut start = from.to_vec();
        let below = loop {
            let Some(key) = self.note(self.ledger.state_step(&start, to))? else { break None };
            match self.overlay.get(&key) {
                // Deleted by an earlier command of the same write: look behind it.
                Some(None) => start = [key.as_slice(), &[0]].concat(),
                _ => break Some(key),
            }
        };
        match (above, below) {
            (Some(above), Some(below)) => Some(below.min(above.clone())),
            (above, below) => above.cloned().or(below),
        }
    }

    fn subtree(&self, level: u8, index: u64) -> Option<Hash> {
        self.note(self.ledger.hashes().subtree(level, index))
    }

    fn ending(&self, ending: &Ending) {
        self.ledger.endings.announce(ending);
    }
}

impl Ledger {
    /// A committed value of the state.
    pub(crate) fn state_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        let since = match self.state.value(key) {
            Ok(value) => return Ok(value),
            Err(since) => since,
        };
        let value = self.engine.get(space_of(key), key)?;
        self.state.keep_value(since, key, &value);
        Ok(value)
    }

    /// The first committed key of the state, `from <= key < to`.
    fn state_step(&self, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        if !ledger_state::keys::is_walked(from) {
            return self.first_key(from, to);
        }
        let since = match self.state.step(from, to) {
            Ok(found) => return Ok(found),
            Err(since) => since,
        };
        let found = self.first_key(from, to)?;
        self.state.keep_step(since, from, to, &found);
        Ok(found)
    }

    fn first_key(&self, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.engine.keys(Space::State, from, Some(to), 1)?.into_iter().next())
    }

    /// A view of the committed state, for checks outside of apply. Agents that a committed raft_entry ends have ended in it, also while
    /// their new state is still worked out.
    pub(crate) fn with_view<T>(&self, read: impl FnOnce(&LedgerView<'_>) -> T) -> Result<T, LedgerError> {
        let overlay = Overlay::new();
        let view = LedgerView { early: true, ..LedgerView::new(self, &overlay) };
        let value = read(&view);
        match view.into_fault() {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }
}
