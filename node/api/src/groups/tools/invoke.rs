//! May an agent call this tool now? The answer is a decision in the log, and a token for the call if it is a yes.

use ledger_format::{
    record::{AgentId, DecisionKind, DecisionReason, DecisionResult, Digest, ReceiptId, TenantId, Ulid},
    token::CallClaims,
};
use ledger_state::Question;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::policies::{
    AmountBody, Asked, Decided, approval_lease, ask, ask_guardrail, decided_view, is_approved,
};
use super::{
    arguments::Arguments,
    rate,
    view::{Known, RiskLevel},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::{
        AgentRef, DelegationRef, DigestText, Payload, ReceiptRef, ScopeText, SessionRef, Whole, time_text,
    },
};

/// How long a token is good when nothing is said, seconds.
const TOKEN_S: u64 = 300;

/// A call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InvokeTool {
    /// Who calls; the session's agent, when nothing is said.
    #[serde(default)]
    agent_id: Option<AgentRef>,
    /// The session in which it happens.
    #[serde(default)]
    session_id: Option<SessionRef>,
    /// What the tool is to be called with. Not kept.
    #[serde(default)]
    arguments: Option<Payload>,
    /// Digest of the bytes that the tool is to be called with, instead of `arguments`.
    #[serde(default)]
    arguments_hash: Option<DigestText>,
    /// Which action it is, where the tool's scope is `resource:*`.
    #[serde(default)]
    action: Option<ScopeText>,
    /// The delegation that the agent acts under.
    #[serde(default)]
    delegation_id: Option<DelegationRef>,
    /// The approval that it has; used up by the call.
    #[serde(default)]
    approval_id: Option<ReceiptRef>,
    /// What it costs.
    #[serde(default)]
    amount: Option<AmountBody>,
    /// How long the token is good; 300 when nothing is said.
    #[serde(default)]
    token_ttl_seconds: Option<Whole<5, 3_600>>,
}

impl BodyInput for InvokeTool {}

/// What became of a call.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CallStatus {
    Allowed,
    Denied,
    PendingApproval,
}

/// The answer to a call.
#[derive(Serialize, ToSchema)]
pub(super) struct ToolCall {
    /// Whether the tool may be called now.
    allowed: bool,
    status: CallStatus,
    /// Why, in a sentence.
    reason: String,
    /// Why, as a word of the record; `rate` when the tool is called too often.
    reason_code: &'static str,
    tool_id: String,
    tool_name: String,
    agent_id: String,
    session_id: Option<String>,
    /// What the call is: the action that was decided about.
    action: String,
    risk_level: RiskLevel,
    /// Names of the policies that deny it.
    denied_by: Vec<String>,
    /// Whether it waits for an approval.
    requires_approval: bool,
    /// What an approval is given to, under `/v1/approvals`; null when none is waited for.
    approval_id: Option<String>,
    /// Digest of the arguments; the token is bound to it.
    arguments_hash: String,
    /// The bytes that were hashed: send exactly these to the tool. Null when the call came with a digest.
    arguments_json: Option<String>,
    /// Stands for this one call. Null when the call is not allowed.
    token: Option<String>,
    /// When the token ends, RFC 3339 in UTC.
    token_expires_at: Option<String>,
    /// Always null: a node does not run the tool.
    #[schema(value_type = Option<Object>)]
    result: Option<()>,
    /// How long the tool ran: always 0.
    execution_ms: u64,
    /// The decision's record.
    decision_id: String,
    /// SHA-256 of the question in its canonical JSON, the digest of the arguments included.
    inputs_digest: String,
    #[serde(flatten)]
    receipt: crate::wire::WriteReceipt,
}

/// A call that makes sense.
struct Call {
    known: Known,
    question: Question,
    arguments: Arguments,
    inputs: Digest,
    ttl_s: u64,
}

pub(super) async fn invoke(
    mut context: Context,
    _: NoQuery,
    body: InvokeTool,
) -> Result<Reply<ToolCall>, ApiError> {
    let call = read(&context, body)?;
    let lease = approval_lease(&context, &call.question).await?;
    let decided = decide(&mut context, &call).await;
    if let Some(lease) = lease {
        lease.end().await;
    }
    let (decided, too_often) = decided?;
    answer(&mut context, call, &decided, too_often)
}

fn read(context: &Context, body: InvokeTool) -> Result<Call, ApiError> {
    let known = Known::own(context)?;
    let agent = agent(context, &body)?;
    let own = known.tool.scopes.first().map(ToString::to_string).unwrap_or_default();
    let (scope, scope_field) = match body.action {
        Some(action) => (action, "action"),
        None if own.ends_with('*') => {
            return Err(
                ApiError::unprocessable(format!("is needed: the tool's scope is {own}")).field("action")
            );
        }
        None => (serde_json::from_value(own.into()).map_err(ApiError::internal)?, "tool_name"),
    };
    let asked = Asked {
        kind: DecisionKind::Tool,
        agent,
        scope: &scope,
        scope_field,
        amount: body.amount.as_ref(),
        approval: body.approval_id.map(|id| id.0),
        grant: body.delegation_id.map(|id| id.0),
        session: body.session_id.map(|id| id.0),
        tool: Some(known.id),
    };
    let question = asked.question(context)?;
    let arguments = Arguments::read(body.arguments, body.arguments_hash.as_ref())?;
    let inputs = question.digest_with(&arguments.digest);
    Ok(Call { known, question, arguments, inputs, ttl_s: body.token_ttl_seconds.map_or(TOKEN_S, Whole::get) })
}

