//! Having a claim verified: who is asked, and telling them.

use std::time::Duration;

use ledger_format::record::{Body, ClaimId, DetailValue, ReceiptStatement, VerdictMethod};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    judge::{undecided, verifier, without_votes},
    view::{ClaimAsked, ClaimContent, ClaimOutcome, FoundClaim, claim_view, outcome},
};
use crate::{
    ApiError, OutboundCall,
    endpoint::{BodyInput, Context, Logged, NoQuery, Reply},
    groups::witness::{AskVotes, ask, deadline_text},
    wire::{AgentRef, ClaimRef, Fraction, LinkText, ToolRef, Whole, WriteReceipt, WrittenAt},
};

/// How long a verifier is waited for when it is told; its verdict comes later.
const TELL_WAIT: Duration = Duration::from_secs(5);
/// What is read of its answer.
const TELL_ANSWER_BYTES_MAX: usize = 16 * 1024;

/// How a claim is to be verified.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyClaim {
    /// The claim, where the path does not name it.
    #[serde(default)]
    claim_id: Option<ClaimRef>,
    /// `witness` when left out.
    #[serde(default)]
    verification_method: Option<ClaimMethod>,
    /// For whoever looks at open verifications.
    #[serde(default)]
    priority: Option<ClaimPriority>,
    /// With `witness`: votes that are needed, abstentions included; 3 when left out.
    #[serde(default)]
    required_witnesses: Option<Whole<1, 64>>,
    /// With `witness`: who is asked; every agent of the tenant when left out.
    #[serde(default)]
    #[schema(max_items = 64)]
    witness_agent_ids: Option<Vec<AgentRef>>,
    /// With `witness`: how far an agent must be trusted to vote, 0 to 1.
    #[serde(default)]
    min_trust_score: Option<Fraction>,
    /// With `witness`: how long votes count; a day when left out.
    #[serde(default)]
    ttl_seconds: Option<Whole<300, 604_800>>,
    /// With `external`: the verifier, a tool of the tenant.
    #[serde(default)]
    tool_id: Option<ToolRef>,
    /// With `external`: where the verifier is told of the claim, by one POST.
    #[serde(default)]
    verifier_url: Option<LinkText>,
}

impl BodyInput for VerifyClaim {
    const REQUIRED: bool = false;
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ClaimMethod {
    /// Agents, for votes.
    Witness,
    /// A person.
    Human,
    /// A verifier that is registered as a tool.
    External,
}

/// How much it hurries.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ClaimPriority {
    #[default]
    Normal,
    High,
}

/// A verification that was asked for, and where it stands.
#[derive(Serialize, ToSchema)]
pub(super) struct ClaimVerification {
    id: String,
    claim_id: String,
    /// What state the claim is in.
    status: super::view::ClaimStatus,
    /// Whether it is verified already.
    valid: bool,
    /// Where the verification is asked for on record.
    verification_id: Option<String>,
    /// `witness`, `human` or `external`.
    verification_method: Option<&'static str>,
    priority: ClaimPriority,
    /// With votes: when they end at the latest.
    estimated_completion: Option<String>,
    /// What came of it; null until there is a result.
    verification_result: Option<ClaimOutcome>,
    /// The request for votes; null without one.
    witness_id: Option<String>,
    /// Whether the verifier took the news; null where none was told.
    notified: Option<bool>,
    /// Why the verifier did not take them.
    notification_error: Option<String>,
    /// The record that asks; null where it was asked for before.
    receipt: Option<WriteReceipt>,
    /// The same, where every write has it.
    #[serde(flatten)]
    written: WrittenAt,
}

pub(super) async fn by_body(
    context: Context,
    _: NoQuery,
    body: VerifyClaim,
) -> Result<Reply<ClaimVerification>, ApiError> {
    let claim = body.claim_id.ok_or_else(|| {
        ApiError::unprocessable("missing field `claim_id`").field("claim_id").fix("name the claim")
    })?;
    verify(context, claim.0, body).await
}

pub(super) async fn by_path(
    context: Context,
    _: NoQuery,
    body: VerifyClaim,
) -> Result<Reply<ClaimVerification>, ApiError> {
    let claim: ClaimId = context.id("claim_id")?;
    if body.claim_id.is_some_and(|named| named.0 != claim) {
        return Err(ApiError::unprocessable("is not the claim in the path").field("claim_id"));
    }
    verify(context, claim, body).await
}

async fn verify(
    mut context: Context,
    claim: ClaimId,
    body: VerifyClaim,
) -> Result<Reply<ClaimVerification>, ApiError> {
    let found = FoundClaim::own(&context, claim, "claim_id")?;
    let method = body.verification_method.unwrap_or(ClaimMethod::Witness);
    let priority = body.priority.unwrap_or_default();
    fits(method, &body)?;
    // Whoever asks again is told where it stands.
    if found.claim.result.is_some() || (method == ClaimMethod::Witness && found.is_open()) {
        return shown(&context, claim, priority, None, None);
    }
    if method == ClaimMethod::Witness {
        let wanted = AskVotes {
            asker: found.claim.agent,
            quorum: body.required_witnesses.map(Whole::get),
            agents: body.witness_agent_ids.map(|ids| ids.into_iter().map(|id| id.0).collect()),
            min_trust_score: body.min_trust_score.map(Fraction::get),
            ttl_ms: body.ttl_seconds.map(|seconds| seconds.get() * 1000),
            name: None,
        };
        let logged = ask(&mut context, &found, wanted).await?;
        return shown(&context, claim, priority, Some(&logged), None);
    }
    let kind = if method == ClaimMethod::Human { VerdictMethod::Human } else { VerdictMethod::External };
    undecided(&found)?;
    without_votes(&found)?;
    verifier(&context, kind, body.tool_id)?;
    let logged = record_asked(&mut context, &found, kind, body.tool_id).await?;
    let told = match body.verifier_url {
        Some(url) => Some(tell(&context, claim, url.into_string(), &logged).await?),
        None => None,
    };
    shown(&context, claim, priority, Some(&logged), told)
}

