//! Ending a session, and handing it to another agent.

use ledger_format::record::{Body, SessionClose, SessionEnd, SessionHandoff, SessionId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    own,
    tokens::{RefreshToken, SessionTokens, kept, place, replace, tokens},
    view::{SessionNotes, SessionView, session_view},
};
use crate::{
    ApiError,
    account::Changes,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::{AgentRef, ReasonText, reason},
};

/// Tries to replace a refresh token that others replace at the same time.
const REPLACE_TRIES: usize = 8;

/// Why a session ends. Older clients send no body at all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TerminateSession {
    #[serde(default)]
    reason: Option<ReasonText>,
    /// `clean` when nothing is said.
    #[serde(default)]
    outcome: Option<SessionOutcomeWord>,
}

impl BodyInput for TerminateSession {
    const REQUIRED: bool = false;
}

/// How a session ends: trust in the agent follows from it.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum SessionOutcomeWord {
    /// The work was done.
    Clean,
    /// It was broken off.
    Aborted,
}

/// To whom a session goes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandOffSession {
    /// Who goes on with it.
    #[serde(alias = "toAgentId", alias = "agent_id")]
    to_agent_id: AgentRef,
}

impl BodyInput for HandOffSession {}

pub(super) async fn terminate(
    mut context: Context,
    _: NoQuery,
    body: TerminateSession,
) -> Result<Reply<SessionView>, ApiError> {
    let (id, session) = own(&context)?;
    let outcome = match body.outcome {
        None | Some(SessionOutcomeWord::Clean) => SessionEnd::Clean,
        Some(SessionOutcomeWord::Aborted) => SessionEnd::Aborted,
    };
    let (word, whole) = reason(body.reason.as_ref());
    let record = SessionClose {
        agent: session.agent,
        on_behalf_of: context.on_behalf_of()?,
        outcome,
        reason: whole.is_some().then_some(word),
        session: id,
    };
    let logged = context.record(Body::SessionClose(record)).await?;
    ended(&context, id, logged.log_ms, whole).await?;
    let view = session_view(&context, id)?.ok_or_else(|| ApiError::missing("session", "session_id"))?;
    Ok(Reply::new(view.logged(&logged.receipt)).at(logged.index))
}

/// Notes when and why a session ended, and forgets its refresh token.
pub(super) async fn ended(
    context: &Context,
    id: SessionId,
    at_ms: u64,
    reason: Option<String>,
) -> Result<(), ApiError> {
    let mut notes: SessionNotes = context.kept(id.0)?.unwrap_or_default();
    (notes.terminated_ms, notes.reason) = (Some(at_ms), reason);
    context.keep(id.0, &notes).await?;
    context.shared.store.change(Changes::default().delete(&place(id))).await?;
    Ok(())
}

pub(super) async fn hand_off(
    mut context: Context,
    _: NoQuery,
    body: HandOffSession,
) -> Result<Reply<SessionTokens>, ApiError> {
    let (id, session) = own(&context)?;
    let to = body.to_agent_id.0;
    context.own_agent(to, "to_agent_id")?;
    if to == session.agent {
        return Err(ApiError::unprocessable("it is this agent's session already").field("to_agent_id"));
    }
    let record =
        SessionHandoff { agent: session.agent, on_behalf_of: context.on_behalf_of()?, session: id, to };
    let logged = context.record(Body::SessionHandoff(record)).await.map_err(to_field)?;
    let tokens = if context.caller()?.agent().is_some() {
        context.shared.store.change(Changes::default().delete(&place(id))).await?;
        None
    } else {
        let refresh = new_refresh_token(&mut context, id).await?;
        Some(tokens(&mut context, id, refresh)?)
    };
    let view = session_view(&context, id)?.ok_or_else(|| ApiError::missing("session", "session_id"))?;
    let view = view.logged(&logged.receipt);
    Ok(Reply::new(SessionTokens { session: view.clone(), view, tokens }).at(logged.index))
}

/// The record's field as the body has it.
fn to_field(error: ApiError) -> ApiError {
    if error.field == "to" { error.field("to_agent_id") } else { error }
}

/// A refresh token for the session's agent of now, in the place of whatever is there.
async fn new_refresh_token(context: &mut Context, id: SessionId) -> Result<RefreshToken, ApiError> {
    let state = context.view(|view| ledger_state::session(view, id))?;
    let state = state.ok_or_else(|| ApiError::missing("session", "session_id"))?;
    let refresh = RefreshToken::draw(context, id, &state)?;
    let environment = context.caller()?.environment;
    let next = refresh.kept(&context.shared.secrets, TenantId(state.tenant).to_string(), environment);
    for _ in 0..REPLACE_TRIES {
        let before = kept(context, id)?.map(|(_, bytes)| bytes);
        if replace(context, id, before.as_deref(), &next, state.expires_at).await? {
            return Ok(refresh);
        }
    }
    Err(ApiError::conflict("CHANGED", "the session is changed all the time")
        .field("session_id")
        .fix("read it and try again"))
}
