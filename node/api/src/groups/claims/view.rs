//! A claim as callers see it: what was said, where it stands, who voted.

use std::borrow::Cow;

use ledger_format::record::{
    AgentId, AttestationId, Body, ClaimId, ClaimResult, ReceiptId, Record, TenantId, ToolId, VerdictMethod,
};
use ledger_log::TimelineRow;
use ledger_state::{Claim, ClaimVoteAt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::ClaimSaid;
use crate::{
    ApiError,
    endpoint::{Context, Listed, NoQuery, Paged, QueryInput, Reply},
    wire::{AgentRef, WriteReceipt, time_text},
};

/// Most votes that an answer shows.
pub(in crate::groups) const VOTES_MAX: usize = 200;

/// What was said of a claim that the log does not hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::groups) struct ClaimNotes {
    /// 32 hex digits: what the digests are salted with.
    #[serde(default)]
    pub(in crate::groups) salt: String,
    #[serde(default)]
    pub(in crate::groups) said: ClaimSaid,
    #[serde(default)]
    pub(in crate::groups) metadata: Map<String, Value>,
    /// How it is to be verified, where no votes were asked for.
    #[serde(default)]
    pub(in crate::groups) asked: Option<ClaimAsked>,
}

/// That a person or a verifier was asked for a verdict.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::groups) struct ClaimAsked {
    pub(in crate::groups) method: String,
    pub(in crate::groups) tool: Option<String>,
    /// The receipt that says so.
    pub(in crate::groups) receipt: String,
}

/// A claim of the log.
pub(in crate::groups) struct FoundClaim {
    pub(in crate::groups) id: ClaimId,
    pub(in crate::groups) claim: Claim,
    /// Index of the record that made it.
    pub(in crate::groups) index: u64,
    /// The log's time of it.
    pub(in crate::groups) log_ms: u64,
    /// The record that made it.
    pub(in crate::groups) record: Record,
    pub(in crate::groups) notes: ClaimNotes,
    /// The log's time now.
    pub(in crate::groups) now_ms: u64,
}

impl FoundClaim {
    /// A claim, whoever's it is.
    pub(in crate::groups) fn of(context: &Context, id: ClaimId) -> Result<Option<Self>, ApiError> {
        let (claim, log_ms) =
            context.view(|view| (ledger_state::claim(view, id), ledger_state::log_ms(view)))?;
        let Some(claim) = claim else { return Ok(None) };
        let Some((made_ms, record)) = context.entry(claim.created)? else { return Ok(None) };
        let notes = context.kept(id.0)?.unwrap_or_default();
        let (index, now_ms) = (claim.created, log_ms.max(context.now_ms));
        Ok(Some(Self { id, claim, index, log_ms: made_ms, record, notes, now_ms }))
    }

    /// The caller's own claim.
    pub(in crate::groups) fn own(context: &Context, id: ClaimId, field: &str) -> Result<Self, ApiError> {
        let tenant = context.tenant()?;
        let found = Self::of(context, id)?.filter(|found| found.claim.tenant == tenant);
        found.ok_or_else(|| ApiError::missing("claim", field))
    }

    /// Digest of what is claimed, as it stands in the record.
    pub(in crate::groups) fn statement(&self) -> String {
        match &self.record.body {
            Body::ClaimCreate(body) => body.statement.to_string(),
            _ => String::new(),
        }
    }

    /// Votes so far.
    pub(in crate::groups) fn votes(&self) -> u64 {
        self.claim.confirm + self.claim.deny + self.claim.abstain
    }

    /// Whether votes were asked for and may still come.
    pub(in crate::groups) fn is_open(&self) -> bool {
        self.claim.result.is_none() && self.claim.asked.is_some_and(|(deadline, _)| self.now_ms < deadline)
    }

    /// Whether there are as many votes as were asked for.
    pub(in crate::groups) fn has_quorum(&self) -> bool {
        self.claim.asked.is_some_and(|(_, quorum)| self.votes() >= quorum)
    }

    fn status(&self) -> ClaimStatus {
        match self.claim.result {
            Some(ClaimResult::Confirmed) => ClaimStatus::Verified,
            Some(ClaimResult::Rejected) => ClaimStatus::Rejected,
            Some(ClaimResult::Inconclusive) => ClaimStatus::Disputed,
            None if self.claim.asked.is_some() && (self.is_open() || self.has_quorum()) => {
                ClaimStatus::Verifying
            }
            None if self.notes.asked.is_some() => ClaimStatus::Verifying,
            None => ClaimStatus::Pending,
        }
    }
}

