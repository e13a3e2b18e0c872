//! The lowest severity cap among a tenant's agents of the last 90 log days: who abandons an agent that did harm and registers a
//! fresh one leaves this behind.
//!
//! A cap is set to one of two values and then rises every day, so the last day of each value says all.

use ledger_format::record::{AgentId, TenantId, Ulid};

use crate::applied::Alarm;
use crate::batch::Batch;
use crate::fields::value;
use crate::keys;
use crate::trust::constants::caps;
use crate::trust::{ActionOutcome, AgentState, DAY_MS, FULL_BP, What};
use crate::view::{View, load};

/// Log days that count, today included.
pub const TENANT_CAP_DAYS: u64 = 90;

value! {
    /// When agents of a tenant last ran into each severity cap.
    pub(crate) Severity {
        /// Last log day with a critical violation.
        critical_day: Option<u64>,
        /// Last log day with a major violation or a flood of denials: they set the same cap.
        major_day: Option<u64>,
    }
}

const _: () = assert!(caps::MAJOR_BP == caps::DENIALS_BP, "else floods of denials need a day of their own");

impl Severity {
    /// The lowest severity cap that an agent of the tenant had on one of the last 90 log days, in basis points; 10000 without any.
    pub(crate) fn lowest_bp(&self, today: u64) -> u64 {
        let first = (today + 1).saturating_sub(TENANT_CAP_DAYS);
        let lowest = |cap_bp: u64, day: Option<u64>| match day {
            // What was set before the first day has risen until then.
            Some(day) => cap_bp + caps::RECOVERY_BP_PER_DAY * first.saturating_sub(day),
            None => FULL_BP,
        };
        lowest(caps::CRITICAL_BP, self.critical_day).min(lowest(caps::MAJOR_BP, self.major_day)).min(FULL_BP)
    }
}

/// The lowest severity cap that an agent of the tenant had on one of the 90 log days up to log time `ms`, in basis points; 10000
/// without any.
pub fn tenant_cap_bp(view: &(impl View + ?Sized), tenant: Ulid, ms: u64) -> u64 {
    let known = load::<Severity>(view, &keys::severity(tenant)).ok().flatten();
    known.map_or(FULL_BP, |known| known.lowest_bp(ms / DAY_MS))
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// The lowest severity cap of the tenant's agents, as of the entry at hand.
    pub(crate) fn tenant_cap_bp(&mut self, tenant: Ulid) -> Result<u64, Alarm> {
        let today = self.service.log_ms / DAY_MS;
        Ok(self.get::<Severity>(keys::severity(tenant))?.map_or(FULL_BP, |known| known.lowest_bp(today)))
    }

    /// Notes the day when an input has set a severity cap.
    pub(crate) fn note_severity(&mut self, what: &What) -> Result<(), Alarm> {
        let (id, critical) = match what {
            What::Action { agent, outcome: ActionOutcome::Critical } => (agent, true),
            What::Action { agent, outcome: ActionOutcome::Major } => (agent, false),
            What::Denial { agent } => (agent, false),
            _ => return Ok(()),
        };
        let id = AgentId::parse(id.as_str()).unwrap_or_default();
        let Some(state) = self.get::<AgentState>(keys::trust(id))? else { return Ok(()) };
        if matches!(what, What::Denial { .. }) && state.epoch_denials <= caps::DENIALS_PER_EPOCH {
            return Ok(());
        }
        let tenant = TenantId::parse(state.tenant.as_str()).unwrap_or_default();
        let known = self.get::<Severity>(keys::severity(tenant.0))?;
        let mut known =
            known.map_or(Severity { critical_day: None, major_day: None }, |known| (*known).clone());
        let today = Some(self.service.log_ms / DAY_MS);
        let day = if critical { &mut known.critical_day } else { &mut known.major_day };
        if *day != today {
            *day = today;
            self.put(keys::severity(tenant.0), known);
            self.mark_dirty(crate::subject::Subject::Tenant(tenant))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_cap_of_ninety_days() {
        let cap = |critical_day, major_day, today| Severity { critical_day, major_day }.lowest_bp(today);
        for (critical, major, today, want) in [
            (None, None, 1_000, 10_000),
            (Some(1_000), None, 1_000, 2_900),
            (Some(1_000), None, 1_089, 2_900),
            // The 90 days begin the day after: the cap has risen once.
            (Some(1_000), None, 1_090, 3_000),
            (Some(1_000), None, 1_160, 10_000),
            (None, Some(1_000), 1_090, 6_000),
            (None, Some(1_000), 1_500, 10_000),
            // A newer major one is lower once the critical one has risen above it.
            (Some(1_000), Some(1_080), 1_118, 5_800),
            (Some(1_000), Some(1_080), 1_119, 5_900),
            (Some(1_000), Some(1_080), 1_169, 5_900),
            (Some(3), None, 5, 2_900),
        ] {
            assert_eq!(cap(critical, major, today), want, "{critical:?} {major:?} {today}");
        }
    }
}
