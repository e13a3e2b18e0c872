//! What each plan includes: the quotas of tenants, public because plans are.

use super::tenant::Plan;

/// What a plan includes; `None` is without limit. A month is a calendar month in UTC of the log's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// Agents at once that have not ended; suspended ones included.
    pub agents: Option<u64>,
    /// Sessions opened in a month.
    pub sessions: Option<u64>,
    /// Scores computed on demand in a month; those that the log computes by itself are free.
    pub trust_computes: Option<u64>,
    /// Compliance checks in a month.
    pub compliance_checks: Option<u64>,
}

impl Plan {
    /// What the plan includes. Whether it binds is for the log to say: [`super::Quotas`].
    pub const fn limits(self) -> PlanLimits {
        match self {
            Plan::Developer => PlanLimits::of(2, 100, 50, 10),
            Plan::Business => PlanLimits::of(50, 10_000, 5_000, 500),
            Plan::Enterprise => {
                PlanLimits { agents: None, sessions: None, trust_computes: None, compliance_checks: None }
            }
        }
    }
}

impl PlanLimits {
    const fn of(agents: u64, sessions: u64, trust_computes: u64, compliance_checks: u64) -> Self {
        Self {
            agents: Some(agents),
            sessions: Some(sessions),
            trust_computes: Some(trust_computes),
            compliance_checks: Some(compliance_checks),
        }
    }
}
