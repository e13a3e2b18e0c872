//! Voting on a claim: `witness.attest`, on behalf of a credential or with the agent's own signature.

use ledger_format::record::{AgentId, AttestationId, Body, Kid, WitnessAttest};
use ledger_state::Agent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ballot::{VoteWord, draft, signed},
    view::{FoundRequest, WitnessStatus},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Logged, NoQuery, Reply},
    groups::claims::{VoteNotes, count_votes},
    wire::{AgentRef, Base64Text, Fraction, Text, VoteRef, Whole, WriteReceipt, time_text},
};

/// A vote. With `signature` it is the agent's own record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AttestClaim {
    /// Who votes: an agent of the caller's tenant.
    agent_id: AgentRef,
    /// `confirm` when a signed vote does not say it.
    #[serde(default)]
    verdict: Option<VoteWord>,
    /// Why. Kept by the nodes, not in the log.
    #[serde(default)]
    evidence: Option<Text<0, 4000>>,
    /// How sure the agent is, 0 to 1. Kept by the nodes, not in the log; it changes no count.
    #[serde(default)]
    confidence: Option<Fraction>,
    /// Digest of what is claimed, as the agent has seen it: refused when the claim is another.
    #[serde(default)]
    claim_hash: Option<Text<1, 128>>,
    /// The agent's Ed25519 signature over the ballot's `signed_text`, base64url.
    #[serde(default)]
    signature: Option<Base64Text>,
    /// With `signature`: as in the ballot.
    #[serde(default)]
    attestation_id: Option<VoteRef>,
    /// With `signature`: as in the ballot.
    #[serde(default)]
    at: Option<Whole<0, 9_007_199_254_740_991>>,
    /// With `signature`: the key that made it; the agent's current one when left out.
    #[serde(default)]
    kid: Option<Text<1, 64>>,
}

impl BodyInput for AttestClaim {}

/// A vote that was cast.
#[derive(Serialize, ToSchema)]
pub(super) struct CastVote {
    id: String,
    attestation_id: String,
    witness_id: String,
    /// The same as `witness_id`, where older clients look for it.
    witness_request_id: String,
    claim_id: String,
    agent_id: String,
    /// `confirm`, `deny` or `abstain`.
    verdict: &'static str,
    /// Digest of what is claimed.
    claim_hash: String,
    /// `agent`: signed with the agent's own key; `operator`: on behalf of the credential.
    signed_by: &'static str,
    /// The signature in the record, base64url.
    signature: String,
    /// What state the request is in with this vote.
    status: WitnessStatus,
    /// Votes so far.
    current_count: u64,
    /// Votes that are needed.
    required_count: u64,
    created_at: String,
    timestamp: String,
    #[serde(flatten)]
    receipt: WriteReceipt,
}

pub(super) async fn attest(
    mut context: Context,
    _: NoQuery,
    body: AttestClaim,
) -> Result<Reply<CastVote>, ApiError> {
    let found = FoundRequest::visible(&context).await?;
    let agent = body.agent_id.0;
    let known = context.own_agent(agent, "agent_id")?;
    may_vote(&context, &found, agent)?;
    let statement = found.claim.statement();
    if let Some(seen) = &body.claim_hash
        && !is_same_digest(seen.as_str(), &statement)
    {
        let message = format!("the claim's digest is {statement}");
        return Err(ApiError::unprocessable(message).field("claim_hash").fix("read the claim again"));
    }
    let notes = VoteNotes {
        evidence: body.evidence.clone().map(Text::into_string).filter(|text| !text.is_empty()),
        confidence: body.confidence.map(Fraction::get),
    };
    let logged = match &body.signature {
        Some(signature) => own_vote(&mut context, &found, &known, &body, &signature.0, &notes).await?,
        None => vote_for(&mut context, &found, &body, &notes).await?,
    };
    // The vote stands, whatever becomes of the count: anybody may have the votes counted later.
    if let Err(error) = count_votes(&mut context, found.body.claim).await {
        tracing::warn!(claim = %found.body.claim, "the votes were not counted: {error}");
    }
    let now = FoundRequest::of_record(&context, found.index)?.unwrap_or(found);
    cast(&context, &now, &logged, statement)
}

/// Refuses whoever was not asked, or is not trusted enough.
fn may_vote(context: &Context, found: &FoundRequest, agent: AgentId) -> Result<(), ApiError> {
    if !found.is_newest() {
        return Err(ApiError::conflict("VOTE_TOO_LATE", "there is a newer request for votes on the claim")
            .field("witness_id"));
    }
    if found.notes.agents.as_ref().is_some_and(|agents| !agents.contains(&agent.to_string())) {
        return Err(ApiError::forbidden("the agent was not asked").field("agent_id"));
    }
    let Some(least) = found.notes.min_trust_score else { return Ok(()) };
    let score = context.view(|view| {
        let ms = ledger_state::log_ms(view);
        ledger_state::trust_reading(view, agent, ms).and_then(|reading| reading.score)
    })?;
    match score {
        Some(bp) if bp as f64 / 10_000.0 >= least => Ok(()),
        _ => Err(ApiError::forbidden(format!("the agent is trusted less than {least}"))
            .field("agent_id")
            .fix("let another agent vote")),
    }
}