fn agent(context: &Context, body: &InvokeTool) -> Result<AgentId, ApiError> {
    match (body.agent_id, body.session_id) {
        (Some(agent), _) => Ok(agent.0),
        (None, Some(id)) => {
            let tenant = context.tenant()?;
            let session = context.view(|view| ledger_state::session(view, id.0))?;
            let session = session.filter(|session| session.tenant == tenant);
            Ok(session.ok_or_else(|| ApiError::missing("session", "session_id"))?.agent)
        }
        (None, None) => {
            Err(ApiError::unprocessable("is missing: say who calls, or in which session").field("agent_id"))
        }
    }
}

/// Why not, as far as it comes before the rate of calls.
fn comes_first(reason: DecisionReason) -> bool {
    matches!(
        reason,
        DecisionReason::AgentNotActive
            | DecisionReason::SessionEnded
            | DecisionReason::GrantEnded
            | DecisionReason::NoGrant
            | DecisionReason::DeniedScope
            | DecisionReason::NoScope
            | DecisionReason::GrantExceeded
    )
}

/// The decision, on record, and whether the tool is called too often.
async fn decide(context: &mut Context, call: &Call) -> Result<(Decided, bool), ApiError> {
    let question = &call.question;
    let first = context.reader.evaluate(question).map_err(ApiError::internal)?;
    let first = first.map_err(|rejection| ApiError::not_found(rejection.message).field("agent_id"))?.answer;
    if first.result != DecisionResult::Denied || !comes_first(first.reason) {
        let limit = call.known.notes.rate_limit_per_minute;
        if !rate::take(context, call.known.id, question.agent, limit).await? {
            let decided =
                ask_guardrail(context, question.clone(), call.inputs, DecisionResult::Denied).await?;
            return Ok((decided, true));
        }
    }
    // Where the log itself asks for nothing, the tool may.
    let asks = call.known.notes.requires_approval && first.result == DecisionResult::Allowed;
    if asks && !is_approved(context, question)? {
        let waits = DecisionResult::NeedsApproval;
        return Ok((ask_guardrail(context, question.clone(), call.inputs, waits).await?, false));
    }
    Ok((ask(context, question.clone(), call.inputs, true).await?, false))
}

fn answer(
    context: &mut Context,
    call: Call,
    decided: &Decided,
    too_often: bool,
) -> Result<Reply<ToolCall>, ApiError> {
    let view = decided_view(context, decided)?;
    let logged = decided.logged.as_ref().ok_or_else(|| ApiError::internal("a call was not logged"))?;
    let status = match decided.answer.result {
        DecisionResult::Allowed => CallStatus::Allowed,
        DecisionResult::Denied => CallStatus::Denied,
        DecisionResult::NeedsApproval => CallStatus::PendingApproval,
    };
    let token = match decided.answer.result {
        DecisionResult::Allowed => Some(token(context, &call, logged.id, logged.index)?),
        _ => None,
    };
    let limit = call.known.notes.rate_limit_per_minute;
    let (reason, reason_code) = match too_often {
        true => (format!("the agent has called the tool {limit} times in this minute"), "rate"),
        false => (view.reason, view.reason_code),
    };
    let question = &decided.question;
    let reply = ToolCall {
        allowed: view.allowed,
        status,
        reason,
        reason_code,
        tool_id: call.known.id.to_string(),
        tool_name: call.known.tool.name,
        agent_id: question.agent.to_string(),
        session_id: question.session.map(|id| id.to_string()),
        action: question.action.to_string(),
        risk_level: call.known.notes.risk_level,
        denied_by: view.denied_by,
        requires_approval: view.requires_approval,
        approval_id: view.approval_id,
        arguments_hash: call.arguments.digest.to_string(),
        arguments_json: call.arguments.text,
        token_expires_at: token.as_ref().map(|(_, expires_at_s)| time_text(expires_at_s * 1_000)),
        token: token.map(|(text, _)| text),
        result: None,
        execution_ms: 0,
        decision_id: ReceiptId(logged.id).to_string(),
        inputs_digest: view.inputs_digest,
        receipt: logged.receipt.clone(),
    };
    Ok(Reply::new(reply).at(logged.index))
}

/// The token, and when it ends, seconds since 1970.
fn token(context: &mut Context, call: &Call, decision: Ulid, index: u64) -> Result<(String, u64), ApiError> {
    let issued_at_s = context.log.token_time_ms().map_err(ApiError::internal)? / 1_000;
    let issuer = context.view(|view| ledger_state::status(view).origin)?.unwrap_or_default();
    let expires_at_s = issued_at_s + call.ttl_s;
    let claims = CallClaims {
        arguments: call.arguments.digest,
        tool: call.known.id,
        decision: ReceiptId(decision),
        expires_at_s,
        issued_at_s,
        index,
        issuer,
        id: context.new_id()?,
        action: call.question.action.clone(),
        session: call.question.session,
        agent: call.question.agent,
        tenant: TenantId(call.question.tenant),
    };
    let token = context.log.sign_call(claims).map_err(ApiError::internal)?;
    Ok((token.to_string(), expires_at_s))
}
