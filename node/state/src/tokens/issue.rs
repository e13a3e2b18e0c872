//! Who gets a token.

use ledger_format::record::{Actor, PublicKey, Scope, TenantId, Ulid};
use ledger_format::token::{Thumbprint, TokenClaims, TokenRequest, is_nonce};

use super::{Nonce, TokenReason, TokenRefused, check_time, live, proof_key};
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
    let bound = request.bind || live.session.proof_key.is_some();
    let claims = TokenClaims {
        audience: live.session.audience.clone(),
        proof_key: bound.then(|| Thumbprint::of_bytes(&proof_key(&live))),
        // Whole seconds, and never longer than the session.
        expires_at_s: live.session.expires_at / 1_000,
        issued_at_s: now_ms / 1_000,
        issuer: request.origin.clone(),
        id,
        scopes,
        session: request.session,
        agent: live.session.agent,
        tenant: TenantId(live.session.tenant),
    };
    if claims.expires_at_s <= claims.issued_at_s {
        return refuse(TokenReason::SessionEnded, "the session ends within this second");
    }
    Ok((claims, Nonce::new(&key.public, &request.nonce, request.at_ms)))
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
