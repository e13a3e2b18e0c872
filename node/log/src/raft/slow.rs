//! A simulated disk that takes its time: who waits for a sync is told later, in order.
//!
//! The bytes are durable when they were written; nobody may build on that before being told.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use openraft::storage::IOFlushed;
use tokio::{sync::oneshot, time::Instant};

use super::types::TypeConfig;

/// Two syncs end this far apart at least, so that they end in their order.
const APART: Duration = Duration::from_millis(1);

/// See the module. Clones are the same disk.
#[derive(Clone, Default)]
pub(super) struct SlowDisk {
    sync_ms: Arc<AtomicU64>,
    /// When the last sync that was asked for ends.
    busy_until: Arc<Mutex<Option<Instant>>>,
}

/// Who waits for a sync.
pub(super) enum Waiting {
    /// It is told at once.
    Now(IOFlushed<TypeConfig>),
    /// Somebody tells it when its time has come.
    Later(oneshot::Sender<io::Result<()>>),
}

impl Waiting {
    /// The bytes are durable, or never will be.
    pub(super) fn io_completed(self, result: io::Result<()>) {
        match self {
            Self::Now(callback) => callback.io_completed(result),
            // The log was closed: nobody waits any more.
            Self::Later(tell) => drop(tell.send(result)),
        }
    }
}

impl SlowDisk {
    pub(super) fn new(sync_ms: Arc<AtomicU64>) -> Self {
        Self { sync_ms, busy_until: Arc::default() }
    }

    /// When a sync that is asked for now ends; `None` where that is at once.
    fn next(&self) -> Option<Instant> {
        let takes = Duration::from_millis(self.sync_ms.load(Ordering::Relaxed));
        let mut busy_until = self.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let before = busy_until.filter(|until| *until > now);
        if takes.is_zero() && before.is_none() {
            return None;
        }
        let ends = before.map_or(now + takes, |before| (now + takes).max(before + APART));
        *busy_until = Some(ends);
        Some(ends)
    }

    /// Waits for as long as a sync takes.
    pub(super) async fn wait(&self) {
        if let Some(ends) = self.next() {
            tokio::time::sleep_until(ends).await;
        }
    }

    /// Whoever waits for the sync that is asked for now.
    pub(super) fn later(&self, callback: IOFlushed<TypeConfig>) -> Waiting {
        let Some(ends) = self.next() else { return Waiting::Now(callback) };
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            tokio::time::sleep_until(ends).await;
            if let Ok(result) = told.await {
                callback.io_completed(result);
            }
        });
        Waiting::Later(tell)
    }
}
