//! The work that runs give to agents: found, claimed, kept alive, done, given up or handed on.

use std::time::Duration;

use ledger_format::record::{AgentId, Body, Digest, OrchestrationId, ReceiptId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    change::{answer, refused, said},
    view::{self, OrchestrationView},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, QueryInput, Reply},
    engine::{Attempt, Cannot, Definition, Kept, Outcome, Plan, Run, Runs, StepState, StepType, Trouble},
    wire::{AgentRef, AnyJson, ReasonText, ReceiptRef, Text, Whole, time_text},
};

/// How long a claim lasts when nothing is said: three heartbeats of 30 seconds.
const LEASE_S: u64 = 90;
/// Steps that one answer lists.
const ITEMS_MAX: usize = 50;
/// Offers that one answer looks at: those of a run that has just ended may still be there.
const LOOKS_MAX: usize = 200;
/// How often a call that waits looks again.
const LOOK: Duration = Duration::from_millis(50);

/// How long to wait.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitForWork {
    /// How long to wait for a step when there is none; not at all when left out.
    #[serde(default)]
    #[param(inline)]
    wait_seconds: Option<Whole<0, 30>>,
}

impl QueryInput for WaitForWork {}

/// A step that an agent is to do.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Work)]
pub(super) struct WorkView {
    orchestration_id: String,
    workflow_id: String,
    /// Its name in the log and in expressions.
    step_id: String,
    /// Its name.
    name: String,
    /// What kind of step it is.
    #[serde(rename = "type")]
    kind: StepType,
    agent_id: String,
    /// What it is: the action that was decided about.
    action: Option<String>,
    /// As the author wrote it.
    #[schema(value_type = Object)]
    config: serde_json::Map<String, serde_json::Value>,
    /// What it is to be done with.
    inputs: AnyJson,
    /// SHA-256 of the inputs, as the receipt has it.
    inputs_hash: Option<String>,
    /// Which attempt it is: name it with whatever you say of the step.
    attempt: u64,
    /// The decision that allowed it.
    decision_id: Option<String>,
    /// When the attempt is over, RFC 3339 in UTC.
    timeout_at: String,
    /// When the claim runs out, RFC 3339 in UTC; null while nobody has claimed it.
    lease_expires_at: Option<String>,
}

/// Steps that an agent can claim.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct WorkList {
    /// Of the oldest runs first.
    items: Vec<WorkView>,
}

pub(super) async fn list(context: Context, query: WaitForWork) -> Result<Reply<WorkList>, ApiError> {
    let agent: AgentId = context.id("agent_id")?;
    context.acting_agent(agent, "agent_id")?;
    let wait = Duration::from_secs(query.wait_seconds.map_or(0, Whole::get));
    let until = tokio::time::Instant::now() + wait;
    let mut stopping = context.shared.stopping.clone();
    loop {
        let items = offered(&context, agent)?;
        if !items.is_empty() || tokio::time::Instant::now() >= until || *stopping.borrow_and_update() {
            return Ok(Reply::new(WorkList { items }));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn offered(context: &Context, agent: AgentId) -> Result<Vec<WorkView>, ApiError> {
    let runs = Runs::new(context.log.clone());
    let mut items = Vec::new();
    // The steps of a run follow each other.
    let mut last: Option<(OrchestrationId, Option<Kept>)> = None;
    for (id, place) in runs.work(&agent.to_string(), LOOKS_MAX)? {
        let kept = match last.take().filter(|(known, _)| *known == id) {
            Some((_, kept)) => kept,
            None => runs.find(id)?,
        };
        let (_, kept) = last.insert((id, kept));
        let Some(kept) = kept else { continue };
        if kept.run.steps.get(place).is_some_and(|step| step.status == StepState::Ready) {
            items.push(work_view(id, kept, place)?);
        }
        if items.len() == ITEMS_MAX {
            break;
        }
    }
    Ok(items)
}

fn work_view(id: OrchestrationId, kept: &Kept, place: usize) -> Result<WorkView, ApiError> {
    let (step, written) = (&kept.run.steps[place], &kept.definition.steps[place]);
    let inputs = kept.run.given(&kept.plan, place).map_err(ApiError::internal)?;
    Ok(WorkView {
        orchestration_id: id.to_string(),
        workflow_id: kept.run.workflow.clone(),
        step_id: step.id.clone(),
        name: written.name.clone(),
        kind: written.kind,
        agent_id: step.agent.clone().unwrap_or_default(),
        action: kept.plan.steps[place].action.as_ref().map(ToString::to_string),
        config: written.config.clone(),
        inputs: AnyJson(inputs),
        inputs_hash: step.input_digest.clone(),
        attempt: u64::from(step.attempt),
        decision_id: step.decision.clone(),
        timeout_at: time_text(step.until_ms),
        lease_expires_at: Some(step.lease_ms).filter(|_| step.status == StepState::Running).map(time_text),
    })
}

/// A claim.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimStep {
    agent_id: AgentRef,
    /// Any name that is yours alone, such as one for each process: the same claim again is then no second one.
    #[serde(default)]
    claim_id: Option<Text<1, 64>>,
    /// How long the claim lasts without a heartbeat; 90 when left out.
    #[serde(default)]
    lease_seconds: Option<Whole<1, 3_600>>,
}

impl BodyInput for ClaimStep {}

/// A sign of life.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HeartbeatStep {
    agent_id: AgentRef,
    /// The attempt that was claimed.
    attempt: Whole<1, 1_000_000>,
    /// How long the claim lasts from now on without another; 90 when left out.
    #[serde(default)]
    lease_seconds: Option<Whole<1, 3_600>>,
}

impl BodyInput for HeartbeatStep {}

/// What came out of a step.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompleteStep {
    agent_id: AgentRef,
    /// The attempt that was claimed.
    attempt: Whole<1, 1_000_000>,
    /// What came out, at most 32 KiB of JSON; null when left out. The log holds its digest.
    #[serde(default)]
    output: AnyJson,
    /// A receipt of this action that the agent has logged itself.
    #[serde(default)]
    receipt_id: Option<ReceiptRef>,
    /// What it has cost.
    #[serde(default)]
    cost_cents: Option<Whole<0, 1_000_000_000>>,
}

