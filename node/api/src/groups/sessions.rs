//! Agent Sessions: a span of time in which an agent acts with some of its scopes, and the tokens by which it is known.

mod change;
mod introspect;
mod open;
mod refresh;
mod tokens;
mod view;

use axum::http::Method;
use ledger_format::record::{Body, SessionId};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

pub(super) use view::{SessionStatusWord, SessionView, session_view};

use crate::{
    ApiError,
    endpoint::{Context, NoQuery, Paged, QueryInput, Reply, Routes},
    wire::AgentRef,
};

const AGENT: &str = "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N";

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Agent Sessions & Tools",
        "Sessions, in which agents act with some of their scopes for some time, and the tools that they call.",
    );
    open_and_read(routes);
    change(routes);
    routes
        .post("/v1/sessions/introspect", "introspect_session_token", introspect::introspect)
        .summary("Is this token good?")
        .about(
            "For whoever is shown an access token: the answer is what this node has applied at that moment, so from the entry on that kills \
             an agent or ends its session it is no. A token that is bound to a key needs the signed call that it came with. Whoever has the \
             token may ask; a token says itself which log it is of.",
        )
        .public()
        .asks()
        .answers(200)
        .example(json!({"token": "eyJhbGciOiJFZERTQSIsImtpZCI6…", "scope": "invoices:read"}));
}

fn open_and_read(routes: &mut Routes) {
    const ABOUT: &str = "The agent acts with `scopes`, all of its own when none are named, for `ttl_minutes`, 60 when nothing is said. `token` is a JWT \
         (EdDSA, keys at `/.well-known/jwks.json`) for `Authorization: Bearer`; with a `proof_key` it is bound to that key, and each call is \
         signed with it. `refresh_token` is shown once, too, and good once.";
    let example = json!({"agent_id": AGENT, "scopes": ["invoices:read"], "ttl_minutes": 15});
    routes
        .post("/v1/sessions", "create_session", open::open)
        .summary("Open a session")
        .about(ABOUT)
        .needs("sessions:write")
        .metered()
        .example(example.clone());
    routes
        .post("/v1/agent-sessions", "create_agent_session", open::open)
        .summary("Open a session")
        .about(ABOUT)
        .needs("sessions:write")
        .metered()
        .example(example);
    for (path, id) in [("/v1/sessions", "list_sessions"), ("/v1/agent-sessions", "list_agent_sessions")] {
        routes
            .get(path, id, list)
            .summary("List sessions")
            .about("Newest first.")
            .needs("sessions:read")
            .paged();
    }
    for (path, id) in [
        ("/v1/sessions/{session_id}", "get_session"),
        ("/v1/agent-sessions/{session_id}", "get_agent_session"),
    ] {
        routes.get(path, id, get).summary("Get a session").needs("sessions:read");
    }
}

fn change(routes: &mut Routes) {
    let why = json!({"reason": "work done"});
    routes
        .post("/v1/sessions/{session_id}/terminate", "terminate_session", change::terminate)
        .summary("End a session")
        .about("Its tokens are good for nothing from the record's index on.")
        .needs("sessions:write")
        .answers(200)
        .example(why.clone());
    routes
        .add(Method::DELETE, "/v1/agent-sessions/{session_id}", "delete_agent_session", change::terminate)
        .summary("End a session")
        .about("Its tokens are good for nothing from the record's index on.")
        .needs("sessions:write")
        .example(why);
    for (path, id) in [
        ("/v1/sessions/{session_id}/refresh", "refresh_session"),
        ("/v1/agent-sessions/{session_id}/refresh", "refresh_agent_session"),
    ] {
        routes
            .post(path, id, refresh::refresh)
            .summary("Refresh a session")
            .about(
                "The refresh token is the credential, and good once: the answer has the next one, and a new access token for as long as the \
                 session now lives. A refresh token that is shown again was stolen or lost: the session ends.",
            )
            .public()
            .answers(200)
            .example(json!({"refresh_token": "maip_live_refresh_…", "ttl_minutes": 15}));
    }
    for (path, id) in [
        ("/v1/sessions/{session_id}/handoff", "hand_off_session"),
        ("/v1/agent-sessions/{session_id}/handoff", "hand_off_agent_session"),
    ] {
        routes
            .post(path, id, change::hand_off)
            .summary("Hand a session to another agent")
            .about(
                "To another agent of the tenant, which has the session's scopes. The tokens of the first agent are good for nothing more. The \
                 answer has the new ones, unless a session's own token asked: an agent gets no tokens of another.",
            )
            .needs("sessions:write")
            .answers(200)
            .example(json!({"to_agent_id": AGENT}));
    }
}

/// Which sessions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListSessions {
    /// Only those that were opened for this agent.
    #[serde(default, alias = "agentId")]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// Only with this status; `handed_off`: those that are another agent's by now.
    #[serde(default)]
    status: Option<SessionStatusWord>,
}

impl QueryInput for ListSessions {}

async fn list(context: Context, query: ListSessions) -> Result<Reply<Paged<SessionView>>, ApiError> {
    let agent = query.agent_id.map(|agent| agent.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let page = context.list(&["session.open"], agent, query.status.is_some(), |context, row| {
        let Some((_, record)) = context.entry(row.index)? else { return Ok(None) };
        let Body::SessionOpen(body) = record.body else { return Ok(None) };
        let view = session_view(context, body.session)?;
        Ok(view.filter(|view| query.status.is_none_or(|wanted| view.has_status(wanted))))
    });
    Ok(Reply::new(page.await?))
}

async fn get(context: Context, _: NoQuery) -> Result<Reply<SessionView>, ApiError> {
    let id = own(&context)?.0;
    let view = session_view(&context, id)?.ok_or_else(|| ApiError::missing("session", "session_id"))?;
    let index = view.log_index();
    Ok(Reply::new(view).at(index))
}

/// The session in the path, which is the caller's tenant's.
fn own(context: &Context) -> Result<(SessionId, ledger_state::Session), ApiError> {
    let id: SessionId = context.id("session_id")?;
    let tenant = context.tenant()?;
    let session = context.view(|view| ledger_state::session(view, id))?;
    let session = session.filter(|session| session.tenant == tenant);
    Ok((id, session.ok_or_else(|| ApiError::missing("session", "session_id"))?))
}
