//! A request for votes as callers see it, and who may see it.

use ledger_format::record::{
    AgentId, AttestationId, Body, ClaimResult, ReceiptId, Record, TenantId, WitnessRequest,
};
use ledger_log::TimelineRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError,
    endpoint::{Context, Listed, NoQuery, Paged, QueryInput, Reply},
    groups::claims::{ClaimContent, FoundClaim},
    wire::{AgentRef, WriteReceipt, time_text},
};

/// What was said of a request that the log does not hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct WitnessNotes {
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Who is asked; `None` is every agent of the tenant.
    #[serde(default)]
    pub(super) agents: Option<Vec<String>>,
    #[serde(default)]
    pub(super) min_trust_score: Option<f64>,
}

/// A request for votes of the log.
pub(super) struct FoundRequest {
    pub(super) id: AttestationId,
    pub(super) index: u64,
    pub(super) log_ms: u64,
    pub(super) record: Record,
    pub(super) body: WitnessRequest,
    pub(super) notes: WitnessNotes,
    pub(super) claim: FoundClaim,
}

impl FoundRequest {
    /// The one that an entry is.
    pub(super) fn of_record(context: &Context, index: u64) -> Result<Option<Self>, ApiError> {
        let Some((log_ms, record)) = context.entry(index)? else { return Ok(None) };
        let Body::WitnessRequest(body) = &record.body else { return Ok(None) };
        let body = (**body).clone();
        let Some(claim) = FoundClaim::of(context, body.claim)? else { return Ok(None) };
        let notes = context.kept(record.id)?.unwrap_or_default();
        Ok(Some(Self { id: AttestationId(record.id), index, log_ms, record, body, notes, claim }))
    }

    /// The one in the path, if the caller's tenant may see it.
    pub(super) async fn visible(context: &Context) -> Result<Self, ApiError> {
        let id: AttestationId = context.id("witness_id")?;
        let missing = || ApiError::missing("witness request", "witness_id");
        if !context.reader.wait_timeline(context.reader.applied_size(), context.timeout).await {
            return Err(ApiError::too_late("the lists of this node are not up to date yet"));
        }
        let made = context.reader.made_by(id.0).map_err(ApiError::internal)?;
        let (index, _) = made.ok_or_else(missing)?;
        let found = Self::of_record(context, index)?.ok_or_else(missing)?;
        if found.is_visible(context)? { Ok(found) } else { Err(missing()) }
    }

    /// Whether an agent of the caller's tenant may be asked.
    fn is_visible(&self, context: &Context) -> Result<bool, ApiError> {
        let tenant = context.tenant()?;
        if tenant == self.record.tenant {
            return Ok(true);
        }
        if self.claim.claim.internal {
            return Ok(false);
        }
        let Some(agents) = &self.notes.agents else { return Ok(false) };
        context.view(|view| {
            let ids = agents.iter().filter_map(|agent| AgentId::parse(agent));
            let mut known = ids.filter_map(|agent| ledger_state::agent(view, agent));
            known.any(|agent| agent.tenant == tenant)
        })
    }

    /// Whether it is the newest request for votes on its claim.
    pub(super) fn is_newest(&self) -> bool {
        self.claim.claim.request == Some(self.index)
    }

    pub(super) fn status(&self) -> WitnessStatus {
        match self.claim.claim.result {
            _ if !self.is_newest() => WitnessStatus::Expired,
            Some(ClaimResult::Confirmed) => WitnessStatus::Confirmed,
            Some(ClaimResult::Rejected) => WitnessStatus::Denied,
            Some(ClaimResult::Inconclusive) => WitnessStatus::Inconclusive,
            None if self.claim.is_open() || self.claim.has_quorum() => WitnessStatus::Pending,
            None => WitnessStatus::Expired,
        }
    }
}

/// What state a request for votes can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WitnessStatus {
    /// Votes are taken.
    Pending,
    /// The claim holds.
    Confirmed,
    /// It does not.
    Denied,
    /// Nobody can tell: a tie, or too few votes of other tenants.
    Inconclusive,
    /// Its time passed before there were enough votes.
    Expired,
}

