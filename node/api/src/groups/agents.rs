//! Machine Agents: registration, standing, keys, the kill switch.

mod register;
mod standing;
mod update;
mod view;

use axum::http::Method;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

pub(super) use view::{AgentView, agent_view, scope_object};

use crate::{
    ApiError,
    endpoint::{Context, NoQuery, Paged, QueryInput, Reply, Routes},
    wire::Text,
};

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Machine Agents",
        "Agents of the caller's tenant: who they are, what they may do, whether they may still act.",
    );
    routes
        .post("/v1/agents", "register_agent", register::register)
        .summary("Register an agent")
        .about(
            "The agent's key stays with the agent: send its `public_key`. Without one, the answer holds a new private key, once, and \
             the nodes keep none.",
        )
        .needs("agents:write")
        .metered()
        .example(json!({"display_name": "Billing bot", "agent_type": "autonomous", "scopes": ["invoices:read", "!invoices:delete"]}));
    routes
        .get("/v1/agents", "list_agents", list)
        .summary("List agents")
        .about("Newest first.")
        .needs("agents:read")
        .paged();
    routes.get("/v1/agents/{agent_id}", "get_agent", get).summary("Get an agent").needs("agents:read");
    routes
        .add(Method::PATCH, "/v1/agents/{agent_id}", "update_agent", update::update)
        .summary("Update or reactivate an agent")
        .needs("agents:write")
        .example(json!({"display_name": "Billing bot 2"}));
    routes
        .post("/v1/agents/{agent_id}/suspend", "suspend_agent", standing::suspend)
        .summary("Suspend an agent")
        .about("It may not act and its sessions end, until it is reactivated.")
        .needs("agents:write")
        .answers(200)
        .example(json!({"reason": "under review"}));
    routes
        .post("/v1/agents/{agent_id}/reactivate", "reactivate_agent", standing::reactivate)
        .summary("Reactivate a suspended agent")
        .needs("agents:write")
        .answers(200)
        .example(json!({"reason": "reviewed"}));
    routes
        .post("/v1/agents/{agent_id}/revoke", "revoke_agent", standing::revoke)
        .summary("Revoke an agent")
        .about("Final. With `cascade`, every agent below it ends too.")
        .needs("agents:write")
        .answers(200)
        .example(json!({"reason": "decommissioned"}));
    routes
        .post("/v1/agents/{agent_id}/kill", "kill_agent", standing::kill)
        .summary("Kill switch")
        .about(
            "One record: from its index on the agent and, with `cascade` (the default), every agent below it may do nothing more, and \
             their sessions end. Receipts before the index stay valid.",
        )
        .needs("agents:kill")
        .answers(200)
        .example(json!({"reason": "key compromise", "cascade": true}));
    routes
        .post("/v1/agents/{agent_id}/keys", "rotate_agent_key", standing::rotate)
        .summary("Rotate an agent's key")
        .about("The new key signs from the record's index on.")
        .needs("agents:write")
        .answers(200)
        .example(json!({"public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}));
}

/// Which agents.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListAgents {
    /// Only of this type: `autonomous`, `supervised`, `delegated`, `system`, or a runtime type.
    #[serde(default)]
    #[param(inline)]
    agent_type: Option<Text<1, 64>>,
    /// Only with this status.
    #[serde(default)]
    status: Option<view::StatusWord>,
    /// Only with this trust level.
    #[serde(default)]
    #[param(inline)]
    trust_level: Option<Text<1, 64>>,
}

impl QueryInput for ListAgents {}

async fn list(context: Context, query: ListAgents) -> Result<Reply<Paged<AgentView>>, ApiError> {
    let fits = |agent: &AgentView| {
        let of_type = query.agent_type.as_ref().is_none_or(|wanted| agent.is_of_type(wanted.as_str()));
        let with_status = query.status.is_none_or(|wanted| agent.has_status(wanted));
        of_type
            && with_status
            && query.trust_level.as_ref().is_none_or(|wanted| agent.has_trust_level(wanted.as_str()))
    };
    let filtered = query.agent_type.is_some() || query.status.is_some() || query.trust_level.is_some();
    let page = context.list(&["agent.register"], None, filtered, |context, row| {
        let Some(id) = row.agent else { return Ok(None) };
        Ok(agent_view(context, id)?.filter(|agent| fits(agent)))
    });
    Ok(Reply::new(page.await?))
}

async fn get(context: Context, _: NoQuery) -> Result<Reply<AgentView>, ApiError> {
    let id = context.id("agent_id")?;
    context.own_agent(id, "agent_id")?;
    let agent = agent_view(&context, id)?.ok_or_else(|| ApiError::missing("agent", "agent_id"))?;
    let index = agent.log_index();
    Ok(Reply::new(agent).at(index))
}
