//! Keeping the Raft log small in bytes, not only in raft_entries.
//!
//! Raft counts raft_entries, but one may hold a single record or a thousand: twenty thousand full ones are six gigabytes,
//! which a start would have to read. So a snapshot is also taken, and the Raft log purged, when it has grown too large.

use std::{sync::Arc, time::Duration};

use openraft::async_runtime::WatchReceiver as _;

use crate::hosted::Core;

/// Raft entries kept behind such a snapshot: a follower that was away shortly needs no snapshot.
const KEEP_ENTRIES: u64 = 256;
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Runs until consensus stops on this node.
pub(crate) async fn run(core: Arc<Core>) {
    while core.stopped.get().is_none() {
        if core.log_store.disk_bytes() > core.options.limits.raft_log_bytes
            && let Err(error) = purge(&core).await
        {
            tracing::warn!(log = %core.name, "the Raft log could not be purged: {error}");
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn purge(core: &Core) -> Result<(), String> {
    let applied = core.ledger.watch_applied().borrow().raft_index;
    let newest = || core.raft.metrics().borrow_watched().snapshot.map_or(0, |id| id.index);
    if newest() + KEEP_ENTRIES < applied {
        core.raft.trigger().snapshot().await.map_err(|e| e.to_string())?;
        let wait = core.raft.wait(Some(Duration::from_secs(60)));
        let taken = wait
            .metrics(|m| m.snapshot.map_or(0, |id| id.index) >= applied, "a snapshot to purge behind")
            .await;
        taken.map_err(|e| e.to_string())?;
    }
    let until = newest().saturating_sub(KEEP_ENTRIES);
    core.raft.trigger().purge_log(until).await.map_err(|e| e.to_string())
}
