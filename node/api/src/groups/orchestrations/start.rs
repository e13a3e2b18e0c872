//! Starting a run, in each of the shapes that clients send.

use ledger_format::record::{AgentId, Body, OrchestrationId, Ulid, WorkflowId, WorkflowPublish};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    super::workflows,
    change::answer,
    view::{OrchestrationView, kept_view},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    engine::{
        Definition, Engine, INPUT_BYTES_MAX, Kept, Opening, Plan, Retry, Run, Runs, STEP_TIMEOUT_S,
        StepDefinition, StepType, foresee, shelf::Shelved,
    },
    wire::{AgentRef, Metadata, NameText, Payload, ScopeObject, ScopeText, Text, Whole, WorkflowRef},
};

/// How long a run may take when nothing is said.
const TIMEOUT_S: u64 = 300;
/// The same, of a workflow that is run by its own endpoint: people may have to approve steps.
const WORKFLOW_TIMEOUT_S: u64 = 86_400;
/// Most agents that a run names.
const AGENTS_MAX: usize = 50;

/// A run: as the API has it, or as the SDKs send it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartOrchestration {
    /// Who runs it, and does the steps that name nobody; the caller, when it is an agent, or the first of `agents`.
    #[serde(default, alias = "coordinatorAgentId", alias = "coordinator_agent_id")]
    agent_id: Option<AgentRef>,
    /// Who else takes part.
    #[serde(default, alias = "participantAgentIds", alias = "participant_agent_ids")]
    #[schema(max_items = 50)]
    agents: Vec<AgentRef>,
    /// The workflow.
    #[serde(default)]
    workflow_id: Option<WorkflowRef>,
    /// Which version of it; the newest published one when left out.
    #[serde(default)]
    workflow_version: Option<Whole<1, 1_000_000>>,
    /// What a run with its own steps is called.
    #[serde(default)]
    name: Option<NameText>,
    /// Its own steps, one after the other.
    #[serde(default)]
    #[schema(max_items = 100)]
    steps: Vec<OwnStep>,
    /// What each agent in `agents` does, as the SDKs write it: the first action on the first resource.
    #[serde(default)]
    scope: Option<ScopeObject>,
    /// What the steps work on.
    #[serde(default)]
    input: Option<Payload>,
    /// Settings that expressions see beside the input.
    #[serde(default)]
    parameters: Option<Metadata>,
    /// The model that the inference uses, for its agent.
    #[serde(default)]
    model: Option<Text<1, 128>>,
    /// Refuses a workflow of more steps.
    #[serde(default)]
    max_steps: Option<Whole<1, 100>>,
    /// How long the run may take; 300 when left out.
    #[serde(default)]
    timeout_seconds: Option<Whole<1, 604_800>>,
}

impl BodyInput for StartOrchestration {}

/// A step of a run that has its own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnStep {
    /// Its name, unique in the run.
    name: Text<1, 64>,
    /// Who does it; whoever runs it when left out.
    #[serde(default)]
    agent_id: Option<AgentRef>,
    /// What it is, `resource:action`; `orchestrations:execute` when left out.
    #[serde(default)]
    action: Option<ScopeText>,
    /// What its agent is told.
    #[serde(default)]
    input: Option<Metadata>,
}

/// A run of a workflow.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExecuteWorkflow {
    /// Who runs it, and does the steps that name nobody; the caller, when it is an agent.
    #[serde(default)]
    agent_id: Option<AgentRef>,
    /// Which version; the newest published one when left out.
    #[serde(default)]
    workflow_version: Option<Whole<1, 1_000_000>>,
    /// What the steps work on.
    #[serde(default)]
    input: Option<Payload>,
    /// Settings that expressions see beside the input.
    #[serde(default)]
    parameters: Option<Metadata>,
    /// Says only what would be allowed now.
    #[serde(default)]
    dry_run: bool,
    /// How long the run may take; a day when left out.
    #[serde(default)]
    timeout_seconds: Option<Whole<1, 604_800>>,
}

impl BodyInput for ExecuteWorkflow {
    const REQUIRED: bool = false;
}

/// What is run, with whom.
struct Wanted {
    agent: Option<AgentId>,
    agents: Vec<AgentId>,
    scope: Option<Value>,
    input: Value,
    parameters: Map<String, Value>,
    timeout_s: u64,
}

