//! Ending a session, and handing it to another agent.

use ledger_format::record::{Body, SessionClose, SessionEnd, SessionHandoff};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    own,
    tokens::{RefreshToken, SessionTokens, tokens},
    view::{SessionNotes, SessionView, session_view},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::{AgentRef, ReasonText, reason},
};

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
    let place = context.new_id()?;
    let mut notes: SessionNotes = context.kept(id.0)?.unwrap_or_default();
    (notes.terminated, notes.reason, notes.refresh) = (Some(place.to_string()), whole, None);
    let logged = context.record_noted(place, Body::SessionClose(record), id.0, &notes).await?;
    let view = session_view(&context, id)?.ok_or_else(|| ApiError::missing("session", "session_id"))?;
    Ok(Reply::new(view.logged(&logged.receipt)).at(logged.index))
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
    let place = context.new_id()?;
    let mut notes: SessionNotes = context.kept(id.0)?.unwrap_or_default();
    // An agent that hands its session on gets no tokens of the other.
    let refresh = match context.caller()?.agent() {
        Some(_) => None,
        None => Some(RefreshToken::draw(&mut context, id, place)?),
    };
    notes.refresh = refresh.as_ref().map(|refresh| refresh.hash(&context.shared.secrets));
    let logged = context.record_noted(place, Body::SessionHandoff(record), id.0, &notes).await;
    let logged = logged.map_err(to_field)?;
    let tokens = refresh.map(|refresh| tokens(&mut context, id, refresh)).transpose()?;
    let view = session_view(&context, id)?.ok_or_else(|| ApiError::missing("session", "session_id"))?;
    let view = view.logged(&logged.receipt);
    Ok(Reply::new(SessionTokens { session: view.clone(), view, tokens }).at(logged.index))
}

/// The record's field as the body has it.
fn to_field(error: ApiError) -> ApiError {
    if error.field == "to" { error.field("to_agent_id") } else { error }
}
