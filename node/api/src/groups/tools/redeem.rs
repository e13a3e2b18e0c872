//! Redeeming the token of a call: once, on all nodes.

use axum::http::StatusCode;
use ledger_format::token::{CallClaims, TOKEN_BYTES_MAX};
use ledger_log::CallFault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{arguments::Arguments, view::Known};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::{DigestText, Payload, Text, time_text},
};

/// A token that the tool's owner was shown.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedeemToolCall {
    /// The token.
    token: Text<1, 7_168>,
    /// Digest of the bytes that the tool was called with; must be the one in the token.
    #[serde(default)]
    arguments_hash: Option<DigestText>,
    /// What the tool was called with, instead of `arguments_hash`. Not kept.
    #[serde(default)]
    arguments: Option<Payload>,
}

impl BodyInput for RedeemToolCall {}

/// A call that was redeemed.
#[derive(Serialize, ToSchema)]
pub(super) struct RedeemedToolCall {
    /// Always true: what is not good is refused.
    valid: bool,
    /// Always true: nobody else has redeemed it, and nobody will.
    redeemed: bool,
    /// The token's own id.
    token_id: String,
    tool_id: String,
    tool_name: String,
    agent_id: String,
    session_id: Option<String>,
    /// What the call is.
    action: String,
    /// Digest of the arguments.
    arguments_hash: String,
    /// The `decision` record that allowed it.
    decision_id: String,
    /// Index of that record.
    log_index: u64,
    issued_at: String,
    expires_at: String,
    /// When it was redeemed, RFC 3339 in UTC.
    redeemed_at: String,
}

const _: () = assert!(TOKEN_BYTES_MAX == 7_168, "the body says how long a token may be");

pub(super) async fn redeem(
    context: Context,
    _: NoQuery,
    body: RedeemToolCall,
) -> Result<Reply<RedeemedToolCall>, ApiError> {
    let known = Known::own(&context)?;
    let token = context.log.read_call(body.token.as_str()).map_err(fault)?;
    let claims = &token.claims;
    if claims.tool != known.id || claims.tenant.0 != context.tenant()? {
        return Err(ApiError::conflict("TOKEN_OF_OTHER_TOOL", "the token is for another tool").field("token"));
    }
    if body.arguments.is_some() || body.arguments_hash.as_ref().is_some_and(|hash| hash.digest.is_some()) {
        let field = if body.arguments.is_some() { "arguments" } else { "arguments_hash" };
        let arguments = Arguments::read(body.arguments, body.arguments_hash.as_ref())?;
        if arguments.digest != claims.arguments {
            return Err(ApiError::conflict("ARGUMENTS_DIFFER", "the token was given for other arguments")
                .field(field));
        }
    }
    still_lives(&context, claims)?;
    context.log.spend_call(&token, context.timeout).await.map_err(fault)?;
    // Spending has brought this node up to that moment: an end before it counts.
    still_lives(&context, claims)?;
    let answer = RedeemedToolCall {
        valid: true,
        redeemed: true,
        token_id: claims.id.to_string(),
        tool_id: known.id.to_string(),
        tool_name: known.tool.name,
        agent_id: claims.agent.to_string(),
        session_id: claims.session.map(|id| id.to_string()),
        action: claims.action.to_string(),
        arguments_hash: claims.arguments.to_string(),
        decision_id: claims.decision.to_string(),
        log_index: claims.index,
        issued_at: time_text(claims.issued_at_s.saturating_mul(1_000)),
        expires_at: time_text(claims.expires_at_s.saturating_mul(1_000)),
        redeemed_at: time_text(context.log.token_time_ms().map_err(ApiError::internal)?),
    };
    Ok(Reply::new(answer).at(claims.index))
}

/// Whether the agent may still act, and its session goes on.
fn still_lives(context: &Context, claims: &CallClaims) -> Result<(), ApiError> {
    let lives = context.view(|view| {
        let log_ms = ledger_state::log_ms(view);
        let agent = ledger_state::agent(view, claims.agent)?;
        let tenant = ledger_state::tenant(view, claims.tenant.0)?;
        let session = match claims.session {
            Some(id) => ledger_state::session(view, id)?.is_live(&agent, &tenant, log_ms),
            None => true,
        };
        Some(agent.is_active() && tenant.is_active() && session)
    })?;
    match lives {
        Some(true) => Ok(()),
        _ => {
            Err(ApiError::conflict("AGENT_ENDED", "the agent or its session has ended since").field("token"))
        }
    }
}

fn fault(fault: CallFault) -> ApiError {
    match fault {
        CallFault::Malformed(_) | CallFault::Signature => ApiError::unprocessable(fault.to_string())
            .field("token")
            .fix("send the token of an invocation, as it is"),
        CallFault::Expired(_) => ApiError::conflict("TOKEN_EXPIRED", fault.to_string())
            .field("token")
            .fix("let the agent ask again"),
        CallFault::Spent => ApiError::conflict("TOKEN_SPENT", fault.to_string())
            .field("token")
            .fix("do not act on it: somebody has"),
        CallFault::NotSpent(refused) => refused.into(),
        _ => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "NO_TOKEN_KEY", fault.to_string())
            .fix("ask another node"),
    }
}
