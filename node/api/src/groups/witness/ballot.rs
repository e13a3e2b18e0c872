//! What an agent signs when it votes itself.

use ledger_format::record::{
    Actor, AgentId, AttestationId, Body, ClaimId, ClaimVote, Draft, Kid, Record, Ulid, WitnessAttest,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::view::FoundRequest;
use crate::{
    ApiError,
    endpoint::{Context, QueryInput, Reply},
    wire::AgentRef,
};

/// What an agent says of a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum VoteWord {
    /// It holds.
    #[default]
    Confirm,
    /// It does not.
    Deny,
    /// The agent cannot tell; counts for the quorum only.
    Abstain,
}

impl From<VoteWord> for ClaimVote {
    fn from(word: VoteWord) -> Self {
        match word {
            VoteWord::Confirm => Self::Confirm,
            VoteWord::Deny => Self::Deny,
            VoteWord::Abstain => Self::Abstain,
        }
    }
}

/// Whose ballot, and for what.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BallotQuery {
    /// Who votes: an agent of the caller's tenant; the one that asks when left out.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// The vote; `confirm` when left out.
    #[serde(default)]
    verdict: Option<VoteWord>,
}

impl QueryInput for BallotQuery {}

/// What an agent signs when it votes itself.
#[derive(Serialize, ToSchema)]
pub(super) struct Ballot {
    witness_id: String,
    claim_id: String,
    agent_id: String,
    verdict: VoteWord,
    /// The vote's id: send it back with the signature.
    attestation_id: String,
    /// The time that the record states: send it back with the signature.
    at: u64,
    /// The key whose signature is expected.
    kid: String,
    /// Digest of what is claimed: send it back with the signature.
    claim_hash: String,
    /// What is signed: the canonical JSON of the record without `sig`.
    signed_text: String,
}

/// The record that a vote is, but for its signature.
pub(super) fn draft(
    tenant: Ulid,
    id: AttestationId,
    at: u64,
    agent: AgentId,
    claim: ClaimId,
    vote: ClaimVote,
) -> Draft {
    let body = WitnessAttest { agent, attestation: id, claim, on_behalf_of: None, vote };
    Draft::new(tenant, id.0, Actor::Agent(agent), at, Body::WitnessAttest(Box::new(body)))
}

/// A record with a signature that was made elsewhere.
pub(super) fn signed(draft: Draft, kid: Kid, value: [u8; 64]) -> Record {
    let signed = draft.sign_with(kid, |_| Ok::<_, std::convert::Infallible>(value));
    signed.unwrap_or_else(|never| match never {})
}

pub(super) async fn get(mut context: Context, query: BallotQuery) -> Result<Reply<Ballot>, ApiError> {
    let found = FoundRequest::visible(&context).await?;
    let agent = query.agent_id.map_or(found.body.agent, |id| id.0);
    let known = context.own_agent(agent, "agent_id")?;
    let id = AttestationId(context.new_id()?);
    let verdict = query.verdict.unwrap_or_default();
    let draft = draft(known.tenant, id, context.now_ms, agent, found.body.claim, verdict.into());
    let at = draft.at;
    let text = signed(draft, known.key.kid, [0; 64]).signed_bytes();
    Ok(Reply::new(Ballot {
        witness_id: found.id.to_string(),
        claim_id: found.body.claim.to_string(),
        agent_id: agent.to_string(),
        verdict,
        attestation_id: id.to_string(),
        at,
        kid: known.key.kid.to_string(),
        claim_hash: found.claim.statement(),
        signed_text: String::from_utf8(text).map_err(ApiError::internal)?,
    }))
}
