//! What has rotted at rest is never served, and does not go unnoticed: it is repaired from another node, or an alarm stands, or the
//! node has stopped. That nothing is signed over it is what the invariant of the notes says.

use super::{Facts, Replica};

pub(super) fn check(facts: &Facts, _: &[Replica]) -> Result<(), String> {
    facts.wrong.first().map_or(Ok(()), |wrong| Err(wrong.clone()))
}