/// Refuses what only another method takes.
fn fits(method: ClaimMethod, body: &VerifyClaim) -> Result<(), ApiError> {
    let witness = method == ClaimMethod::Witness;
    let external = method == ClaimMethod::External;
    let misplaced = [
        ("required_witnesses", !witness && body.required_witnesses.is_some()),
        ("witness_agent_ids", !witness && body.witness_agent_ids.is_some()),
        ("min_trust_score", !witness && body.min_trust_score.is_some()),
        ("ttl_seconds", !witness && body.ttl_seconds.is_some()),
        ("tool_id", !external && body.tool_id.is_some()),
        ("verifier_url", !external && body.verifier_url.is_some()),
    ];
    match misplaced.into_iter().find(|(_, misplaced)| *misplaced) {
        Some((field, _)) => Err(ApiError::unprocessable("belongs to another verification method")
            .field(field)
            .fix("leave it out")),
        None => Ok(()),
    }
}

/// Logs that a person or a verifier is asked.
async fn record_asked(
    context: &mut Context,
    found: &FoundClaim,
    method: VerdictMethod,
    tool: Option<ToolRef>,
) -> Result<Logged, ApiError> {
    let text = |text: &str| DetailValue::Text(text.to_owned());
    let mut detail =
        vec![("kind".to_owned(), text("truth.verification")), ("method".to_owned(), text(method.as_str()))];
    let tool = tool.map(|tool| tool.0.to_string());
    if let Some(tool) = &tool {
        detail.push(("tool".to_owned(), text(tool)));
    }
    let input = match &found.record.body {
        Body::ClaimCreate(body) => Some(body.statement),
        _ => None,
    };
    let statement = ReceiptStatement {
        agent: found.claim.agent,
        detail: Some(detail),
        input,
        on_behalf_of: context.on_behalf_of()?,
        output: None,
        subject: Some(found.id.to_string()),
    };
    let id = context.new_id()?;
    let receipt = ledger_format::record::ReceiptId(id).to_string();
    let mut notes = found.notes.clone();
    notes.asked = Some(ClaimAsked { method: method.as_str().into(), tool, receipt });
    context.record_noted(id, Body::ReceiptClaim(Box::new(statement)), found.id.0, &notes).await
}

/// Tells the verifier; whether it took the news, or why not.
async fn tell(
    context: &Context,
    claim: ClaimId,
    url: String,
    logged: &Logged,
) -> Result<Result<(), String>, ApiError> {
    let found = FoundClaim::own(context, claim, "claim_id")?;
    let body = json!({
        "type": "truth_claim.verification_requested",
        "claim_id": claim.to_string(),
        "agent_id": found.claim.agent.to_string(),
        "claim": ClaimContent::of(&found),
        "verification_id": logged.receipt.receipt_id,
        "tool_id": found.notes.asked.as_ref().and_then(|asked| asked.tool.clone()),
        "verdict_path": format!("/v1/truth/{claim}/verdict"),
    });
    let call = OutboundCall {
        method: "POST",
        url,
        headers: vec![("content-type".into(), "application/json".into())],
        body: serde_json::to_vec(&body).map_err(ApiError::internal)?.into(),
        timeout: TELL_WAIT.min(context.timeout),
        answer_bytes_max: TELL_ANSWER_BYTES_MAX,
    };
    Ok(match context.shared.outbound.send(call).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(format!("the verifier answered {}", answer.status)),
        Err(fault) => Err(fault.to_string()),
    })
}

fn shown(
    context: &Context,
    claim: ClaimId,
    priority: ClaimPriority,
    logged: Option<&Logged>,
    told: Option<Result<(), String>>,
) -> Result<Reply<ClaimVerification>, ApiError> {
    let found = FoundClaim::own(context, claim, "claim_id")?;
    let view = claim_view(context, &found)?;
    let receipt = logged.map(|logged| logged.receipt.clone());
    let (index, valid) = (logged.map_or(view.log_index(), |logged| logged.index), view.is_verified());
    let (status, method, request, verification) = view.into_verification();
    let answer = ClaimVerification {
        id: claim.0.uuid(),
        claim_id: claim.to_string(),
        status,
        valid,
        verification_id: verification,
        verification_method: method,
        priority,
        estimated_completion: deadline_text(&found),
        verification_result: outcome(context, &found)?,
        witness_id: request,
        notified: told.as_ref().map(Result::is_ok),
        notification_error: told.and_then(Result::err),
        written: receipt.clone().map(WrittenAt::from).unwrap_or_default(),
        receipt,
    };
    Ok(Reply::new(answer).at(index))
}
