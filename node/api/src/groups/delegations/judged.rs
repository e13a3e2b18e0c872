//! What grants are worth: the chain above an agent, the status of one grant, and chain files.

use ledger_format::record::{AgentId, DelegationId};
use ledger_log::TimelineQuery;
use ledger_state::{Grant, GrantJudgement};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    lists::grant_at,
    verdict::{DelegationLink, older_verdict},
    view::{is_party, judged, seen, status},
};
use crate::{
    ApiError,
    endpoint::{Context, NoQuery, QueryInput, Reply},
    wire::{DelegationRef, time_text},
};

/// Grants of an agent that are looked through for one that holds, and that an answer names.
const GRANTS_MAX: usize = 200;

/// Which chain.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichChain {
    /// The grant to the agent whose chain is meant.
    #[serde(default)]
    #[param(inline)]
    delegation_id: Option<DelegationRef>,
}

impl QueryInput for WhichChain {}

/// The chain above an agent, and the grants that it gives.
#[derive(Serialize, ToSchema)]
pub(super) struct DelegationTree {
    agent_id: String,
    /// Whether the chain holds.
    valid: bool,
    /// `VALID`, `REVOKED`, `EXPIRED`, `SCOPE_VIOLATION`, `DEPTH_EXCEEDED` or `CHAIN_BROKEN`.
    verdict: &'static str,
    /// Why, for programs: a word of `/v1/delegations/check`.
    reason: String,
    /// Why not, for people.
    detail: Option<String>,
    /// The grant that the chain ends with; null when nobody has granted the agent anything.
    delegation_id: Option<String>,
    /// Grants in the chain.
    chain_depth: u64,
    /// The grants, the root first.
    chain: Vec<DelegationLink>,
    /// What the chain allows as a whole; without one, the agent's own scopes.
    effective_scopes: Vec<String>,
    /// Grants that the agent gives, newest first; at most 200.
    children: Vec<DelegationLink>,
    /// What a reader should know.
    warnings: Vec<String>,
    /// Entries that this node has applied.
    as_of_size: u64,
    /// When this was worked out, RFC 3339 in UTC.
    checked_at: String,
}

pub(super) async fn tree(context: Context, query: WhichChain) -> Result<Reply<DelegationTree>, ApiError> {
    let agent: AgentId = context.id("agent_id")?;
    let own = context.own_agent(agent, "agent_id")?;
    let grants = grants_of(&context, agent).await?;
    let given = grants.iter().filter_map(leaf).filter(|(_, grant)| grant.from == Some(agent));
    let children = given.map(|(id, grant)| DelegationLink::of(*id, grant, context.now_ms)).collect();
    let mut received = grants.iter().filter(|found| leaf(found).is_some_and(|(_, g)| g.to_agent == agent));
    let chosen = match query.delegation_id {
        Some(id) => {
            let found = seen(&context, id.0, "delegation_id")?;
            if leaf(&found).is_none_or(|(_, grant)| grant.to_agent != agent) {
                return Err(ApiError::missing("delegation to this agent", "delegation_id"));
            }
            Some(found)
        }
        None => {
            let newest = received.clone().next().cloned();
            received.find(|found| found.fault.is_none()).cloned().or(newest)
        }
    };
    let mut warnings = Vec::new();
    if grants.len() == GRANTS_MAX {
        warnings.push(format!("only the newest {GRANTS_MAX} grants of the agent were looked at"));
    }
    let mut answer = DelegationTree {
        agent_id: agent.to_string(),
        valid: own.is_active(),
        verdict: if own.is_active() { "VALID" } else { "REVOKED" },
        reason: if own.is_active() { "holds" } else { "not_live" }.into(),
        detail: (!own.is_active()).then(|| "the agent may not act".into()),
        delegation_id: None,
        chain_depth: 0,
        chain: Vec::new(),
        effective_scopes: Vec::new(),
        children,
        warnings,
        as_of_size: context.reader.applied_size(),
        checked_at: time_text(context.now_ms),
    };
    let Some(found) = chosen else {
        answer.warnings.push("nobody has granted the agent anything: it acts by its own scopes".into());
        if own.is_active() {
            answer.effective_scopes = own.scopes.iter().map(ToString::to_string).collect();
        }
        return Ok(Reply::new(answer));
    };
    if let Some(fault) = &found.fault {
        answer.valid = false;
        answer.reason = fault.reason.code().into();
        answer.detail = Some(fault.to_string());
    }
    answer.verdict = older_verdict(&found);
    answer.delegation_id = leaf(&found).map(|(id, _)| id.to_string());
    answer.chain_depth = found.chain.len() as u64;
    answer.chain =
        found.chain.iter().map(|(id, grant)| DelegationLink::of(*id, grant, context.now_ms)).collect();
    answer.effective_scopes = found.scopes.iter().map(ToString::to_string).collect();
    answer.warnings.extend(remarks(&context, &found)?);
    Ok(Reply::new(answer))
}

