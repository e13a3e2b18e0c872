//! What a node serves never shrinks while it lives, is what was signed, and satisfies the policy of whoever verifies it.

use super::{Facts, Replica};

pub(super) fn check(facts: &Facts, _: &[Replica]) -> Result<(), String> {
    for (at, now) in facts.served.iter().enumerate().skip(facts.judged.served) {
        if !now.valid {
            return Err(format!("node {} serves a checkpoint that no verifier accepts", now.node));
        }
        let before = facts.served[..at].iter().rev().find(|b| (b.node, b.life) == (now.node, now.life));
        if let Some(before) = before.filter(|before| before.size > now.size) {
            return Err(format!("node {} served {} entries, then {}", now.node, before.size, now.size));
        }
        if !facts.signed.iter().any(|note| note.size == now.size && note.root == now.root) {
            return Err(format!(
                "node {} serves {} entries under a root that nobody signed",
                now.node, now.size
            ));
        }
    }
    Ok(())
}