impl BodyInput for CompleteStep {}

/// What went wrong.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepError {
    /// A word for programs.
    code: Text<1, 64>,
    /// What went wrong, for people. Kept by the nodes, not in the log.
    #[serde(default)]
    message: Option<ReasonText>,
}

/// Why a step is given up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FailStep {
    agent_id: AgentRef,
    /// The attempt that was claimed.
    attempt: Whole<1, 1_000_000>,
    /// What went wrong.
    error: StepError,
    /// Whether trying again may help; true when left out.
    #[serde(default)]
    retryable: Option<bool>,
    /// A receipt of this action that the agent has logged itself.
    #[serde(default)]
    receipt_id: Option<ReceiptRef>,
    /// What it has cost.
    #[serde(default)]
    cost_cents: Option<Whole<0, 1_000_000_000>>,
}

impl BodyInput for FailStep {}

/// Who goes on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandOffStep {
    agent_id: AgentRef,
    /// The attempt that was claimed.
    attempt: Whole<1, 1_000_000>,
    /// The agent that goes on.
    to_agent_id: AgentRef,
}

impl BodyInput for HandOffStep {}

/// The step that a path names, for the agent that speaks.
struct Here {
    id: OrchestrationId,
    place: usize,
    agent: String,
    runs: Runs,
}

impl Here {
    fn find(context: &Context, agent: AgentRef) -> Result<Self, ApiError> {
        let id: OrchestrationId = context.id("orchestration_id")?;
        view::own(context, id)?;
        let runs = Runs::new(context.log.clone());
        let missing = || ApiError::missing("step", "step_id");
        let kept = runs.find(id)?.ok_or_else(missing)?;
        let name = context.word("step_id");
        let place = kept.plan.steps.iter().position(|step| step.id == name).ok_or_else(missing)?;
        let found = context.acting_agent(agent.0, "agent_id")?;
        if !found.is_active() {
            return Err(ApiError::conflict("AGENT_NOT_ACTIVE", "the agent is suspended or has ended")
                .field("agent_id")
                .fix("hand the step to another agent"));
        }
        Ok(Self { id, place, agent: agent.0.to_string(), runs })
    }

    fn attempt(&self, number: Whole<1, 1_000_000>) -> Attempt<'_> {
        Attempt { place: self.place, agent: &self.agent, number: number.get() as u32 }
    }

    async fn change(
        &self,
        context: &Context,
        make: impl Fn(&mut Run, &Definition, &Plan) -> Result<(), Cannot>,
    ) -> Result<Kept, ApiError> {
        let changed = self.runs.change(self.id, context.now_ms, make).await?;
        changed.map(|(kept, ())| kept).map_err(|cannot| refused(&cannot))
    }
}

