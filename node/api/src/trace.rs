//! The trace id of a request: taken from `traceparent` or made here, in every log line, error and peer call.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use tracing::Instrument as _;

pub use ledger_log::trace::{TraceId, current, scope};

/// W3C trace context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Tells the caller under which id to ask.
const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

fn id_of(headers: &HeaderMap) -> TraceId {
    headers
        .get(TRACEPARENT)
        .and_then(|value| TraceId::from_traceparent(value.to_str().ok()?))
        .unwrap_or_else(TraceId::fresh)
}

/// Gives each request its id and its span; the answer names the id in `x-trace-id`.
pub async fn traced<F: Future<Output = Response>>(
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let id = id_of(request.headers());
    let span =
        tracing::info_span!("request", trace = %id, method = %request.method(), path = request.uri().path());
    let mut response = scope(id, next(request)).instrument(span.clone()).await;
    tracing::debug!(parent: &span, status = response.status().as_u16(), "answered");
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(TRACE_ID, value);
    }
    response
}