pub(super) async fn start(
    mut context: Context,
    _: NoQuery,
    body: StartOrchestration,
) -> Result<Reply<OrchestrationView>, ApiError> {
    if body.agents.len() > AGENTS_MAX {
        return Err(ApiError::unprocessable(format!("names at most {AGENTS_MAX}")).field("agents"));
    }
    let agents: Vec<AgentId> = body.agents.iter().map(|agent| agent.0).collect();
    for (place, agent) in agents.iter().enumerate() {
        context.own_agent(*agent, &format!("agents[{place}]"))?;
    }
    let agent =
        coordinator(&context, body.agent_id)?.or(agents.first().copied().filter(|_| body.scope.is_none()));
    let wanted = Wanted {
        agent,
        agents: agents.clone(),
        scope: body.scope.clone().map(ScopeObject::into_value),
        input: body.input.clone().map_or_else(|| json!({}), |input| Value::Object(input.0)),
        parameters: body.parameters.clone().unwrap_or_default().0,
        timeout_s: body.timeout_seconds.map_or(TIMEOUT_S, Whole::get),
    };
    if let Some(workflow) = body.workflow_id {
        if !body.steps.is_empty() || body.scope.is_some() {
            return Err(ApiError::unprocessable("a workflow has its own steps: leave out steps and scope")
                .field("workflow_id"));
        }
        let version = body.workflow_version.map(Whole::get);
        let (version, found) = workflows::own_version(&context, workflow.0, version)?;
        let plan = found.definition.plan().map_err(workflows::refuse_wrong)?;
        at_most(plan.steps.len(), body.max_steps)?;
        return open(&mut context, wanted, workflow.0, version, &found, &plan).await;
    }
    let definition = own_definition(&context, &body, &agents)?;
    let plan = definition.plan().map_err(workflows::refuse_wrong)?;
    at_most(plan.steps.len(), body.max_steps)?;
    who_does(&definition, wanted.agent)?;
    let (workflow, found) = define(&mut context, definition, &plan).await?;
    open(&mut context, wanted, workflow, 1, &found, &plan).await
}

/// The agent that runs it: the one that is named, or the one that calls.
fn coordinator(context: &Context, named: Option<AgentRef>) -> Result<Option<AgentId>, ApiError> {
    let agent = named.map(|agent| agent.0).or(context.caller()?.agent());
    if let Some(agent) = agent
        && !context.acting_agent(agent, "agent_id")?.is_active()
    {
        return Err(ApiError::conflict("AGENT_NOT_ACTIVE", "the agent is suspended or has ended")
            .field("agent_id")
            .fix("name an agent that may act"));
    }
    Ok(agent)
}

fn at_most(steps: usize, most: Option<Whole<1, 100>>) -> Result<(), ApiError> {
    match most {
        Some(most) if steps as u64 > most.get() => {
            Err(ApiError::unprocessable(format!("the run has {steps} steps")).field("max_steps"))
        }
        _ => Ok(()),
    }
}

/// Refuses steps that nobody does.
fn who_does(definition: &Definition, agent: Option<AgentId>) -> Result<(), ApiError> {
    let nobody = |step: &&StepDefinition| step.agent.is_none() && step.kind.needs_leave();
    match definition.steps.iter().find(nobody).filter(|_| agent.is_none()) {
        None => Ok(()),
        Some(step) => {
            let message = format!("nobody is named who does step {:?}", step.name);
            Err(ApiError::unprocessable(message).field("agent_id").fix("say who runs it"))
        }
    }
}

/// The steps that a run brings with it.
fn own_definition(
    context: &Context,
    body: &StartOrchestration,
    agents: &[AgentId],
) -> Result<Definition, ApiError> {
    let mut steps = Vec::new();
    for (place, own) in body.steps.iter().enumerate() {
        if let Some(agent) = own.agent_id {
            context.own_agent(agent.0, &format!("steps[{place}].agent_id"))?;
        }
        let before = place.checked_sub(1).map(|before| body.steps[before].name.as_str().to_owned());
        steps.push(StepDefinition {
            depends_on: before.into_iter().collect(),
            action: own.action.as_ref().map(ToString::to_string),
            agent: own.agent_id.map(|agent| agent.0.to_string()),
            ..own_step(own.name.as_str(), StepType::ToolCall, own.input.clone().unwrap_or_default().0)
        });
    }
    if let Some(scope) = body.scope.as_ref().filter(|_| steps.is_empty()) {
        let action = scope.scopes().iter().map(ToString::to_string).find(|scope| !scope.ends_with('*'));
        let alone = [None];
        let named: Vec<Option<AgentId>> = agents.iter().copied().map(Some).collect();
        for (place, agent) in if named.is_empty() { &alone[..] } else { &named }.iter().enumerate() {
            steps.push(StepDefinition {
                action: action.clone(),
                agent: agent.map(|agent| agent.to_string()),
                ..own_step(&format!("part_{}", place + 1), StepType::ToolCall, Map::new())
            });
        }
    }
    if steps.is_empty() {
        let config = body.model.iter().map(|model| ("model".to_owned(), json!(model.as_str()))).collect();
        steps.push(own_step("inference", StepType::LlmInference, config));
    }
    let name = body.name.as_ref().map_or("Orchestration", NameText::as_str).to_owned();
    let description = "Steps that came with a run.".to_owned();
    Ok(Definition { name, description, label: "1.0.0".into(), steps })
}