/// A request for votes.
#[derive(Serialize, ToSchema)]
pub(super) struct WitnessView {
    id: String,
    witness_id: String,
    tenant_id: String,
    claim_id: String,
    /// What it is called.
    name: Option<String>,
    /// Who asks.
    agent_id: String,
    /// Who is asked; an empty list is every agent of the tenant.
    agent_ids: Vec<String>,
    /// The same, where older clients look for it.
    witness_agent_ids: Vec<String>,
    /// Votes that are needed, abstentions included.
    required_witnesses: u64,
    /// The same, where older clients look for it.
    required_attestations: u64,
    /// The same, where older clients look for it.
    required_count: u64,
    /// Votes so far.
    current_count: u64,
    /// Votes for it.
    confirmations: u64,
    /// Votes against it.
    denials: u64,
    /// Votes that count for the quorum only.
    abstentions: u64,
    /// How far an agent must be trusted to vote, 0 to 1.
    min_trust_score: Option<f64>,
    status: WitnessStatus,
    /// What is claimed.
    claim: ClaimContent,
    /// Up to then votes count, in the log's time.
    expires_at: String,
    created_at: String,
    receipt_id: String,
    log_index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<&'static str>,
}

impl Listed for WitnessView {
    const PLURAL: &'static str = "witness_requests";
}

impl WitnessView {
    /// With the answer of a write.
    pub(super) fn logged(mut self, receipt: &WriteReceipt) -> Self {
        self.leaf_hash = Some(receipt.leaf_hash.clone());
        self.ack = Some(receipt.ack);
        self
    }
}

pub(super) fn witness_view(found: &FoundRequest) -> WitnessView {
    let claim = &found.claim.claim;
    let agents = found.notes.agents.clone().unwrap_or_default();
    WitnessView {
        id: found.id.0.uuid(),
        witness_id: found.id.to_string(),
        tenant_id: TenantId(found.record.tenant).to_string(),
        claim_id: found.body.claim.to_string(),
        name: found.notes.name.clone(),
        agent_id: found.body.agent.to_string(),
        agent_ids: agents.clone(),
        witness_agent_ids: agents,
        required_witnesses: found.body.quorum,
        required_attestations: found.body.quorum,
        required_count: found.body.quorum,
        current_count: found.claim.votes(),
        confirmations: claim.confirm,
        denials: claim.deny,
        abstentions: claim.abstain,
        min_trust_score: found.notes.min_trust_score,
        status: found.status(),
        claim: ClaimContent::of(&found.claim),
        expires_at: time_text(found.body.deadline),
        created_at: time_text(found.log_ms),
        receipt_id: ReceiptId(found.record.id).to_string(),
        log_index: found.index,
        leaf_hash: None,
        ack: None,
    }
}

/// Up to when votes on a claim count, if they do.
pub(in crate::groups) fn deadline_text(found: &FoundClaim) -> Option<String> {
    found.claim.asked.filter(|_| found.is_open()).map(|(deadline, _)| time_text(deadline))
}

/// Which ones.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListWitnessRequests {
    /// Only those that this agent has made.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// Only in this state.
    #[serde(default)]
    status: Option<WitnessStatus>,
}

impl QueryInput for ListWitnessRequests {}

pub(super) async fn list(
    context: Context,
    query: ListWitnessRequests,
) -> Result<Reply<Paged<WitnessView>>, ApiError> {
    let agent = query.agent_id.map(|id| id.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let shown = |context: &Context, row: &TimelineRow| {
        let found = FoundRequest::of_record(context, row.index)?;
        let wanted = found.filter(|found| query.status.is_none_or(|wanted| wanted == found.status()));
        Ok(wanted.map(|found| witness_view(&found)))
    };
    Ok(Reply::new(context.list(&["witness.request"], agent, query.status.is_some(), shown).await?))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<WitnessView>, ApiError> {
    let found = FoundRequest::visible(&context).await?;
    Ok(Reply::new(witness_view(&found)).at(found.index))
}
