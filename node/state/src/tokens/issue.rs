//! Who gets a token.

use ledger_format::record::{Actor, PublicKey, Scope, SessionId, TenantId, Ulid};
use ledger_format::token::{Thumbprint, TokenClaims, TokenRequest, is_nonce};

use super::{Live, Nonce, TokenReason, TokenRefused, check_time, live, proof_key};
use crate::status;
use crate::values::SignerKey;
use crate::view::View;

/// What the token that a request asks for says, and the nonce of the request, which the caller spends before it signs.
///
/// A session's agent gets one, or its tenant for it: whoever asks has signed the request with its key of this moment. `id` becomes the
/// token's own. The token lives as long as the session would: a refreshed session gets a new one.
///
/// # Errors
/// Why not; [`TokenReason::SessionUnknown`] may only mean that this node is behind.
pub fn grant_token(
    view: &(impl View + ?Sized),
    request: &TokenRequest,
    signature: &[u8; 64],
    now_ms: u64,
    id: Ulid,
) -> Result<(TokenClaims, Nonce), TokenRefused> {
    let refuse = |reason, message: &str| Err(TokenRefused::new(reason, message));
    let origin = status::genesis(view).map(|genesis| genesis.origin);
    if origin.as_deref() != Some(request.origin.as_str()) {
        return refuse(TokenReason::Log, "the request is for another log");
    }
    if !is_nonce(&request.nonce) {
        return refuse(TokenReason::Malformed, "the nonce is not 16 to 64 characters of base64url");
    }
    check_time("request", request.at_ms, now_ms)?;
    let live = live(view, request.session, now_ms)?;
    let key = match request.actor {
        Actor::Agent(agent) if agent == live.session.agent => live.agent.key,
        Actor::Tenant => match live.tenant.key {
            Some(key) => key,
            None => return refuse(TokenReason::Signature, "the tenant has no key; let the agent ask"),
        },
        _ => return refuse(TokenReason::Signature, "only the session's agent or its tenant gets a token"),
    };
    check_signature(&key, request, signature)?;
    let scopes = scopes(&live.session.scopes, &request.scopes)?;
    let claims = claims(&live, request.session, request.origin.clone(), request.bind, now_ms, id);
    let claims = TokenClaims { scopes, ..claims? };
    Ok((claims, Nonce::new(&key.public, &request.nonce, request.at_ms)))
}

/// What a token says that the log's operator gives to whoever opened a session over the API: all that the session allows.
///
/// # Errors
/// The session does not live.
pub fn session_claims(
    view: &(impl View + ?Sized),
    session: SessionId,
    now_ms: u64,
    id: Ulid,
) -> Result<TokenClaims, TokenRefused> {
    let no_log = || TokenRefused::new(TokenReason::Log, "the log has not begun");
    let origin = status::genesis(view).map(|genesis| genesis.origin).ok_or_else(no_log)?;
    let log_ms = status::status(view).log_ms;
    claims(&live(view, session, log_ms.max(now_ms))?, session, origin, false, now_ms, id)
}

/// What a token for all that a session allows says. `bind`: also to the agent's key, where the session names no other.
fn claims(
    live: &Live,
    session: SessionId,
    issuer: String,
    bind: bool,
    now_ms: u64,
    id: Ulid,
) -> Result<TokenClaims, TokenRefused> {
    let bound = bind || live.session.proof_key.is_some();
    let claims = TokenClaims {
        audience: live.session.audience.clone(),
        proof_key: bound.then(|| Thumbprint::of_bytes(&proof_key(live))),
        // Whole seconds, and never longer than the session.
        expires_at_s: live.session.expires_at / 1_000,
        issued_at_s: now_ms / 1_000,
        issuer,
        id,
        scopes: scopes(&live.session.scopes, &[])?,
        session,
        agent: live.session.agent,
        tenant: TenantId(live.session.tenant),
    };
    if claims.expires_at_s <= claims.issued_at_s {
        return Err(TokenRefused::new(TokenReason::SessionEnded, "the session ends within this second"));
    }
    Ok(claims)
}

fn check_signature(
    key: &SignerKey,
    request: &TokenRequest,
    signature: &[u8; 64],
) -> Result<(), TokenRefused> {
    let good = PublicKey::from_bytes(&key.public)
        .is_ok_and(|point| point.verify(&request.signed_bytes(), signature).is_ok());
    if good {
        return Ok(());
    }
    let message = format!("the request is not signed with key {} of whoever asks", key.kid);
    Err(TokenRefused::new(TokenReason::Signature, message))
}

/// What is asked for, within what the session allows; nothing asked for: all of that.
fn scopes(allowed: &[Scope], wanted: &[Scope]) -> Result<Vec<Scope>, TokenRefused> {
    if let Some(scope) = wanted.iter().find(|wanted| !allowed.iter().any(|wide| wide.covers(wanted))) {
        let message = format!("{scope} is not within what the session allows");
        return Err(TokenRefused::new(TokenReason::Scope, message));
    }
    let mut scopes = if wanted.is_empty() { allowed.to_vec() } else { wanted.to_vec() };
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}
