//! The fork alarm means that entries are lost: as long as no backup was restored, nobody raises it.

use super::{Facts, Replica};

pub(super) fn check(facts: &Facts, _: &[Replica]) -> Result<(), String> {
    match facts.fork_alarms.first() {
        Some((node, text)) if facts.set_back_at.is_none() => Err(format!("node {node} raised {text:?}")),
        _ => Ok(()),
    }
}
