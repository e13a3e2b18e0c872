//! A run as callers see it.

use ledger_format::record::{OrchestrationId, ReceiptId, TenantId, Ulid};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::told::{Begun, told_view};
use crate::{
    ApiError,
    endpoint::{Context, Listed, Logged, Reply},
    engine::{Kept, RunStatus, Runs, StepRun, StepState, StepType, Trouble},
    wire::{AnyJson, time_text},
};

/// What went wrong with a run or a step.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OrchestrationError)]
pub(super) struct ErrorView {
    /// A word for programs.
    code: String,
    /// What is wrong, in a sentence.
    message: String,
    /// The step that it is about; null when it is the whole run.
    pub(super) step_id: Option<String>,
}

impl From<&Trouble> for ErrorView {
    fn from(trouble: &Trouble) -> Self {
        let Trouble { code, message, step } = trouble.clone();
        Self { code, message, step_id: step }
    }
}

/// What would become of a step now.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ForeseenStep)]
pub(super) struct ForeseenView {
    /// `allowed`, `denied` or `needs_approval`.
    pub(super) result: &'static str,
    /// Why, in a sentence.
    pub(super) reason: String,
}

/// A step of a run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct OrchestrationStep {
    /// Its name in the log and in expressions.
    pub(super) step_id: String,
    /// Its place, from 1.
    pub(super) step_number: u64,
    /// Its name.
    pub(super) name: String,
    /// What kind of step it is; null when the nodes do not know any more.
    #[serde(rename = "type")]
    pub(super) kind: Option<StepType>,
    /// Who does it.
    pub(super) agent_id: Option<String>,
    /// What whoever does it must be allowed.
    pub(super) action: Option<String>,
    /// How it stands.
    pub(super) status: StepState,
    /// Attempts that have begun.
    pub(super) attempt: u64,
    /// The decision that allowed it, or waits for an approval.
    pub(super) decision_id: Option<String>,
    /// Under `/v1/approvals`: the approval that it waits for or has; null when it needs none.
    pub(super) approval_id: Option<String>,
    /// What came out.
    pub(super) result: AnyJson,
    /// What went wrong at the last attempt.
    pub(super) error: Option<ErrorView>,
    /// Record of what its agent did.
    pub(super) receipt_id: Option<String>,
    /// From the first attempt to the end.
    pub(super) duration_ms: Option<u64>,
    /// When it first could be done, RFC 3339 in UTC.
    pub(super) started_at: Option<String>,
    /// When it ended, RFC 3339 in UTC.
    pub(super) completed_at: Option<String>,
    /// When the claim of its agent runs out, RFC 3339 in UTC; null while nobody has claimed it.
    pub(super) lease_expires_at: Option<String>,
    /// Of a dry run: whether its agent could do it now. Null otherwise, and of steps that need no leave.
    pub(super) foreseen: Option<ForeseenView>,
}

