//! What is said of an agent, and its status, by `PATCH`.

use ledger_format::record::{AgentId, AgentReactivate, AgentRevoke, AgentSuspend, AgentUpdate, Body};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    register::sorted_scopes,
    standing::{own, shown},
    view::{AgentNotes, AgentView, StatusWord, agent_view},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Logged, NoQuery, Reply},
    wire::{DescriptionText, Metadata, NameText, ReasonText, ScopeText, reason, record_name},
};

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
    /// `active` reactivates a suspended agent, `suspended` suspends it, `revoked` ends it. Changes in a call of its own.
    #[serde(default)]
    status: Option<StatusWord>,
    #[serde(default)]
    reason: Option<ReasonText>,
}

impl BodyInput for UpdateAgent {}

pub(super) async fn update(
    mut context: Context,
    _: NoQuery,
    body: UpdateAgent,
) -> Result<Reply<AgentView>, ApiError> {
    let agent = own(&context)?;
    let describes = body.display_name.is_some()
        || body.scopes.is_some()
        || body.description.is_some()
        || body.metadata.is_some();
    let logged = match body.status {
        // Two records, of which the second may be refused when the first is in the log.
        Some(_) if describes => {
            return Err(ApiError::unprocessable("the status changes in a call of its own")
                .field("status")
                .fix("make two calls: one that changes the status, and one for the rest"));
        }
        Some(status) => Some(switch(&mut context, agent, status, body.reason.as_ref()).await?),
        None if describes => describe(&mut context, agent, body).await?,
        None => None,
    };
    match logged {
        Some(logged) => shown(&context, agent, logged),
        None => {
            let view = agent_view(&context, agent)?.ok_or_else(|| ApiError::missing("agent", "agent_id"))?;
            Ok(Reply::new(view))
        }
    }
}

async fn switch(
    context: &mut Context,
    agent: AgentId,
    status: StatusWord,
    why: Option<&ReasonText>,
) -> Result<Logged, ApiError> {
    let (reason, whole) = reason(why);
    let on_behalf_of = context.on_behalf_of()?;
    let record = match status {
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
    context.record_because(record, whole).await
}

/// Changes what is said of an agent. It is read, changed and written back as a whole, so one call after the other does it, on whichever
/// node: of two that did it together, one would undo what the other has changed.
async fn describe(
    context: &mut Context,
    agent: AgentId,
    body: UpdateAgent,
) -> Result<Option<Logged>, ApiError> {
    let lease = context.lease(&format!("agents/{}", agent.0)).await?;
    let described = describe_alone(context, agent, body).await;
    lease.end().await;
    described
}

/// Only what the log holds makes a record.
async fn describe_alone(
    context: &mut Context,
    agent: AgentId,
    body: UpdateAgent,
) -> Result<Option<Logged>, ApiError> {
    let mut notes: AgentNotes = context.kept(agent.0)?.unwrap_or_default();
    notes.description = body.description.map_or(notes.description, |text| text.into_string());
    notes.metadata = body.metadata.map_or(notes.metadata, |metadata| metadata.0);
    if body.display_name.is_none() && body.scopes.is_none() {
        context.keep(agent.0, &notes).await?;
        return Ok(None);
    }
    let lists = body.scopes.as_deref().map(|scopes| sorted_scopes(scopes, "scopes")).transpose()?;
    let (scopes, denies) = lists.unzip();
    let (name, whole) = body.display_name.map(|name| record_name(name.as_str())).unzip();
    notes.display_name = whole.unwrap_or(notes.display_name);
    let on_behalf_of = context.on_behalf_of()?;
    let update =
        AgentUpdate { agent, critical: None, denies, name, on_behalf_of, runtime_type: None, scopes };
    let id = context.new_id()?;
    context.record_noted(id, Body::AgentUpdate(Box::new(update)), agent.0, &notes).await.map(Some)
}
