//! How far a log was replayed, and what is held against it.
//!
//! ```text
//! 0 ------------- checked ------------- read
//!   a signed root      replayed, but no signed root was reached yet
//!   commits to these   only a replay that is longer than one request leaves such entries
//! ```

use std::collections::BTreeMap;

use ledger_format::{Frontier, Hash};
use ledger_state::{ReplayError, ReplayFault, Replayer};

use super::{Caught, Doubt, Signed};
use crate::decide::Latest;

/// What is known of a log.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(super) progress: Progress,
    /// Trees cosigned and not yet reached.
    pub(super) cosigned: BTreeMap<u64, Hash>,
    /// Why the log is refused for good.
    pub(super) refused: Option<String>,
}

/// The replayed entries. One value, because its parts mean nothing apart: it is taken out whole and put back whole. Whoever is stopped
/// in between leaves an empty one, and that is a replay that begins again.
#[derive(Debug, Default)]
pub(super) struct Progress {
    replayer: Replayer,
    /// The tree over what `replayer` has taken.
    read: Frontier,
    /// The last tree on the way that the log has signed.
    checked: Frontier,
    /// The first size up to `read` at which another root was cosigned. It counts only once `read` is checked.
    fork: Option<u64>,
}

impl Progress {
    /// Entries replayed.
    pub(super) fn replayed(&self) -> u64 {
        self.read.size()
    }

    /// The tree over the entries replayed.
    pub(super) fn read(&self) -> &Frontier {
        &self.read
    }

    /// The tree over those of them that the log is known to have signed.
    pub(super) fn checked(&self) -> &Frontier {
        &self.checked
    }

    /// Whether it holds entries that no signed root is known to commit to.
    pub(super) fn is_unchecked(&self) -> bool {
        self.read.size() > self.checked.size()
    }

    pub(super) fn fork(&self) -> Option<u64> {
        self.fork
    }

    /// Replays entries in order, up to the first that is wrong.
    pub(super) fn take(&mut self, entries: &[Vec<u8>]) -> Option<ReplayError> {
        for entry in entries {
            match self.replayer.push(self.read.size(), entry) {
                Ok(leaf) => self.read.push(leaf),
                Err(error) => return Some(error),
            }
        }
        None
    }

    /// Keeps a fork that was found among the entries replayed. One beyond them is found again when they are read again, and who
    /// knows whether they are the same then.
    pub(super) fn found(&mut self, fork: Option<u64>) {
        self.fork = fork.filter(|size| *size <= self.read.size());
    }

    /// The root of what is replayed turned out to be signed.
    pub(super) fn confirm(&mut self) {
        self.checked = self.read.clone();
    }
}

impl Replay {
    pub(super) fn check(&self) -> Result<(), Doubt> {
        self.refused.as_ref().map_or(Ok(()), |reason| Err(Doubt::Refused(reason.clone())))
    }

    /// Remembers what was cosigned, to compare it when the replay comes there.
    pub(crate) fn was_cosigned(&mut self, tree: Latest) {
        let is_reached = tree.size <= self.progress.checked.size();
        if is_reached || self.cosigned.insert(tree.size, tree.root) == Some(tree.root) {
            return;
        }
        // The replay has passed this size without comparing it, and a tree does not tell its earlier roots.
        if tree.size <= self.progress.replayed() {
            self.begin_again();
        }
    }

    /// Forgets the entries replayed, and nothing else.
    pub(super) fn begin_again(&mut self) {
        self.progress = Progress::default();
    }

    /// The size at which the entries lead to another root than was cosigned.
    pub(super) fn contradiction(&self, frontier: &Frontier) -> Option<u64> {
        let root = self.cosigned.get(&frontier.size())?;
        (*root != frontier.root()).then_some(frontier.size())
    }

    /// All entries up to `size`, whose root the log has signed, are replayed.
    pub(super) fn reached(&mut self, size: u64) {
        self.progress.confirm();
        self.cosigned = self.cosigned.split_off(&(size + 1));
    }

    /// Compares a signed tree that is not beyond what is checked.
    pub(super) fn agree(&mut self, signed: Signed) -> Result<(), Doubt> {
        let (size, checked) = (signed.tree.size, self.progress.checked.size());
        if size < checked {
            return Err(is_smaller(checked));
        }
        // A root that is checked was signed by the log. For size 0 the decision has checked it.
        if size > 0 && signed.tree.root != self.progress.checked.root() {
            let reason = format!("the log has signed two roots for size {size}");
            return Err(self.catch(reason, true, signed));
        }
        Ok(())
    }

    /// What an entry that does not replay says about the log whose tree it is in.
    pub(super) fn judge(&mut self, invalid: &ReplayError, signed: Signed) -> Doubt {
        match invalid.fault {
            // Ours, not the log's: start again from entry 0.
            ReplayFault::Damaged(_) | ReplayFault::Order { .. } => {
                self.begin_again();
                Doubt::NotYet(invalid.to_string())
            }
            _ => self.catch(invalid.to_string(), false, signed),
        }
    }

    pub(super) fn catch(&mut self, reason: String, is_fork: bool, signed: Signed) -> Doubt {
        self.refused = Some(reason.clone());
        Doubt::Caught(Caught { reason, is_fork, tree: signed.tree, note: signed.note })
    }
}

/// The replay is beyond what it is asked for.
pub(super) fn is_smaller(replayed: u64) -> Doubt {
    Doubt::NotYet(format!("{replayed} entries are replayed already, for a larger checkpoint of this log"))
}
