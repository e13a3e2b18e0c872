//! When everything is mended, a new record reaches a proof that verifies offline.

use super::{Facts, Replica};

pub(super) fn check(facts: &Facts, _: &[Replica]) -> Result<(), String> {
    facts.healed.clone().unwrap_or(Ok(()))
}
