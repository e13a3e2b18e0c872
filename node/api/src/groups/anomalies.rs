//! Anomalies: what an agent does that it should not, what follows from it at once, and how it ended.

mod report;
mod resolve;
mod view;

use ledger_format::record::{AnomalyId, Severity};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use view::{AnomalyView, anomaly_view};

use crate::{
    ApiError,
    endpoint::{Context, NoQuery, Paged, QueryInput, Reply, Routes},
    wire::{AgentRef, Text, token},
};

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Compliance & Anomalies",
        "How agents stand against sets of controls, by rules over the log; what they did that they should not have.",
    );
    routes
        .post("/v1/anomalies", "report_anomaly", report::report)
        .summary("Report an anomaly")
        .about(
            "What follows, follows with the record: `low` is noted; `medium` throttles the agent, whose decisions then need an approval; `high` \
             ends its sessions; `critical` suspends it. The log holds the salted digest of the evidence.",
        )
        .needs("anomalies:write")
        .example(json!({
            "agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "anomaly_type": "rate_spike", "severity": "medium",
            "description": "40 times the usual number of calls", "evidence": {"calls": 4000},
        }));
    routes
        .get("/v1/anomalies", "list_anomalies", list)
        .summary("List anomalies")
        .about("Newest first.")
        .needs("anomalies:read")
        .paged();
    routes
        .get("/v1/anomalies/{anomaly_id}", "get_anomaly", get)
        .summary("Get an anomaly")
        .needs("anomalies:read");
    routes
        .post("/v1/anomalies/{anomaly_id}/resolve", "resolve_anomaly", resolve::resolve)
        .summary("Resolve an anomaly")
        .about(
            "Final. A throttled agent is throttled no longer. `false_positive` and `accepted_risk` also reactivate an agent that this anomaly \
             has suspended; sessions that have ended stay ended. `agent_revoked` revokes the agent, unless it is revoked already.",
        )
        .needs("anomalies:resolve")
        .answers(200)
        .example(json!({"resolution": "false_positive", "notes": "a load test"}));
}

/// How bad an anomaly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AnomalySeverity)]
enum SeverityWord {
    Low,
    Medium,
    High,
    Critical,
}

impl From<SeverityWord> for Severity {
    fn from(word: SeverityWord) -> Self {
        match word {
            SeverityWord::Low => Severity::Low,
            SeverityWord::Medium => Severity::Medium,
            SeverityWord::High => Severity::High,
            SeverityWord::Critical => Severity::Critical,
        }
    }
}

/// Whether somebody has dealt with an anomaly.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum AnomalyStatus {
    Open,
    Resolved,
}

/// Which anomalies.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListAnomalies {
    /// Only of this agent.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// Only these.
    #[serde(default)]
    #[param(inline)]
    status: Option<AnomalyStatus>,
    /// Only these.
    #[serde(default)]
    #[param(inline)]
    severity: Option<SeverityWord>,
    /// Only of this kind.
    #[serde(default)]
    #[param(inline)]
    anomaly_type: Option<Text<1, 64>>,
}

impl QueryInput for ListAnomalies {}

async fn list(context: Context, query: ListAnomalies) -> Result<Reply<Paged<AnomalyView>>, ApiError> {
    let agent = query.agent_id.map(|agent| agent.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let kind = query.anomaly_type.as_ref().map(|kind| token(kind.as_str()));
    let filtered = query.status.is_some() || query.severity.is_some() || kind.is_some();
    let page = context.list(&["anomaly.report"], agent, filtered, |context, row| {
        let view = anomaly_view(context, row.index)?;
        Ok(view.filter(|view| {
            query.status.is_none_or(|status| view.is_open() == (status == AnomalyStatus::Open))
                && query.severity.is_none_or(|severity| view.has_severity(severity.into()))
                && kind.as_ref().is_none_or(|kind| view.is_of_kind(kind))
        }))
    });
    Ok(Reply::new(page.await?))
}

/// The caller's own anomaly; another tenant's does not exist for the caller.
fn own_anomaly(context: &Context, id: AnomalyId) -> Result<ledger_state::Anomaly, ApiError> {
    let tenant = context.tenant()?;
    let known = context.view(|view| ledger_state::anomaly(view, id))?;
    known.filter(|known| known.tenant == tenant).ok_or_else(|| ApiError::missing("anomaly", "anomaly_id"))
}

async fn get(context: Context, _: NoQuery) -> Result<Reply<AnomalyView>, ApiError> {
    let known = own_anomaly(&context, context.id("anomaly_id")?)?;
    let view = anomaly_view(&context, known.index)?;
    let view = view.ok_or_else(|| ApiError::internal("an anomaly without its record"))?;
    Ok(Reply::new(view).at(known.resolved.unwrap_or(known.index)))
}
