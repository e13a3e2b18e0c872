//! Sealing: when the leader has statuses that changed folded into the status map.
//!
//! Off the path of records: they are answered before, and a step of sealing is a raft_entry of its own between theirs. The state
//! machine does one thing at a time, so a step takes few subjects: as many as a record may wait for. At most once an interval
//! while statuses wait; step after step, with a pause, while more wait than one step takes. What a revocation or kill ended goes
//! before everything else, as soon as nodes have had the time to deny, and without a pause, and then a checkpoint is published at once, too.

use std::{ops::Range, sync::Arc, time::Duration};

use ledger_format::record::SealStep;
use ledger_state::{Command, Outcome, map_status, waiting};
use tokio::time::Instant;

use crate::{
    hosted::Core,
    ledger::{LedgerError, join},
    options::SealOptions,
};

/// Subjects that one step takes. A subject costs about 150 µs on a node, so a step takes about 5 ms.
const STEP_SUBJECTS: u64 = 32;

/// While more urgent subjects wait than one step takes, those that are sealed are published this often.
const URGENT_PUBLISH: Duration = Duration::from_millis(100);

/// What must not wait is folded this much later: first every node denies, and where nodes share processors, folding would take the
/// time that the others need to apply what they learn of now.
const DENY_FIRST: Duration = Duration::from_millis(30);

/// What a step leaves to do.
enum Left {
    /// Nothing that does not have time for an interval.
    Nothing,
    /// More that waits since before the step.
    More,
    /// More that must not wait.
    Urgent,
}

/// Runs on every node; does something on the leader.
pub(crate) async fn run(core: Arc<Core>) {
    let SealOptions { interval_ms, pause_ms } = core.options.seal;
    if interval_ms == 0 {
        return;
    }
    let (interval, pause) = (Duration::from_millis(interval_ms), Duration::from_millis(pause_ms));
    let mut next = Instant::now() + interval;
    let mut urgent = Urgent { indexes: None, published: Instant::now() };
    loop {
        tokio::select! {
            indexes = core.ledger.seal_now() => {
                urgent.indexes = Some(join(urgent.indexes.take(), indexes));
                next = next.min(Instant::now() + DENY_FIRST);
                continue;
            }
            () = tokio::time::sleep_until(next) => {}
        }
        let left = step(&core, &mut urgent).await.unwrap_or_else(|error| {
            tracing::warn!(log = %core.name, "statuses were not sealed this time: {error}");
            Left::Nothing
        });
        next = Instant::now()
            + match left {
                Left::Nothing => interval,
                Left::More => pause,
                Left::Urgent => Duration::ZERO,
            };
    }
}

/// What must not wait.
struct Urgent {
    /// The subjects that wait since these indexes. Known on every node, so that a new leader goes on.
    indexes: Option<Range<u64>>,
    /// When some of them were last published.
    published: Instant,
}

impl Urgent {
    /// How many still wait, at most one more than a step takes; of none, nothing is urgent any more.
    fn count(&mut self, core: &Core) -> Result<u64, LedgerError> {
        let Some(indexes) = self.indexes.clone() else { return Ok(0) };
        let limit = STEP_SUBJECTS as usize + 1;
        let count = core.ledger.with_view(|view| waiting(view, indexes, limit))? as u64;
        if count == 0 {
            self.indexes = None;
        }
        Ok(count)
    }

    /// From which index on the next step takes subjects: from the first that waits when one step takes them all, so that
    /// the map is complete again at once, else from the urgent ones.
    fn from(&self, core: &Core) -> Result<u64, LedgerError> {
        let Some(indexes) = self.indexes.clone() else { return Ok(0) };
        let limit = STEP_SUBJECTS as usize + 1;
        let all = core.ledger.with_view(|view| waiting(view, 0..indexes.end, limit))? as u64;
        Ok(if all <= STEP_SUBJECTS { 0 } else { indexes.start })
    }

    /// Whoever asks for the agent's staple gets its end only under a checkpoint that covers the seal.
    fn publish(&mut self, core: &Core, is_last: bool) {
        if is_last || self.published.elapsed() >= URGENT_PUBLISH {
            self.published = Instant::now();
            core.demand.want(core.ledger.size());
        }
    }
}

/// One step, if this node leads, may write, and something waits.
async fn step(core: &Arc<Core>, urgent: &mut Urgent) -> Result<Left, String> {
    let text = |error: LedgerError| error.to_string();
    let waits = || core.ledger.with_view(|view| map_status(view).waits_since).map_err(text);
    let count = urgent.count(core).map_err(text)?;
    if !core.confirmed_leader().await || core.read_only_reason().is_some() || waits()?.is_none() {
        return Ok(Left::Nothing);
    }
    let from = urgent.from(core).map_err(text)?;
    let step = SealStep { from, subjects: STEP_SUBJECTS };
    let command = Command::SealStep { log_ms: core.world.clock.now_ms(), step };
    let outcomes = core.propose(&command).await.map_err(|e| e.to_string())?;
    let Some(Outcome::Sequenced { index, .. }) = outcomes.first() else { return Ok(Left::Nothing) };
    if count > 0 {
        let is_last = count <= STEP_SUBJECTS;
        urgent.publish(core, is_last);
        if !is_last {
            return Ok(Left::Urgent);
        }
        urgent.indexes = None;
    }
    // What changed after the step has its own interval.
    Ok(if waits()?.is_some_and(|since| since < *index) { Left::More } else { Left::Nothing })
}
