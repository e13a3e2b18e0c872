//! What a plan includes, compared before a write that counts. The counters are state of the log.

use ledger_format::record::Plan;
use ledger_state::{Month, Usage};

use super::Account;
use crate::{ApiError, Quota, endpoint::Context, wire::time_text};

/// What the caller's tenant has used this month.
pub(crate) fn usage(context: &Context) -> Result<Usage, ApiError> {
    let tenant = context.tenant()?;
    let month = Month::of(context.now_ms);
    let usage = context.view(|view| ledger_state::usage(view, tenant, month))?;
    let usage = match usage {
        Some(usage) => Some(usage),
        // A sandbox that was reset learns of the tenant with its next record.
        None => Account::of(&context.shared.store, tenant)?.map(|account| unused(account.plan(), month)),
    };
    usage.ok_or_else(|| ApiError::missing("tenant", "X-Tenant-ID"))
}

/// What a tenant has used of which the log has nothing.
fn unused(plan: Plan, month: Month) -> Usage {
    Usage { month, plan, limits: plan.limits(), agents: 0, counters: Default::default() }
}

/// Refuses one more agent than the plan includes.
pub(crate) fn agents(context: &Context) -> Result<(), ApiError> {
    let usage = usage(context)?;
    within("maip.agents", usage.limits.agents, usage.agents, None)
}

/// Refuses one more session than the plan includes this month.
pub(crate) fn sessions(context: &Context) -> Result<(), ApiError> {
    let usage = usage(context)?;
    within("maip.sessions", usage.limits.sessions, usage.counters.sessions, Some(usage.month))
}

/// Refuses one more compliance check than the plan includes this month.
pub(crate) fn compliance_checks(context: &Context) -> Result<(), ApiError> {
    let usage = usage(context)?;
    let (limit, used) = (usage.limits.compliance_checks, usage.counters.compliance_checks);
    within("maip.compliance_checks", limit, used, Some(usage.month))
}

/// Refuses one more computation of trust than the plan includes this month.
pub(crate) fn trust_computes(context: &Context) -> Result<(), ApiError> {
    let usage = usage(context)?;
    let (limit, used) = (usage.limits.trust_computes, usage.counters.trust_computes);
    within("maip.trust_computes", limit, used, Some(usage.month))
}

fn within(metric: &'static str, limit: Option<u64>, used: u64, month: Option<Month>) -> Result<(), ApiError> {
    match limit {
        Some(limit) if used >= limit => {
            let resets_at = month.map(|month| time_text(month.next().start_ms()));
            Err(ApiError::quota(Quota { metric, limit, used, resets_at }))
        }
        _ => Ok(()),
    }
}
