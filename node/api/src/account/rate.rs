//! How often a credential may call, on each node: a bucket a credential, refilled over a minute.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Most credentials that a node remembers the rates of; beyond, the ones that are full again are forgotten.
const BUCKETS_MAX: usize = 65_536;
/// A burst may take this many minutes' worth of calls.
const BURST_MINUTES: u64 = 2;
const WINDOW_MS: u64 = 60_000;

/// What a credential has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Calls a minute.
    pub(crate) limit: u64,
    /// Calls that are left now.
    pub(crate) remaining: u64,
    /// When the bucket is full again, seconds since 1970.
    pub(crate) reset_s: u64,
    /// Whether this call is within the rate.
    pub(crate) granted: bool,
    /// Seconds until the next call is, rounded up.
    pub(crate) wait_s: u32,
}

struct Bucket {
    /// Millionths of a call.
    left: u64,
    at_ms: u64,
}

/// The rates of all credentials on this node.
#[derive(Default)]
pub(crate) struct Rates(Mutex<HashMap<String, Bucket>>);

impl Rates {
    /// Counts one call of `who`, who may make `limit` calls a minute.
    pub(crate) fn take(&self, who: &str, limit: u64, now_ms: u64) -> Rate {
        const CALL: u64 = 1_000_000;
        let full = limit * BURST_MINUTES * CALL;
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(who) {
            buckets.retain(|_, bucket| now_ms.saturating_sub(bucket.at_ms) < WINDOW_MS * BURST_MINUTES);
        }
        let bucket = buckets.entry(who.to_owned()).or_insert(Bucket { left: full, at_ms: now_ms });
        let passed = now_ms.saturating_sub(bucket.at_ms);
        bucket.left = full.min(bucket.left + passed.saturating_mul(limit * CALL) / WINDOW_MS);
        bucket.at_ms = bucket.at_ms.max(now_ms);
        let granted = bucket.left >= CALL;
        if granted {
            bucket.left -= CALL;
        }
        let time_of = |calls: u64| calls.saturating_mul(WINDOW_MS) / (limit * CALL).max(1);
        let wait_ms = time_of(CALL.saturating_sub(bucket.left));
        Rate {
            limit,
            remaining: bucket.left / CALL,
            reset_s: (now_ms + time_of(full - bucket.left)).div_ceil(1000),
            granted,
            wait_s: wait_ms.div_ceil(1000).clamp(1, 60) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let rates = Rates::default();
        let mut at = 1_000_000;
        let granted = |rates: &Rates, at| rates.take("a", 60, at).granted;
        assert_eq!((0..200).filter(|_| granted(&rates, at)).count(), 120);
        let refused = rates.take("a", 60, at);
        assert!(!refused.granted && refused.wait_s == 1 && refused.remaining == 0);
        at += 10_000;
        assert_eq!((0..200).filter(|_| granted(&rates, at)).count(), 10);
        assert!(rates.take("b", 60, at).granted, "another credential has a bucket of its own");
        // A clock that goes back gives nothing away.
        assert!(!granted(&rates, at - 60_000));
    }
}
