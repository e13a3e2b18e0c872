//! How long this node took for the calls that agents wait for, by tenant: the newest ones, in memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ledger_format::record::Ulid;

/// Calls that are remembered of a tenant.
const CALLS_MAX: usize = 1_024;
/// Tenants that are remembered; of further ones nothing is.
const TENANTS_MAX: usize = 1_024;

/// When a call was answered, ms since 1970, and how long it took, µs.
type Calls = VecDeque<(u64, u64)>;

/// Times of guardrail checks on this node.
#[derive(Default)]
pub(crate) struct Timings(Mutex<HashMap<Ulid, Calls>>);

impl Timings {
    /// Remembers one call.
    pub(crate) fn note(&self, tenant: Ulid, now_ms: u64, took: Duration) {
        let mut tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= TENANTS_MAX && !tenants.contains_key(&tenant) {
            return;
        }
        let calls = tenants.entry(tenant).or_default();
        if calls.len() == CALLS_MAX {
            calls.pop_front();
        }
        calls.push_back((now_ms, took.as_micros() as u64));
    }

    /// How long the remembered calls of a span took, µs.
    pub(crate) fn between(&self, tenant: Ulid, from_ms: u64, to_ms: u64) -> Vec<u64> {
        let tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = tenants.get(&tenant).into_iter().flatten();
        calls.filter(|(at, _)| (from_ms..to_ms).contains(at)).map(|(_, took)| *took).collect()
    }
}

/// The 50th, 95th and 99th percentile by nearest rank; `None` of nothing.
pub(crate) fn percentiles(mut values: Vec<u64>) -> Option<[u64; 3]> {
    values.sort_unstable();
    let last = values.len().checked_sub(1)?;
    Some(
        [50, 95, 99]
            .map(|percent| values[(values.len() * percent).div_ceil(100).saturating_sub(1).min(last)]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        assert_eq!(percentiles(Vec::new()), None);
        assert_eq!(percentiles(vec![7]), Some([7, 7, 7]));
        assert_eq!(percentiles((1..=100).rev().collect()), Some([50, 95, 99]));
        assert_eq!(percentiles(vec![1, 2, 3]), Some([2, 3, 3]));
    }

    #[test]
    fn the_newest_calls_are_remembered() {
        let timings = Timings::default();
        for at in 0..2_000 {
            timings.note(Ulid(1), at, Duration::from_micros(at));
        }
        assert_eq!(timings.between(Ulid(1), 0, 978), vec![976, 977]);
        assert!(timings.between(Ulid(2), 0, 2_000).is_empty());
    }
}
