//! A grant as callers see it: every key style that a published client reads.

use ledger_format::record::{Actor, AgentId, Body, DelegationId, GrantLimits, Scope, TenantId, Ulid};
use ledger_state::{Grant, GrantJudgement, GrantStanding};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::super::agents::scope_object;
use crate::{
    ApiError,
    endpoint::{Context, Listed},
    wire::{WriteReceipt, Written, time_text},
};

/// An offer is to be taken within a day.
pub(super) const OFFER_MS: u64 = 24 * 60 * 60 * 1_000;

/// What an offerer said that the log does not hold: kept in the nodes' private state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct DelegationNotes {
    #[serde(default)]
    pub(super) metadata: Map<String, Value>,
    #[serde(default)]
    pub(super) constraints: Map<String, Value>,
    /// The whole purpose.
    #[serde(default)]
    pub(super) purpose: Option<String>,
    /// The scope object of the older SDKs, as it was sent.
    #[serde(default)]
    pub(super) scope: Option<Value>,
}

/// Which words a status has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// What the log says of the grant.
    Record,
    /// `active` for a grant that holds, as the plug-ins have it.
    Older,
}

/// Bounds of a grant as its record has them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct DelegationLimits {
    /// Most uses in each window; null is without limit.
    max_calls: Option<u64>,
    /// Length of a window in seconds; windows follow each other from the offer on.
    window_seconds: Option<u64>,
    /// Most to spend in each window, in the smallest unit of the currency.
    max_spend: Option<u64>,
    /// Amounts above it need an approval.
    require_approval_above: Option<u64>,
    /// The currency of the amounts.
    currency: Option<String>,
    /// Environments in which it holds; null is all.
    environments: Option<Vec<String>>,
    /// The word that the log holds of what it is for.
    purpose: Option<String>,
    /// Trust that the receiver must have, 0 to 100.
    min_trust_score: Option<f64>,
    /// When it begins, RFC 3339 in UTC; null: at once.
    not_before: Option<String>,
    expires_at: String,
}

impl From<&GrantLimits> for DelegationLimits {
    fn from(limits: &GrantLimits) -> Self {
        Self {
            max_calls: limits.calls,
            window_seconds: limits.window_s,
            max_spend: limits.spend_minor,
            require_approval_above: limits.approval_over,
            currency: limits.currency.clone(),
            environments: limits.env.clone(),
            purpose: limits.purpose.clone(),
            min_trust_score: limits.min_trust_bp.map(|bp| bp as f64 / 100.0),
            not_before: limits.not_before.map(time_text),
            expires_at: time_text(limits.expires_at),
        }
    }
}

/// A grant.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct DelegationView {
    /// UUID of the id.
    id: String,
    delegation_id: String,
    /// `offered`, `accepted`, `rejected`, `revoked`, `expired`, or `void`: it was for more than its giver had.
    status: &'static str,
    /// Whether it may be used now: it, and everything above it, holds.
    holds: bool,
    /// Why not, for programs: a word of `/v1/delegations/check`.
    fault: Option<&'static str>,
    /// Why not, for people.
    fault_detail: Option<String>,
    /// The tenant that grants.
    tenant_id: String,
    /// The agent that grants; null: the tenant itself.
    from_agent_id: Option<String>,
    /// The tenant that grants.
    from_tenant_id: String,
    #[serde(rename = "fromAgentId")]
    from_agent_id_camel: Option<String>,
    /// The agent that grants.
    parent_agent_id: Option<String>,
    offered_by_agent_id: Option<String>,
    offered_by_tenant_id: String,
    /// The receiver; null while an offer to a tenant awaits one.
    to_agent_id: Option<String>,
    /// The receiver's tenant.
    to_tenant_id: String,
    #[serde(rename = "toAgentId")]
    to_agent_id_camel: Option<String>,
    child_agent_id: Option<String>,
    target_tenant_id: String,
    /// The log where the receiver lives; null: this log.
    to_origin: Option<String>,
    /// The key that uses it.
    to_key_id: Option<String>,
    /// The log where it was offered; null: this log.
    origin: Option<String>,
    accepted_by_agent_id: Option<String>,
    accepted_by_tenant_id: Option<String>,
    /// What the receiver may do; with `!`, what it must not do.
    scopes: Vec<String>,
    #[schema(value_type = Object)]
    scope: Value,
    limits: DelegationLimits,
    /// How often it may be used in its whole life.
    #[schema(value_type = Object)]
    conditions: Value,
    /// The bounds as the offerer wrote them.
    #[schema(value_type = Object)]
    constraints: Map<String, Value>,
    /// What it is for.
    purpose: Option<String>,
    /// What the offerer attached: both parties see it.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// Links above it.
    depth: u64,
    /// Links that the chain may have from this one on.
    max_depth: u64,
    /// How often it may still be handed on.
    hops: u64,
    /// The grant above.
    parent_delegation_id: Option<String>,
    /// The agreement under which it passes to another tenant.
    agreement_id: Option<String>,
    /// Hash of the offer's record; null while an offer to a tenant awaits an agent.
    offer_hash: Option<String>,
    /// The same again: what `accept` may be sent, to take this very offer.
    token: Option<String>,
    /// The offer's record: `/v1/receipts/{receipt_id}/proof` proves it to the offerer.
    delegation_attestation_id: Option<String>,
    /// Who signed the offer: `agent`, `tenant`, or `operator`, on behalf of the credential.
    signed_by: Option<&'static str>,
    /// Seconds from the offer to its end.
    ttl_seconds: u64,
    /// Index of the record that made it known here, or of the write that this answers.
    log_index: u64,
    /// Index since when the status holds.
    status_index: u64,
    created_at: String,
    updated_at: String,
    accepted_at: Option<String>,
    revoked_at: Option<String>,
    expires_at: String,
    #[serde(rename = "createdAt")]
    created_at_camel: String,
    #[serde(rename = "updatedAt")]
    updated_at_camel: String,
    #[serde(rename = "expiresAt")]
    expires_at_camel: String,
    #[serde(flatten)]
    written: Written,
}

