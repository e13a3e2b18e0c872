//! A run of which the nodes keep nothing any more, or that was driven by somebody else: what the log tells of it.

use ledger_format::record::{
    AgentId, Body, OrchestrationId, ReceiptId, RunResult, StepStatus, TenantId, Ulid,
};
use serde_json::Map;

use super::view::{OrchestrationStep, OrchestrationView};
use crate::{
    ApiError,
    endpoint::Context,
    engine::{RunStatus, StepState},
    wire::{AnyJson, time_text},
};

/// A run of which the nodes keep nothing: what the log says.
pub(super) fn told_view(
    context: &Context,
    id: OrchestrationId,
    known: Option<Begun>,
) -> Result<Option<OrchestrationView>, ApiError> {
    let Some(run) = context.view(|view| ledger_state::run(view, id))? else { return Ok(None) };
    let known = known.map_or_else(|| begun(context, run.tenant, id), |known| Ok(Some(known)))?;
    let Some(Begun { index, log_ms, record, agent }) = known else { return Ok(None) };
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
        input: AnyJson::default(),
        parameters: Map::new(),
        steps: steps.map(|(place, (step, status))| logged_step(place, &step.name, *status)).collect(),
        output: AnyJson::default(),
        result: AnyJson::default(),
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
        pending_records: 0,
        dry_run: false,
        receipt_id: Some(ReceiptId(record).to_string()),
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
        result: AnyJson::default(),
        error: None,
        receipt_id: None,
        duration_ms: None,
        started_at: None,
        completed_at: None,
        lease_expires_at: None,
        foreseen: None,
    }
}

/// Where a run began.
pub(super) struct Begun {
    pub(super) index: u64,
    pub(super) log_ms: u64,
    pub(super) record: Ulid,
    pub(super) agent: Option<AgentId>,
}

/// Where the log has its beginning.
fn begun(context: &Context, tenant: Ulid, id: OrchestrationId) -> Result<Option<Begun>, ApiError> {
    let made = context.reader.made_by(id.0).map_err(ApiError::internal)?;
    let Some((index, _)) = made.filter(|(_, owner)| *owner == tenant) else { return Ok(None) };
    let Some((log_ms, record)) = context.entry(index)? else { return Ok(None) };
    let Body::OrchestrationStart(body) = &record.body else { return Ok(None) };
    Ok(Some(Begun { index, log_ms, record: record.id, agent: body.agent }))
}
