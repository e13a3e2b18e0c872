//! Who waits for a checkpoint, and how far it must reach.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The largest size that somebody waits to see published.
#[derive(Default)]
pub(crate) struct Demand {
    size: AtomicU64,
    changed: Notify,
}

impl Demand {
    /// Asks for a checkpoint of at least `size` entries, which the log has: it is wanted until it is published.
    pub(crate) fn want(&self, size: u64) {
        if self.size.fetch_max(size, Ordering::Relaxed) < size {
            self.changed.notify_one();
        }
    }

    /// Whether a checkpoint beyond `published` is wanted.
    pub(crate) fn beyond(&self, published: u64) -> bool {
        self.size.load(Ordering::Relaxed) > published
    }

    /// Resolves when the demand has grown since the last call.
    pub(crate) async fn grown(&self) {
        self.changed.notified().await;
    }
}
