//! Writing a workflow: a first version, and further ones.

use ledger_format::record::{Body, Ulid, WorkflowDefine, WorkflowId, WorkflowStep};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::view::{self, WorkflowView, workflow_view};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Logged, NoQuery, Reply},
    engine::{
        Definition, Plan, Retry, STEP_TIMEOUT_S, StepDefinition, StepType, Wrong,
        shelf::{self, Shelved},
    },
    wire::{AgentRef, DescriptionText, Metadata, NameText, ScopeText, Text, Whole, record_name},
};

/// A version of a workflow.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DefineWorkflow {
    name: NameText,
    #[serde(default)]
    description: Option<DescriptionText>,
    /// What is done. Each waits for the steps that it depends on; those that wait for nothing more are done at the same time.
    #[schema(min_items = 1, max_items = 100)]
    steps: Vec<StepBody>,
    /// What the author calls this version; its number and `.0.0` when left out. The log counts versions by itself.
    #[serde(default)]
    version: Option<Text<1, 32>>,
}

impl BodyInput for DefineWorkflow {}

/// A step.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DefineWorkflowStep)]
pub(in crate::groups) struct StepBody {
    /// Its name, unique in the workflow. The log and expressions know it in lower case, with `_` for what is no letter or digit.
    name: Text<1, 64>,
    /// What kind of step it is.
    #[serde(rename = "type")]
    kind: StepType,
    /// What the step needs, by its type: see the guide. An agent gets it as it is. Kept by the nodes, not in the log.
    #[serde(default)]
    config: Option<Metadata>,
    /// Names of the steps that come before it.
    #[serde(default)]
    #[schema(max_items = 16)]
    depends_on: Vec<Text<1, 64>>,
    /// What whoever does it must be allowed, `resource:action`; `orchestrations:execute` when left out.
    #[serde(default, alias = "scope")]
    action: Option<ScopeText>,
    /// Who does it; whoever runs the workflow when left out.
    #[serde(default, alias = "agent")]
    agent_id: Option<AgentRef>,
    #[serde(default)]
    retry: Option<RetryBody>,
    /// How long one attempt may take; 300 when left out.
    #[serde(default)]
    timeout_seconds: Option<Whole<1, 86_400>>,
    /// Whether a person must approve it first.
    #[serde(default)]
    requires_approval: bool,
}

/// How often a step is tried.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkflowRetry)]
pub(super) struct RetryBody {
    /// Attempts in all; one when left out.
    #[serde(default)]
    max_attempts: Option<Whole<1, 10>>,
    /// Before the second attempt, twice as long before each further one; 1000 when left out.
    #[serde(default)]
    backoff_ms: Option<Whole<0, 3_600_000>>,
}

pub(super) fn example() -> serde_json::Value {
    json!({
        "name": "Invoice check", "description": "Reads an invoice and pays it if it is small.",
        "steps": [
            {"name": "read", "type": "llm_inference", "action": "invoices:read", "config": {"prompt": "Which amount is due?"},
             "retry": {"max_attempts": 3, "backoff_ms": 500}, "timeout_seconds": 120},
            {"name": "small", "type": "decision", "depends_on": ["read"],
             "config": {"choices": [{"when": "steps.read.output.amount < 1000", "next": ["pay"]}]}},
            {"name": "pay", "type": "tool_call", "action": "invoices:pay", "depends_on": ["small"], "config": {"tool": "bank"}},
        ],
    })
}

/// What is wrong with a definition, as a refusal.
pub(in crate::groups) fn refuse_wrong(wrong: Wrong) -> ApiError {
    ApiError::unprocessable(wrong.message)
        .field(wrong.field)
        .fix("see the guide on orchestration for what the types of steps need")
}

/// The definition of these steps, which name agents of the caller only.
pub(in crate::groups) fn definition(
    context: &Context,
    name: String,
    description: String,
    label: String,
    steps: Vec<StepBody>,
) -> Result<(Definition, Plan), ApiError> {
    for (place, step) in steps.iter().enumerate() {
        if let Some(agent) = step.agent_id {
            context.own_agent(agent.0, &format!("steps[{place}].agent_id"))?;
        }
    }
    let steps = steps.into_iter().map(StepDefinition::from).collect();
    let definition = Definition { name, description, label, steps };
    let plan = definition.plan().map_err(refuse_wrong)?;
    Ok((definition, plan))
}

impl From<StepBody> for StepDefinition {
    fn from(body: StepBody) -> Self {
        let usual = Retry::default();
        let retry = body.retry.map_or(usual, |retry| Retry {
            max_attempts: retry.max_attempts.map_or(usual.max_attempts, |most| most.get() as u32),
            backoff_ms: retry.backoff_ms.map_or(usual.backoff_ms, Whole::get),
        });
        StepDefinition {
            name: body.name.into_string(),
            kind: body.kind,
            config: body.config.unwrap_or_default().0,
            depends_on: body.depends_on.into_iter().map(Text::into_string).collect(),
            action: body.action.map(|scope| scope.to_string()),
            agent: body.agent_id.map(|agent| agent.0.to_string()),
            retry,
            timeout_seconds: body.timeout_seconds.map_or(STEP_TIMEOUT_S, Whole::get),
            requires_approval: body.requires_approval,
        }
    }
}

