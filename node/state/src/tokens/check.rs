//! What a token is worth now.

use ledger_format::http_signature::{Call, CallProof};
use ledger_format::record::{DelegationId, PublicKey, Scope};
use ledger_format::token::{Thumbprint, Token, TokenClaims};

use super::{Live, Nonce, TokenReason, TokenRefused, check_time, live, proof_key};
use crate::applied::Alarm;
use crate::authority::Grant;
use crate::batch::Batch;
use crate::status;
use crate::view::View;

/// A token as somebody shows it, and what the one to whom it is shown wants to know.
#[derive(Clone, Debug)]
pub struct TokenQuestion<'a> {
    /// The token.
    pub token: &'a str,
    /// The log's token keys in force.
    pub keys: &'a [PublicKey],
    /// The log's time, or a later one, ms since 1970.
    pub now_ms: u64,
    /// What shall be done with it; nothing: only whether it is good at all.
    pub scope: Option<&'a Scope>,
    /// Who is asking, by the name that a session's `audience` would use.
    pub audience: Option<&'a str>,
    /// The call that it came with and the proof of possession in that; needed for a token that is bound to a key.
    pub call: Option<ShownCall<'a>>,
}

/// A call as it was received, with the two header fields of its proof.
#[derive(Clone, Copy, Debug)]
pub struct ShownCall<'a> {
    /// The method.
    pub method: &'a str,
    /// The URI that was called, as the caller wrote it.
    pub target_uri: &'a str,
    /// The value of `Content-Digest`. Whoever has the body has compared it.
    pub content_digest: &'a str,
    /// The value of `Maip-Grant`.
    pub grant: Option<&'a str>,
    /// The value of `Signature-Input`.
    pub signature_input: &'a str,
    /// The value of `Signature`.
    pub signature: &'a str,
}

/// A token that is good now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenLive {
    /// What it says.
    pub claims: TokenClaims,
    /// Of a proof of possession: it is good only if this is new.
    pub nonce: Option<Nonce>,
}

/// Whether a token may be used now, in the state that `view` shows.
///
/// A grant and the scope of what is wanted are looked at as for a receipt: what else would speak against an action (approvals, policies, budgets)
/// a [decision](crate::evaluate) says.
///
/// # Errors
/// Why not, the first reason that applies. What a damaged state does not tell counts against the token.
pub fn check_token(
    view: &(impl View + ?Sized),
    question: &TokenQuestion<'_>,
) -> Result<TokenLive, TokenRefused> {
    let token = Token::parse(question.token)
        .map_err(|error| TokenRefused::new(TokenReason::Malformed, error.to_string()))?;
    check_signed(view, question, &token)?;
    let claims = &token.claims;
    if claims.expires_at_s <= question.now_ms / 1_000 {
        return Err(TokenRefused::new(TokenReason::Expired, "the token's time is over; get a new one"));
    }
    check_audience(question, claims)?;
    let live = live(view, claims.session, question.now_ms)?;
    if live.session.agent != claims.agent || live.session.tenant != claims.tenant.0 {
        let message = format!("session {} is another agent's by now", claims.session);
        return Err(TokenRefused::new(TokenReason::SessionMoved, message));
    }
    let nonce = check_possession(question, claims, &live)?;
    if let Some(scope) = question.scope {
        check_scope(scope, claims, &live)?;
    }
    if let Some(grant) = question.call.and_then(|call| call.grant) {
        check_grant(view, grant, claims, question.scope)?;
    }
    Ok(TokenLive { claims: token.claims, nonce })
}

/// It is of this log, and a key of this log signed it.
fn check_signed(
    view: &(impl View + ?Sized),
    question: &TokenQuestion<'_>,
    token: &Token,
) -> Result<(), TokenRefused> {
    let origin = status::genesis(view).map(|genesis| genesis.origin);
    if origin.as_deref() != Some(token.claims.issuer.as_str()) {
        return Err(TokenRefused::new(TokenReason::Log, "the token is of another log"));
    }
    let key = question.keys.iter().find(|key| key.kid() == token.kid);
    if key.is_some_and(|key| token.verify(key).is_ok()) {
        return Ok(());
    }
    Err(TokenRefused::new(TokenReason::Signature, "no token key of this log that is in force signed it"))
}

fn check_audience(question: &TokenQuestion<'_>, claims: &TokenClaims) -> Result<(), TokenRefused> {
    let Some(meant) = claims.audience.as_deref() else { return Ok(()) };
    match question.audience {
        Some(asking) if asking == meant => Ok(()),
        Some(asking) => {
            let message = format!("the token is meant for {meant:?}, not for {asking:?}");
            Err(TokenRefused::new(TokenReason::Audience, message))
        }
        None => {
            let message = format!("the token is meant for {meant:?}; say who is asking");
            Err(TokenRefused::new(TokenReason::Audience, message))
        }
    }
}

