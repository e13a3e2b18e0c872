//! Billing: what a tenant uses of its plan. The counters are state of the log, so a bill can be replayed.

mod estimate;

use axum::{
    http::{HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use ledger_format::record::{Plan, TenantId};
use ledger_state::{Metric, Month, Usage};
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::{
    ApiError,
    endpoint::{Context, NoBody, NoQuery, QueryInput, Reply, Routes},
    wire::{Whole, time_text},
};

/// The plans with what people call them, the smallest first.
const PLANS: [(Plan, &str); 3] =
    [(Plan::Developer, "Developer"), (Plan::Business, "Business"), (Plan::Enterprise, "Enterprise")];
/// How "without limit" is written where older clients expect a number.
const UNLIMITED: i64 = -1;

pub(super) fn declare(routes: &mut Routes) {
    routes.group("Billing", "What the tenant's plan includes, and what of it is used.");
    routes
        .get("/v1/billing/usage", "get_usage", usage)
        .summary("What is used of the plan")
        .about("The four meters in one calendar month of UTC. `maip tenant usage` computes the same numbers from the entries of the log.")
        .needs("billing:read");
    routes
        .raw(Method::GET, "/v1/billing/usage.csv", "download_usage", "text/csv", table)
        .summary("Usage as a table")
        .about("One line for each meter and month, the newest month first.")
        .needs("billing:read");
    routes.get("/v1/billing/plans", "list_plans", plans).summary("The plans and what they include").public();
    estimate::declare(routes);
}

/// A calendar month in UTC.
#[derive(Clone, Copy)]
struct MonthText(Month);

impl<'de> Deserialize<'de> for MonthText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let month = Month::parse(&text).filter(|_| text.len() == 7);
        month.map(Self).ok_or_else(|| de::Error::custom("is not a month: write 2026-11"))
    }
}

impl PartialSchema for MonthText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.pattern(Some("^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])$"))
            .examples([serde_json::json!("2026-11")])
            .into()
    }
}

impl ToSchema for MonthText {
    fn name() -> std::borrow::Cow<'static, str> {
        "Month".into()
    }
}

/// Which month.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// A calendar month in UTC, `2026-11`; this one when nothing is said.
    #[serde(default)]
    #[param(inline)]
    period: Option<MonthText>,
}

impl QueryInput for UsageQuery {}

/// Which months.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsageTableQuery {
    /// The last month of the table, `2026-11`; this one when nothing is said.
    #[serde(default)]
    #[param(inline)]
    period: Option<MonthText>,
    /// How many months; 1 when nothing is said.
    #[serde(default)]
    #[param(inline)]
    months: Option<Whole<1, 24>>,
}

impl QueryInput for UsageTableQuery {}

/// One meter.
#[derive(Clone, Serialize, ToSchema)]
struct UsageMeter {
    /// `maip.agents`, `maip.sessions`, `maip.trust_computes` or `maip.compliance_checks`.
    metric: &'static str,
    /// How much is used.
    used: u64,
    /// What the plan includes; -1 is without limit.
    limit: i64,
    /// What is left of it; null without a limit.
    remaining: Option<u64>,
    /// The same as `remaining`, where older clients look for it.
    delta: Option<u64>,
    /// `monthly`, or `total` for what counts until it ends.
    period: &'static str,
    /// `count`.
    unit: &'static str,
    /// Whether one more is included.
    allowed: bool,
    /// When the counter begins anew, RFC 3339; null for what counts until it ends.
    resets_at: Option<String>,
}

/// What is used of the plan.
#[derive(Serialize, ToSchema)]
struct UsageView {
    tenant_id: String,
    plan: String,
    environment: String,
    /// The month, `2026-11`.
    period: String,
    period_start: String,
    period_end: String,
    /// When the counters of a month begin anew.
    resets_at: String,
    /// The meters.
    items: Vec<UsageMeter>,
    /// The meters again, by their older name.
    usage: Vec<UsageMeter>,
}

/// The name of a metric in answers.
fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Agents => "maip.agents",
        Metric::Sessions => "maip.sessions",
        Metric::TrustComputes => "maip.trust_computes",
        Metric::ComplianceChecks => "maip.compliance_checks",
    }
}

fn meter(usage: &Usage, metric: Metric) -> UsageMeter {
    let (used, limit) = (usage.used(metric), usage.limit(metric));
    let remaining = limit.map(|limit| limit.saturating_sub(used));
    let monthly = metric != Metric::Agents;
    UsageMeter {
        metric: name(metric),
        used,
        limit: limit.map_or(UNLIMITED, |limit| i64::try_from(limit).unwrap_or(i64::MAX)),
        remaining,
        delta: remaining,
        period: if monthly { "monthly" } else { "total" },
        unit: "count",
        allowed: limit.is_none_or(|limit| used < limit),
        resets_at: monthly.then(|| time_text(usage.month.next().start_ms())),
    }
}

