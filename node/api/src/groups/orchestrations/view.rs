//! A run as callers see it.

use ledger_format::record::{
    AgentId, Body, OrchestrationId, ReceiptId, RunResult, StepStatus, TenantId, Ulid,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

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
    step_id: Option<String>,
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
    result: &'static str,
    /// Why, in a sentence.
    reason: String,
}

/// A step of a run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct OrchestrationStep {
    /// Its name in the log and in expressions.
    step_id: String,
    /// Its place, from 1.
    step_number: u64,
    /// Its name.
    name: String,
    /// What kind of step it is; null when the nodes do not know any more.
    #[serde(rename = "type")]
    kind: Option<StepType>,
    /// Who does it.
    agent_id: Option<String>,
    /// What whoever does it must be allowed.
    action: Option<String>,
    /// How it stands.
    status: StepState,
    /// Attempts that have begun.
    attempt: u64,
    /// The decision that allowed it, or waits for an approval.
    decision_id: Option<String>,
    /// Under `/v1/approvals`: the approval that it waits for or has; null when it needs none.
    approval_id: Option<String>,
    /// What came out.
    result: Option<AnyJson>,
    /// What went wrong at the last attempt.
    error: Option<ErrorView>,
    /// Record of what its agent did.
    receipt_id: Option<String>,
    /// From the first attempt to the end.
    duration_ms: Option<u64>,
    /// When it first could be done, RFC 3339 in UTC.
    started_at: Option<String>,
    /// When it ended, RFC 3339 in UTC.
    completed_at: Option<String>,
    /// When the claim of its agent runs out, RFC 3339 in UTC; null while nobody has claimed it.
    lease_expires_at: Option<String>,
    /// Of a dry run: whether its agent could do it now. Null otherwise, and of steps that need no leave.
    foreseen: Option<ForeseenView>,
}

/// A run.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Orchestration)]
pub(super) struct OrchestrationView {
    id: String,
    /// `maip-orch:<ulid>`.
    orchestration_id: String,
    /// The same.
    run_id: String,
    /// The same.
    execution_id: String,
    tenant_id: String,
    workflow_id: String,
    /// Which version of it.
    workflow_version: u64,
    /// Who runs it; null when the tenant does.
    agent_id: Option<String>,
    /// The same as `agent_id`, where older clients look for it.
    #[serde(rename = "coordinatorAgentId")]
    coordinator_agent_id: Option<String>,
    /// Who takes part beside the one that runs it.
    agents: Vec<String>,
    /// The same as `agents`, where older clients look for it.
    #[serde(rename = "participantAgentIds")]
    participant_agent_ids: Vec<String>,
    /// How it stands.
    status: RunStatus,
    /// As it was sent; null when none was.
    #[schema(value_type = Option<Object>)]
    scope: Option<Value>,
    /// What it was started with; null when the nodes do not know any more.
    input: Option<AnyJson>,
    /// What it was started with.
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
    steps: Vec<OrchestrationStep>,
    /// What came out of the last steps: of one, its result; of several, by step. Null before.
    output: Option<AnyJson>,
    /// The same as `output`, where older clients look for it.
    result: Option<AnyJson>,
    /// What came out, by step.
    #[schema(value_type = Object)]
    results: Map<String, Value>,
    /// The records of what its agents did.
    receipts: Vec<String>,
    /// What its agents say that it has cost.
    total_cost_cents: u64,
    /// Why it has failed.
    error: Option<ErrorView>,
    created_at: String,
    #[serde(rename = "createdAt")]
    created_at_camel: String,
    /// When it began, RFC 3339 in UTC.
    started_at: String,
    /// When it ended, RFC 3339 in UTC.
    completed_at: Option<String>,
    /// The same as `completed_at`, where older clients look for it.
    #[serde(rename = "completedAt")]
    completed_at_camel: Option<String>,
    /// When it ends whatever has become of it, RFC 3339 in UTC.
    expires_at: Option<String>,
    /// Whether it was only foreseen: nothing of it is kept or logged.
    dry_run: bool,
    /// Record of its start; in the answer of a write, the last record of the write. Null of a dry run.
    receipt_id: Option<String>,
    /// Index of that record.
    log_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<&'static str>,
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
pub(super) fn orchestration_view(
    context: &Context,
    id: OrchestrationId,
) -> Result<Option<OrchestrationView>, ApiError> {
    if let Some(kept) = Runs::new(context.log.clone()).find(id)? {
        return kept_view(context, id, &kept).map(Some);
    }
    logged_view(context, id)
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
    let output = output(kept).map(AnyJson);
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
        input: Some(AnyJson(run.input.clone())),
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
        result: step.output.clone().map(AnyJson),
        error: step.trouble.as_ref().map(ErrorView::from),
        receipt_id: step.receipt.as_deref().map(receipt_text),
        duration_ms: step.started_ms.zip(step.finished_ms).map(|(from, to)| to.saturating_sub(from)),
        started_at: step.started_ms.map(time_text),
        completed_at: step.finished_ms.map(time_text),
        lease_expires_at: Some(step.lease_ms).filter(|_| step.status == StepState::Running).map(time_text),
        foreseen: None,
    }
}

