//! What a tenant uses of its plan: counters by calendar month, and its agents; and what is refused because a plan does not
//! include it, in logs that enforce quotas.
//!
//! Counters follow from the entries like all state, so a bill can be replayed.

use ledger_format::record::{Plan, PlanLimits, Quotas, Ulid};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::calendar::Month;
use crate::fields::value;
use crate::keys;
use crate::log_rules::QuotaRule;
use crate::rejection::{Code, Rejection};
use crate::scores::Number;
use crate::values::Tenant;
use crate::view::{View, load};

/// What a plan includes so many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Agents that have not ended, whatever the month.
    Agents,
    /// Sessions opened.
    Sessions,
    /// Compliance checks.
    ComplianceChecks,
    /// Scores computed on demand.
    TrustComputes,
}

value! {
    /// What a tenant used in one month.
    #[derive(Default)]
    pub Counters {
        /// Sessions opened.
        sessions: u64,
        /// Compliance checks.
        compliance_checks: u64,
        /// Scores computed on demand.
        trust_computes: u64,
    }
}

/// What a tenant uses, beside what its plan includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The month that the counters are of.
    pub month: Month,
    /// The tenant's plan now.
    pub plan: Plan,
    /// What the plan includes.
    pub limits: PlanLimits,
    /// Agents that have not ended now, whatever the month; suspended ones included.
    pub agents: u64,
    /// What was used in the month.
    pub counters: Counters,
}

impl Metric {
    /// Every one, in the order of the plans' table.
    pub const ALL: [Metric; 4] =
        [Metric::Agents, Metric::Sessions, Metric::TrustComputes, Metric::ComplianceChecks];

    /// Its word, in answers and refusals.
    pub fn as_str(self) -> &'static str {
        match self {
            Metric::Agents => "agents",
            Metric::Sessions => "sessions",
            Metric::TrustComputes => "trust_computes",
            Metric::ComplianceChecks => "compliance_checks",
        }
    }
}

impl Usage {
    /// How much of it was used.
    pub fn used(&self, metric: Metric) -> u64 {
        match metric {
            Metric::Agents => self.agents,
            Metric::Sessions => self.counters.sessions,
            Metric::TrustComputes => self.counters.trust_computes,
            Metric::ComplianceChecks => self.counters.compliance_checks,
        }
    }

    /// How much of it the plan includes; `None` is without limit.
    pub fn limit(&self, metric: Metric) -> Option<u64> {
        limit(&self.limits, metric)
    }
}

/// A use that the tenant's plan does not include.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaExceeded {
    /// Of what.
    pub metric: Metric,
    /// The tenant's plan.
    pub plan: Plan,
    /// How much the plan includes.
    pub limit: u64,
    /// How much is used.
    pub used: u64,
    /// The log's time, in ms since 1970, from which the counter begins anew; `None` for agents, which count until they end.
    pub resets_ms: Option<u64>,
}

impl From<QuotaExceeded> for Rejection {
    fn from(quota: QuotaExceeded) -> Self {
        let QuotaExceeded { metric, plan, limit, used, resets_ms } = quota;
        let (metric, plan) = (metric.as_str(), plan.as_str());
        let (span, reset, fix) = match resets_ms {
            Some(ms) => (
                " a month",
                format!("; they begin anew with {} (log time {ms})", Month::of(ms)),
                "wait for the next month, or let the operator change the plan",
            ),
            None => ("", String::new(), "end an agent, or let the operator change the plan"),
        };
        let message = format!("plan {plan} includes {limit} {metric}{span}, and {used} are used{reset}");
        Self { quota: Some(Box::new(quota)), ..Rejection::new(Code::QuotaExceeded, "", message, fix) }
    }
}

fn limit(limits: &PlanLimits, metric: Metric) -> Option<u64> {
    match metric {
        Metric::Agents => limits.agents,
        Metric::Sessions => limits.sessions,
        Metric::TrustComputes => limits.trust_computes,
        Metric::ComplianceChecks => limits.compliance_checks,
    }
}

/// Whether what a plan does not include is refused.
pub fn quotas_bind(view: &(impl View + ?Sized)) -> bool {
    let rule = load::<QuotaRule>(view, keys::QUOTAS).ok().flatten();
    rule.is_some_and(|rule| rule.quotas == Quotas::Enforced)
}