pub(super) async fn claim(
    context: Context,
    _: NoQuery,
    body: ClaimStep,
) -> Result<Reply<WorkView>, ApiError> {
    let (here, now) = (Here::find(&context, body.agent_id)?, context.now_ms);
    let lease_ms = body.lease_seconds.map_or(LEASE_S, Whole::get) * 1_000;
    let claim = body.claim_id.as_ref().map(Text::as_str);
    let kept =
        here.change(&context, |run, _, _| run.claim(here.place, &here.agent, claim, lease_ms, now)).await?;
    Ok(Reply::new(work_view(here.id, &kept, here.place)?))
}

pub(super) async fn heartbeat(
    context: Context,
    _: NoQuery,
    body: HeartbeatStep,
) -> Result<Reply<WorkView>, ApiError> {
    let (here, now) = (Here::find(&context, body.agent_id)?, context.now_ms);
    let lease_ms = body.lease_seconds.map_or(LEASE_S, Whole::get) * 1_000;
    let of = here.attempt(body.attempt);
    let kept = here.change(&context, |run, _, _| run.heartbeat(of, lease_ms, now)).await?;
    Ok(Reply::new(work_view(here.id, &kept, here.place)?))
}

pub(super) async fn complete(
    context: Context,
    _: NoQuery,
    body: CompleteStep,
) -> Result<Reply<OrchestrationView>, ApiError> {
    let receipt = own_receipt(&context, body.agent_id, body.receipt_id)?;
    let digest = Digest::sha256(body.output.0.to_string().as_bytes()).to_string();
    let cost_cents = body.cost_cents.map_or(0, Whole::get);
    report(&context, body.agent_id, body.attempt, Ok(body.output.0), receipt, digest, cost_cents).await
}

pub(super) async fn fail(
    context: Context,
    _: NoQuery,
    body: FailStep,
) -> Result<Reply<OrchestrationView>, ApiError> {
    let receipt = own_receipt(&context, body.agent_id, body.receipt_id)?;
    let message = body.error.message.as_ref().map_or("", Text::as_str);
    let trouble = Trouble::new(body.error.code.as_str(), message);
    let (digest, cost_cents) = (Digest::sha256(b"").to_string(), body.cost_cents.map_or(0, Whole::get));
    let result = Err((trouble, body.retryable.unwrap_or(true)));
    report(&context, body.agent_id, body.attempt, result, receipt, digest, cost_cents).await
}

async fn report(
    context: &Context,
    agent: AgentRef,
    attempt: Whole<1, 1_000_000>,
    result: Result<serde_json::Value, (Trouble, bool)>,
    receipt: Option<String>,
    digest: String,
    cost_cents: u64,
) -> Result<Reply<OrchestrationView>, ApiError> {
    let (here, now) = (Here::find(context, agent)?, context.now_ms);
    let of = here.attempt(attempt);
    let name = context.caller()?.name.clone();
    let outcome = Outcome { result, receipt, digest, cost_cents, name };
    let kept = here
        .change(context, |run, definition, plan| run.report(definition, plan, of, outcome.clone(), now))
        .await?;
    let step = &kept.run.steps[here.place];
    // The end of the step was that of the run, too; or else there is at least its receipt.
    let end = kept.run.finished.as_deref().filter(|_| step.finished_ms == kept.run.finished_ms);
    answer(context, here.id, said(&kept.run, end.or(step.receipt.as_deref()))).await
}

pub(super) async fn hand_off(
    context: Context,
    _: NoQuery,
    body: HandOffStep,
) -> Result<Reply<OrchestrationView>, ApiError> {
    let (here, now) = (Here::find(&context, body.agent_id)?, context.now_ms);
    context.own_agent(body.to_agent_id.0, "to_agent_id")?;
    let (of, to) = (here.attempt(body.attempt), body.to_agent_id.0.to_string());
    here.change(&context, |run, _, _| run.hand_off(of, &to, now)).await?;
    answer(&context, here.id, None).await
}

/// A receipt of an action that is this agent's own.
fn own_receipt(
    context: &Context,
    agent: AgentRef,
    receipt: Option<ReceiptRef>,
) -> Result<Option<String>, ApiError> {
    let Some(receipt) = receipt else { return Ok(None) };
    let ReceiptId(id) = receipt.0;
    let missing = || ApiError::missing("receipt", "receipt_id");
    let tenant = context.tenant()?;
    let at = context.view(|view| ledger_state::record_at(view, tenant, id))?.ok_or_else(missing)?;
    let (_, record) = context.entry(at.index)?.ok_or_else(missing)?;
    match record.body {
        Body::ReceiptAction(body) if body.agent == agent.0 => Ok(Some(id.to_string())),
        _ => Err(ApiError::unprocessable("is not a receipt of an action of this agent").field("receipt_id")),
    }
}