/// What state a claim can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::groups) enum ClaimStatus {
    /// Nobody was asked.
    Pending,
    /// Somebody was asked and has not said enough yet.
    Verifying,
    /// It holds, according to whoever was asked.
    Verified,
    /// Nobody can tell: a tie, too few votes, or too few from other tenants.
    Disputed,
    /// It does not hold.
    Rejected,
}

/// A claim.
#[derive(Serialize, ToSchema)]
pub(in crate::groups) struct ClaimView {
    id: String,
    claim_id: String,
    tenant_id: String,
    agent_id: String,
    status: ClaimStatus,
    #[serde(flatten)]
    said: ClaimContent,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// What the digests are salted with.
    salt: String,
    /// `witness`, `human` or `external`, once somebody was asked.
    verification_method: Option<&'static str>,
    /// Where the verification is asked for on record.
    verification_id: Option<String>,
    /// What came of it; null until there is a result.
    verification_result: Option<ClaimOutcome>,
    /// The request for votes; null without one.
    witness_id: Option<String>,
    /// The votes, in the order of the agents' ids, at most 200.
    attestations: Vec<ClaimVoteView>,
    /// When it was decided.
    verified_at: Option<String>,
    /// The record that decided it; before that, the one that made it.
    receipt_id: String,
    /// Index of that record.
    log_index: u64,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<&'static str>,
}

/// What a claim says.
#[derive(Serialize, ToSchema)]
pub(in crate::groups) struct ClaimContent {
    /// Of what kind it is.
    claim_type: String,
    /// Whom or what it is about.
    subject: Option<String>,
    /// What is claimed, in words.
    assertion: Option<String>,
    /// What is claimed, for programs.
    #[schema(value_type = Option<Object>)]
    payload: Option<Map<String, Value>>,
    /// Evidence itself, or names of it.
    evidence: Vec<String>,
    /// Where evidence can be read.
    evidence_urls: Vec<String>,
    /// How sure the agent is, 0 to 1.
    confidence: Option<f64>,
    /// Whether it concerns the tenant alone.
    internal: bool,
    /// Digest of all of that, salted, as it stands in the log.
    claim_hash: String,
}

/// What came of a verification.
#[derive(Clone, Serialize, ToSchema)]
pub(in crate::groups) struct ClaimOutcome {
    /// `confirmed`, `rejected` or `inconclusive`.
    pub(in crate::groups) result: &'static str,
    /// `witness`, `human` or `external`.
    pub(in crate::groups) method: &'static str,
    /// Why, in a sentence.
    pub(in crate::groups) reason: String,
    /// The verifier, with `external`.
    pub(in crate::groups) tool_id: Option<String>,
    /// The credential that stated it, if it was not signed by its owner.
    pub(in crate::groups) decided_by: Option<String>,
    /// The record that says so.
    pub(in crate::groups) receipt_id: String,
    /// Index of that record.
    pub(in crate::groups) log_index: u64,
    /// What whoever decided has added.
    pub(in crate::groups) notes: Option<String>,
    /// How sure they are, 0 to 1.
    pub(in crate::groups) confidence: Option<f64>,
}

/// A vote on a claim.
#[derive(Clone, Serialize, ToSchema)]
pub(in crate::groups) struct ClaimVoteView {
    pub(in crate::groups) attestation_id: String,
    agent_id: String,
    tenant_id: String,
    /// `confirm`, `deny` or `abstain`.
    verdict: &'static str,
    /// `agent`: signed with the agent's own key; `operator`: on behalf of a credential.
    pub(in crate::groups) signed_by: &'static str,
    /// The signature in the record.
    pub(in crate::groups) signature: String,
    kid: String,
    receipt_id: String,
    log_index: u64,
    created_at: String,
    /// What the agent has added; only in answers to its own tenant and the claim's.
    evidence: Option<String>,
    /// How sure the agent is, 0 to 1.
    confidence: Option<f64>,
}

/// What an agent added to its vote that the log does not hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::groups) struct VoteNotes {
    #[serde(default)]
    pub(in crate::groups) evidence: Option<String>,
    #[serde(default)]
    pub(in crate::groups) confidence: Option<f64>,
}

/// What whoever decided has added.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::groups) struct VerdictNotes {
    #[serde(default)]
    pub(in crate::groups) notes: Option<String>,
    #[serde(default)]
    pub(in crate::groups) confidence: Option<f64>,
}