fn own_step(name: &str, kind: StepType, config: Map<String, Value>) -> StepDefinition {
    StepDefinition {
        name: name.to_owned(),
        kind,
        config,
        depends_on: Vec::new(),
        action: None,
        agent: None,
        retry: Retry::default(),
        timeout_seconds: STEP_TIMEOUT_S,
        requires_approval: false,
    }
}

/// Defines and publishes the workflow of a run that brings its own steps.
async fn define(
    context: &mut Context,
    definition: Definition,
    plan: &Plan,
) -> Result<(WorkflowId, Shelved), ApiError> {
    let (workflow, record) = (WorkflowId(context.new_id()?), context.new_id()?);
    let found = workflows::log_version(context, workflow, 1, record, definition, plan).await?;
    let on_behalf_of = context.on_behalf_of()?;
    context
        .record(Body::WorkflowPublish(Box::new(WorkflowPublish { on_behalf_of, version: 1, workflow })))
        .await?;
    Ok((workflow, found))
}

/// Keeps the run, and logs that it begins.
async fn open(
    context: &mut Context,
    wanted: Wanted,
    workflow: WorkflowId,
    version: u64,
    found: &Shelved,
    plan: &Plan,
) -> Result<Reply<OrchestrationView>, ApiError> {
    who_does(&found.definition, wanted.agent)?;
    let id = OrchestrationId(context.new_id()?);
    let run = opened(context, wanted, id, workflow, version, &found.definition, plan)?;
    Runs::new(context.log.clone()).open(&run, &found.definition, plan).await?;
    answer(context, id, Ulid::parse(&run.started)).await
}

fn opened(
    context: &Context,
    wanted: Wanted,
    id: OrchestrationId,
    workflow: WorkflowId,
    version: u64,
    definition: &Definition,
    plan: &Plan,
) -> Result<Run, ApiError> {
    let bytes = wanted.input.to_string().len();
    if bytes > INPUT_BYTES_MAX {
        let message = format!("has {bytes} bytes of JSON; {INPUT_BYTES_MAX} are allowed");
        return Err(ApiError::unprocessable(message).field("input"));
    }
    let opening = Opening {
        id,
        tenant: context.tenant()?,
        workflow: workflow.to_string(),
        version,
        agent: wanted.agent.map(|agent| agent.to_string()),
        participants: wanted.agents.iter().map(ToString::to_string).collect(),
        scope: wanted.scope,
        name: context.caller()?.name.clone(),
        input: wanted.input,
        parameters: wanted.parameters,
        timeout_ms: wanted.timeout_s * 1_000,
    };
    Ok(Run::open(opening, definition, plan, context.now_ms))
}

pub(super) async fn execute(
    mut context: Context,
    _: NoQuery,
    body: ExecuteWorkflow,
) -> Result<Reply<OrchestrationView>, ApiError> {
    let workflow: WorkflowId = context.id("workflow_id")?;
    let (version, found) = workflows::own_version(&context, workflow, body.workflow_version.map(Whole::get))?;
    let plan = found.definition.plan().map_err(workflows::refuse_wrong)?;
    let wanted = Wanted {
        agent: coordinator(&context, body.agent_id)?,
        agents: Vec::new(),
        scope: None,
        input: body.input.map_or_else(|| json!({}), |input| Value::Object(input.0)),
        parameters: body.parameters.unwrap_or_default().0,
        timeout_s: body.timeout_seconds.map_or(WORKFLOW_TIMEOUT_S, Whole::get),
    };
    if !body.dry_run {
        return open(&mut context, wanted, workflow, version, &found, &plan).await;
    }
    who_does(&found.definition, wanted.agent)?;
    let id = OrchestrationId(context.new_id()?);
    let run = opened(&context, wanted, id, workflow, version, &found.definition, &plan)?;
    let kept = Kept::foreseen(run, found.definition, plan);
    let mut view = kept_view(&context, id, &kept)?;
    let engine = Engine::of(&context)?;
    for place in (0..kept.plan.steps.len()).filter(|place| kept.definition.steps[*place].kind.needs_leave()) {
        let (result, reason) = foresee(&engine, &kept, place)?;
        view.foresee(place, result.as_str(), reason);
    }
    Ok(Reply::new(view))
}
