//! `IssueToken` and `CheckToken`.

use ledger_format::record::{Actor, AgentId, Scope, SessionId};
use ledger_format::token::TokenRequest;
use ledger_log::{TokenCall, TokenCheck, TokenFault, TokenReason, TokenRefused};
use ledger_proto::v1::{
    CheckTokenRequest, CheckTokenResponse, IssueTokenRequest, IssueTokenResponse, SignedCall,
};
use tonic::{Code, Status};

use super::{
    Services,
    read::{log, timeout},
    refusal,
};

/// `IssueToken`.
pub(super) async fn issue(
    services: &Services,
    request: IssueTokenRequest,
) -> Result<IssueTokenResponse, Status> {
    let log = log(services, &request.log)?;
    let signature = request.signature.as_ref().try_into().map_err(|_| {
        let message = format!("{} bytes are no signature", request.signature.len());
        refusal::invalid("signature", message, "send the 64 bytes of an Ed25519 signature")
    })?;
    let wanted = TokenRequest {
        origin: log.origin().to_owned(),
        session: session(&request.session)?,
        actor: actor(&request.actor)?,
        at_ms: request.at_ms,
        nonce: request.nonce,
        scopes: request.scopes.iter().map(|text| scope("scopes", text)).collect::<Result<_, _>>()?,
        bind: request.bind,
    };
    let within = timeout(services, request.timeout_ms);
    let token = log.issue_token(&wanted, &signature, within).await.map_err(status)?;
    Ok(IssueTokenResponse { token: token.to_string(), expires_at_s: token.claims.expires_at_s })
}

/// `CheckToken`.
pub(super) async fn check(
    services: &Services,
    request: CheckTokenRequest,
) -> Result<CheckTokenResponse, Status> {
    let log = log(services, &request.log)?;
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let check = TokenCheck {
        token: request.token,
        scope: given(request.scope).map(|text| scope("scope", &text)).transpose()?,
        audience: given(request.audience),
        call: request.call.map(call),
        fresh: request.fresh,
    };
    match log.check_token(&check, timeout(services, request.timeout_ms)).await {
        Ok(checked) => {
            let claims = checked.live.claims;
            Ok(CheckTokenResponse {
                live: true,
                reason: String::new(),
                message: String::new(),
                agent: claims.agent.to_string(),
                session: claims.session.to_string(),
                tenant: claims.tenant.to_string(),
                scopes: claims.scopes.iter().map(ToString::to_string).collect(),
                expires_at_s: claims.expires_at_s,
                bound: claims.proof_key.is_some(),
                size: checked.size,
            })
        }
        Err(TokenFault::Refused(refused)) => Ok(CheckTokenResponse {
            reason: refused.reason.as_str().to_owned(),
            message: refused.message,
            ..CheckTokenResponse::default()
        }),
        Err(other) => Err(status(other)),
    }
}

fn call(call: SignedCall) -> TokenCall {
    let SignedCall { method, target_uri, content_digest, grant, signature_input, signature } = call;
    let grant = Some(grant).filter(|grant| !grant.is_empty());
    TokenCall { method, target_uri, content_digest, grant, signature_input, signature }
}

fn session(text: &str) -> Result<SessionId, Status> {
    SessionId::parse(text).ok_or_else(|| {
        refusal::invalid("session", format!("{text:?} is no session"), "use maip-sess: with a ULID")
    })
}

fn actor(text: &str) -> Result<Actor, Status> {
    let agent = || AgentId::parse(text).map(Actor::Agent);
    if text == "tenant" { Some(Actor::Tenant) } else { agent() }.ok_or_else(|| {
        let message = format!("{text:?} is neither an agent nor a tenant");
        refusal::invalid("actor", message, "use maip-agent: with a ULID, or tenant")
    })
}

fn scope(field: &str, text: &str) -> Result<Scope, Status> {
    Scope::parse(text).ok_or_else(|| {
        refusal::invalid(field, format!("{text:?} is no scope"), "use resource:action or resource:*")
    })
}

fn status(fault: TokenFault) -> Status {
    let message = fault.to_string();
    match fault {
        TokenFault::Refused(refused) => refused_status(&refused),
        TokenFault::NotSpent(refused) => refusal::status(&refused),
        TokenFault::NotConfirmed => refusal::not_confirmed(),
        TokenFault::NoKey => {
            let fix = "an operator installs the log's operator key on this node; meanwhile ask another";
            refusal::refuse(Code::Unavailable, "NO_TOKEN_KEY", "", message, fix)
        }
        _ => refusal::refuse(Code::Internal, "INTERNAL", "", message, "ask another node"),
    }
}

fn refused_status(refused: &TokenRefused) -> Status {
    let (code, field, fix) = match refused.reason {
        TokenReason::Malformed => (Code::InvalidArgument, "nonce", "draw 16 random bytes, in base64url"),
        TokenReason::Signature => {
            (Code::Unauthenticated, "signature", "sign as the session's agent or its tenant")
        }
        TokenReason::PopOld => (Code::Unauthenticated, "at_ms", "sign the request anew, at its own time"),
        TokenReason::NonceUsed => (Code::AlreadyExists, "nonce", "sign a request with another nonce"),
        TokenReason::SessionUnknown => (Code::NotFound, "session", "open the session first"),
        TokenReason::Scope => (Code::PermissionDenied, "scopes", "ask for scopes that the session has"),
        _ => (Code::PermissionDenied, "session", "open a session that may be used"),
    };
    refusal::refuse(code, &refused.reason.as_str().to_ascii_uppercase(), field, refused.message.clone(), fix)
}
