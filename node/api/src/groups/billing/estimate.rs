//! Which plan includes what somebody expects to use. Prices are between a tenant and its operator: a log has none.

use ledger_state::Metric;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{PLANS, UNLIMITED, key, name, unused};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply, Routes},
    wire::Whole,
};

/// How much of something is expected; what a number of JSON holds exactly.
type Expected = Whole<0, 9_007_199_254_740_991>;

pub(super) fn declare(routes: &mut Routes) {
    routes
        .post("/v1/billing/estimate", "estimate_billing", estimate)
        .summary("Which plan includes an expected use")
        .about("For each plan: what of the expected use it includes, and what would be refused with 402. Logs nothing, and counts nothing.")
        .public()
        .asks()
        .answers(200)
        .example(json!({"usage": {"maip.agents": 12, "maip.sessions": 4000, "maip.trust_computes": 100}}));
}

/// What is expected to be used.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EstimateBilling {
    usage: ExpectedUsage,
}

impl BodyInput for EstimateBilling {}

/// What is expected to be used; what is left out is not used at all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExpectedUsage {
    /// Agents at the same time.
    #[serde(default, rename = "maip.agents")]
    agents: Option<Expected>,
    /// Sessions opened in a month.
    #[serde(default, rename = "maip.sessions")]
    sessions: Option<Expected>,
    /// Scores computed on demand in a month.
    #[serde(default, rename = "maip.trust_computes")]
    trust_computes: Option<Expected>,
    /// Compliance checks in a month.
    #[serde(default, rename = "maip.compliance_checks")]
    compliance_checks: Option<Expected>,
}

impl ExpectedUsage {
    fn of(&self, metric: Metric) -> u64 {
        let expected = match metric {
            Metric::Agents => self.agents,
            Metric::Sessions => self.sessions,
            Metric::TrustComputes => self.trust_computes,
            Metric::ComplianceChecks => self.compliance_checks,
        };
        expected.map_or(0, Whole::get)
    }
}

/// What a plan includes of one meter of an expected use.
#[derive(Serialize, ToSchema)]
struct EstimatedMeter {
    /// `maip.agents`, `maip.sessions`, `maip.trust_computes` or `maip.compliance_checks`.
    metric: &'static str,
    /// How much is expected.
    expected: u64,
    /// What the plan includes; -1 is without limit.
    limit: i64,
    /// How much of it would be refused.
    over: u64,
    /// Whether the plan includes all of it.
    allowed: bool,
}

/// What a plan includes of an expected use.
#[derive(Serialize, ToSchema)]
struct EstimatedPlan {
    /// `plan_developer`, `plan_business` or `plan_enterprise`.
    id: String,
    name: &'static str,
    /// Whether it includes all of it.
    fits: bool,
    /// One by one.
    meters: Vec<EstimatedMeter>,
}

/// Which plan includes an expected use.
#[derive(Serialize, ToSchema)]
struct BillingEstimate {
    /// The smallest plan that includes all of it.
    recommended_plan: String,
    /// Each plan, the smallest first.
    items: Vec<EstimatedPlan>,
    total: usize,
}

async fn estimate(_: Context, _: NoQuery, body: EstimateBilling) -> Result<Reply<BillingEstimate>, ApiError> {
    let of_plan = |(plan, title)| {
        let plan_usage = unused(plan);
        let meters: Vec<EstimatedMeter> = Metric::ALL
            .into_iter()
            .map(|metric| {
                let (expected, limit) = (body.usage.of(metric), plan_usage.limit(metric));
                let over = limit.map_or(0, |limit| expected.saturating_sub(limit));
                EstimatedMeter {
                    metric: name(metric),
                    expected,
                    limit: limit.map_or(UNLIMITED, |limit| i64::try_from(limit).unwrap_or(i64::MAX)),
                    over,
                    allowed: over == 0,
                }
            })
            .collect();
        let fits = meters.iter().all(|meter| meter.allowed);
        EstimatedPlan { id: key(plan), name: title, fits, meters }
    };
    let items: Vec<EstimatedPlan> = PLANS.into_iter().map(of_plan).collect();
    let fitting = items.iter().find(|plan| plan.fits).map(|plan| plan.id.clone());
    let recommended_plan = fitting.ok_or_else(|| ApiError::internal("no plan is without limits"))?;
    Ok(Reply::new(BillingEstimate { recommended_plan, total: items.len(), items }))
}
