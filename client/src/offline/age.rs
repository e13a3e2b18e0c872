//! How old a witnessed checkpoint is.

use ledger_format::{Note, Policy};

pub use ledger_format::FUTURE_TOLERANCE_S;

/// The latest time at which a whole quorum vouches for the checkpoint; see [`Policy::vouched_at`].
pub fn as_of(policy: &Policy, note: &Note, cosigners: &[(String, u64)]) -> Option<u64> {
    policy.vouched_at(note, cosigners)
}