/// A run.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Orchestration)]
pub(super) struct OrchestrationView {
    pub(super) id: String,
    /// `maip-orch:<ulid>`.
    pub(super) orchestration_id: String,
    /// The same.
    pub(super) run_id: String,
    /// The same.
    pub(super) execution_id: String,
    pub(super) tenant_id: String,
    pub(super) workflow_id: String,
    /// Which version of it.
    pub(super) workflow_version: u64,
    /// Who runs it; null when the tenant does.
    pub(super) agent_id: Option<String>,
    /// The same as `agent_id`, where older clients look for it.
    #[serde(rename = "coordinatorAgentId")]
    pub(super) coordinator_agent_id: Option<String>,
    /// Who takes part beside the one that runs it.
    pub(super) agents: Vec<String>,
    /// The same as `agents`, where older clients look for it.
    #[serde(rename = "participantAgentIds")]
    pub(super) participant_agent_ids: Vec<String>,
    /// How it stands.
    pub(super) status: RunStatus,
    /// As it was sent; null when none was.
    #[schema(value_type = Option<Object>)]
    pub(super) scope: Option<Value>,
    /// What it was started with; null when the nodes do not know any more.
    pub(super) input: AnyJson,
    /// What it was started with.
    #[schema(value_type = Object)]
    pub(super) parameters: Map<String, Value>,
    pub(super) steps: Vec<OrchestrationStep>,
    /// What came out of the last steps: of one, its result; of several, by step. Null before.
    pub(super) output: AnyJson,
    /// The same as `output`, where older clients look for it.
    pub(super) result: AnyJson,
    /// What came out, by step.
    #[schema(value_type = Object)]
    pub(super) results: Map<String, Value>,
    /// The records of what its agents did.
    pub(super) receipts: Vec<String>,
    /// What its agents say that it has cost.
    pub(super) total_cost_cents: u64,
    /// Why it has failed.
    pub(super) error: Option<ErrorView>,
    pub(super) created_at: String,
    #[serde(rename = "createdAt")]
    pub(super) created_at_camel: String,
    /// When it began, RFC 3339 in UTC.
    pub(super) started_at: String,
    /// When it ended, RFC 3339 in UTC.
    pub(super) completed_at: Option<String>,
    /// The same as `completed_at`, where older clients look for it.
    #[serde(rename = "completedAt")]
    pub(super) completed_at_camel: Option<String>,
    /// When it ends whatever has become of it, RFC 3339 in UTC.
    pub(super) expires_at: Option<String>,
    /// Records of it that are not in the log yet: what they say shows in `status` when they are.
    pub(super) pending_records: u64,
    /// Whether it was only foreseen: nothing of it is kept or logged.
    pub(super) dry_run: bool,
    /// Record of its start; in the answer of a write, the last record of the write. Null of a dry run.
    pub(super) receipt_id: Option<String>,
    /// Index of that record.
    pub(super) log_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) leaf_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ack: Option<&'static str>,
}

impl Listed for OrchestrationView {
    const PLURAL: &'static str = "orchestrations";
}

impl OrchestrationView {
    pub(super) fn has_status(&self, wanted: RunStatus) -> bool {
        self.status == wanted
    }

    /// With the last record of a write.
    pub(super) fn logged(mut self, logged: Option<Logged>) -> Self {
        if let Some(Logged { receipt, .. }) = logged {
            self.receipt_id = Some(receipt.receipt_id);
            self.log_index = Some(receipt.log_index);
            self.leaf_hash = Some(receipt.leaf_hash);
            self.ack = Some(receipt.ack);
        }
        self
    }

    /// What would become of a step now.
    pub(super) fn foresee(&mut self, place: usize, result: &'static str, reason: String) {
        if let Some(step) = self.steps.get_mut(place) {
            step.foreseen = Some(ForeseenView { result, reason });
        }
    }

    pub(super) fn reply(self) -> Reply<Self> {
        let index = self.log_index;
        let reply = Reply::new(self);
        match index {
            Some(index) => reply.at(index),
            None => reply,
        }
    }
}

/// Refuses a run that is not the caller's.
pub(super) fn own(context: &Context, id: OrchestrationId) -> Result<(), ApiError> {
    let tenant = context.tenant()?;
    let kept = Runs::new(context.log.clone()).find(id)?.map(|kept| kept.run.tenant == tenant.to_string());
    let own = match kept {
        Some(own) => own,
        None => context.view(|view| ledger_state::run(view, id))?.is_some_and(|run| run.tenant == tenant),
    };
    if own { Ok(()) } else { Err(ApiError::missing("orchestration", "orchestration_id")) }
}

/// A run, from what the nodes keep of it, or from the log alone. The caller has checked whose it is.
///
/// Where the caller knows where it began, nobody looks for that.
pub(super) fn orchestration_view(
    context: &Context,
    id: OrchestrationId,
    known: Option<Begun>,
) -> Result<Option<OrchestrationView>, ApiError> {
    if let Some(kept) = Runs::new(context.log.clone()).find(id)? {
        return kept_view(context, id, &kept).map(Some);
    }
    told_view(context, id, known)
}

fn receipt_text(id: &str) -> String {
    Ulid::parse(id).map_or_else(String::new, |id| ReceiptId(id).to_string())
}

