//! Simulated time: the runtime's paused clock, and what each machine takes it for.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use super::history::{BEGIN_MS, History};

/// The clock of one machine. Clones are the same clock.
#[derive(Clone)]
pub(super) struct MachineClock {
    history: History,
    skew_ms: Arc<AtomicI64>,
}

impl MachineClock {
    pub(super) fn new(history: &History) -> Self {
        Self { history: history.clone(), skew_ms: Arc::default() }
    }

    /// The clock jumps: from now on it is wrong by so much.
    pub(super) fn jump(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }

    fn read_ms(&self) -> u64 {
        (BEGIN_MS + self.history.elapsed_ms()).saturating_add_signed(self.skew_ms.load(Ordering::Relaxed))
    }
}

impl ledger_log::Clock for MachineClock {
    fn now_ms(&self) -> u64 {
        self.read_ms()
    }
}

impl ledger_witness::Clock for MachineClock {
    fn now_ms(&self) -> u64 {
        self.read_ms()
    }
}
