//! The engine's files are read again, past its caches, and compared with the checksums it noted when it wrote them.
//!
//! What rots there is never served: the engine checks each block that it reads. But most of it is read by nobody for a long
//! time. No peer has the same file, so nothing is repaired here; the alarm asks for the node to be made anew.

use std::{path::Path, time::Duration};

use ledger_store::StoreError;

use super::{Shared, lock, lower, rest};
use crate::{alarm::AlarmKind, hosted::Core};

/// One pass after the other, for ever.
pub(super) async fn run(core: &Core, standing: &Shared) {
    loop {
        let damaged = pass(core, standing).await;
        let before = std::mem::replace(&mut lock(standing).engine, damaged.clone());
        if before.is_some() && damaged.is_none() {
            lower(core, standing);
        }
        if !rest(core).await {
            return;
        }
    }
}

/// One pass over the files that there are now; what is wrong, if anything is. Reads at most
/// [`VERIFY_STEP_BYTES`](ledger_store::engine::VERIFY_STEP_BYTES) between two pauses.
async fn pass(core: &Core, standing: &Shared) -> Option<String> {
    let pause = Duration::from_millis(core.options.limits.scrub_pause_ms);
    let mut damaged = None;
    for file in core.ledger.engine().files_at_rest() {
        if let Err(error) = verify(core, &file, pause).await {
            let what = format!("a file of the state engine is damaged on disk: {error}");
            lock(standing).engine = Some(what.clone());
            core.alarms.raise(AlarmKind::Corruption, what.clone());
            damaged.get_or_insert(what);
        }
        core.metrics.scrubbed.inc();
    }
    damaged
}

async fn verify(core: &Core, file: &Path, pause: Duration) -> Result<(), StoreError> {
    let Some(mut verify) = core.ledger.engine().verify(file)? else { return Ok(()) };
    while verify.step()? {
        tokio::time::sleep(pause).await;
    }
    Ok(())
}
