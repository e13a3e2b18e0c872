//! Publishing: from applied entries to a checkpoint that witnesses have cosigned and every replica serves.
//!
//! One round, on the leader only, in an order that keeps the log from forking whatever crashes in between:
//!
//! ```text
//! confirm leadership (G4) -> root from both trees (G1) -> root vote (G2) -> sign guard, fsync (G3) -> sign
//!   -> witnesses in parallel (C1, C2) -> quorum (C3) -> Publish through Raft (S5) -> served everywhere (V1)
//! ```

mod age;
pub(crate) mod cosign;
pub(crate) mod demand;
pub(crate) mod fence;
pub(crate) mod guard;
mod round;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::hosted::Core;

pub(crate) use round::Publisher;

use age::{Due, Served};

/// After a failed round, before the next.
const AFTER_FAILURE: Duration = Duration::from_millis(50);
/// Failures in a row at which the pause stops growing.
const FAILURES_MAX: u32 = 6;

/// Runs on every node; does something on the leader.
pub(crate) async fn run(core: Arc<Core>) {
    let mut publisher = Publisher::start(&core);
    let options = core.options.publish.clone();
    let tick = Duration::from_millis(options.interval_ms);
    let least = Duration::from_millis(options.min_interval_ms);
    let mut last_start = Instant::now();
    let mut served = Served::default();
    let mut failures = 0_u32;
    loop {
        // Whoever waits for a checkpoint gets the next round at once; nobody waiting, the tick decides.
        if !core.demand.beyond(core.published_size()) {
            tokio::select! {
                () = core.demand.grown() => {}
                () = tokio::time::sleep_until(last_start + tick) => {}
            }
        }
        tokio::time::sleep_until(last_start + least).await;
        last_start = Instant::now();
        served.see(core.ledger.published(), last_start);
        if !core.is_leader() || !core.may_sign() {
            tokio::time::sleep(AFTER_FAILURE).await;
            continue;
        }
        let Some(due) = due(&core, &served, last_start) else { continue };
        match publisher.round(&core, due).await {
            Ok(published) => {
                failures = 0;
                if published {
                    core.metrics.published(last_start.elapsed());
                }
            }
            Err(error) => {
                failures = (failures + 1).min(FAILURES_MAX);
                core.metrics.publish_failures.inc();
                tracing::warn!(log = %core.name, "no checkpoint this time: {error}");
                tokio::time::sleep(AFTER_FAILURE * (1 << failures) / 2).await;
            }
        }
    }
}

/// Why there is something to publish, if there is.
fn due(core: &Core, served: &Served, now: Instant) -> Option<Due> {
    let size = core.ledger.size();
    let Some(checkpoint) = served.checkpoint() else { return (size > 0).then_some(Due::Grown) };
    let options = &core.options;
    if size > checkpoint.checkpoint.size {
        return Some(Due::Grown);
    }
    if served.age(core.world.clock.now_ms(), now) >= Duration::from_secs(options.publish.republish_s) {
        return Some(Due::Old);
    }
    // Published fail-open with nobody's cosignature: whoever waits for a witnessed checkpoint gets one as soon as witnesses are back.
    let bare = checkpoint.at_ms == 0 && options.policy.check(&checkpoint.parsed).is_err();
    bare.then_some(Due::Bare)
}
