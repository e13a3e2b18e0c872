//! Liveness, readiness and metrics.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ledger_log::HostedLog;
use serde::Serialize;

use crate::{metrics, router::Api};

/// Whether one log on this node takes writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogHealth {
    /// Name of the log.
    pub log: String,
    /// It takes writes, here or through its leader.
    pub ready: bool,
    /// Why not; empty when ready.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Judges one log: a leader is known, its genesis is logged, the fence has been passed.
pub fn log_health(log: &HostedLog) -> LogHealth {
    let reason = log.ready().err().unwrap_or_default();
    LogHealth { log: log.name().to_owned(), ready: reason.is_empty(), reason }
}

/// `GET /health/live`: the process serves requests.
pub(crate) async fn live() -> &'static str {
    "live\n"
}

/// `GET /health/ready`: 200 when every log takes writes, else 503 with the reasons. Reads work either way.
pub(crate) async fn ready(State(api): State<Api>) -> Response {
    let logs: Vec<LogHealth> = api.logs.iter().map(log_health).collect();
    let ready = logs.iter().all(|log| log.ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": ready, "logs": logs }))).into_response()
}

/// `GET /metrics`: Prometheus text of every hosted log and of the node.
pub(crate) async fn metrics(State(api): State<Api>) -> Response {
    let mut texts: Vec<String> = api.logs.iter().map(HostedLog::metrics_text).collect();
    texts.push((api.node_metrics)());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], metrics::merge(&texts)).into_response()
}