fn of_month(context: &Context, month: Month) -> Result<Usage, ApiError> {
    let tenant = context.tenant()?;
    let usage = context.view(|view| ledger_state::usage(view, tenant, month))?;
    usage.ok_or_else(|| ApiError::missing("tenant", "X-Tenant-ID"))
}

async fn usage(context: Context, query: UsageQuery) -> Result<Reply<UsageView>, ApiError> {
    let month = query.period.map_or_else(|| Month::of(context.now_ms), |period| period.0);
    let usage = of_month(&context, month)?;
    let items: Vec<UsageMeter> = Metric::ALL.into_iter().map(|metric| meter(&usage, metric)).collect();
    let end = month.next().start_ms();
    let view = UsageView {
        tenant_id: TenantId(context.tenant()?).to_string(),
        plan: usage.plan.as_str().into(),
        environment: context.caller()?.environment.word().into(),
        period: month.to_string(),
        period_start: time_text(month.start_ms()),
        period_end: time_text(end - 1),
        resets_at: time_text(end),
        usage: items.clone(),
        items,
    };
    Ok(Reply::new(view))
}

async fn table(context: Context, query: UsageTableQuery, _: NoBody) -> Result<Response, ApiError> {
    let last = query.period.map_or_else(|| Month::of(context.now_ms), |period| period.0);
    let mut text = String::from("period,metric,used,limit,unit,resets_at\r\n");
    let mut month = Some(last);
    for _ in 0..query.months.map_or(1, Whole::get) {
        let Some(of) = month else { break };
        let usage = of_month(&context, of)?;
        for metric in Metric::ALL {
            let meter = meter(&usage, metric);
            let (limit, resets) = (meter.limit, meter.resets_at.unwrap_or_default());
            text += &format!("{of},{},{},{limit},{},{resets}\r\n", meter.metric, meter.used, meter.unit);
        }
        month = of.start_ms().checked_sub(1).map(Month::of);
    }
    let name = format!("attachment; filename=\"usage-{last}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(ApiError::internal)?),
    ];
    Ok((headers, text).into_response())
}

/// What a plan includes of one metric.
#[derive(Serialize, ToSchema)]
struct PlanMeter {
    /// `maip.agents`, `maip.sessions`, `maip.trust_computes` or `maip.compliance_checks`.
    metric: &'static str,
    /// -1 is without limit.
    limit: i64,
    /// `monthly`, or `total` for what counts until it ends.
    period: &'static str,
    /// `count`.
    unit: &'static str,
}

/// A plan.
#[derive(Serialize, ToSchema)]
struct PlanView {
    /// `plan_developer`, `plan_business` or `plan_enterprise`.
    id: String,
    /// The same as `id`, where older clients look for it.
    key: String,
    plan: String,
    name: String,
    /// What it includes, one by one.
    meters: Vec<PlanMeter>,
    /// What it includes, by metric; null is without limit.
    #[schema(value_type = Object)]
    limits: serde_json::Map<String, serde_json::Value>,
}

/// The plans.
#[derive(Serialize, ToSchema)]
struct PlanCatalogue {
    /// The plans, the smallest first.
    items: Vec<PlanView>,
    total: usize,
}

async fn plans(_: Context, _: NoQuery) -> Result<Reply<PlanCatalogue>, ApiError> {
    let items: Vec<PlanView> = PLANS.into_iter().map(|(plan, name)| plan_view(plan, name)).collect();
    Ok(Reply::new(PlanCatalogue { total: items.len(), items }))
}

/// What a plan is called in answers.
fn key(plan: Plan) -> String {
    format!("plan_{}", plan.as_str())
}

/// A plan of which nothing is used.
fn unused(plan: Plan) -> Usage {
    Usage { month: Month::of(0), plan, limits: plan.limits(), agents: 0, counters: Default::default() }
}

fn plan_view(plan: Plan, title: &str) -> PlanView {
    let usage = unused(plan);
    let meters = Metric::ALL.into_iter().map(|metric| meter(&usage, metric));
    let limits = Metric::ALL.into_iter().map(|metric| (name(metric).to_owned(), usage.limit(metric).into()));
    let key = key(plan);
    PlanView {
        id: key.clone(),
        key,
        plan: plan.as_str().into(),
        name: title.into(),
        limits: limits.collect(),
        meters: meters
            .map(|UsageMeter { metric, limit, period, unit, .. }| PlanMeter { metric, limit, period, unit })
            .collect(),
    }
}
