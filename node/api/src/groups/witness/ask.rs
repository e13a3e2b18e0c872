//! Asking for votes: `witness.request`.

use ledger_format::record::{AgentId, Body, WitnessRequest};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{FoundRequest, WitnessNotes, WitnessView, witness_view};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Logged, NoQuery, Reply},
    groups::claims::{ClaimSaid, FoundClaim, claim_record, undecided},
    wire::{AgentRef, ClaimRef, Fraction, NameText, Text, Whole},
};

/// Votes that are needed when nothing is said.
const QUORUM: u64 = 3;
/// How long votes count when nothing is said, ms.
const TTL_MS: u64 = 86_400_000;
/// Most agents that are named.
const AGENTS_MAX: usize = 64;

/// A request for votes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateWitnessRequest {
    /// The claim; without it, `name` is claimed by `agent_id`.
    #[serde(default)]
    claim_id: Option<ClaimRef>,
    /// Who asks; the claimant when left out.
    #[serde(default)]
    agent_id: Option<AgentRef>,
    /// What the request is called, or what is claimed.
    #[serde(default)]
    name: Option<NameText>,
    /// Votes that are needed, abstentions included; 3 when left out.
    #[serde(default, alias = "required_attestations")]
    required_witnesses: Option<Whole<1, 64>>,
    /// Who is asked; every agent of the tenant when left out.
    #[serde(default, alias = "agent_ids")]
    #[schema(max_items = 64)]
    witness_agent_ids: Option<Vec<AgentRef>>,
    /// How far an agent must be trusted to vote, 0 to 1; unscored fails. Without it, everybody may.
    #[serde(default)]
    min_trust_score: Option<Fraction>,
    /// How long votes count; a day when left out.
    #[serde(default)]
    ttl_seconds: Option<Whole<300, 604_800>>,
}

impl BodyInput for CreateWitnessRequest {}

/// What is asked.
pub(in crate::groups) struct AskVotes {
    pub(in crate::groups) asker: AgentId,
    pub(in crate::groups) quorum: Option<u64>,
    pub(in crate::groups) agents: Option<Vec<AgentId>>,
    pub(in crate::groups) min_trust_score: Option<f64>,
    pub(in crate::groups) ttl_ms: Option<u64>,
    pub(in crate::groups) name: Option<String>,
}

pub(super) async fn create(
    mut context: Context,
    _: NoQuery,
    body: CreateWitnessRequest,
) -> Result<Reply<WitnessView>, ApiError> {
    if let Some(agent) = body.agent_id {
        context.own_agent(agent.0, "agent_id")?;
    }
    let agents = body.witness_agent_ids.map(|ids| ids.into_iter().map(|id| id.0).collect());
    let name = body.name.map(Text::into_string);
    let mut wanted = AskVotes {
        asker: AgentId::default(),
        quorum: body.required_witnesses.map(Whole::get),
        agents,
        min_trust_score: body.min_trust_score.map(Fraction::get),
        ttl_ms: body.ttl_seconds.map(|seconds| seconds.get() * 1000),
        name,
    };
    let logged = match body.claim_id {
        Some(claim) => {
            let found = FoundClaim::own(&context, claim.0, "claim_id")?;
            undecided(&found)?;
            wanted.asker = body.agent_id.map_or(found.claim.agent, |agent| agent.0);
            ask(&mut context, &found, wanted).await?
        }
        None => {
            let (Some(agent), Some(name)) = (body.agent_id, wanted.name.clone()) else {
                return Err(ApiError::unprocessable("missing field `claim_id`")
                    .field("claim_id")
                    .fix("name a claim, or say with agent_id and name who claims what"));
            };
            wanted.asker = agent.0;
            check_agents(&context, &wanted, agent.0, false)?;
            let said =
                ClaimSaid { claim_type: "attestation".into(), assertion: Some(name), ..ClaimSaid::default() };
            let (claim, record, notes) =
                claim_record(&mut context, agent.0, false, said, serde_json::Map::new())?;
            context.record_noted(claim.0, record, claim.0, &notes).await?;
            let found = FoundClaim::own(&context, claim, "claim_id")?;
            ask(&mut context, &found, wanted).await?
        }
    };
    let found = FoundRequest::of_record(&context, logged.index)?;
    let found = found.ok_or_else(|| ApiError::internal("a logged request for votes is not there"))?;
    Ok(Reply::new(witness_view(&found).logged(&logged.receipt)).at(logged.index))
}

/// Asks for votes on a claim of the caller that is not decided yet.
pub(in crate::groups) async fn ask(
    context: &mut Context,
    found: &FoundClaim,
    wanted: AskVotes,
) -> Result<Logged, ApiError> {
    if found.is_open() || found.has_quorum() {
        let message = "agents were asked for votes already";
        return Err(ApiError::conflict("VOTES_OPEN", message)
            .field("claim_id")
            .fix("wait for the votes, or for the end of their time"));
    }
    check_agents(context, &wanted, found.claim.agent, found.claim.internal)?;
    let record = WitnessRequest {
        agent: wanted.asker,
        claim: found.id,
        deadline: found.now_ms + wanted.ttl_ms.unwrap_or(TTL_MS),
        on_behalf_of: context.on_behalf_of()?,
        quorum: wanted.quorum.unwrap_or(QUORUM),
    };
    let notes = WitnessNotes {
        name: wanted.name,
        agents: wanted.agents.map(|agents| agents.iter().map(ToString::to_string).collect()),
        min_trust_score: wanted.min_trust_score,
    };
    let id = context.new_id()?;
    context.record_noted(id, Body::WitnessRequest(Box::new(record)), id, &notes).await
}

/// Refuses names that cannot give the consensus that is asked for.
fn check_agents(
    context: &Context,
    wanted: &AskVotes,
    claimant: AgentId,
    internal: bool,
) -> Result<(), ApiError> {
    let Some(agents) = &wanted.agents else { return Ok(()) };
    let refused = |message: String| ApiError::unprocessable(message).field("witness_agent_ids");
    let quorum = wanted.quorum.unwrap_or(QUORUM);
    if agents.len() > AGENTS_MAX {
        return Err(refused(format!("at most {AGENTS_MAX} agents")));
    }
    let tenant = context.tenant()?;
    let mut foreign = 0;
    for (at, agent) in agents.iter().enumerate() {
        let field = format!("witness_agent_ids[{at}]");
        if *agent == claimant {
            return Err(refused("an agent does not vote on its own claim".into()).field(field));
        }
        if agents[..at].contains(agent) {
            return Err(refused("is named twice".into()).field(field));
        }
        let known = context.view(|view| ledger_state::agent(view, *agent))?;
        match known {
            Some(known) if known.tenant == tenant => {}
            Some(_) if !internal => foreign += 1,
            _ => return Err(ApiError::missing("agent", field)),
        }
    }
    if (agents.len() as u64) < quorum {
        return Err(refused(format!("{} agents cannot give {quorum} votes", agents.len()))
            .fix("name more agents, or ask for fewer votes"));
    }
    if !internal && 2 * foreign < quorum {
        return Err(refused(format!(
            "{foreign} are of other tenants: at least half of {quorum} votes must be"
        ))
        .fix("name agents of other tenants, or make the claim internal"));
    }
    Ok(())
}
