//! The engine's files are read again, past its caches, and compared with the checksums it noted when it wrote them.
//!
//! What rots there is never served: the engine checks each block that it reads. But most of it is read by nobody for a long
//! time. No peer has the same file, so nothing is repaired here; the alarm asks for the node to be made anew.

use std::{path::Path, time::Duration};

use ledger_store::StoreError;

use super::rest;
use crate::{
    alarm::{AlarmKind, Cause},
    hosted::Core,
};

/// One pass after the other, for ever. The alarm goes when a pass has found all files whole.
pub(super) async fn run(core: &Core) {
    loop {
        if pass(core).await {
            core.alarms.lower_for(AlarmKind::Corruption, Cause::Engine);
        }
        if !rest(core).await {
            return;
        }
    }
}

/// One pass over the files that there are now; whether all are whole. Reads at most
/// [`VERIFY_STEP_BYTES`](ledger_store::engine::VERIFY_STEP_BYTES) between two pauses.
async fn pass(core: &Core) -> bool {
    let pause = Duration::from_millis(core.options.limits.scrub_pause_ms);
    let mut whole = true;
    for file in core.ledger.engine().files_at_rest() {
        if let Err(error) = verify(core, &file, pause).await {
            let what = format!("a file of the state engine is damaged on disk: {error}");
            core.alarms.raise_for(AlarmKind::Corruption, Cause::Engine, what);
            whole = false;
        }
        core.metrics.scrubbed.inc();
    }
    whole
}

async fn verify(core: &Core, file: &Path, pause: Duration) -> Result<(), StoreError> {
    let Some(mut verify) = core.ledger.engine().verify(file)? else { return Ok(()) };
    while verify.step()? {
        tokio::time::sleep(pause).await;
    }
    Ok(())
}
