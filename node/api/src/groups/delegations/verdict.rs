//! What a chain is worth, as callers see it, whether the state or a file says it.

use ledger_format::{
    ChainLink, ChainReason,
    record::{AgentId, DelegationId, TenantId},
};
use ledger_state::{Grant, GrantJudgement, GrantStanding};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::status;
use crate::wire::time_text;

/// One grant of a chain.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct DelegationLink {
    delegation_id: String,
    /// The log of its offer; null: this log.
    origin: Option<String>,
    /// Index of the record that made it known.
    log_index: u64,
    /// The agent that grants; null: the tenant itself.
    from_agent_id: Option<String>,
    /// The tenant that grants.
    from_tenant_id: String,
    /// The agent that grants.
    parent_agent_id: Option<String>,
    /// The receiver.
    to_agent_id: String,
    /// The receiver's tenant.
    to_tenant_id: String,
    child_agent_id: String,
    /// The key that uses it.
    to_key_id: String,
    /// What it allows; with `!`, what it denies. Of a chain file: null, the file as a whole says it.
    scopes: Option<Vec<String>>,
    /// What the log says of it. Of a chain file: null, the file's statuses are judged as a whole.
    status: Option<&'static str>,
    expires_at: String,
}

impl DelegationLink {
    pub(super) fn of(id: DelegationId, grant: &Grant, now_ms: u64) -> Self {
        let denies = grant.deny.iter().map(|deny| format!("!{deny}"));
        Self {
            delegation_id: id.to_string(),
            origin: grant.foreign.clone(),
            log_index: grant.index,
            from_agent_id: grant.from.map(|id| id.to_string()),
            from_tenant_id: TenantId(grant.tenant).to_string(),
            parent_agent_id: grant.from.map(|id| id.to_string()),
            to_agent_id: grant.to_agent.to_string(),
            to_tenant_id: grant.to_tenant.to_string(),
            child_agent_id: grant.to_agent.to_string(),
            to_key_id: grant.to_kid.to_string(),
            scopes: Some(grant.scopes.iter().map(ToString::to_string).chain(denies).collect()),
            status: Some(status(grant, now_ms)),
            expires_at: time_text(grant.limits.expires_at),
        }
    }

    pub(super) fn of_file(link: &ChainLink) -> Self {
        let from = |id: AgentId| id.to_string();
        Self {
            delegation_id: link.grant.to_string(),
            origin: Some(link.origin.clone()),
            log_index: link.index,
            from_agent_id: link.from.map(from),
            from_tenant_id: link.tenant.to_string(),
            parent_agent_id: link.from.map(from),
            to_agent_id: link.to.to_string(),
            to_tenant_id: link.to_tenant.to_string(),
            child_agent_id: link.to.to_string(),
            to_key_id: link.to_kid.to_string(),
            scopes: None,
            status: None,
            expires_at: time_text(link.expires_at),
        }
    }
}

/// A part of what decided.
#[derive(Serialize, ToSchema)]
pub(super) struct DelegationRule {
    /// The grant that says it.
    pub(super) delegation_id: String,
    /// `allows`, `denies` or `does_not_cover`.
    pub(super) effect: &'static str,
    /// The scope that says it; null when none does.
    pub(super) scope: Option<String>,
}

/// Something on the way that ended after the receipt was logged.
#[derive(Serialize, ToSchema)]
pub(super) struct DelegationEnd {
    pub(super) origin: String,
    /// Its name.
    pub(super) subject: String,
    /// What it is now.
    pub(super) status: String,
    /// The index of that.
    pub(super) since: u64,
}

/// What is known of a log on the way.
#[derive(Serialize, ToSchema)]
pub(super) struct DelegationLog {
    pub(super) origin: String,
    /// Every change by an entry below this size is known.
    pub(super) as_of_size: u64,
    /// When a quorum of witnesses vouched for that.
    pub(super) witnessed_at: Option<String>,
}

