//! Whether an agent may act: suspend, reactivate, revoke, kill; and its key.

use ledger_format::record::{
    AgentId, AgentKey, AgentKill, AgentReactivate, AgentRevoke, AgentSuspend, Body, PublicKey,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::{AgentView, agent_view};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Logged, NoQuery, Reply},
    wire::{PublicKeyText, ReasonText, TimeText, reason},
};

/// Why. Older clients send no body at all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    /// Kept by the nodes; the log holds a word of it.
    #[serde(default)]
    reason: Option<ReasonText>,
}

impl BodyInput for Why {
    const REQUIRED: bool = false;
}

/// Why an agent ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeAgent {
    #[serde(default)]
    reason: Option<ReasonText>,
    /// Whether every agent below it ends too; not when left out.
    #[serde(default)]
    cascade: bool,
    /// Since when it is believed to have been in foreign hands.
    #[serde(default)]
    compromised_at: Option<TimeText>,
}

impl BodyInput for RevokeAgent {
    const REQUIRED: bool = false;
}

/// Why an agent is killed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KillAgent {
    #[serde(default)]
    reason: Option<ReasonText>,
    /// Whether every agent below it ends too; so when left out.
    #[serde(default)]
    cascade: Option<bool>,
    /// Who pulled it, for the tenant's own records.
    #[serde(default)]
    operator_id: Option<crate::wire::Text<1, 256>>,
    #[serde(default)]
    compromised_at: Option<TimeText>,
}

impl BodyInput for KillAgent {
    const REQUIRED: bool = false;
}

/// What a kill ended.
#[derive(Serialize, ToSchema)]
pub(super) struct Killed {
    #[serde(flatten)]
    receipt: crate::wire::WriteReceipt,
    agent_id: String,
    agent: AgentView,
    status: &'static str,
    reason: String,
    cascade: bool,
    operator_id: Option<String>,
    /// Sessions that ended.
    terminated_sessions: u64,
    sessions_terminated: u64,
    /// Agents that ended, this one first; at most a thousand are named.
    terminated_agents: Vec<String>,
    /// How many agents ended.
    terminated_agent_count: u64,
    /// None: receipts before the kill stay valid, and a log is never rewritten.
    voided_receipts: u64,
    killed_at: String,
}

/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateKey {
    /// The new Ed25519 public key, base64url.
    public_key: PublicKeyText,
}

impl BodyInput for RotateKey {}

/// Agents that an answer names.
const NAMED_MAX: usize = 1_000;

pub(super) fn own(context: &Context) -> Result<AgentId, ApiError> {
    let id = context.id("agent_id")?;
    context.own_agent(id, "agent_id")?;
    Ok(id)
}

pub(super) fn shown(context: &Context, id: AgentId, logged: Logged) -> Result<Reply<AgentView>, ApiError> {
    let view = agent_view(context, id)?.ok_or_else(|| ApiError::missing("agent", "agent_id"))?;
    Ok(Reply::new(view.logged(logged.receipt, None)).at(logged.index))
}

pub(super) async fn suspend(
    mut context: Context,
    _: NoQuery,
    body: Why,
) -> Result<Reply<AgentView>, ApiError> {
    let agent = own(&context)?;
    let (reason, whole) = reason(body.reason.as_ref());
    let on_behalf_of = context.on_behalf_of()?;
    let record = Body::AgentSuspend(AgentSuspend { agent, on_behalf_of, reason });
    let logged = context.record_because(record, whole).await?;
    shown(&context, agent, logged)
}

pub(super) async fn reactivate(
    mut context: Context,
    _: NoQuery,
    body: Why,
) -> Result<Reply<AgentView>, ApiError> {
    let agent = own(&context)?;
    let (reason, whole) = reason(body.reason.as_ref());
    let on_behalf_of = context.on_behalf_of()?;
    let record = Body::AgentReactivate(AgentReactivate { agent, on_behalf_of, reason });
    let logged = context.record_because(record, whole).await?;
    shown(&context, agent, logged)
}

pub(super) async fn revoke(
    mut context: Context,
    _: NoQuery,
    body: RevokeAgent,
) -> Result<Reply<AgentView>, ApiError> {
    let agent = own(&context)?;
    let (reason, whole) = reason(body.reason.as_ref());
    let compromised_at = body.compromised_at.map(|time| time.0);
    let on_behalf_of = context.on_behalf_of()?;
    let record = AgentRevoke { agent, cascade: body.cascade, compromised_at, on_behalf_of, reason };
    let logged = context.record_because(Body::AgentRevoke(record), whole).await?;
    shown(&context, agent, logged)
}

pub(super) async fn kill(
    mut context: Context,
    _: NoQuery,
    body: KillAgent,
) -> Result<Reply<Killed>, ApiError> {
    let agent = own(&context)?;
    let (reason, whole) = reason(body.reason.as_ref());
    let cascade = body.cascade.unwrap_or(true);
    let compromised_at = body.compromised_at.map(|time| time.0);
    let record = AgentKill { agent, cascade, compromised_at, on_behalf_of: context.on_behalf_of()?, reason };
    let logged = context.record_because(Body::AgentKill(record), whole.clone()).await?;
    let (mut terminated_agents, mut agents, mut sessions) = (Vec::new(), 0, 0);
    let mut from = Some(agent);
    // The log bounds how many agents there are below one.
    while let Some(next) = from {
        let page = context.reader.ended(agent, logged.index, next, NAMED_MAX).map_err(ApiError::internal)?;
        agents += page.agents.len() as u64;
        sessions += page.sessions;
        let room = NAMED_MAX - terminated_agents.len();
        terminated_agents.extend(page.agents.iter().take(room).map(ToString::to_string));
        from = page.next;
    }
    let view = agent_view(&context, agent)?.ok_or_else(|| ApiError::missing("agent", "agent_id"))?;
    let answer = Killed {
        agent_id: agent.to_string(),
        agent: view,
        status: "revoked",
        reason: whole.unwrap_or_else(|| "unspecified".into()),
        cascade,
        operator_id: body.operator_id.map(crate::wire::Text::into_string),
        terminated_sessions: sessions,
        sessions_terminated: sessions,
        terminated_agent_count: agents,
        terminated_agents,
        voided_receipts: 0,
        killed_at: crate::wire::time_text(logged.log_ms),
        receipt: logged.receipt,
    };
    Ok(Reply::new(answer).at(logged.index))
}

pub(super) async fn rotate(
    mut context: Context,
    _: NoQuery,
    body: RotateKey,
) -> Result<Reply<AgentView>, ApiError> {
    let agent = own(&context)?;
    let previous = context.own_agent(agent, "agent_id")?.key.kid;
    let key: PublicKey = body.public_key.0;
    let record =
        AgentKey { agent, key, on_behalf_of: context.on_behalf_of()?, previous, reason: "rotation".into() };
    let logged = context.record(Body::AgentKey(record)).await?;
    shown(&context, agent, logged)
}
