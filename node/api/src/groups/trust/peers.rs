//! What agents say of each other: `attest.peer`.

use ledger_format::record::{AttestPeer, Body, PeerVerdict};
use ledger_log::TimelineRow;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Listed, NoQuery, Paged, QueryInput, Reply, Routes},
    groups::{logged_at::LoggedAt, receipts::Found},
    wire::{AgentRef, Whole},
};

pub(super) fn declare(routes: &mut Routes) {
    routes
        .post("/v1/trust/attestations", "attest_peer", attest)
        .summary("Say how dealing with another agent went")
        .about(
            "One of the tenant's agents says it of any agent that it has met: `interaction_index` is the entry that brought the two together, such as an \
             action under a grant between them. It moves trust in the other by the rules of the algorithm; words within one tenant move nothing.",
        )
        .needs("trust:attest")
        .example(json!({
            "agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "subject_agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M",
            "interaction_index": 4711, "verdict": "good",
        }));
    routes
        .get("/v1/trust/attestations", "list_peer_attestations", list)
        .summary("What the tenant's agents have said of others")
        .about("Newest first.")
        .needs("trust:read")
        .paged();
}

/// What an agent says of another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AttestPeerBody {
    /// Who says it: an agent of the tenant.
    agent_id: AgentRef,
    /// Of whom: any agent of the log.
    subject_agent_id: AgentRef,
    /// The entry that brought the two together.
    interaction_index: Whole<0, 9_007_199_254_740_991>,
    /// How it went.
    verdict: PeerWord,
}

impl BodyInput for AttestPeerBody {}

/// How dealing with an agent went.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PeerWord {
    /// Well.
    Good,
    /// Not well.
    Bad,
}

/// What an agent has said of another.
#[derive(Serialize, ToSchema)]
struct PeerAttestation {
    #[serde(flatten)]
    at: LoggedAt,
    id: String,
    /// Who said it.
    agent_id: String,
    /// Of whom.
    subject_agent_id: String,
    /// The entry that brought the two together.
    interaction_index: u64,
    /// `good` or `bad`.
    verdict: &'static str,
    /// Who signed: `agent` or `operator`.
    signed_by: &'static str,
}

impl Listed for PeerAttestation {
    const PLURAL: &'static str = "attestations";
}

impl PeerAttestation {
    fn of(found: &Found) -> Option<Self> {
        let Body::AttestPeer(body) = &found.record.body else { return None };
        Some(Self {
            at: LoggedAt::of(found),
            id: found.record.id.uuid(),
            agent_id: body.agent.to_string(),
            subject_agent_id: body.subject.to_string(),
            interaction_index: body.interaction,
            verdict: body.verdict.as_str(),
            signed_by: found.signed_by(),
        })
    }
}

async fn attest(
    mut context: Context,
    _: NoQuery,
    body: AttestPeerBody,
) -> Result<Reply<PeerAttestation>, ApiError> {
    let (agent, subject) = (body.agent_id.0, body.subject_agent_id.0);
    context.own_agent(agent, "agent_id")?;
    if agent == subject {
        return Err(ApiError::unprocessable("an agent says nothing of itself").field("subject_agent_id"));
    }
    if context.view(|view| ledger_state::agent(view, subject))?.is_none() {
        return Err(ApiError::missing("agent", "subject_agent_id"));
    }
    let verdict = match body.verdict {
        PeerWord::Good => PeerVerdict::Good,
        PeerWord::Bad => PeerVerdict::Bad,
    };
    let on_behalf_of = context.on_behalf_of()?;
    let record =
        AttestPeer { agent, interaction: body.interaction_index.get(), on_behalf_of, subject, verdict };
    let logged = context.record(Body::AttestPeer(Box::new(record))).await.map_err(named)?;
    let found = Found::of(&context, context.tenant()?, logged.id)?;
    let shown = found.and_then(|found| PeerAttestation::of(&found));
    let mut shown = shown.ok_or_else(|| ApiError::internal("a logged attestation is not there"))?;
    shown.at = shown.at.acked(&logged);
    Ok(Reply::new(shown).at(logged.index))
}

/// A refusal of the log under the names of this endpoint's fields.
fn named(error: ApiError) -> ApiError {
    let field = match error.field.as_str() {
        "subject" => "subject_agent_id",
        "interaction" => "interaction_index",
        "agent" => "agent_id",
        _ => return error,
    };
    error.field(field)
}

/// Which ones.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListPeerAttestations {
    /// Only what this agent has said.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
}

impl QueryInput for ListPeerAttestations {}

async fn list(
    context: Context,
    query: ListPeerAttestations,
) -> Result<Reply<Paged<PeerAttestation>>, ApiError> {
    let agent = query.agent_id.map(|id| id.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let shown = |context: &Context, row: &TimelineRow| {
        Ok(Found::of_row(context, row)?.and_then(|found| PeerAttestation::of(&found)))
    };
    Ok(Reply::new(context.list(&["attest.peer"], agent, false, shown).await?))
}