/// What a grant, or a chain file, is worth.
#[derive(Serialize, ToSchema)]
pub(super) struct DelegationVerdict {
    /// Whether it holds, allows what was asked for, and is as young as was asked for.
    pub(super) valid: bool,
    /// Why, for programs: `holds`, `held` (it stood when the receipt was logged), `stale`, `age_unknown`; or why not: `not_live`, `out_of_scope`, `denied` and the other
    /// words of `docs/delegation.md`.
    pub(super) reason: String,
    /// The same in the published words: `VALID`, `REVOKED`, `EXPIRED`, `SCOPE_VIOLATION`, `DEPTH_EXCEEDED`, `UNTRUSTED_ROOT` or `CHAIN_BROKEN`.
    pub(super) verdict: &'static str,
    /// Why not, for people.
    pub(super) detail: Option<String>,
    /// `state`: this node's word. `chain_file`: proven by the file and the policy.
    pub(super) judged_by: &'static str,
    /// The grant at the end of the chain.
    pub(super) delegation_id: Option<String>,
    /// What was asked about, or what the receipt says was done.
    pub(super) action: Option<String>,
    /// Every change by an entry below this size is known; of several logs, of the first.
    pub(super) as_of_size: Option<u64>,
    /// When witnesses vouched for that; null: nobody but this node did.
    pub(super) witnessed_at: Option<String>,
    /// `fresh`, `stale` or `unknown`: whether what is known is as young as was asked for.
    pub(super) freshness: &'static str,
    /// What the whole chain allows, without what is denied as a whole.
    pub(super) effective_scopes: Vec<String>,
    /// What any part of the chain denies.
    pub(super) denied_scopes: Vec<String>,
    /// What decided, the root first.
    pub(super) determining_rules: Vec<DelegationRule>,
    /// The grants, the root first.
    pub(super) chain: Vec<DelegationLink>,
    /// What is known of each log on the way.
    pub(super) logs: Vec<DelegationLog>,
    /// What has ended since, if the moment of the receipt was asked about.
    pub(super) ended: Vec<DelegationEnd>,
    /// What nobody but an operator vouches for.
    pub(super) operator_vouches: Vec<String>,
    /// When this was worked out, RFC 3339 in UTC.
    pub(super) checked_at: String,
}

/// The published word for what became of a grant.
pub(super) fn older_verdict(found: &GrantJudgement) -> &'static str {
    let Some(fault) = &found.fault else { return "VALID" };
    let at = found.chain.iter().find(|(id, _)| *id == fault.grant).map(|(_, grant)| grant.standing);
    match (fault.reason, at) {
        (ChainReason::NotLive, Some(GrantStanding::Void)) => "SCOPE_VIOLATION",
        (ChainReason::NotLive, Some(GrantStanding::Rejected)) => "CHAIN_BROKEN",
        (reason, _) => older_reason(reason),
    }
}

/// The published word for a reason.
pub(super) fn older_reason(reason: ChainReason) -> &'static str {
    match reason {
        ChainReason::NotLive | ChainReason::AgreementEnded => "REVOKED",
        ChainReason::OutOfTime | ChainReason::OfferLapsed | ChainReason::LivesTooLong => "EXPIRED",
        ChainReason::OutOfScope
        | ChainReason::Denied
        | ChainReason::ScopeExceeded
        | ChainReason::WildcardBelowRoot
        | ChainReason::DenyDropped
        | ChainReason::LimitsLoosened
        | ChainReason::AgreementExceeded => "SCOPE_VIOLATION",
        ChainReason::TooDeep | ChainReason::HopsNotFalling | ChainReason::TooManyCrossings => {
            "DEPTH_EXCEEDED"
        }
        ChainReason::RootNotPinned => "UNTRUSTED_ROOT",
        _ => "CHAIN_BROKEN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_in_the_documentation() {
        let page = include_str!("../../../../../docs/delegation.md");
        for reason in ChainReason::ALL {
            assert!(page.contains(&format!("| `{}` |", reason.code())), "{reason}");
        }
    }
}
