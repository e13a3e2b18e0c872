//! A witness never gives away two roots for one size, never goes back, and has stored before it gives anything away.

use super::{Facts, Replica};

pub(super) fn check(facts: &Facts, _: &[Replica]) -> Result<(), String> {
    for (at, now) in facts.cosigned.iter().enumerate().skip(facts.judged.cosigned) {
        if now.stored < now.size {
            return Err(format!(
                "witness {} gave away {} entries and had stored {}",
                now.witness + 1,
                now.size,
                now.stored
            ));
        }
        for before in facts.cosigned[..at].iter().filter(|before| before.witness == now.witness) {
            if before.size > now.size || (before.size == now.size && before.root != now.root) {
                return Err(format!(
                    "witness {} cosigned {} entries after {}, or another root",
                    now.witness + 1,
                    now.size,
                    before.size
                ));
            }
        }
    }
    Ok(())
}
