//! What a tenant uses of its plan: counters by calendar month, and its agents. Nothing is refused here.
//!
//! Counters follow from the entries like all state, so a bill can be replayed.

use ledger_format::record::{Plan, PlanLimits, Ulid};

use crate::applied::Alarm;
use crate::batch::Batch;
use crate::calendar::Month;
use crate::fields::value;
use crate::keys;
use crate::scores::Number;
use crate::values::Tenant;
use crate::view::{View, load};

/// What is counted by the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
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

/// What a tenant used in a month; `None` for an unknown tenant.
pub fn usage(view: &(impl View + ?Sized), tenant: Ulid, month: Month) -> Option<Usage> {
    let plan = load::<Tenant>(view, &keys::tenant(tenant)).ok().flatten()?.plan;
    let agents = load::<Number>(view, &keys::agents_active(tenant)).ok().flatten().map_or(0, |n| n.value);
    let counters = load(view, &keys::month_usage(tenant, month)).ok().flatten().unwrap_or_default();
    Some(Usage { month, plan, limits: plan.limits(), agents, counters })
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// Counts one use by the tenant, in the month of the log's time.
    pub(crate) fn count_usage(&mut self, tenant: Ulid, metric: Metric) -> Result<(), Alarm> {
        let key = keys::month_usage(tenant, Month::of(self.service.log_ms));
        let mut counters =
            self.get::<Counters>(key.clone())?.map(|known| (*known).clone()).unwrap_or_default();
        let counter = match metric {
            Metric::Sessions => &mut counters.sessions,
            Metric::ComplianceChecks => &mut counters.compliance_checks,
            Metric::TrustComputes => &mut counters.trust_computes,
        };
        *counter = counter.saturating_add(1);
        self.put(key, counters);
        Ok(())
    }

    /// The tenant has one more agent.
    pub(crate) fn count_agent(&mut self, tenant: Ulid) -> Result<(), Alarm> {
        self.change_agents(tenant, |agents| agents.saturating_add(1))
    }

    /// One of the tenant's agents has ended.
    pub(crate) fn discount_agent(&mut self, tenant: Ulid) -> Result<(), Alarm> {
        self.change_agents(tenant, |agents| agents.saturating_sub(1))
    }

    fn change_agents(&mut self, tenant: Ulid, change: impl FnOnce(u64) -> u64) -> Result<(), Alarm> {
        let key = keys::agents_active(tenant);
        let agents = self.get::<Number>(key.clone())?.map_or(0, |number| number.value);
        self.put(key, Number { value: change(agents) });
        Ok(())
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