impl Listed for ClaimView {
    const PLURAL: &'static str = "claims";
}

impl ClaimView {
    /// With the answer of a write.
    pub(in crate::groups) fn logged(mut self, receipt: &WriteReceipt) -> Self {
        self.receipt_id = receipt.receipt_id.clone();
        self.log_index = receipt.log_index;
        self.leaf_hash = Some(receipt.leaf_hash.clone());
        self.ack = Some(receipt.ack);
        self
    }

    pub(super) fn is_verified(&self) -> bool {
        self.status == ClaimStatus::Verified
    }

    pub(super) fn log_index(&self) -> u64 {
        self.log_index
    }

    /// Status, method, request for votes, and where the verification is asked for.
    pub(super) fn into_verification(
        self,
    ) -> (ClaimStatus, Option<&'static str>, Option<String>, Option<String>) {
        (self.status, self.verification_method, self.witness_id, self.verification_id)
    }
}

impl ClaimContent {
    pub(in crate::groups) fn of(found: &FoundClaim) -> Self {
        let said = found.notes.said.clone();
        Self {
            claim_type: said.claim_type,
            subject: said.subject,
            assertion: said.assertion,
            payload: said.payload,
            evidence: said.evidence,
            evidence_urls: said.evidence_urls,
            confidence: said.confidence,
            internal: found.claim.internal,
            claim_hash: found.statement(),
        }
    }
}

/// The name of a signature's value, in base64url.
fn signature(record: &Record) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    URL_SAFE_NO_PAD.encode(record.sig.value)
}

/// One vote. `with_notes`: whether the caller may see what the agent has added.
pub(in crate::groups) fn vote_view(
    context: &Context,
    agent: AgentId,
    vote: &ClaimVoteAt,
    with_notes: bool,
) -> Result<Option<ClaimVoteView>, ApiError> {
    let Some((log_ms, record)) = context.entry(vote.index)? else { return Ok(None) };
    let Body::WitnessAttest(body) = &record.body else { return Ok(None) };
    let notes: VoteNotes = match with_notes {
        true => context.kept(record.id)?.unwrap_or_default(),
        false => VoteNotes::default(),
    };
    Ok(Some(ClaimVoteView {
        attestation_id: body.attestation.to_string(),
        agent_id: agent.to_string(),
        tenant_id: TenantId(vote.tenant).to_string(),
        verdict: vote.vote.as_str(),
        signed_by: signed_by(&record),
        signature: signature(&record),
        kid: record.sig.kid.to_string(),
        receipt_id: ReceiptId(record.id).to_string(),
        log_index: vote.index,
        created_at: time_text(log_ms),
        evidence: notes.evidence,
        confidence: notes.confidence,
    }))
}

fn signed_by(record: &Record) -> &'static str {
    match record.actor {
        ledger_format::record::Actor::Agent(_) => "agent",
        ledger_format::record::Actor::Tenant => "tenant",
        ledger_format::record::Actor::Operator => "operator",
    }
}

/// The votes on a claim as the caller may see them.
pub(in crate::groups) fn votes(
    context: &Context,
    found: &FoundClaim,
) -> Result<Vec<ClaimVoteView>, ApiError> {
    let caller = context.tenant()?;
    let votes = context.view(|view| ledger_state::claim_votes(view, found.id, VOTES_MAX))?;
    let shown = votes.iter().map(|(agent, vote)| {
        vote_view(context, *agent, vote, caller == vote.tenant || caller == found.claim.tenant)
    });
    shown.filter_map(Result::transpose).collect()
}

/// What was decided, if it was.
pub(in crate::groups) fn outcome(
    context: &Context,
    found: &FoundClaim,
) -> Result<Option<ClaimOutcome>, ApiError> {
    let (Some(result), Some(index)) = (found.claim.result, found.claim.resolved) else { return Ok(None) };
    let Some((_, record)) = context.entry(index)? else { return Ok(None) };
    let Body::ClaimResolve(body) = &record.body else { return Ok(None) };
    let method = body.method.unwrap_or(VerdictMethod::Witness);
    let notes: VerdictNotes = context.kept(record.id)?.unwrap_or_default();
    Ok(Some(ClaimOutcome {
        result: result.as_str(),
        method: method.as_str(),
        reason: reason(found, result, method).into(),
        tool_id: body.tool.map(|tool: ToolId| tool.to_string()),
        decided_by: body.on_behalf_of.clone(),
        receipt_id: ReceiptId(record.id).to_string(),
        log_index: index,
        notes: notes.notes,
        confidence: notes.confidence,
    }))
}