impl Listed for DelegationView {
    const PLURAL: &'static str = "delegations";
}

impl DelegationView {
    pub(super) fn log_index(&self) -> u64 {
        self.log_index
    }

    pub(super) fn status(&self) -> &'static str {
        self.status
    }

    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// As an offer that names no agent yet; `receipt` holds the digest of its terms.
    pub(super) fn without_receiver(self, receipt: String) -> Self {
        Self {
            to_agent_id: None,
            to_agent_id_camel: None,
            child_agent_id: None,
            to_key_id: None,
            offer_hash: None,
            token: None,
            delegation_attestation_id: Some(receipt),
            signed_by: Some("operator"),
            ..self
        }
    }

    /// With the answer of a write.
    pub(super) fn logged(mut self, receipt: WriteReceipt) -> Self {
        self.log_index = receipt.log_index;
        self.written = receipt.into();
        self
    }
}

/// A grant with all that is above it, if the caller's tenant is on the path.
pub(super) fn seen(context: &Context, id: DelegationId, field: &str) -> Result<GrantJudgement, ApiError> {
    let tenant = context.tenant()?;
    let found = judged(context, id, None)?.filter(|found| is_party(found, tenant));
    found.ok_or_else(|| ApiError::missing("delegation", field))
}

/// A grant judged at this moment; `None` for an unknown one.
pub(super) fn judged(
    context: &Context,
    id: DelegationId,
    action: Option<&Scope>,
) -> Result<Option<GrantJudgement>, ApiError> {
    let now = context.now_ms;
    context.view(|view| ledger_state::judge_grant(view, id, action, now))?.map_err(ApiError::internal)
}

/// Whether a tenant gives or gets it, or anything above it.
pub(super) fn is_party(found: &GrantJudgement, tenant: Ulid) -> bool {
    found.chain.iter().any(|(_, grant)| grant.tenant == tenant || grant.to_tenant.0 == tenant)
}

/// A grant, whoever's it is; the caller has checked that.
pub(super) fn delegation_view(
    context: &Context,
    id: DelegationId,
    words: Words,
) -> Result<Option<DelegationView>, ApiError> {
    match judged(context, id, None)? {
        Some(found) => view_of(context, &found, words).map(Some),
        None => Ok(None),
    }
}

/// The status of a grant at a time, ms.
pub(super) fn status(grant: &Grant, now_ms: u64) -> &'static str {
    let lapsed = grant.crosses() && now_ms >= grant.offered_ms.saturating_add(OFFER_MS);
    match grant.standing {
        GrantStanding::Offered if lapsed && grant.to_origin.is_none() => "expired",
        GrantStanding::Offered | GrantStanding::Accepted if now_ms >= grant.limits.expires_at => "expired",
        standing => standing.as_str(),
    }
}

