//! Staples: `status/<subject>` below a log's monitoring prefix, and what gRPC shares with it.

use std::time::Duration;

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use ledger_format::Staple;
use ledger_log::{HostedLog, Subject};
use tokio::time::{Instant, timeout_at};

use crate::{
    ApiError, blocking,
    proofs::{LogQuery, malformed},
    router::Api,
};

/// How long a staple may be remembered: a newer `state.root` replaces it.
const STAPLE_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=1");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// After so many seconds a log that has sealed nothing is worth another look: it seals about once a second.
const SEALED_AFTER_S: u32 = 1;

/// `GET /status/<subject>`: of the main log.
pub(crate) async fn main(State(api): State<Api>, Path(subject): Path<String>) -> Result<Response, ApiError> {
    answer(api.logs.main(), &subject).await
}

/// `GET /<log>/status/<subject>`.
pub(crate) async fn log(
    State(api): State<Api>,
    Path((log, subject)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    answer(&api.logs.named(&log)?, &subject).await
}

/// `GET /v1/log/status/<subject>?log=`.
pub(crate) async fn named(
    State(api): State<Api>,
    Path(subject): Path<String>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(malformed)?;
    answer(&api.logs.named(&query.log)?, &subject).await
}

async fn answer(log: &HostedLog, subject: &str) -> Result<Response, ApiError> {
    let staple = staple(log, subject, 0, Duration::ZERO).await?;
    let headers = [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, STAPLE_CACHE)];
    Ok((headers, staple.to_bytes()).into_response())
}

/// The staple of a subject under the published checkpoint. With a `min_size` it waits, at most `timeout`, for one that
/// holds every change by an entry below that size.
///
/// # Errors
/// The text names no subject; the log has sealed nothing yet; what is waited for does not come in time; the node cannot
/// read its log.
pub async fn staple(
    log: &HostedLog,
    subject: &str,
    min_size: u64,
    timeout: Duration,
) -> Result<Staple, ApiError> {
    let subject = self::subject(subject)?;
    let (reader, deadline) = (log.reader(), Instant::now() + timeout);
    loop {
        // Asked before the read: a checkpoint that comes in between is not missed.
        let seen = reader.checkpoint().map_or(0, |published| published.checkpoint.size);
        let read = reader.clone();
        match blocking(move || read.staple(subject)).await? {
            Some(staple) if min_size == 0 || complete_up_to(&staple) >= min_size => return Ok(staple),
            None if min_size == 0 => return Err(nothing_sealed()),
            _ => {}
        }
        let Ok(Some(_)) = timeout_at(deadline, reader.wait_beyond(seen)).await else {
            return Err(ApiError::too_late(format!(
                "no published state.root holds every change below size {min_size} in time"
            )));
        };
    }
}

/// The subject that a text names.
///
/// # Errors
/// It is not the one spelling of a subject's name.
pub fn subject(name: &str) -> Result<Subject, ApiError> {
    Subject::parse(name).ok_or_else(|| {
        ApiError::malformed(format!("{name:?} is not the name of a subject")).field("subject").fix(
            "use maip-agent:, maip-tenant:, maip-sess: or maip-deleg: with a ULID, or agreement: with 64 hex digits",
        )
    })
}

fn nothing_sealed() -> ApiError {
    ApiError::not_yet(
        "NOT_SEALED",
        "no published checkpoint covers a state.root yet: nothing has been sealed into the status map",
        SEALED_AFTER_S,
    )
}

fn complete_up_to(staple: &Staple) -> u64 {
    staple.state_root().map_or(0, |root| root.as_of_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_one_spelling_and_another_is_refused_with_the_fix() {
        let id = "01KC2G2V3T3XJ6W1B0D9QH8Y7N";
        assert!(subject(&format!("maip-agent:{id}")).is_ok());
        for bad in [id.to_owned(), format!("maip-agent%3A{id}"), format!("maip-agent:{}", id.to_lowercase())]
        {
            let error = subject(&bad).unwrap_err();
            assert_eq!((error.status.as_u16(), error.field.as_str()), (400, "subject"), "{bad}");
            assert!(error.fix.contains("maip-agent:"));
        }
    }
}