pub(super) fn kept_view(
    context: &Context,
    id: OrchestrationId,
    kept: &Kept,
) -> Result<OrchestrationView, ApiError> {
    let Kept { run, plan, .. } = kept;
    let tenant = Ulid::parse(&run.tenant).ok_or_else(|| ApiError::internal("a run without a tenant"))?;
    let started = Ulid::parse(&run.started).unwrap_or(Ulid::NIL);
    let index = context.reader.find(tenant, started).map_err(ApiError::internal)?;
    let of = |(place, step): (usize, &StepRun)| {
        let value = step.output.clone()?;
        Some((plan.steps[place].id.clone(), value))
    };
    let results: Map<String, Value> = run.steps.iter().enumerate().filter_map(of).collect();
    let output = AnyJson(output(kept).unwrap_or_default());
    // What is not in the log yet has not ended.
    let is_told = run.outbox.is_empty();
    let status = if is_told { run.status } else { RunStatus::Running };
    let (created, completed) =
        (time_text(run.started_ms), run.finished_ms.filter(|_| is_told).map(time_text));
    Ok(OrchestrationView {
        id: id.0.uuid(),
        orchestration_id: id.to_string(),
        run_id: id.to_string(),
        execution_id: id.to_string(),
        tenant_id: TenantId(tenant).to_string(),
        workflow_id: run.workflow.clone(),
        workflow_version: run.version,
        agent_id: run.agent.clone(),
        coordinator_agent_id: run.agent.clone(),
        agents: run.participants.clone(),
        participant_agent_ids: run.participants.clone(),
        status,
        scope: run.scope.clone(),
        input: AnyJson(run.input.clone()),
        parameters: run.parameters.clone(),
        steps: (0..run.steps.len()).map(|place| step_view(kept, place)).collect(),
        result: output.clone(),
        output,
        results,
        receipts: run.steps.iter().filter_map(|step| step.receipt.as_deref()).map(receipt_text).collect(),
        total_cost_cents: run.steps.iter().map(|step| step.cost_cents).sum(),
        error: run.trouble.as_ref().filter(|_| is_told).map(ErrorView::from),
        created_at: created.clone(),
        created_at_camel: created.clone(),
        started_at: created,
        completed_at: completed.clone(),
        completed_at_camel: completed,
        expires_at: Some(time_text(run.until_ms)),
        pending_records: run.outbox.len() as u64,
        dry_run: index.is_none(),
        receipt_id: index.map(|_| ReceiptId(started).to_string()),
        log_index: index,
        leaf_hash: None,
        ack: None,
    })
}

/// What came out of the steps that none waits for.
fn output(kept: &Kept) -> Option<Value> {
    let Kept { run, plan, .. } = kept;
    if run.status != RunStatus::Completed || !run.outbox.is_empty() {
        return None;
    }
    let is_last = |place: &usize| !plan.steps.iter().any(|step| step.after.contains(place));
    let last = (0..plan.steps.len()).filter(is_last);
    let mut of: Map<String, Value> = last
        .filter_map(|place| Some((plan.steps[place].id.clone(), run.steps[place].output.clone()?)))
        .collect();
    if of.len() == 1 {
        let name = of.keys().next()?.clone();
        return of.remove(&name);
    }
    Some(Value::Object(of))
}

fn step_view(kept: &Kept, place: usize) -> OrchestrationStep {
    let Kept { run, definition, plan, .. } = kept;
    let (step, written, planned) = (&run.steps[place], &definition.steps[place], &plan.steps[place]);
    let waits = step.status == StepState::AwaitingApproval;
    OrchestrationStep {
        step_id: planned.id.clone(),
        step_number: place as u64 + 1,
        name: written.name.clone(),
        kind: Some(written.kind),
        agent_id: step.agent.clone(),
        action: planned.action.as_ref().map(ToString::to_string),
        status: step.status,
        attempt: u64::from(step.attempt),
        decision_id: step.decision.clone(),
        approval_id: if waits { step.decision.clone() } else { step.approval.clone() },
        result: AnyJson(step.output.clone().unwrap_or_default()),
        error: step.trouble.as_ref().map(ErrorView::from),
        receipt_id: step.receipt.as_deref().map(receipt_text),
        duration_ms: step.started_ms.zip(step.finished_ms).map(|(from, to)| to.saturating_sub(from)),
        started_at: step.started_ms.map(time_text),
        completed_at: step.finished_ms.map(time_text),
        lease_expires_at: Some(step.lease_ms).filter(|_| step.status == StepState::Running).map(time_text),
        foreseen: None,
    }
}
