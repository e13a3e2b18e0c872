//! What a hosted log does on the side: watch the disk, watch consensus, scrub.

use std::{sync::Arc, time::Duration};

use openraft::async_runtime::WatchReceiver as _;

use crate::{alarm::AlarmKind, hosted::Core, scrub};

/// Between two looks at disk and consensus.
const LOOK: Duration = Duration::from_millis(500);

/// Runs until consensus stops on this node; reads go on after that.
pub(crate) async fn run(core: Arc<Core>) {
    if core.options.limits.scrub_pause_ms > 0 {
        core.spawn(scrub::run(core.clone()));
    }
    loop {
        look_at_disk(&core);
        if let Err(fatal) = &core.raft.metrics().borrow_watched().running_state {
            core.note_stopped(&fatal.to_string());
        }
        if core.stopped.get().is_some() {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// R6: below the reserve no records are taken, while there is still room for what was taken before.
fn look_at_disk(core: &Core) {
    match ledger_store::free_bytes(core.ledger.dir()) {
        Ok(free) if free < core.options.limits.reserve_bytes => {
            core.low_space.send_replace(true);
            core.alarms.raise(
                AlarmKind::DiskFull,
                format!(
                    "free disk space is below the reserve of {} MiB: records are refused",
                    core.options.limits.reserve_bytes >> 20
                ),
            );
        }
        Ok(_) => {
            core.low_space.send_replace(false);
            core.alarms.lower(AlarmKind::DiskFull);
        }
        Err(error) => {
            core.alarms.raise(AlarmKind::Corruption, format!("the data directory cannot be read: {error}"))
        }
    }
}