/// Whoever shows a token that is bound to a key has that key, and signed this very call with it.
fn check_possession(
    question: &TokenQuestion<'_>,
    claims: &TokenClaims,
    live: &Live,
) -> Result<Option<Nonce>, TokenRefused> {
    let refuse = |reason, message: String| Err(TokenRefused::new(reason, message));
    let Some(bound) = claims.proof_key else {
        return match question.call {
            Some(_) => {
                refuse(TokenReason::PopWrong, "the token is bound to no key, so nothing is proven".into())
            }
            None => Ok(None),
        };
    };
    let key = proof_key(live);
    if Thumbprint::of_bytes(&key) != bound {
        return refuse(TokenReason::KeyReplaced, "the key that the token is bound to was replaced".into());
    }
    let Some(shown) = question.call else {
        return refuse(TokenReason::PopMissing, "the token is bound to a key: show the signed call".into());
    };
    let Some(audience) = question.audience else {
        return refuse(TokenReason::Audience, "a call is signed for somebody; say who is asking".into());
    };
    let wrong = |error: &dyn std::fmt::Display| TokenRefused::new(TokenReason::PopWrong, error.to_string());
    let proof = CallProof::parse(shown.signature_input, shown.signature).map_err(|e| wrong(&e))?;
    let signed_ms = proof.created_s.saturating_mul(1_000);
    check_time("call", signed_ms, question.now_ms)?;
    let call = Call {
        method: shown.method,
        target_uri: shown.target_uri,
        token: question.token,
        content_digest: shown.content_digest,
        audience,
        grant: shown.grant,
    };
    let point = PublicKey::from_bytes(&key).map_err(|e| wrong(&e))?;
    proof.verify(&call, &point).map_err(|e| wrong(&e))?;
    Ok(Some(Nonce::new(&key, &proof.nonce, signed_ms)))
}

/// Within the token, within the session, within what the agent may do now, and not denied to it.
fn check_scope(wanted: &Scope, claims: &TokenClaims, live: &Live) -> Result<(), TokenRefused> {
    let covers = |list: &[Scope]| list.iter().any(|scope| scope.covers(wanted));
    let refuse = |message: String| Err(TokenRefused::new(TokenReason::Scope, message));
    if !covers(&claims.scopes) || !covers(&live.session.scopes) {
        return refuse(format!("{wanted} is not within the token"));
    }
    if !covers(&live.agent.scopes) {
        return refuse(format!("{wanted} is no longer within what the agent may do"));
    }
    // A wish for a whole resource meets a deny of any part of it.
    if live.agent.denies.iter().any(|deny| deny.overlaps(wanted)) {
        return refuse(format!("{wanted} is denied to the agent"));
    }
    Ok(())
}

/// The grant holds, is this agent's, and covers what is wanted.
fn check_grant<V: View + ?Sized>(
    view: &V,
    grant: &str,
    claims: &TokenClaims,
    wanted: Option<&Scope>,
) -> Result<(), TokenRefused> {
    let refuse = |message: String| Err(TokenRefused::new(TokenReason::Grant, message));
    let Some(id) = DelegationId::parse(grant) else { return refuse(format!("{grant:?} is no grant")) };
    let damaged = |alarm: Alarm| TokenRefused::new(TokenReason::Grant, format!("cannot be judged: {alarm}"));
    let mut batch = Batch::new(view).map_err(damaged)?;
    let chain = batch.grant_chain(id).map_err(damaged)?;
    // An agent of another log, or of another tenant, may have the same id: whoever registers an agent chooses it.
    let is_own = |own: &Grant| {
        own.to_agent == claims.agent && own.to_tenant == claims.tenant && own.to_origin.is_none()
    };
    let Some(chain) = chain.filter(|chain| chain.first().is_some_and(|(_, own)| is_own(own))) else {
        return refuse(format!("{id} is no grant to {}", claims.agent));
    };
    if let Some(fault) = batch.chain_fault(&chain, true).map_err(damaged)? {
        return refuse(format!("{id} {fault}"));
    }
    let Some(wanted) = wanted else { return Ok(()) };
    match batch.chain_allows(&chain, wanted).map_err(damaged)? {
        (true, false) => Ok(()),
        (_, true) => refuse(format!("{wanted} is denied by {id} or above it")),
        _ => refuse(format!("{wanted} is not within {id}")),
    }
}
