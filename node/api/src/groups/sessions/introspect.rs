//! Whether an access token is good now, for whoever is shown one.

use ledger_format::token::Token;
use ledger_log::{TokenCall, TokenCheck, TokenFault, TokenReason, TokenRefused};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError,
    account::session::fault,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::{ScopeText, Text, time_text},
};

/// A token as it was shown, and what shall be known of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IntrospectToken {
    /// The access token.
    token: Text<1, 8_192>,
    /// What shall be done with it; without it, only whether it is good at all. No denial.
    #[serde(default)]
    scope: Option<ScopeText>,
    /// Who asks, by the name that the session's `audience` would use.
    #[serde(default)]
    audience: Option<Text<1, 256>>,
    /// The call that it came with; needed for a token that is bound to a key.
    #[serde(default)]
    call: Option<SignedCallBody>,
    /// Answer only when a majority confirms that this node is up to date: a node that is cut off then says so, with 503.
    #[serde(default)]
    fresh: bool,
}

impl BodyInput for IntrospectToken {}

/// A call as it was received, with the two header fields of its proof (RFC 9421).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignedCallBody {
    /// The method, in capital letters.
    method: Text<1, 16>,
    /// The absolute URI that was called.
    target_uri: Text<1, 8_192>,
    /// The value of `Content-Digest`, which whoever has the body has compared with it.
    content_digest: Text<1, 256>,
    /// The value of `Maip-Grant`.
    #[serde(default)]
    grant: Option<Text<1, 256>>,
    /// The value of `Signature-Input`.
    signature_input: Text<1, 1_024>,
    /// The value of `Signature`.
    signature: Text<1, 256>,
}

impl From<SignedCallBody> for TokenCall {
    fn from(call: SignedCallBody) -> Self {
        Self {
            method: call.method.into_string(),
            target_uri: call.target_uri.into_string(),
            content_digest: call.content_digest.into_string(),
            grant: call.grant.map(Text::into_string),
            signature_input: call.signature_input.into_string(),
            signature: call.signature.into_string(),
        }
    }
}

/// What a token is worth now.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct TokenVerdict {
    /// Whether it is good.
    active: bool,
    /// Why it is not, for programs: `expired`, `session_ended`, `agent_ended`, `scope`, `pop_missing`, …; null when it is good.
    reason: Option<&'static str>,
    /// Why it is not, for people; null when it is good.
    message: Option<String>,
    /// Who shows it; null when it is not good, like all that follows.
    agent_id: Option<String>,
    session_id: Option<String>,
    tenant_id: Option<String>,
    /// What it covers.
    scopes: Vec<String>,
    /// For whom it is meant.
    audience: Option<String>,
    /// When it ends at the latest, RFC 3339 in UTC.
    expires_at: Option<String>,
    /// Whether it is bound to a key, of which the call has proven possession.
    bound: bool,
    /// Number of entries that this node had applied.
    log_size: Option<u64>,
}

pub(super) async fn introspect(
    context: Context,
    _: NoQuery,
    body: IntrospectToken,
) -> Result<Reply<TokenVerdict>, ApiError> {
    let scope = match body.scope.as_ref().map(ScopeText::scope).transpose() {
        Ok(Some((_, true))) => Err("is a denial".to_owned()),
        Ok(scope) => Ok(scope.map(|(scope, _)| scope)),
        Err(error) => Err(error),
    };
    let scope = scope.map_err(|error| ApiError::unprocessable(error).field("scope"))?;
    let token = match Token::parse(body.token.as_str()) {
        Ok(token) => token,
        Err(error) => return Ok(bad(&TokenRefused::new(TokenReason::Malformed, error.to_string()))),
    };
    let Some(log) = context.shared.logs.iter().find(|log| log.origin() == token.claims.issuer) else {
        let message = "the token is of a log that this node does not serve";
        return Ok(bad(&TokenRefused::new(TokenReason::Log, message)));
    };
    let check = TokenCheck {
        token: body.token.into_string(),
        scope,
        audience: body.audience.map(Text::into_string),
        call: body.call.map(TokenCall::from),
        fresh: body.fresh,
    };
    let checked = match log.check_token(&check, context.timeout).await {
        Ok(checked) => checked,
        Err(TokenFault::Refused(refused)) => return Ok(bad(&refused)),
        Err(other) => return Err(fault(other)),
    };
    let claims = checked.live.claims;
    Ok(Reply::new(TokenVerdict {
        active: true,
        agent_id: Some(claims.agent.to_string()),
        session_id: Some(claims.session.to_string()),
        tenant_id: Some(claims.tenant.to_string()),
        scopes: claims.scopes.iter().map(ToString::to_string).collect(),
        audience: claims.audience,
        expires_at: Some(time_text(claims.expires_at_s * 1_000)),
        bound: claims.proof_key.is_some(),
        log_size: Some(checked.size),
        ..TokenVerdict::default()
    }))
}

fn bad(refused: &TokenRefused) -> Reply<TokenVerdict> {
    Reply::new(TokenVerdict {
        reason: Some(refused.reason.as_str()),
        message: Some(refused.message.clone()),
        ..TokenVerdict::default()
    })
}
