//! Sessions as credentials: an access token, checked on each use against what this node has applied.
//!
//! A token says what its session allowed when it was made. What the caller may do is that, within what session and agent allow at the
//! moment of the call. A bearer token costs one signature and a few reads; one that is bound to a key comes with a signed call, whose
//! nonce is spent in the state that all nodes share.

use std::time::Duration;

use axum::http::{header, request::Parts};
use ledger_format::{
    http_signature::content_digest,
    record::{AgentId, Scope, SessionId},
    token::{Token, TokenClaims},
};
use ledger_log::{HostedLog, TokenCall, TokenCheck, TokenFault, TokenReason, TokenRefused};

use super::{
    Environment,
    caller::{Caller, Principal},
};
use crate::{ApiError, Logs, maip::Shared};

/// How long a check may wait for the leader, where it has to.
pub(crate) const CHECK_WAIT: Duration = Duration::from_secs(5);
/// How the header of every token begins: `{"` in base64url.
const TOKEN_START: &str = "eyJ";
/// As a proxy or this node may be reached.
const SCHEMES: [&str; 2] = ["https", "http"];

/// Whether a credential is an access token, and no API key.
pub(super) fn is_token(text: &str) -> bool {
    text.starts_with(TOKEN_START)
}

/// The environment that a token is of.
fn environment(logs: &Logs, issuer: &str) -> Option<(Environment, HostedLog)> {
    [Environment::Production, Environment::Sandbox].into_iter().find_map(|environment| {
        let log = logs.get(environment.log_name()).filter(|log| log.origin() == issuer)?;
        Some((environment, log))
    })
}

/// Who shows an access token with this request.
///
/// # Errors
/// 401: it is not good now.
pub(super) async fn caller(shared: &Shared, request: &Parts, text: &str) -> Result<Caller, ApiError> {
    let token = Token::parse(text).map_err(|error| {
        fault(TokenFault::Refused(TokenRefused::new(TokenReason::Malformed, error.to_string())))
    })?;
    let (environment, log) = environment(&shared.logs, &token.claims.issuer).ok_or_else(|| {
        let message = "the token is of a log that this node does not serve";
        fault(TokenFault::Refused(TokenRefused::new(TokenReason::Log, message)))
    })?;
    let (claims, digest) = check(&log, request, text).await.map_err(fault)?;
    let now = log
        .reader()
        .state(|view| {
            let session = ledger_state::session(view, claims.session)?;
            Some((session.scopes, ledger_state::agent(view, claims.agent)?))
        })
        .map_err(ApiError::internal)?;
    let (session_scopes, agent) = now.ok_or_else(|| ApiError::internal("a live session without an agent"))?;
    Ok(Caller {
        tenant: claims.tenant.0,
        environment,
        name: format!("session:{}", claims.session.0),
        scopes: common(&common(&claims.scopes, &session_scopes), &agent.scopes),
        principal: Principal::Session {
            session: claims.session,
            agent: claims.agent,
            denies: agent.denies,
            digest,
        },
    })
}

/// Whether a session is still this agent's and both are live, by what this node has applied.
pub(super) fn is_live(shared: &Shared, environment: Environment, id: SessionId, agent: AgentId) -> bool {
    let Ok(log) = shared.logs.named(environment.log_name()) else { return false };
    let live = log.reader().state(|view| {
        let session = ledger_state::session(view, id)?;
        let agent = ledger_state::agent(view, agent).filter(|_| session.agent == agent)?;
        let tenant = ledger_state::tenant(view, agent.tenant)?;
        Some(session.is_live(&agent, &tenant, ledger_state::log_ms(view)))
    });
    live.is_ok_and(|live| live == Some(true))
}