fn leaf(found: &GrantJudgement) -> Option<&(DelegationId, Grant)> {
    found.chain.last()
}

/// The newest grants that an agent gives or gets, judged.
async fn grants_of(context: &Context, agent: AgentId) -> Result<Vec<GrantJudgement>, ApiError> {
    if !context.reader.wait_timeline(context.reader.applied_size(), context.timeout).await {
        return Err(ApiError::too_late("the lists of this node are not up to date yet"));
    }
    let query = TimelineQuery {
        tenant: context.tenant()?,
        types: &["delegation.offer", "delegation.accept"],
        agent: Some(agent),
        before: None,
        from: 0,
        limit: GRANTS_MAX,
        ascending: false,
    };
    let page = context.reader.timeline_of_party(&query).map_err(ApiError::internal)?;
    let mut grants = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        let Some(id) = grant_at(context, row.index)? else { continue };
        grants.extend(judged(context, id, None)?);
    }
    Ok(grants)
}

/// What a reader of a chain should know.
fn remarks(context: &Context, found: &GrantJudgement) -> Result<Vec<String>, ApiError> {
    let mut remarks = Vec::new();
    for (id, grant) in &found.chain {
        if grant.foreign.is_some() {
            remarks.push(format!(
                "grant {id} was offered in another log: whether it is revoked there, that log says"
            ));
        }
        if grant.from.is_none() && grant.foreign.is_none() {
            remarks.push(format!("grant {id} comes from the tenant itself"));
        }
        if grant.foreign.is_none()
            && let Some((_, record)) = context.entry(grant.index)?
            && record.actor == ledger_format::record::Actor::Operator
        {
            remarks.push(format!("grant {id} is signed by the operator on behalf of the tenant"));
        }
    }
    Ok(remarks)
}

/// Whether a grant is revoked, by itself or with anything above it.
#[derive(Serialize, ToSchema)]
pub(super) struct RevocationStatus {
    delegation_id: String,
    /// Whether it, or a grant above it, was taken back.
    revoked: bool,
    /// What the grant itself is.
    status: &'static str,
    /// Whether it may be used now.
    holds: bool,
    /// Why not, for programs: a word of `/v1/delegations/check`.
    reason: String,
    /// Why not, for people.
    detail: Option<String>,
    /// The grant that was taken back.
    revoked_delegation_id: Option<String>,
    /// Index from which on it does not hold.
    effective_index: Option<u64>,
    revoked_at: Option<String>,
    expires_at: String,
    /// Entries that this node has applied.
    as_of_size: u64,
    /// When this was worked out, RFC 3339 in UTC.
    checked_at: String,
}

pub(super) async fn revocation(context: Context, _: NoQuery) -> Result<Reply<RevocationStatus>, ApiError> {
    let id: DelegationId = context.id("delegation_id")?;
    let found = seen(&context, id, "delegation_id")?;
    debug_assert!(is_party(&found, context.tenant()?), "it was seen");
    let Some((_, grant)) = leaf(&found) else { return Err(ApiError::internal("a grant has no chain")) };
    let revoked = |grant: &Grant| grant.standing == ledger_state::GrantStanding::Revoked;
    let ended = found.chain.iter().find(|(_, grant)| revoked(grant));
    let answer = RevocationStatus {
        delegation_id: id.to_string(),
        revoked: ended.is_some(),
        status: status(grant, context.now_ms),
        holds: found.fault.is_none(),
        reason: found.fault.as_ref().map_or("holds", |fault| fault.reason.code()).into(),
        detail: found.fault.as_ref().map(ToString::to_string),
        revoked_delegation_id: ended.map(|(id, _)| id.to_string()),
        effective_index: ended.map(|(_, grant)| grant.since),
        revoked_at: ended.map(|(_, grant)| context.log_time(grant.since)).transpose()?,
        expires_at: time_text(grant.limits.expires_at),
        as_of_size: context.reader.applied_size(),
        checked_at: time_text(context.now_ms),
    };
    Ok(Reply::new(answer).at(grant.since))
}
