//! Audit: every record of the tenant as an event that names who, what and where in the log, and its export.

mod event;
mod event_type;
mod export;
mod rows;

use axum::http::Method;
use ledger_format::record::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub(super) use event::{AuditEvent, audit_event};
use event_type::EventTypeText;
pub(super) use rows::Span;
use rows::{count_by_type, page};

use crate::{
    ApiError,
    endpoint::{Context, Paged, QueryInput, Reply, Routes},
    wire::{AgentRef, TimeText, time_text},
};

/// Most events of an audit report; `GET /v1/audit` and the export have all of them.
const REPORT_EVENTS_MAX: usize = 200;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Audit",
        "Every record of the tenant, as it stands in the log: who, what, when, with which leaf hash. The list is a view of the log, so nothing can be taken out of it.",
    );
    routes
        .get("/v1/audit", "list_audit", list)
        .summary("List the tenant's records")
        .about(
            "Newest first. Each event names its place in the log, its leaf hash and where its proof file is.",
        )
        .needs("audit:read")
        .paged();
    routes
        .get("/v1/audit/events", "list_audit_events", list)
        .summary("List the tenant's records")
        .about("As `/v1/audit`.")
        .needs("audit:read")
        .paged();
    routes
        .raw(Method::GET, "/v1/audit/export", "export_audit", "application/jsonl", export::export)
        .or_content("text/csv")
        .summary("Export the tenant's records")
        .about(
            "Oldest first, at most 10,000 records: `X-Next-Index`, if it is there, is the `from_index` of the next part. Each line of \
             JSON holds the entry, so whoever has the file can compute the leaf hashes again; the proof files lead from them to a checkpoint.",
        )
        .needs("audit:read");
    routes
        .get("/v1/audit/report", "get_audit_report", report)
        .summary("What a period holds")
        .about("How many records of each type, and the newest 200 of them.")
        .needs("audit:read");
}

/// Which records.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListAudit {
    /// A record type such as `agent.register`, or the word before its dot for all of a family: `agent`.
    #[serde(default, alias = "action")]
    #[param(inline)]
    event_type: Option<EventTypeText>,
    /// Only about this agent.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// From this time of the log on.
    #[serde(default)]
    #[param(inline)]
    from: Option<TimeText>,
    /// Up to this time of the log.
    #[serde(default)]
    #[param(inline)]
    to: Option<TimeText>,
}

impl QueryInput for ListAudit {}

/// Which period.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditReportQuery {
    /// From this time of the log on.
    #[serde(default, alias = "start")]
    #[param(inline)]
    from: Option<TimeText>,
    /// Up to this time of the log.
    #[serde(default, alias = "end")]
    #[param(inline)]
    to: Option<TimeText>,
    /// `json`.
    #[serde(default)]
    #[param(inline)]
    format: Option<JsonWord>,
}

impl QueryInput for AuditReportQuery {}

/// The one form of the answer.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuditReportForm)]
enum JsonWord {
    Json,
}

async fn list(context: Context, query: ListAudit) -> Result<Reply<Paged<AuditEvent>>, ApiError> {
    let types = query.event_type.map_or_else(Vec::new, |types| types.0);
    let agent = query.agent_id.map(|agent| agent.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let span = Span::of(&context, query.from, query.to).await?;
    let page = page(&context, &types, agent, span)?;
    let items = page.rows.iter().filter_map(|row| audit_event(&context, row).transpose());
    let items = items.collect::<Result<Vec<_>, ApiError>>()?;
    Ok(Reply::new(Paged { items, total: page.total, page: context.page, next: page.next }))
}

/// What a period holds.
#[derive(Serialize, ToSchema)]
struct AuditReport {
    tenant_id: String,
    /// Beginning of the period; null: from the beginning of the log.
    from: Option<String>,
    /// End of the period; null: up to now.
    to: Option<String>,
    generated_at: String,
    total: u64,
    /// How many records of each type.
    #[schema(value_type = Object)]
    counts: std::collections::BTreeMap<&'static str, u64>,
    /// The newest records of the period, newest first.
    events: Vec<AuditEvent>,
    /// The same again, where older clients look for it.
    items: Vec<AuditEvent>,
    /// Entries of the log that it looked at.
    tree_size: u64,
}

async fn report(mut context: Context, query: AuditReportQuery) -> Result<Reply<AuditReport>, ApiError> {
    let _ = query.format;
    let span = Span::of(&context, query.from, query.to).await?;
    context.page.limit = REPORT_EVENTS_MAX;
    let counts = count_by_type(&context, span)?;
    let page = page(&context, &[], None, span)?;
    let events = page.rows.iter().filter_map(|row| audit_event(&context, row).transpose());
    let events = events.collect::<Result<Vec<_>, ApiError>>()?;
    let report = AuditReport {
        tenant_id: TenantId(context.tenant()?).to_string(),
        from: query.from.map(|time| time_text(time.0)),
        to: query.to.map(|time| time_text(time.0)),
        generated_at: time_text(context.now_ms),
        total: counts.values().sum(),
        counts,
        items: events.clone(),
        events,
        tree_size: span.size,
    };
    Ok(Reply::new(report))
}