/// The grant at the end of a chain.
pub(super) fn view_of(
    context: &Context,
    found: &GrantJudgement,
    words: Words,
) -> Result<DelegationView, ApiError> {
    let Some((id, grant)) = found.chain.last() else {
        return Err(ApiError::internal("a grant has no chain"));
    };
    let notes: DelegationNotes = context.kept(id.0)?.unwrap_or_default();
    let holds = found.fault.is_none();
    let status = match status(grant, context.now_ms) {
        "offered" | "accepted" if words == Words::Older && holds => "active",
        status => status,
    };
    let scopes: Vec<String> = grant
        .scopes
        .iter()
        .map(ToString::to_string)
        .chain(grant.deny.iter().map(|deny| format!("!{deny}")))
        .collect();
    let (from, to) = (grant.from.map(|id: AgentId| id.to_string()), grant.to_agent.to_string());
    let (tenant, to_tenant) = (TenantId(grant.tenant).to_string(), grant.to_tenant.to_string());
    let accepted = grant.accepted.is_some();
    let created = time_text(grant.offered_ms);
    let since = context.log_time(grant.since)?;
    let expires = time_text(grant.limits.expires_at);
    let offer = offer_record(context, grant)?;
    let life_ms = grant.limits.expires_at.saturating_sub(grant.offered_ms);
    let of_life = grant.limits.window_s.is_some_and(|window| window * 1_000 >= life_ms);
    Ok(DelegationView {
        id: id.0.uuid(),
        delegation_id: id.to_string(),
        status,
        holds,
        fault: found.fault.as_ref().map(|fault| fault.reason.code()),
        fault_detail: found.fault.as_ref().map(ToString::to_string),
        tenant_id: tenant.clone(),
        from_agent_id: from.clone(),
        from_tenant_id: tenant.clone(),
        from_agent_id_camel: from.clone(),
        parent_agent_id: from.clone(),
        offered_by_agent_id: from,
        offered_by_tenant_id: tenant,
        to_agent_id: Some(to.clone()),
        to_tenant_id: to_tenant.clone(),
        to_agent_id_camel: Some(to.clone()),
        child_agent_id: Some(to.clone()),
        target_tenant_id: to_tenant.clone(),
        to_origin: grant.to_origin.clone(),
        to_key_id: Some(grant.to_kid.to_string()),
        origin: grant.foreign.clone(),
        accepted_by_agent_id: accepted.then_some(to),
        accepted_by_tenant_id: accepted.then_some(to_tenant),
        scope: notes.scope.unwrap_or_else(|| scope_object(&scopes[..grant.scopes.len()])),
        scopes,
        limits: (&grant.limits).into(),
        conditions: json!({"max_invocations": grant.limits.calls.filter(|_| of_life)}),
        constraints: notes.constraints,
        purpose: notes.purpose.or_else(|| grant.limits.purpose.clone()),
        metadata: notes.metadata,
        depth: grant.depth,
        max_depth: grant.hops + 1,
        hops: grant.hops,
        parent_delegation_id: grant.parent.map(|id| id.to_string()),
        agreement_id: grant.agreement.map(|hash| hash.to_string()),
        offer_hash: Some(grant.offer.to_string()),
        token: Some(grant.offer.to_string()),
        delegation_attestation_id: offer.as_ref().map(|(id, _)| id.clone()),
        signed_by: offer.map(|(_, signed_by)| signed_by),
        ttl_seconds: life_ms.div_ceil(1_000),
        log_index: grant.index,
        status_index: grant.since,
        accepted_at: grant.accepted.map(|index| context.log_time(index)).transpose()?,
        revoked_at: (grant.standing == GrantStanding::Revoked).then(|| since.clone()),
        expires_at: expires.clone(),
        expires_at_camel: expires,
        created_at: created.clone(),
        created_at_camel: created,
        updated_at: since.clone(),
        updated_at_camel: since,
        written: Written::default(),
    })
}

/// The id of the offer's record, and who signed it, if it is in this log.
fn offer_record(context: &Context, grant: &Grant) -> Result<Option<(String, &'static str)>, ApiError> {
    let record = context.entry(grant.index)?.map(|(_, record)| record);
    Ok(record.filter(|record| matches!(record.body, Body::DelegationOffer(_))).map(|record| {
        let signed_by = match record.actor {
            Actor::Agent(_) => "agent",
            Actor::Tenant => "tenant",
            Actor::Operator => "operator",
        };
        (ledger_format::record::ReceiptId(record.id).to_string(), signed_by)
    }))
}
