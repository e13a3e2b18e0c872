//! The one clock of the program, handed in by `main`.
//!
//! Nothing else in the crate reads the time of day, so a test decides what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

/// What time it is.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds. Zero when the machine's clock is before that.
    fn now_ms(&self) -> u64;

    /// The same in whole seconds: the unit of a cosignature.
    fn now_s(&self) -> u64 {
        self.now_ms() / 1000
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }
}
