//! Runs of workflows: started, followed, cancelled; and the work that they give to agents.

mod change;
mod start;
mod told;
mod view;
mod work;

use ledger_format::record::{Body, OrchestrationId};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use self::{
    told::Begun,
    view::{OrchestrationView, orchestration_view},
};
use super::workflows::{ABOUT, GROUP};
use crate::{
    ApiError,
    endpoint::{Context, NoQuery, Paged, QueryInput, Reply, Routes},
    engine::RunStatus,
    wire::{AgentRef, WorkflowRef},
};

/// What the endpoints that agents call have in common.
const OF_AGENTS: &str =
    "For the agent that the step is assigned to, or whoever holds an API key of its tenant.";

pub(super) fn declare(routes: &mut Routes) {
    routes.group(GROUP, ABOUT);
    declare_runs(routes);
    declare_work(routes);
}

fn declare_runs(routes: &mut Routes) {
    let about = "A published workflow by `workflow_id`; or `steps` that are defined and published with it; or a `scope`, of which each agent in `agents` does \
                 its part; or one inference of `agent_id`. The answer comes when the start is in the log; the run goes on by itself.";
    let example = json!({
        "agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "name": "One invoice", "input": {"invoice": 17},
        "steps": [{"name": "read", "action": "invoices:read"}, {"name": "book", "action": "ledger:post"}],
    });
    let paths = [
        ("/v1/orchestrations", "start_orchestration", false),
        ("/v1/orchestrations/execute", "execute_orchestration", false),
        ("/v1/orchestrate/execute", "execute_orchestration_of_guide", true),
    ];
    for (path, id, is_older) in paths {
        let operation = routes.post(path, id, start::start);
        operation.summary("Start a run").about(about).needs("orchestrations:write").example(example.clone());
        if is_older {
            operation.older();
        }
    }
    routes
        .get("/v1/orchestrations", "list_orchestrations", list)
        .summary("List runs")
        .about("Newest first.")
        .needs("orchestrations:read")
        .paged();
    routes
        .get("/v1/orchestrations/{orchestration_id}", "get_orchestration", get)
        .summary("Get a run")
        .about(
            "Its steps with who does them, under which decision, with which receipt and result. Thirty days after its end the nodes forget results; \
             what the log says of it stays.",
        )
        .needs("orchestrations:read");
    routes
        .post("/v1/orchestrations/{orchestration_id}/cancel", "cancel_orchestration", change::cancel)
        .summary("Cancel a run")
        .about("Steps that are open are cancelled; what is done stays done.")
        .needs("orchestrations:write")
        .answers(200)
        .example(json!({"reason": "entered twice"}));
    routes
        .post("/v1/workflows/{workflow_id}/execute", "execute_workflow", start::execute)
        .summary("Run a workflow")
        .about(
            "As starting a run by `workflow_id`. With `dry_run` nothing is started: the answer says of each step whether its agent could do it now.",
        )
        .needs("workflows:execute")
        .answers(200)
        .example(json!({"agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "input": {"invoice": 17}}));
}

fn declare_work(routes: &mut Routes) {
    routes
        .get("/v1/agents/{agent_id}/work", "list_work", work::list)
        .summary("Steps for an agent")
        .about("Steps that the agent can claim, of the oldest runs first. With `wait_seconds`, the answer waits until there is one.")
        .needs("orchestrations:execute");
    let step = |name: &'static str| match name {
        "claim" => "/v1/orchestrations/{orchestration_id}/steps/{step_id}/claim",
        "heartbeat" => "/v1/orchestrations/{orchestration_id}/steps/{step_id}/heartbeat",
        "complete" => "/v1/orchestrations/{orchestration_id}/steps/{step_id}/complete",
        "fail" => "/v1/orchestrations/{orchestration_id}/steps/{step_id}/fail",
        _ => "/v1/orchestrations/{orchestration_id}/steps/{step_id}/handoff",
    };
    let agent = "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N";
    routes
        .post(step("claim"), "claim_step", work::claim)
        .summary("Claim a step")
        .about("Nobody else can do it as long as the claim lasts. Send heartbeats before it runs out.")
        .needs("orchestrations:execute")
        .answers(200)
        .example(json!({"agent_id": agent, "claim_id": "worker-1", "lease_seconds": 90}));
    routes
        .post(step("heartbeat"), "heartbeat_step", work::heartbeat)
        .summary("Keep a claim")
        .about(OF_AGENTS)
        .needs("orchestrations:execute")
        .answers(200)
        .example(json!({"agent_id": agent, "attempt": 1}));
    routes
        .post(step("complete"), "complete_step", work::complete)
        .summary("Complete a step")
        .about(
            "The log gets a receipt of the agent with the digests of input and output, unless the agent has logged one itself and names it. The same again \
             changes nothing.",
        )
        .needs("orchestrations:execute")
        .answers(200)
        .example(json!({"agent_id": agent, "attempt": 1, "output": {"amount": 640}}));
    routes
        .post(step("fail"), "fail_step", work::fail)
        .summary("Give a step up")
        .about("It is tried again as often as the workflow says, unless `retryable` is false; then the run has failed.")
        .needs("orchestrations:execute")
        .answers(200)
        .example(json!({"agent_id": agent, "attempt": 1, "error": {"code": "NO_MODEL", "message": "the model is not there"}}));
    routes
        .post(step("handoff"), "hand_off_step", work::hand_off)
        .summary("Hand a step to another agent")
        .about("Whether that one may do it is asked anew. The attempt does not count.")
        .needs("orchestrations:execute")
        .answers(200)
        .example(
            json!({"agent_id": agent, "attempt": 1, "to_agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M"}),
        );
}

/// Which runs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListOrchestrations {
    /// Only those that stand so.
    #[serde(default)]
    #[param(inline)]
    status: Option<RunStatus>,
    /// Only those that this agent runs.
    #[serde(default)]
    agent_id: Option<AgentRef>,
    /// Only those of this workflow.
    #[serde(default)]
    workflow_id: Option<WorkflowRef>,
}

impl QueryInput for ListOrchestrations {}

async fn list(
    context: Context,
    query: ListOrchestrations,
) -> Result<Reply<Paged<OrchestrationView>>, ApiError> {
    let page = context.list(&["orchestration.start"], None, true, |context, row| {
        let Some((log_ms, record)) = context.entry(row.index)? else { return Ok(None) };
        let Body::OrchestrationStart(body) = &record.body else { return Ok(None) };
        let wanted = query.agent_id.is_none_or(|agent| body.agent == Some(agent.0))
            && query.workflow_id.is_none_or(|workflow| body.workflow == workflow.0);
        if !wanted {
            return Ok(None);
        }
        let begun = Begun { index: row.index, log_ms, record: record.id, agent: body.agent };
        let view = orchestration_view(context, body.orchestration, Some(begun))?;
        Ok(view.filter(|view| query.status.is_none_or(|status| view.has_status(status))))
    });
    Ok(Reply::new(page.await?))
}

async fn get(context: Context, _: NoQuery) -> Result<Reply<OrchestrationView>, ApiError> {
    let id: OrchestrationId = context.id("orchestration_id")?;
    view::own(&context, id)?;
    let view = orchestration_view(&context, id, None)?;
    Ok(view.ok_or_else(|| ApiError::missing("orchestration", "orchestration_id"))?.reply())
}
