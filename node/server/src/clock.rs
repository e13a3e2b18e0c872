//! The one place that asks the system for the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use ledger_log::Clock;

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        // Before 1970 only on a machine whose clock is broken; the log's time does not go back either way.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