/// A run of which the nodes keep nothing: what the log says.
fn logged_view(context: &Context, id: OrchestrationId) -> Result<Option<OrchestrationView>, ApiError> {
    let Some(run) = context.view(|view| ledger_state::run(view, id))? else { return Ok(None) };
    let Some((index, log_ms, receipt, agent)) = start_of(context, run.tenant, id)? else { return Ok(None) };
    let names = context.view(|view| ledger_state::workflow_version(view, run.workflow, run.version))?;
    let names = names.map(|version| version.steps).unwrap_or_default();
    let steps = names.iter().zip(&run.steps).enumerate();
    let created = time_text(log_ms);
    Ok(Some(OrchestrationView {
        id: id.0.uuid(),
        orchestration_id: id.to_string(),
        run_id: id.to_string(),
        execution_id: id.to_string(),
        tenant_id: TenantId(run.tenant).to_string(),
        workflow_id: run.workflow.to_string(),
        workflow_version: run.version,
        agent_id: agent.map(|agent| agent.to_string()),
        coordinator_agent_id: agent.map(|agent| agent.to_string()),
        agents: Vec::new(),
        participant_agent_ids: Vec::new(),
        status: match run.result {
            None => RunStatus::Running,
            Some(RunResult::Succeeded) => RunStatus::Completed,
            Some(RunResult::Failed) => RunStatus::Failed,
            Some(RunResult::Cancelled) => RunStatus::Cancelled,
        },
        scope: None,
        input: None,
        parameters: Map::new(),
        steps: steps.map(|(place, (step, status))| logged_step(place, &step.name, *status)).collect(),
        output: None,
        result: None,
        results: Map::new(),
        receipts: Vec::new(),
        total_cost_cents: 0,
        error: None,
        created_at: created.clone(),
        created_at_camel: created.clone(),
        started_at: created,
        completed_at: None,
        completed_at_camel: None,
        expires_at: None,
        dry_run: false,
        receipt_id: Some(ReceiptId(receipt).to_string()),
        log_index: Some(index),
        leaf_hash: None,
        ack: None,
    }))
}

fn logged_step(place: usize, name: &str, status: Option<StepStatus>) -> OrchestrationStep {
    OrchestrationStep {
        step_id: name.to_owned(),
        step_number: place as u64 + 1,
        name: name.to_owned(),
        kind: None,
        agent_id: None,
        action: None,
        status: match status {
            None => StepState::Waiting,
            Some(StepStatus::Assigned) => StepState::Ready,
            Some(StepStatus::Succeeded) => StepState::Succeeded,
            Some(StepStatus::Failed) => StepState::Failed,
            Some(StepStatus::Skipped) => StepState::Skipped,
            Some(StepStatus::TimedOut) => StepState::TimedOut,
        },
        attempt: 0,
        decision_id: None,
        approval_id: None,
        result: None,
        error: None,
        receipt_id: None,
        duration_ms: None,
        started_at: None,
        completed_at: None,
        lease_expires_at: None,
        foreseen: None,
    }
}

/// Where a run began: index, time and id of the record, and who runs it.
fn start_of(
    context: &Context,
    tenant: Ulid,
    id: OrchestrationId,
) -> Result<Option<(u64, u64, Ulid, Option<AgentId>)>, ApiError> {
    let mut before = None;
    loop {
        let query = ledger_log::TimelineQuery {
            tenant,
            types: &["orchestration.start"],
            agent: None,
            before,
            from: 0,
            limit: 200,
            ascending: false,
        };
        let page = context.reader.timeline(&query).map_err(ApiError::internal)?;
        for row in &page.rows {
            let Some((log_ms, record)) = context.entry(row.index)? else { continue };
            let Body::OrchestrationStart(body) = &record.body else { continue };
            if body.orchestration == id {
                return Ok(Some((row.index, log_ms, record.id, body.agent)));
            }
        }
        before = page.next;
        if before.is_none() {
            return Ok(None);
        }
    }
}