/// Some write the algorithm, some do not.
fn is_same_digest(seen: &str, statement: &str) -> bool {
    let seen = seen.to_ascii_lowercase();
    seen == statement || statement.strip_prefix("sha256:") == Some(seen.as_str())
}

/// A vote that the operator signs on behalf of the credential.
async fn vote_for(
    context: &mut Context,
    found: &FoundRequest,
    body: &AttestClaim,
    notes: &VoteNotes,
) -> Result<Logged, ApiError> {
    for (field, given) in [
        ("attestation_id", body.attestation_id.is_some()),
        ("at", body.at.is_some()),
        ("kid", body.kid.is_some()),
    ] {
        if given {
            return Err(ApiError::unprocessable("belongs to a signed vote")
                .field(field)
                .fix("send the signature, too"));
        }
    }
    let verdict = body.verdict.ok_or_else(|| {
        ApiError::unprocessable("missing field `verdict`")
            .field("verdict")
            .fix("say confirm, deny or abstain")
    })?;
    let id = context.new_id()?;
    let on_behalf_of = context.on_behalf_of()?;
    let (agent, claim, vote) = (body.agent_id.0, found.body.claim, verdict.into());
    let record = WitnessAttest { agent, attestation: AttestationId(id), claim, on_behalf_of, vote };
    context.record_noted(id, Body::WitnessAttest(Box::new(record)), id, notes).await.map_err(named)
}

/// A vote that is the agent's own record: the signature is checked against what the record says, by the log.
async fn own_vote(
    context: &mut Context,
    found: &FoundRequest,
    agent: &Agent,
    body: &AttestClaim,
    signature: &[u8],
    notes: &VoteNotes,
) -> Result<Logged, ApiError> {
    let missing = |field: &str| {
        ApiError::unprocessable(format!("missing field `{field}`"))
            .field(field)
            .fix("send what /v1/witness/{witness_id}/ballot has answered")
    };
    let id = body.attestation_id.ok_or_else(|| missing("attestation_id"))?.0;
    let at = body.at.ok_or_else(|| missing("at"))?.get();
    if body.claim_hash.is_none() {
        return Err(missing("claim_hash"));
    }
    let value: [u8; 64] = signature
        .try_into()
        .map_err(|_| ApiError::unprocessable("a signature has 64 bytes").field("signature"))?;
    let kid = match &body.kid {
        None => agent.key.kid,
        Some(text) => Kid::parse(text.as_str())
            .ok_or_else(|| ApiError::unprocessable("is not the name of a key").field("kid"))?,
    };
    let vote = body.verdict.unwrap_or_default().into();
    let draft = draft(agent.tenant, id, at, body.agent_id.0, found.body.claim, vote);
    context.record_signed(&signed(draft, kid, value), notes).await.map_err(named)
}

/// A refusal of the log under the names of this endpoint's fields.
fn named(error: ApiError) -> ApiError {
    let field = match error.field.as_str() {
        "claim" => "witness_id",
        "agent" => "agent_id",
        "sig" | "sig.value" => "signature",
        "sig.kid" => "kid",
        "id" => "attestation_id",
        _ => return error,
    };
    error.field(field)
}

fn cast(
    context: &Context,
    found: &FoundRequest,
    logged: &Logged,
    claim_hash: String,
) -> Result<Reply<CastVote>, ApiError> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    let lost = || ApiError::internal("a logged vote is not there");
    let (log_ms, record) = context.entry(logged.index)?.ok_or_else(lost)?;
    let Body::WitnessAttest(vote) = &record.body else { return Err(lost()) };
    let own = record.actor != ledger_format::record::Actor::Operator;
    Ok(Reply::new(CastVote {
        id: vote.attestation.0.uuid(),
        attestation_id: vote.attestation.to_string(),
        witness_id: found.id.to_string(),
        witness_request_id: found.id.to_string(),
        claim_id: vote.claim.to_string(),
        agent_id: vote.agent.to_string(),
        verdict: vote.vote.as_str(),
        claim_hash,
        signed_by: if own { "agent" } else { "operator" },
        signature: URL_SAFE_NO_PAD.encode(record.sig.value),
        status: found.status(),
        current_count: found.claim.votes(),
        required_count: found.body.quorum,
        created_at: time_text(log_ms),
        timestamp: time_text(log_ms),
        receipt: logged.receipt.clone(),
    })
    .at(logged.index))
}
