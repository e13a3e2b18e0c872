//! Refreshing a session: the refresh token is the credential, and good once.

use ledger_format::record::{Body, SessionClose, SessionEnd, SessionId, SessionRefresh};
use ledger_state::{Agent, Session, Tenant};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    open::{Minutes, Seconds, minutes},
    tokens::{RefreshToken, SessionTokens, tokens},
    view::{SessionNotes, session_view},
};
use crate::{
    ApiError,
    account::{Caller, Environment, Principal},
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::Text,
};

/// What the log and people read of a session whose refresh token was shown twice.
const REUSED: &str = "refresh_token_reused";

/// The credential, and how long the session shall go on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshSession {
    /// As the last answer has it.
    #[serde(alias = "refreshToken")]
    refresh_token: Text<1, 256>,
    /// How long it lives from now on, in minutes; 60 when nothing is said.
    #[serde(default)]
    ttl_minutes: Option<Minutes>,
    /// The same in seconds, rounded up to whole minutes.
    #[serde(default, alias = "ttlSeconds")]
    ttl_seconds: Option<Seconds>,
}

impl BodyInput for RefreshSession {}

pub(super) async fn refresh(
    mut context: Context,
    _: NoQuery,
    body: RefreshSession,
) -> Result<Reply<SessionTokens>, ApiError> {
    let id: SessionId = context.id("session_id")?;
    if context.caller.as_ref().is_some_and(|caller| !caller.is_admin()) {
        super::own(&context)?;
    }
    let ttl_min = minutes(body.ttl_minutes, body.ttl_seconds)?;
    let shown = RefreshToken::read(&context.shared.secrets, id, body.refresh_token.as_str());
    let (environment, shown) = shown.ok_or_else(unknown)?;
    let session = enter(&mut context, environment, id).await?;
    let given = context.entry(session.since)?.map(|(_, record)| record.id);
    if given != Some(shown.given) {
        return Err(unknown().because("the session is another agent's by now"));
    }
    let next = RefreshToken::draw(&mut context, id, shown.given)?;
    let before = in_force(&mut context, id, &session, &shown, &next).await?;
    let record =
        SessionRefresh { agent: session.agent, on_behalf_of: context.on_behalf_of()?, session: id, ttl_min };
    let place = context.new_id()?;
    let logged = context.record_as(place, Body::SessionRefresh(record)).await?;
    if let Some((mut notes, bytes)) = before {
        let hash = next.hash(&context.shared.secrets);
        (notes.refresh, notes.refreshed) = (Some(hash), Some(place.to_string()));
        if !context.keep_still(id.0, &bytes, &notes).await? {
            // Somebody else was faster with the same token. Unless it was this same call, on another node.
            in_force(&mut context, id, &session, &shown, &next).await?;
        }
    }
    let view = session_view(&context, id)?.ok_or_else(unknown)?.logged(&logged.receipt);
    let tokens = tokens(&mut context, id, next)?;
    Ok(Reply::new(SessionTokens { session: view.clone(), view, tokens: Some(tokens) }).at(logged.index))
}

fn unknown() -> ApiError {
    ApiError::unauthenticated()
        .because("the refresh token is none of this session, or the session has ended")
        .field("refresh_token")
        .fix("open a new session")
}

async fn catch_up(context: &Context) -> Result<(), ApiError> {
    if context.reader.is_latest(context.timeout).await {
        return Ok(());
    }
    Err(ApiError::not_yet("NOT_CONFIRMED", "no leader has confirmed in time that this node is up to date", 1))
}

/// The session with those whose end would end it.
fn state(context: &Context, id: SessionId) -> Result<Option<(Session, Agent, Tenant)>, ApiError> {
    context.view(|view| {
        let session = ledger_state::session(view, id)?;
        let agent = ledger_state::agent(view, session.agent)?;
        let tenant = ledger_state::tenant(view, session.tenant)?;
        Some((session, agent, tenant))
    })
}

/// Goes into the log that the session is in, as the session: the token says who calls. A node that does not know the session may be
/// behind.
async fn enter(context: &mut Context, environment: Environment, id: SessionId) -> Result<Session, ApiError> {
    context.log = context.shared.logs.named(environment.log_name())?;
    context.reader = context.log.reader();
    if state(context, id)?.is_none() {
        catch_up(context).await?;
    }
    let (session, agent, tenant) = state(context, id)?.ok_or_else(unknown)?;
    let log_ms = context.view(|view| ledger_state::log_ms(view))?;
    if !session.is_live(&agent, &tenant, log_ms.max(context.now_ms)) {
        return Err(unknown());
    }
    context.caller = Some(Caller {
        tenant: session.tenant,
        environment,
        principal: Principal::Session { session: id, agent: session.agent, denies: Vec::new(), digest: None },
        name: format!("session:{}", id.0),
        scopes: Vec::new(),
    });
    Ok(session)
}

/// What is kept of the session while the shown token is in force; nothing if this very call, which is repeated under an idempotency key,
/// has replaced the token already. One that was in force before ends the session.
async fn in_force(
    context: &mut Context,
    id: SessionId,
    session: &Session,
    shown: &RefreshToken,
    next: &RefreshToken,
) -> Result<Option<(SessionNotes, Vec<u8>)>, ApiError> {
    for is_latest in [false, true] {
        let kept: Option<(SessionNotes, Vec<u8>)> = context.kept_bytes(id.0)?;
        let hash = kept.as_ref().and_then(|(notes, _)| notes.refresh);
        if hash.is_some_and(|hash| shown.is(&context.shared.secrets, &hash)) {
            return Ok(kept);
        }
        if hash.is_some_and(|hash| next.is(&context.shared.secrets, &hash)) {
            return Ok(None);
        }
        if !is_latest {
            catch_up(context).await?;
        }
    }
    tracing::warn!(session = %id, "a refresh token was shown twice: the session ends");
    let record = SessionClose {
        agent: session.agent,
        on_behalf_of: context.on_behalf_of()?,
        outcome: SessionEnd::Aborted,
        reason: Some(REUSED.into()),
        session: id,
    };
    let place = context.new_id()?;
    let mut notes: SessionNotes = context.kept(id.0)?.unwrap_or_default();
    (notes.terminated, notes.reason) = (Some(place.to_string()), Some(REUSED.into()));
    notes.refresh = None;
    context.record_noted(place, Body::SessionClose(record), id.0, &notes).await?;
    Err(unknown().because("the refresh token was used before: the session has ended"))
}
