//! Repetitions without an idempotency key: an equal receipt of the last minute is the same receipt.
//!
//! The id follows from tenant, environment, content and a window of a minute, so two nodes that take equal calls at the same time
//! make the same id, and the log takes one of them. A repetition across the edge of a window finds the id of the one before.

use ledger_format::record::Ulid;

use super::found::Found;
use crate::{ApiError, endpoint::Context};

/// How long an equal receipt is the same one; also the length of a window.
const WINDOW_MS: u64 = 60_000;

/// The id of a receipt without an idempotency key.
pub(super) enum Id {
    /// Nobody has made an equal one.
    New(Ulid),
    /// An equal one is in the log.
    Known(Box<Found>),
}

pub(super) fn id(context: &Context, content: &serde_json::Value) -> Result<Id, ApiError> {
    let caller = context.caller()?;
    let content = serde_json::to_vec(content).map_err(ApiError::internal)?;
    let window = context.now_ms / WINDOW_MS;
    let id_in = |window: u64| id_of(caller.environment.word(), caller.tenant, &content, window);
    for window in [window, window.saturating_sub(1)] {
        let Some(found) = Found::of(context, caller.tenant, id_in(window))? else { continue };
        if context.now_ms.saturating_sub(found.at.log_ms) < WINDOW_MS {
            return Ok(Id::Known(Box::new(found)));
        }
    }
    Ok(Id::New(id_in(window)))
}

fn id_of(environment: &str, tenant: Ulid, content: &[u8], window: u64) -> Ulid {
    let mut hash = blake3::Hasher::new_derive_key("maip 2026-11 receipts without an idempotency key");
    for part in [environment.as_bytes(), &tenant.to_bytes(), &window.to_be_bytes(), content] {
        hash.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    let hash = hash.finalize();
    let random = u128::from_be_bytes(hash.as_bytes()[..16].try_into().expect("16 of 32 bytes"));
    Ulid::from_parts(window * WINDOW_MS, random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_follows_from_whose_what_and_when() {
        let base = id_of("production", Ulid(1), b"x", 7);
        assert_eq!(base, id_of("production", Ulid(1), b"x", 7));
        assert_eq!(base.timestamp_ms(), 7 * WINDOW_MS);
        for other in [
            id_of("sandbox", Ulid(1), b"x", 7),
            id_of("production", Ulid(2), b"x", 7),
            id_of("production", Ulid(1), b"y", 7),
            id_of("production", Ulid(1), b"x", 8),
        ] {
            assert_ne!(base, other);
        }
    }
}
