//! One shape for every refusal over HTTP.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ledger_log::{Refused, RefusedKind};
use serde::Serialize;

use crate::trace;

/// A refusal: `{code, message, http_status, details{field, fix}, trace_id}`.
///
/// `code` is for programs and never changes its meaning; `message` says what is wrong and `fix` what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status of the answer.
    pub status: StatusCode,
    /// Stable word for programs, e.g. `NOT_FOUND`.
    pub code: Cow<'static, str>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// The parameter or field at fault; empty when none is.
    pub field: String,
    /// What to do next; empty when nothing helps.
    pub fix: String,
    /// When a retry makes sense, in seconds: the `Retry-After` header.
    pub retry_after_s: Option<u32>,
    /// Of a 402: which quota.
    pub quota: Option<Box<Quota>>,
}

/// A quota that is used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quota {
    /// What is counted, e.g. `maip.sessions`.
    pub metric: &'static str,
    /// How much the plan includes.
    pub limit: u64,
    /// How much is used.
    pub used: u64,
    /// When it begins anew, RFC 3339; `None`: it does not by itself.
    pub resets_at: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    /// The message again, where older clients look for it.
    error: &'a str,
    message: &'a str,
    http_status: u16,
    details: Details<'a>,
    trace_id: String,
}

#[derive(Serialize)]
struct Details<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    fix: &'a str,
    #[serde(flatten)]
    quota: Option<&'a Quota>,
}

impl ApiError {
    /// A refusal without field and fix yet.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            field: String::new(),
            fix: String::new(),
            retry_after_s: None,
            quota: None,
        }
    }

    /// 401: no credential, or one that is none.
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "the request carries no valid credential")
            .field("authorization")
            .fix("send `X-API-Key: <key>` or `Authorization: Bearer <key or token>`")
    }

    /// 403: the credential does not allow it.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    }

    /// 403: the credential lacks a scope.
    pub fn scope(scope: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", format!("the credential does not cover {scope}"))
            .field("authorization")
            .fix(format!("use a credential with the scope {scope}"))
    }

    /// 404: no such thing, for this caller.
    pub fn missing(what: &str, field: impl Into<String>) -> Self {
        Self::not_found(format!("there is no such {what}"))
            .field(field)
            .fix("check the id and the environment of the credential; a new one may need ?min_index=")
    }

    /// 409: it contradicts what is there.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 422: it can be read, and says something that it may not.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_INPUT", message)
    }

    /// 429: above the rate of the credential.
    pub fn rate_limited(retry_after_s: u32) -> Self {
        let message = "the credential has called too often";
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message)
            .fix("wait for the time in Retry-After; X-RateLimit-* says what is left");
        error.retry_after_s = Some(retry_after_s);
        error
    }

    /// 402: above what the plan includes.
    pub fn quota(quota: Quota) -> Self {
        let message =
            format!("the plan includes {} {}, and {} are used", quota.limit, quota.metric, quota.used);
        let mut error = Self::new(StatusCode::PAYMENT_REQUIRED, "QUOTA_EXCEEDED", message)
            .fix("wait for the reset, or ask the operator for a larger plan");
        error.quota = Some(Box::new(quota));
        error
    }

    /// 404: the thing named is not here.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// 400: the request cannot be read.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED", message)
    }

    /// 500: our fault. The cause goes to the log of the node under the trace id, not to the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed inside the node");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "the node failed to answer")
            .fix("retry, or ask another node; the operator finds the cause under this trace id")
    }

    /// 429: too much at once.
    pub fn busy(message: impl Into<String>, retry_after_s: u32) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, "BUSY", message)
            .fix("send again after the time in Retry-After, with fewer requests at once");
        error.retry_after_s = Some(retry_after_s);
        error
    }

    /// 503: not yet; the same request will be answered later.
    pub fn not_yet(code: &'static str, message: impl Into<String>, retry_after_s: u32) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .fix("ask again after the time in Retry-After");
        error.retry_after_s = Some(retry_after_s);
        error
    }

    /// 504: what was waited for did not come in time.
    pub fn too_late(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "TIMEOUT", message)
            .field("timeout_ms")
            .fix("ask again, or look at the alarms of Admin.Status")
    }

    /// Names the parameter at fault.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// Says it in other words.
    #[must_use]
    pub fn because(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }
}

/// A record's refusal, said to whoever asked over HTTP.
impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let status = match refused.kind {
            RefusedKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RefusedKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            RefusedKind::Forbidden => StatusCode::FORBIDDEN,
            RefusedKind::Conflict => StatusCode::CONFLICT,
            RefusedKind::NotFound => StatusCode::NOT_FOUND,
            RefusedKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            RefusedKind::Quota => StatusCode::PAYMENT_REQUIRED,
            RefusedKind::Busy => StatusCode::TOO_MANY_REQUESTS,
            RefusedKind::NoLeader | RefusedKind::ReadOnly => StatusCode::SERVICE_UNAVAILABLE,
            RefusedKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let field = refused.field.strip_prefix("body.").unwrap_or(&refused.field).to_owned();
        let mut error = Self::new(status, refused.code, refused.message).field(field).fix(refused.fix);
        error.retry_after_s = (refused.retry_after_ms > 0).then(|| refused.retry_after_ms.div_ceil(1000));
        error
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body {
            code: &self.code,
            error: &self.message,
            message: &self.message,
            http_status: self.status.as_u16(),
            details: Details { field: &self.field, fix: &self.fix, quota: self.quota.as_deref() },
            trace_id: trace::current().map(|id| id.to_string()).unwrap_or_default(),
        };
        let mut response = (self.status, Json(body)).into_response();
        // A missing tile exists a second later: nobody may remember that it was missing.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, 11.6.1: a 401 says which schemes there are.
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"maip\", ApiKey"));
        }
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Runs a blocking read (a file, the storage engine) off the async threads.
pub async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ledger_log::ReadError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(read).await.map_err(ApiError::internal)?.map_err(ApiError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(error: ApiError) -> (StatusCode, axum::http::HeaderMap, serde_json::Value) {
        let response = error.into_response();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn the_shape_is_the_published_one() {
        let error = ApiError::malformed("size is not a number").field("size").fix("use a decimal number");
        let (status, headers, body) = trace::scope(trace::TraceId([7; 16]), answer(error)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(
            body,
            serde_json::json!({
                "code": "MALFORMED",
                "error": "size is not a number",
                "message": "size is not a number",
                "http_status": 400,
                "details": {"field": "size", "fix": "use a decimal number"},
                "trace_id": "07070707070707070707070707070707",
            })
        );
    }

    #[tokio::test]
    async fn back_pressure_carries_a_whole_number_of_seconds() {
        let (status, headers, body) = answer(ApiError::busy("too many requests", 2)).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(headers[header::RETRY_AFTER], "2");
        assert_eq!(body["code"], "BUSY");
    }
}
