//! Stopping a run.

use ledger_format::record::{OrchestrationId, ReceiptId, Ulid};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{self, OrchestrationView, orchestration_view};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Logged, NoQuery, Reply},
    engine::{Cannot, Engine, Run, Runs, flush},
    wire::{ReasonText, WriteReceipt, hex},
};

/// Why a run is stopped.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelOrchestration {
    /// Kept by the nodes, not in the log.
    #[serde(default)]
    reason: Option<ReasonText>,
}

impl BodyInput for CancelOrchestration {
    const REQUIRED: bool = false;
}

pub(super) async fn cancel(
    context: Context,
    _: NoQuery,
    body: CancelOrchestration,
) -> Result<Reply<OrchestrationView>, ApiError> {
    let id: OrchestrationId = context.id("orchestration_id")?;
    view::own(&context, id)?;
    let reason = body.reason.filter(|text| !text.is_empty()).map(ReasonText::into_string);
    let reason = reason.unwrap_or_else(|| "the run was cancelled".into());
    let (runs, now_ms) = (Runs::new(context.log.clone()), context.now_ms);
    let changed = runs.change(id, now_ms, |run, _, _| run.cancel(&reason, now_ms)).await?;
    let (kept, ()) = changed.map_err(|cannot| refused(&cannot))?;
    answer(&context, id, said(&kept.run, kept.run.finished.as_deref())).await
}

/// The last record that a move of the run called for: the last one that is still to be logged, or the one that it always calls for.
pub(super) fn said(run: &Run, always: Option<&str>) -> Option<Ulid> {
    let last = run.outbox.last().map(|record| record.id.as_str());
    last.or(always).and_then(Ulid::parse)
}

/// Logs what a move calls for, and shows the run. When somebody else has logged it already, the record is found by its id.
pub(super) async fn answer(
    context: &Context,
    id: OrchestrationId,
    said: Option<Ulid>,
) -> Result<Reply<OrchestrationView>, ApiError> {
    let mut logged = flush(&Engine::of(context)?, id).await?;
    if let (None, Some(record)) = (&logged, said) {
        logged = logged_before(context, record)?;
    }
    let view = orchestration_view(context, id, None)?;
    // The log has not taken its start, and another node has seen that first.
    let view = view.ok_or_else(|| {
        ApiError::conflict("RUN_REFUSED", "the log has not taken the start of the run")
            .field("workflow_id")
            .fix("look at the workflow and the agent, and start it again")
    })?;
    Ok(view.logged(logged).reply())
}

/// A record that is in the log: the run's value of this node says so, as it comes after it.
fn logged_before(context: &Context, id: Ulid) -> Result<Option<Logged>, ApiError> {
    let tenant = context.tenant()?;
    let Some(at) = context.view(|view| ledger_state::record_at(view, tenant, id))? else { return Ok(None) };
    let receipt = WriteReceipt {
        receipt_id: ReceiptId(id).to_string(),
        log_index: at.index,
        leaf_hash: hex(&at.leaf.0),
        ack: "sequenced",
    };
    Ok(Some(Logged { id, index: at.index, log_ms: at.log_ms, duplicate: true, receipt }))
}

/// Why a move is not one, for the caller.
pub(super) fn refused(cannot: &Cannot) -> ApiError {
    let (code, field, fix) = match cannot {
        Cannot::RunOver => ("RUN_OVER", "orchestration_id", "start another run"),
        Cannot::State(_) => {
            ("STEP_STATE", "step_id", "look at the run: the step's status says what it waits for")
        }
        Cannot::OtherAgent => {
            ("STEP_OF_OTHER_AGENT", "agent_id", "look at the run: the step names its agent")
        }
        Cannot::OtherAttempt(_) => ("ATTEMPT_OVER", "attempt", "drop what you have; the step is tried again"),
        Cannot::TooMuch(_) => {
            return ApiError::unprocessable(cannot.to_string())
                .field("output")
                .fix("send less, or a digest and where to find the rest");
        }
    };
    ApiError::conflict(code, cannot.to_string()).field(field).fix(fix)
}
