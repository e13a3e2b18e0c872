//! Runs in the private state of their log.
//!
//! ```text
//! run/<run>                       the run; finished ones for RUN_KEPT_MS
//! run-open/<tenant>/<run>         when to look at it next: open runs only
//! run-work/<agent>/<run>/<place>  steps that their agent can claim
//! ```

use std::time::Duration;

use ledger_format::record::{OrchestrationId, Ulid, WorkflowId};
use ledger_log::HostedLog;
use serde::{Deserialize, Serialize};

use super::{
    Cannot, Definition, Plan, Run, RunStatus,
    offers::{self, Offers},
    shelf::{self, Shelved},
};
use crate::{
    ApiError,
    account::{Changes, Store},
};

/// How long the nodes keep a run that is over, ms: 30 days. The log keeps its records.
const RUN_KEPT_MS: u64 = 30 * 24 * 3_600_000;
/// Most open runs of a tenant.
pub(crate) const OPEN_MAX: usize = 1_000;
/// How often a change is tried when others change the same run.
const TRIES: u32 = 12;
/// The first pause before the next try; each is longer by as much.
const PAUSE: Duration = Duration::from_millis(4);

/// When to look at an open run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Due {
    pub(super) due_ms: u64,
}

/// A step that its agent can claim. The place says which.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Offer {}

/// A run with what it runs.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) run: Run,
    pub(crate) definition: Definition,
    pub(crate) plan: Plan,
    bytes: Vec<u8>,
}

impl Kept {
    /// A run that is kept nowhere: to see what would become of it.
    pub(crate) fn foreseen(run: Run, definition: Definition, plan: Plan) -> Self {
        Self { run, definition, plan, bytes: Vec::new() }
    }
}

/// The runs of one log.
#[derive(Clone)]
pub(crate) struct Runs {
    store: Store,
}

fn place(id: &str) -> String {
    format!("run/{id}")
}

/// Where the open runs are.
const OPEN: &str = "run-open/";

fn open_place(run: &Run) -> String {
    format!("{OPEN}{}/{}", run.tenant, run.id)
}

impl Runs {
    pub(crate) fn new(log: HostedLog) -> Self {
        Self { store: Store::new(log) }
    }

    /// A run, as this node has applied it.
    pub(crate) fn find(&self, id: OrchestrationId) -> Result<Option<Kept>, ApiError> {
        let Some((run, bytes)) = self.store.get::<Run>(&place(&id.0.to_string()))? else { return Ok(None) };
        let workflow = WorkflowId::parse_any(&run.workflow).ok_or_else(|| broken("workflow"))?;
        let Shelved { definition, .. } =
            shelf::find(&self.store, workflow, run.version)?.ok_or_else(|| broken("definition"))?;
        let plan = definition.plan().map_err(|wrong| ApiError::internal(wrong.message))?;
        Ok(Some(Kept { run, definition, plan, bytes }))
    }

    /// Keeps a new run. Again for the same one: nothing changes.
    pub(crate) async fn open(&self, run: &Run, definition: &Definition, plan: &Plan) -> Result<(), ApiError> {
        let open = self.store.list::<Due>(&format!("{OPEN}{}/", run.tenant), None, OPEN_MAX)?;
        if open.len() >= OPEN_MAX {
            let message = format!("the tenant has {OPEN_MAX} open runs");
            return Err(ApiError::conflict("TOO_MANY_RUNS", message)
                .field("workflow_id")
                .fix("wait until some have ended, or cancel them"));
        }
        let changes = Changes::default().absent(&place(&run.id));
        let changes = self.kept(changes, None, run, definition, plan, run.started_ms)?;
        self.store.change(changes).await?;
        Ok(())
    }