/// What a good token says; of a token that is bound to a key, also the digest of the body that was signed with it.
async fn check(
    log: &HostedLog,
    request: &Parts,
    text: &str,
) -> Result<(TokenClaims, Option<String>), TokenFault> {
    // A log is called by its origin: a token that is meant for somebody else does not open the API, and a call that was signed for
    // somebody else cannot be repeated here.
    let shown = |call| TokenCheck {
        token: text.to_owned(),
        scope: None,
        audience: Some(log.origin().to_owned()),
        call,
        fresh: false,
    };
    let calls = calls(request);
    let Some((last, others)) = calls.split_last() else {
        let checked = log.check_token(&shown(None), CHECK_WAIT).await?;
        return Ok((checked.live.claims, None));
    };
    for call in others {
        match log.check_token(&shown(Some(call.clone())), CHECK_WAIT).await {
            Ok(checked) => return Ok((checked.live.claims, Some(call.content_digest.clone()))),
            Err(TokenFault::Refused(refused)) if refused.reason == TokenReason::PopWrong => {}
            Err(fault) => return Err(fault),
        }
    }
    let checked = log.check_token(&shown(Some(last.clone())), CHECK_WAIT).await?;
    Ok((checked.live.claims, Some(last.content_digest.clone())))
}

/// The call as the caller may have signed it: whether it was sent by https, a node behind a proxy does not see. None without a signature.
fn calls(request: &Parts) -> Vec<TokenCall> {
    let field = |name: &str| {
        let value = request.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let (Some(signature_input), Some(signature)) = (field("signature-input"), field("signature")) else {
        return Vec::new();
    };
    let host = request.uri.authority().map(ToString::to_string).or_else(|| field(header::HOST.as_str()));
    let place = request.uri.path_and_query().map_or("/", |place| place.as_str());
    let call = |scheme| TokenCall {
        method: request.method.as_str().to_owned(),
        target_uri: format!("{scheme}://{}{place}", host.as_deref().unwrap_or("")),
        content_digest: field("content-digest").unwrap_or_else(|| content_digest(b"")),
        grant: field("maip-grant"),
        signature_input: signature_input.clone(),
        signature: signature.clone(),
    };
    SCHEMES.map(call).into()
}

/// What is within both lists.
fn common(one: &[Scope], other: &[Scope]) -> Vec<Scope> {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
    let mut scopes: Vec<Scope> = pairs
        .filter_map(|(a, b)| if b.covers(a) { Some(a.clone()) } else { a.covers(b).then(|| b.clone()) })
        .collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// Why a token does not open the API, or cannot be judged.
pub(crate) fn fault(fault: TokenFault) -> ApiError {
    match fault {
        TokenFault::Refused(refused) => {
            let fix = match refused.reason {
                TokenReason::Malformed | TokenReason::Signature | TokenReason::Log => {
                    "send the token as it was given"
                }
                TokenReason::AgentEnded | TokenReason::AgentSuspended | TokenReason::TenantSuspended => {
                    "nothing helps while the agent may not act"
                }
                TokenReason::Audience => "use a session without an audience, or one for this log's origin",
                TokenReason::PopMissing
                | TokenReason::PopWrong
                | TokenReason::PopOld
                | TokenReason::NonceUsed => {
                    "sign each call anew with the key that the token is bound to, for the log's origin as audience"
                }
                _ => "refresh the session, or open a new one",
            };
            ApiError::unauthenticated().because(refused.to_string()).fix(fix)
        }
        TokenFault::NotSpent(refused) => refused.into(),
        TokenFault::NotConfirmed => ApiError::not_yet(
            "NOT_CONFIRMED",
            "no leader has confirmed in time that this node is up to date",
            1,
        ),
        TokenFault::NoKey => ApiError::not_yet("NO_TOKEN_KEY", fault.to_string(), 1).fix("ask another node"),
        other => ApiError::internal(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_lists_allow() {
        let list =
            |texts: &[&str]| -> Vec<Scope> { texts.iter().map(|text| Scope::parse(text).unwrap()).collect() };
        for (one, other, both) in [
            (&["a:read"][..], &["a:*"][..], &["a:read"][..]),
            (&["*:*"], &["a:*", "b:read"], &["a:*", "b:read"]),
            (&["a:*", "b:read"], &["a:write", "b:write"], &["a:write"]),
            (&["a:read"], &[], &[]),
            (&["a:read", "a:*"], &["a:read"], &["a:read"]),
        ] {
            assert_eq!(common(&list(one), &list(other)), list(both), "{one:?} {other:?}");
            assert_eq!(common(&list(other), &list(one)), list(both), "{other:?} {one:?}");
        }
    }
}
