//! Whether an agent may act: update, suspend, reactivate, revoke, kill; and its key.

use ledger_format::record::{
    AgentId, AgentKey, AgentKill, AgentReactivate, AgentRevoke, AgentSuspend, AgentUpdate, Body, PublicKey,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    register::sorted_scopes,
    view::{AgentNotes, AgentView, StatusWord, agent_view},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Logged, NoQuery, Reply},
    wire::{
        DescriptionText, Metadata, NameText, PublicKeyText, ReasonText, ScopeText, TimeText, reason,
        record_name,
    },
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

/// What changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateAgent {
    #[serde(default, alias = "name")]
    display_name: Option<NameText>,
    #[serde(default)]
    description: Option<DescriptionText>,
    /// All scopes and denials from now on.
    #[serde(default)]
    #[schema(max_items = 256)]
    scopes: Option<Vec<ScopeText>>,
    #[serde(default)]
    metadata: Option<Metadata>,
    /// `active` reactivates a suspended agent, `suspended` suspends it, `revoked` ends it.
    #[serde(default)]
    status: Option<StatusWord>,
    #[serde(default)]
    reason: Option<ReasonText>,
}

impl BodyInput for UpdateAgent {}

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

fn own(context: &Context) -> Result<AgentId, ApiError> {
    let id = context.id("agent_id")?;
    context.own_agent(id, "agent_id")?;
    Ok(id)
}

fn shown(context: &Context, id: AgentId, logged: Logged) -> Result<Reply<AgentView>, ApiError> {
    let view = agent_view(context, id)?.ok_or_else(|| ApiError::missing("agent", "agent_id"))?;
    Ok(Reply::new(view.logged(logged.receipt, None)).at(logged.index))
}

pub(super) async fn update(
    mut context: Context,
    _: NoQuery,
    body: UpdateAgent,
) -> Result<Reply<AgentView>, ApiError> {
    let agent = own(&context)?;
    let mut notes: AgentNotes = context.kept(agent.0)?.unwrap_or_default();
    let on_behalf_of = context.on_behalf_of()?;
    let mut logged = None;
    if body.display_name.is_some() || body.scopes.is_some() {
        let lists = body.scopes.as_deref().map(|scopes| sorted_scopes(scopes, "scopes")).transpose()?;
        let (scopes, denies) = lists.unzip();
        let name = body.display_name.map(|name| record_name(name.as_str()));
        let (name, whole) = name.unzip();
        notes.display_name = whole.unwrap_or(notes.display_name);
        let update = AgentUpdate {
            agent,
            critical: None,
            denies,
            name,
            on_behalf_of: on_behalf_of.clone(),
            runtime_type: None,
            scopes,
        };
        logged = Some(context.record(Body::AgentUpdate(Box::new(update))).await?);
    }
    if body.description.is_some() || body.metadata.is_some() || logged.is_some() {
        notes.description = body.description.map_or(notes.description, |text| text.into_string());
        notes.metadata = body.metadata.map_or(notes.metadata, |metadata| metadata.0);
        context.keep(agent.0, &notes).await?;
    }
    if let Some(status) = body.status {
        let (reason, _) = reason(body.reason.as_ref());
        let body = match status {
            StatusWord::Active => Body::AgentReactivate(AgentReactivate { agent, on_behalf_of, reason }),
            StatusWord::Suspended => Body::AgentSuspend(AgentSuspend { agent, on_behalf_of, reason }),
            StatusWord::Revoked => Body::AgentRevoke(AgentRevoke {
                agent,
                cascade: false,
                compromised_at: None,
                on_behalf_of,
                reason,
            }),
        };
        logged = Some(context.record(body).await?);
    }
    match logged {
        Some(logged) => shown(&context, agent, logged),
        None => {
            let view = agent_view(&context, agent)?.ok_or_else(|| ApiError::missing("agent", "agent_id"))?;
            Ok(Reply::new(view))
        }
    }
}

pub(super) async fn suspend(
    mut context: Context,
    _: NoQuery,
    body: Why,
) -> Result<Reply<AgentView>, ApiError> {
    let agent = own(&context)?;
    let (reason, whole) = reason(body.reason.as_ref());
    let on_behalf_of = context.on_behalf_of()?;
    let logged = context.record(Body::AgentSuspend(AgentSuspend { agent, on_behalf_of, reason })).await?;
    context.keep_reason(&logged, whole).await?;
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
    let logged =
        context.record(Body::AgentReactivate(AgentReactivate { agent, on_behalf_of, reason })).await?;
    context.keep_reason(&logged, whole).await?;
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
    let logged = context.record(Body::AgentRevoke(record)).await?;
    context.keep_reason(&logged, whole).await?;
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
    let logged = context.record(Body::AgentKill(record)).await?;
    context.keep_reason(&logged, whole.clone()).await?;
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