    /// Everything that is kept of a run. One that is over stays among the open ones until its records are logged.
    fn kept(
        &self,
        changes: Changes,
        before: Option<&Run>,
        run: &Run,
        definition: &Definition,
        plan: &Plan,
        now_ms: u64,
    ) -> Result<Changes, ApiError> {
        let is_there = |offer: &str| Ok(self.store.get::<Offer>(offer)?.is_some());
        let offers = Offers::between(before, run, definition, is_there)?;
        let is_open = run.status == RunStatus::Running || !run.outbox.is_empty();
        let ends_ms = run.finished_ms.filter(|_| !is_open).map(|ms| ms + RUN_KEPT_MS);
        let mut changes = changes.put(&place(&run.id), run, ends_ms)?;
        changes = match is_open {
            true => {
                let due = Due { due_ms: run.next_ms(definition, plan, now_ms) };
                changes.put(&open_place(run), &due, None)?
            }
            false => changes.delete(&open_place(run)),
        };
        for gone in &offers.gone {
            changes = changes.delete(gone);
        }
        for fresh in &offers.fresh {
            // Should a node of an older build end the run, no offer outlives its time.
            changes = changes.put(fresh, &Offer {}, Some(run.until_ms))?;
        }
        Ok(changes)
    }

    /// Forgets a run that the log has not taken.
    pub(super) async fn drop(&self, kept: &Kept) -> Result<bool, ApiError> {
        let at = place(&kept.run.id);
        let changes = Changes::default().still(&at, &kept.bytes).delete(&at).delete(&open_place(&kept.run));
        self.store.change(changes).await
    }

    /// Makes one move, on the run as it is: again when others have moved it meanwhile.
    ///
    /// # Errors
    /// The run is gone, or it changes all the time. What the move itself says is the inner result.
    pub(crate) async fn change<T>(
        &self,
        id: OrchestrationId,
        now_ms: u64,
        make: impl Fn(&mut Run, &Definition, &Plan) -> Result<T, Cannot>,
    ) -> Result<Result<(Kept, T), Cannot>, ApiError> {
        for tried in 1..=TRIES {
            let kept_now = self.find(id)?;
            let Kept { run: before, definition, plan, bytes } =
                kept_now.ok_or_else(|| ApiError::missing("orchestration", "orchestration_id"))?;
            let mut run = before.clone();
            let value = match make(&mut run, &definition, &plan) {
                Ok(value) => value,
                Err(cannot) => return Ok(Err(cannot)),
            };
            if run == before {
                return Ok(Ok((Kept { run, definition, plan, bytes }, value)));
            }
            let changes = Changes::default().still(&place(&before.id), &bytes);
            let changes = self.kept(changes, Some(&before), &run, &definition, &plan, now_ms)?;
            if self.store.change(changes).await? {
                let bytes = serde_json::to_vec(&run).map_err(ApiError::internal)?;
                return Ok(Ok((Kept { run, definition, plan, bytes }, value)));
            }
            tokio::time::sleep(PAUSE * tried).await;
        }
        Err(ApiError::not_yet("BUSY", "others change the same run all the time", 1))
    }

    /// Open runs and when to look at them, behind `after`.
    pub(super) fn due(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, Due)>, ApiError> {
        self.store.list(OPEN, after, limit)
    }

    /// The steps that an agent can claim: run and place of each, oldest runs first.
    pub(crate) fn work(&self, agent: &str, limit: usize) -> Result<Vec<(OrchestrationId, usize)>, ApiError> {
        let prefix = offers::prefix(agent);
        let offers: Vec<(String, Offer)> = self.store.list(&prefix, None, limit)?;
        let read = |(key, _): (String, Offer)| {
            let (run, place) = key.strip_prefix(&prefix)?.split_once('/')?;
            Some((OrchestrationId(Ulid::parse(run)?), place.parse().ok()?))
        };
        Ok(offers.into_iter().filter_map(read).collect())
    }
}

/// The tenant of an open run, from where it is kept.
pub(super) fn open_tenant(key: &str) -> &str {
    key.strip_prefix(OPEN).and_then(|rest| rest.split_once('/')).map_or("", |(tenant, _)| tenant)
}

/// A place behind all open runs of a tenant: ids are digits and letters.
pub(super) fn open_end(tenant: &str) -> String {
    format!("{OPEN}{tenant}/~")
}

/// The id of an open run, from where it is kept.
pub(super) fn open_id(key: &str) -> Option<OrchestrationId> {
    key.rsplit_once('/').and_then(|(_, id)| Ulid::parse(id)).map(OrchestrationId)
}

/// A run of which something is missing that every run has.
pub(super) fn broken(what: &str) -> ApiError {
    ApiError::internal(format!("a run without its {what}"))
}