/// The record of a version.
pub(in crate::groups) fn define_body(
    workflow: WorkflowId,
    version: u64,
    definition: &Definition,
    plan: &Plan,
    on_behalf_of: Option<String>,
) -> Result<Body, ApiError> {
    let step = |place: &usize| {
        let planned = &plan.steps[*place];
        let mut after: Vec<String> =
            planned.after.iter().map(|before| plan.steps[*before].id.clone()).collect();
        after.sort_unstable();
        after.dedup();
        WorkflowStep {
            after: Some(after).filter(|after| !after.is_empty()),
            kind: definition.steps[*place].kind.kind(),
            scope: planned.action.clone(),
            step: planned.id.clone(),
        }
    };
    Ok(Body::WorkflowDefine(Box::new(WorkflowDefine {
        digest: shelf::digest(definition)?,
        name: record_name(&definition.name).0,
        on_behalf_of,
        steps: plan.order.iter().map(step).collect(),
        version,
        workflow,
    })))
}

pub(super) async fn create(
    mut context: Context,
    _: NoQuery,
    body: DefineWorkflow,
) -> Result<Reply<WorkflowView>, ApiError> {
    let (definition, plan) = read(&context, body, 1)?;
    let workflow = WorkflowId(context.new_id()?);
    write(&mut context, workflow, 1, &definition, &plan).await
}

pub(super) async fn update(
    mut context: Context,
    _: NoQuery,
    body: DefineWorkflow,
) -> Result<Reply<WorkflowView>, ApiError> {
    let id: WorkflowId = context.id("workflow_id")?;
    let newest = view::own(&context, id, "workflow_id")?.newest;
    unchanged(&context, newest)?;
    view::not_archived(&context, id)?;
    let (definition, plan) = read(&context, body, newest + 1)?;
    write(&mut context, id, newest + 1, &definition, &plan).await
}

fn read(context: &Context, body: DefineWorkflow, version: u64) -> Result<(Definition, Plan), ApiError> {
    let description = body.description.map(Text::into_string).unwrap_or_default();
    let label = body.version.map_or_else(|| format!("{version}.0.0"), Text::into_string);
    definition(context, body.name.into_string(), description, label, body.steps)
}

async fn write(
    context: &mut Context,
    workflow: WorkflowId,
    version: u64,
    definition: &Definition,
    plan: &Plan,
) -> Result<Reply<WorkflowView>, ApiError> {
    let record = context.new_id()?;
    let logged = log(context, workflow, version, record, definition, plan).await?;
    let view = workflow_view(context, workflow, Some(version))?;
    let view = view.ok_or_else(|| ApiError::internal("a version that was written is not there"))?;
    Ok(view.logged(logged.receipt).reply())
}

/// Logs a version with its definition, which the nodes keep.
pub(in crate::groups) async fn log_version(
    context: &mut Context,
    workflow: WorkflowId,
    version: u64,
    record: Ulid,
    definition: Definition,
    plan: &Plan,
) -> Result<Shelved, ApiError> {
    log(context, workflow, version, record, &definition, plan).await?;
    Ok(Shelved { definition, record: record.to_string() })
}

async fn log(
    context: &mut Context,
    workflow: WorkflowId,
    version: u64,
    record: Ulid,
    definition: &Definition,
    plan: &Plan,
) -> Result<Logged, ApiError> {
    let on_behalf_of = context.on_behalf_of()?;
    let body = define_body(workflow, version, definition, plan, on_behalf_of)?;
    let notes = Shelved { definition: definition.clone(), record: record.to_string() };
    let logged = context.record_noted(record, body, shelf::object(workflow, version), &notes).await;
    logged.map_err(|error| if error.code == "WORKFLOW_VERSION_WRONG" { overtaken(context) } else { error })
}

/// Refuses when `If-Match` names another version than the newest.
pub(super) fn unchanged(context: &Context, newest: u64) -> Result<(), ApiError> {
    context.still(newest)
}

/// Somebody else was faster.
fn overtaken(context: &Context) -> ApiError {
    let message = "the workflow has changed since it was read";
    let fix = "read it again and apply your change to what you read";
    if context.headers.contains_key(axum::http::header::IF_MATCH) {
        let status = axum::http::StatusCode::PRECONDITION_FAILED;
        return ApiError::new(status, "PRECONDITION_FAILED", message).field("If-Match").fix(fix);
    }
    ApiError::conflict("WORKFLOW_CHANGED", message).field("workflow_id").fix(fix)
}
