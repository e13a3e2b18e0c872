//! Refreshing a session: the refresh token is the credential, and good once.

use ledger_format::record::{Body, SessionClose, SessionEnd, SessionId, SessionRefresh, TenantId};
use ledger_state::Session;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    change::ended,
    open::{Minutes, Seconds, minutes},
    tokens::{Kept, RefreshToken, SessionTokens, kept, replace, tokens},
    view::{SessionNotes, session_view},
};
use crate::{
    ApiError,
    account::{Caller, Principal},
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
    let shown =
        RefreshToken::read(&context.shared.secrets, id, body.refresh_token.as_str()).ok_or_else(unknown)?;
    let session = enter(&mut context, id).await?;
    if shown.since != session.since {
        return Err(unknown().because("the session is another agent's by now"));
    }
    let next = RefreshToken::draw(&mut context, id, &session)?;
    let before = in_force(&mut context, id, &session, &shown, &next).await?;
    let record =
        SessionRefresh { agent: session.agent, on_behalf_of: context.on_behalf_of()?, session: id, ttl_min };
    let logged = context.record(Body::SessionRefresh(record)).await?;
    let session = state(&context, id)?;
    if let Some(before) = before {
        let environment = context.caller()?.environment;
        let kept = next.kept(&context.shared.secrets, TenantId(session.tenant).to_string(), environment);
        if !replace(&context, id, Some(&before), &kept, session.expires_at).await? {
            // Somebody else was faster with the same token. Unless it was this same call, on another node.
            in_force(&mut context, id, &session, &shown, &next).await?;
        }
    }
    let mut notes: SessionNotes = context.kept(id.0)?.unwrap_or_default();
    notes.refreshed_ms = Some(logged.log_ms);
    context.keep(id.0, &notes).await?;
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

fn state(context: &Context, id: SessionId) -> Result<Session, ApiError> {
    context.view(|view| ledger_state::session(view, id))?.ok_or_else(unknown)
}

/// The refresh token in force, as this node has it; a node that has none may be behind.
async fn latest(context: &Context, id: SessionId) -> Result<(Kept, Vec<u8>), ApiError> {
    if let Some(kept) = kept(context, id)? {
        return Ok(kept);
    }
    catch_up(context).await?;
    kept(context, id)?.ok_or_else(unknown)
}

async fn catch_up(context: &Context) -> Result<(), ApiError> {
    if context.shared.logs.main().reader().is_latest(context.timeout).await {
        return Ok(());
    }
    Err(ApiError::not_yet("NOT_CONFIRMED", "no leader has confirmed in time that this node is up to date", 1))
}

/// Goes into the log that the session is in, as the session: the token says who calls.
async fn enter(context: &mut Context, id: SessionId) -> Result<Session, ApiError> {
    let (kept, _) = latest(context, id).await?;
    let tenant = TenantId::parse(&kept.tenant).ok_or_else(|| ApiError::internal("a session of no tenant"))?;
    if context.caller.as_ref().is_some_and(|caller| !caller.is_admin() && caller.tenant != tenant.0) {
        return Err(ApiError::missing("session", "session_id"));
    }
    context.log = context.shared.logs.named(kept.environment.log_name())?;
    context.reader = context.log.reader();
    let session = state(context, id)?;
    context.caller = Some(Caller {
        tenant: tenant.0,
        environment: kept.environment,
        principal: Principal::Session { session: id, agent: session.agent, denies: Vec::new(), digest: None },
        name: format!("session:{}", id.0),
        scopes: Vec::new(),
    });
    Ok(session)
}

/// The bytes under which the shown token is in force; none if this very call, which is repeated under an idempotency key, has replaced
/// it already. One that was in force before ends the session.
async fn in_force(
    context: &mut Context,
    id: SessionId,
    session: &Session,
    shown: &RefreshToken,
    next: &RefreshToken,
) -> Result<Option<Vec<u8>>, ApiError> {
    for is_latest in [false, true] {
        let (kept, bytes) = latest(context, id).await?;
        if shown.is(&context.shared.secrets, &kept) {
            return Ok(Some(bytes));
        }
        if next.is(&context.shared.secrets, &kept) {
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
    let logged = context.record(Body::SessionClose(record)).await?;
    ended(context, id, logged.log_ms, Some(REUSED.into())).await?;
    Err(unknown().because("the refresh token was used before: the session has ended"))
}
