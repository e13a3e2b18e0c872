//! Sealing: when the leader has statuses that changed folded into the status map.
//!
//! Off the path of records: they are answered before, and a step of sealing is a raft_entry of its own between theirs. At most
//! once an interval while statuses wait; step after step, with a pause, while more wait than one step takes; at once after a
//! revocation or kill, and then a checkpoint is published at once, too.

use std::{sync::Arc, time::Duration};

use ledger_state::{Command, Outcome, map_status};
use tokio::time::Instant;

use crate::{hosted::Core, ledger::LedgerError, options::SealOptions};

/// Runs on every node; does something on the leader.
pub(crate) async fn run(core: Arc<Core>) {
    let SealOptions { interval_ms, pause_ms } = core.options.seal;
    if interval_ms == 0 {
        return;
    }
    let (interval, pause) = (Duration::from_millis(interval_ms), Duration::from_millis(pause_ms));
    let mut next = Instant::now() + interval;
    let mut urgent = false;
    loop {
        tokio::select! {
            () = core.ledger.seal_now() => urgent = true,
            () = tokio::time::sleep_until(next) => {}
        }
        let more = match step(&core).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(log = %core.name, "statuses were not sealed this time: {error}");
                false
            }
        };
        if urgent {
            // Whoever asks for the agent's staple gets its end only under a checkpoint that covers the seal.
            core.demand.want(core.ledger.size());
            urgent = more;
        }
        tokio::time::sleep(pause).await;
        next = Instant::now() + if more { Duration::ZERO } else { interval.saturating_sub(pause) };
    }
}

/// One step, if this node leads, may write, and something waits. True when more waits than the step has taken.
async fn step(core: &Arc<Core>) -> Result<bool, String> {
    if !core.confirmed_leader().await || core.read_only_reason().is_some() {
        return Ok(false);
    }
    let waits = |core: &Core| -> Result<Option<u64>, LedgerError> {
        core.ledger.with_view(|view| map_status(view).waits_since)
    };
    if waits(core).map_err(|e| e.to_string())?.is_none() {
        return Ok(false);
    }
    let command = Command::Seal { log_ms: core.world.clock.now_ms() };
    let outcomes = core.propose(&command).await.map_err(|e| e.to_string())?;
    let Some(Outcome::Sequenced { index, .. }) = outcomes.first() else { return Ok(false) };
    // What changed after the step has its own interval.
    Ok(waits(core).map_err(|e| e.to_string())?.is_some_and(|since| since < *index))
}
