//! What the votes on a claim say.

use ledger_format::record::{ClaimResult, VerdictMethod};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{FoundRequest, WitnessStatus};
use crate::{
    ApiError,
    endpoint::{Context, NoBody, NoQuery, Reply},
    groups::claims::{ClaimVoteView, count_votes, reason, votes},
    wire::{WrittenAt, time_text},
};

/// What the votes say.
#[derive(Serialize, ToSchema)]
pub(super) struct WitnessConsensus {
    id: String,
    witness_id: String,
    claim_id: String,
    status: WitnessStatus,
    /// Whether there are enough votes, and they say the same to everybody.
    consensus_reached: bool,
    /// The same, where older clients look for it.
    reached: bool,
    /// What they say so far: `confirmed`, `rejected` or `inconclusive`.
    result: &'static str,
    /// Why, in a sentence.
    reason: String,
    /// Votes that are needed, abstentions included.
    required_witnesses: u64,
    /// The same, where older clients look for it.
    required: u64,
    /// Votes so far.
    attestation_count: u64,
    /// Votes for it.
    confirmations: u64,
    /// Votes against it.
    denials: u64,
    /// Votes that count for the quorum only.
    abstentions: u64,
    /// Votes of other tenants.
    from_other_tenants: u64,
    /// How many of those the quorum needs.
    required_from_other_tenants: u64,
    /// When the result went on record.
    consensus_at: Option<String>,
    /// Up to then votes count, in the log's time.
    expires_at: String,
    /// The votes with their signatures, in the order of the agents' ids, at most 200.
    signatures: Vec<ClaimVoteView>,
    /// The record with the result, if this call has made it.
    #[serde(flatten)]
    written: WrittenAt,
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<WitnessConsensus>, ApiError> {
    let found = FoundRequest::visible(&context).await?;
    Ok(Reply::new(consensus(&context, &found, WrittenAt::default())?))
}

pub(super) async fn count(
    mut context: Context,
    _: NoQuery,
    _: NoBody,
) -> Result<Reply<WitnessConsensus>, ApiError> {
    let found = FoundRequest::visible(&context).await?;
    let logged = match found.is_newest() {
        true => count_votes(&mut context, found.body.claim).await?,
        false => None,
    };
    let found = FoundRequest::of_record(&context, found.index)?.unwrap_or(found);
    let written = logged.as_ref().map_or_else(WrittenAt::default, |logged| logged.receipt.clone().into());
    let reply = Reply::new(consensus(&context, &found, written)?);
    Ok(match logged {
        Some(logged) => reply.at(logged.index),
        None => reply,
    })
}

fn consensus(
    context: &Context,
    found: &FoundRequest,
    written: WrittenAt,
) -> Result<WitnessConsensus, ApiError> {
    let claim = &found.claim.claim;
    let result = claim.result.unwrap_or_else(|| claim.outcome());
    let reached = found.is_newest() && found.claim.has_quorum() && result != ClaimResult::Inconclusive;
    let consensus_at = match claim.resolved {
        Some(index) => Some(context.log_time(index)?),
        None => None,
    };
    Ok(WitnessConsensus {
        id: found.id.0.uuid(),
        witness_id: found.id.to_string(),
        claim_id: found.body.claim.to_string(),
        status: found.status(),
        consensus_reached: reached,
        reached,
        result: result.as_str(),
        reason: reason(&found.claim, result, VerdictMethod::Witness).into_owned(),
        required_witnesses: found.body.quorum,
        required: found.body.quorum,
        attestation_count: found.claim.votes(),
        confirmations: claim.confirm,
        denials: claim.deny,
        abstentions: claim.abstain,
        from_other_tenants: claim.foreign,
        required_from_other_tenants: if claim.internal { 0 } else { found.body.quorum.div_ceil(2) },
        consensus_at,
        expires_at: time_text(found.body.deadline),
        signatures: votes(context, &found.claim)?,
        written,
    })
}