/// Why a result is what it is.
pub(in crate::groups) fn reason(
    found: &FoundClaim,
    result: ClaimResult,
    method: VerdictMethod,
) -> Cow<'static, str> {
    let claim = &found.claim;
    let quorum = claim.asked.map_or(0, |(_, quorum)| quorum);
    match (method, result) {
        (VerdictMethod::Human, _) => "a person has decided".into(),
        (VerdictMethod::External, _) => "a registered verifier has decided".into(),
        (_, ClaimResult::Confirmed) => "more votes for it than against it".into(),
        (_, ClaimResult::Rejected) => "more votes against it than for it".into(),
        _ if found.votes() < quorum => format!("{} of {quorum} votes came in time", found.votes()).into(),
        _ if claim.confirm > claim.deny => {
            format!("{} of {quorum} votes are of other tenants: at least half must be", claim.foreign).into()
        }
        _ => "as many votes for it as against it".into(),
    }
}

/// The id of the request for votes.
pub(in crate::groups) fn witness_id(context: &Context, claim: &Claim) -> Result<Option<String>, ApiError> {
    let Some(index) = claim.request else { return Ok(None) };
    Ok(context.entry(index)?.map(|(_, record)| AttestationId(record.id).to_string()))
}

/// A claim; the caller has checked whose it is.
pub(in crate::groups) fn claim_view(context: &Context, found: &FoundClaim) -> Result<ClaimView, ApiError> {
    let result = outcome(context, found)?;
    let created_at = time_text(found.log_ms);
    let decided_at = match found.claim.resolved {
        Some(index) => Some(context.log_time(index)?),
        None => None,
    };
    let asked = found.notes.asked.as_ref();
    let method = match (&result, found.claim.asked, asked) {
        (Some(result), ..) => Some(result.method),
        (None, Some(_), _) => Some("witness"),
        (None, None, Some(asked)) => VerdictMethod::parse(&asked.method).map(VerdictMethod::as_str),
        (None, None, None) => None,
    };
    let request = witness_id(context, &found.claim)?;
    let verification_id = asked.map(|asked| asked.receipt.clone()).filter(|_| found.claim.asked.is_none());
    let (receipt_id, log_index) = match &result {
        Some(result) => (result.receipt_id.clone(), result.log_index),
        None => (ReceiptId(found.record.id).to_string(), found.index),
    };
    Ok(ClaimView {
        id: found.id.0.uuid(),
        claim_id: found.id.to_string(),
        tenant_id: TenantId(found.claim.tenant).to_string(),
        agent_id: found.claim.agent.to_string(),
        status: found.status(),
        said: ClaimContent::of(found),
        metadata: found.notes.metadata.clone(),
        salt: found.notes.salt.clone(),
        verification_method: method,
        verification_id: verification_id.or_else(|| request.clone()),
        verification_result: result,
        witness_id: request,
        attestations: votes(context, found)?,
        verified_at: decided_at.clone(),
        receipt_id,
        log_index,
        updated_at: decided_at.unwrap_or_else(|| created_at.clone()),
        created_at,
        leaf_hash: None,
        ack: None,
    })
}

/// Which claims.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListClaims {
    /// Only of this agent.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// Only in this state.
    #[serde(default)]
    status: Option<ClaimStatus>,
}

impl QueryInput for ListClaims {}

pub(super) async fn list(context: Context, query: ListClaims) -> Result<Reply<Paged<ClaimView>>, ApiError> {
    let agent = query.agent_id.map(|id| id.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let shown = |context: &Context, row: &TimelineRow| {
        let Some(found) = of_row(context, row)? else { return Ok(None) };
        match query.status {
            Some(wanted) if wanted != found.status() => Ok(None),
            _ => claim_view(context, &found).map(Some),
        }
    };
    Ok(Reply::new(context.list(&["claim.create"], agent, query.status.is_some(), shown).await?))
}

fn of_row(context: &Context, row: &TimelineRow) -> Result<Option<FoundClaim>, ApiError> {
    match context.entry(row.index)? {
        Some((_, Record { body: Body::ClaimCreate(body), .. })) => FoundClaim::of(context, body.claim),
        _ => Ok(None),
    }
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<ClaimView>, ApiError> {
    let found = FoundClaim::own(&context, context.id("claim_id")?, "claim_id")?;
    let view = claim_view(&context, &found)?;
    let index = view.log_index;
    Ok(Reply::new(view).at(index))
}
