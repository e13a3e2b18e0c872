//! Each request as a span, under the trace id that the caller, the log lines and the error bodies have.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{extract::Request, http::HeaderMap, response::Response};
use ledger_api::trace;

use super::{
    Exporter,
    wire::{Span, Status, integer, text},
};

const SERVER: i32 = 2;
const ERROR: i32 = 2;

/// Notes one request. Runs inside [`trace::traced`], which gives it its trace id.
pub(crate) async fn noted<F: Future<Output = Response>>(
    exporter: &Exporter,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let start = SystemTime::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let parent = parent(request.headers());
    let response = next(request).await;
    let status = response.status();
    let Some(trace_id) = trace::current() else { return response };
    exporter.span(Span {
        trace_id: trace_id.0.to_vec(),
        span_id: span_id(),
        parent_span_id: parent,
        name: format!("{method} {}", shape(&path)),
        kind: SERVER,
        start_time_unix_nano: nanos(start),
        end_time_unix_nano: nanos(SystemTime::now()),
        attributes: vec![
            text("http.request.method", method.as_str()),
            text("url.path", path),
            integer("http.response.status_code", i64::from(status.as_u16())),
        ],
        status: status.is_server_error().then_some(Status { code: ERROR }),
    });
    response
}

/// The span of the caller: the third part of a `traceparent`.
fn parent(headers: &HeaderMap) -> Vec<u8> {
    let header = headers.get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if trace::TraceId::from_traceparent(header).is_none() {
        return Vec::new();
    }
    let id = header.split('-').nth(2).and_then(|part| u64::from_str_radix(part, 16).ok());
    id.filter(|id| *id != 0).map_or_else(Vec::new, |id| id.to_be_bytes().to_vec())
}

fn span_id() -> Vec<u8> {
    let mut id = [0; 8];
    // Without randomness the collector still has the trace.
    if getrandom::fill(&mut id).is_err() || id == [0; 8] {
        id = [1; 8];
    }
    id.to_vec()
}

/// The path with `{id}` for what names one thing, so that spans of one endpoint have one name.
fn shape(path: &str) -> String {
    let is_id = |part: &str| {
        part.len() > 24
            || part.contains([':', '%'])
            || (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    path.split('/').map(|part| if is_id(part) { "{id}" } else { part }).collect::<Vec<_>>().join("/")
}

pub(super) fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_one_endpoint_have_one_name() {
        for (path, expected) in [
            ("/v1/agents", "/v1/agents"),
            ("/v1/agents/maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N/kill", "/v1/agents/{id}/kill"),
            ("/v1/records/4711", "/v1/records/{id}"),
            ("/v1/agents/019b0501-6c7a-1f65-c341-606ca5fcc7f5", "/v1/agents/{id}"),
            ("/", "/"),
        ] {
            assert_eq!(shape(path), expected);
        }
    }

    #[test]
    fn the_parent_is_the_callers_span() {
        let headers =
            |text: &str| HeaderMap::from_iter([("traceparent".parse().unwrap(), text.parse().unwrap())]);
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(parent(&headers(good)), [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
        assert_eq!(parent(&headers("nonsense")), Vec::<u8>::new());
        assert_eq!(parent(&HeaderMap::new()), Vec::<u8>::new());
    }
}
