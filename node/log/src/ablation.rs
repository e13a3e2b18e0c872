//! Rules that a simulation can take out, to show that it would notice. In every other build no rule can be taken out: there,
//! [`is_off`] is a constant.
//!
//! `cfg(simulation)` is not a feature, so that no crate of a build can switch it on for the others by mistake.

/// A rule of the log's safety, as in `node/log/tests/README.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Rule {
    /// A broken promise of a follower is no reason to go on.
    L3 = 1,
    /// The sign guard, at signatures and at the fence.
    G3 = 2,
    /// A leader judges only after an entry of its own term.
    G4 = 4,
    /// A witness's line is checked before it is merged.
    C2 = 8,
    /// The fence.
    R2 = 16,
    /// The tree from which a root is signed is compared with the one that the state keeps.
    G1 = 32,
    /// A majority computed the same root.
    G2 = 64,
    /// The same record has one index.
    S2 = 128,
    /// A read that must be fresh is confirmed by a majority; it has no name in the table.
    FreshReads = 256,
}

#[cfg(simulation)]
mod switches {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Rule;

    static OFF: AtomicU32 = AtomicU32::new(0);

    /// Takes rules out of every log of this process.
    pub fn switch_off(rules: &[Rule]) {
        OFF.store(rules.iter().fold(0, |off, rule| off | *rule as u32), Ordering::SeqCst);
    }

    pub(crate) fn is_off(rule: Rule) -> bool {
        OFF.load(Ordering::SeqCst) & rule as u32 != 0
    }
}

#[cfg(simulation)]
pub(crate) use switches::is_off;
#[cfg(simulation)]
pub use switches::switch_off;

/// Whether a rule is taken out: never.
#[cfg(not(simulation))]
pub(crate) const fn is_off(_: Rule) -> bool {
    false
}
