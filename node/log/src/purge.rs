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

/// How long one snapshot may take.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(120);

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
    let mut newest = newest_snapshot(core);
    if newest + KEEP_ENTRIES < applied {
        newest = take_snapshot(core, applied).await?;
    }
    core.raft.trigger().purge_log(newest.saturating_sub(KEEP_ENTRIES)).await.map_err(|e| e.to_string())
}

/// raft_index of the newest Raft snapshot; 0 while there is none.
fn newest_snapshot(core: &Core) -> u64 {
    core.raft.metrics().borrow_watched().snapshot.map_or(0, |id| id.index)
}

/// Takes a Raft snapshot that reaches `raft_index`, which is applied. Returns how far it reaches. Raft writes one at a time, and the one
/// that it is writing may be of an earlier moment: then another follows.
pub(crate) async fn take_snapshot(core: &Core, raft_index: u64) -> Result<u64, String> {
    loop {
        let before = newest_snapshot(core);
        if before >= raft_index {
            return Ok(before);
        }
        core.raft.trigger().snapshot().await.map_err(|e| e.to_string())?;
        let wait = core.raft.wait(Some(SNAPSHOT_LIMIT));
        let newer = wait.metrics(|m| m.snapshot.is_some_and(|id| id.index > before), "a Raft snapshot").await;
        newer.map_err(|e| e.to_string())?;
    }
}