/// What a tenant used in a month; `None` for an unknown tenant.
pub fn usage(view: &(impl View + ?Sized), tenant: Ulid, month: Month) -> Option<Usage> {
    let plan = load::<Tenant>(view, &keys::tenant(tenant)).ok().flatten()?.plan;
    let agents = load::<Number>(view, &keys::agents_active(tenant)).ok().flatten().map_or(0, |n| n.value);
    let counters = load(view, &keys::month_usage(tenant, month)).ok().flatten().unwrap_or_default();
    Some(Usage { month, plan, limits: plan.limits(), agents, counters })
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// Counts one use by the tenant, in the month of the log's time; refused where quotas bind and the plan does not include it.
    pub(crate) fn count_usage(&mut self, tenant: Ulid, metric: Metric) -> Result<(), Stop> {
        let month = Month::of(self.service.log_ms);
        let key = keys::month_usage(tenant, month);
        let mut counters =
            self.get::<Counters>(key.clone())?.map(|known| (*known).clone()).unwrap_or_default();
        let counter = match metric {
            Metric::Agents => return self.count_agent(tenant),
            Metric::Sessions => &mut counters.sessions,
            Metric::ComplianceChecks => &mut counters.compliance_checks,
            Metric::TrustComputes => &mut counters.trust_computes,
        };
        let used = *counter;
        *counter = used.saturating_add(1);
        self.check_quota(tenant, metric, used, Some(month.next().start_ms()))?;
        self.put(key, counters);
        Ok(())
    }

    /// The tenant has one more agent; refused where quotas bind and the plan does not include it.
    pub(crate) fn count_agent(&mut self, tenant: Ulid) -> Result<(), Stop> {
        let used = self.agents_active(tenant)?;
        self.check_quota(tenant, Metric::Agents, used, None)?;
        self.put(keys::agents_active(tenant), Number { value: used.saturating_add(1) });
        Ok(())
    }

    /// One of the tenant's agents has ended.
    pub(crate) fn discount_agent(&mut self, tenant: Ulid) -> Result<(), Alarm> {
        let value = self.agents_active(tenant)?.saturating_sub(1);
        self.put(keys::agents_active(tenant), Number { value });
        Ok(())
    }

    fn agents_active(&mut self, tenant: Ulid) -> Result<u64, Alarm> {
        Ok(self.get::<Number>(keys::agents_active(tenant))?.map_or(0, |number| number.value))
    }

    fn check_quota(
        &mut self,
        tenant: Ulid,
        metric: Metric,
        used: u64,
        resets_ms: Option<u64>,
    ) -> Result<(), Stop> {
        let rule = self.get::<QuotaRule>(keys::QUOTAS.to_vec())?.map(|rule| rule.quotas);
        if rule != Some(Quotas::Enforced) {
            return Ok(());
        }
        let plan = self.tenant(tenant)?.plan;
        match limit(&plan.limits(), metric) {
            Some(limit) if used >= limit => {
                Err(Rejection::from(QuotaExceeded { metric, plan, limit, used, resets_ms }).into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryState;
    use crate::applied::Applied;

    #[test]
    fn each_metric_has_its_counter_and_each_month_its_own() {
        let (tenant, mut state) = (Ulid(7), MemoryState::new());
        let mut count = |ms: u64, metrics: &[Metric]| {
            let mut batch = Batch::new(&state).unwrap();
            batch.service.log_ms = ms;
            metrics.iter().for_each(|metric| batch.count_usage(tenant, *metric).unwrap());
            let writes = batch.finish().1;
            state.store(&Applied { writes, ..Applied::default() });
        };
        use Metric::{ComplianceChecks, Sessions, TrustComputes};
        let (july, august) = (Month::parse("2026-07").unwrap(), Month::parse("2026-08").unwrap());
        count(august.start_ms() - 1, &[Sessions, ComplianceChecks, TrustComputes, ComplianceChecks]);
        count(august.start_ms(), &[TrustComputes, TrustComputes, TrustComputes]);
        count(august.start_ms() + 1, &[Sessions]);
        let counters = |month| {
            let key = keys::month_usage(tenant, month);
            let Counters { sessions, compliance_checks, trust_computes } =
                load(&state, &key).unwrap().unwrap();
            (sessions, compliance_checks, trust_computes)
        };
        assert_eq!((counters(july), counters(august)), ((1, 2, 1), (1, 0, 3)));
    }
}
