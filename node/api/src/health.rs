//! Liveness, readiness and metrics.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ledger_log::HostedLog;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Logs, metrics, router::Api};

/// Whether one log on this node takes writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogHealth {
    /// Name of the log.
    pub log: String,
    /// It is a sandbox: nobody in production waits for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sandbox: bool,
    /// It takes writes, here or through its leader.
    pub ready: bool,
    /// Why not; empty when ready.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Whether every log on this node takes writes.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Every log takes writes.
    ready: bool,
    /// Log by log.
    logs: Vec<LogHealth>,
}

/// Judges one log: a leader is known, its genesis is logged, the fence has been passed.
fn log_health(log: &HostedLog) -> LogHealth {
    let reason = log.ready().err().unwrap_or_default();
    let sandbox = log.generation().is_some();
    LogHealth { log: log.name().to_owned(), sandbox, ready: reason.is_empty(), reason }
}

/// The same by name. Only a sandbox can be unopened while a node serves.
pub fn named_health(logs: &Logs, name: &str) -> LogHealth {
    let unopened = || LogHealth {
        log: name.to_owned(),
        sandbox: true,
        ready: false,
        reason: "not opened yet: this node learns from the main log which generation to open".into(),
    };
    logs.get(name).map_or_else(unopened, |log| log_health(&log))
}

/// `GET /health/live`: the process serves requests.
pub(crate) async fn live() -> &'static str {
    "live\n"
}

/// Whether callers should come to a node with these logs: a sandbox that is just being reset sends nobody away.
pub fn is_ready(logs: &[LogHealth]) -> bool {
    logs.iter().all(|log| log.ready || log.sandbox)
}

/// `GET /health/ready`: 200 when every production log takes writes, else 503; with the reasons. Reads work either way.
pub(crate) async fn ready(State(api): State<Api>) -> Response {
    let logs: Vec<LogHealth> = api.logs.names().map(|name| named_health(&api.logs, name)).collect();
    let ready = is_ready(&logs);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { ready, logs })).into_response()
}

/// `GET /metrics`: Prometheus text of every hosted log and of the node.
pub(crate) async fn metrics(State(api): State<Api>) -> Response {
    let mut texts: Vec<String> = api.logs.iter().map(|log| log.metrics_text()).collect();
    texts.push((api.node_metrics)());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], metrics::merge(&texts)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_sends_nobody_away_from_production() {
        let log = |sandbox, ready| LogHealth { log: "log".into(), sandbox, ready, reason: String::new() };
        for (logs, ready) in [
            (vec![log(false, true), log(true, true)], true),
            (vec![log(false, true), log(true, false)], true),
            (vec![log(false, false), log(true, true)], false),
            (vec![log(false, true), log(false, false)], false),
        ] {
            assert_eq!(is_ready(&logs), ready, "{logs:?}");
        }
    }
}
