//! Facts about a log and proofs in JSON, for callers that do not want to read tiles.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use ledger_format::Hash;
use ledger_log::HostedLog;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{ApiError, blocking, router::Api};

/// Which log is meant; empty means the main one.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// Name of the log; the main one when it is left out.
    #[serde(default)]
    #[param(max_length = 64, example = "main")]
    pub(crate) log: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InclusionQuery {
    /// Name of the log; the main one when it is left out.
    #[serde(default)]
    #[param(max_length = 64, example = "main")]
    log: String,
    /// Which entry.
    #[param(example = 0)]
    index: u64,
    /// In the tree of how many entries.
    size: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConsistencyQuery {
    /// Name of the log; the main one when it is left out.
    #[serde(default)]
    #[param(max_length = 64, example = "main")]
    log: String,
    /// Size of the older tree.
    #[param(example = 1)]
    from: u64,
    /// Size of the newer tree.
    to: Option<u64>,
}

/// The logs of a node.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogList {
    /// Main first.
    logs: Vec<LogFacts>,
}

/// A log of this node.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogFacts {
    /// Its name on this node.
    #[schema(example = "main")]
    name: String,
    origin: String,
    vkey: String,
    /// `production`, or `sandbox`: such a log is reset from time to time.
    environment: &'static str,
    /// Of a sandbox: which log it is since the last reset, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    /// Path of the monitoring prefix on this node.
    #[schema(example = "/main")]
    path: String,
    /// Entries under the latest checkpoint.
    #[schema(example = 4712)]
    published_size: u64,
}

/// An inclusion proof (RFC 9162): `hashes` from the leaf's sibling up, base64.
#[derive(Serialize, ToSchema)]
pub(crate) struct Inclusion {
    log: String,
    index: u64,
    size: u64,
    hashes: Vec<String>,
    /// The latest checkpoint, whose size may be larger than `size`.
    checkpoint: String,
}

/// A consistency proof (RFC 9162) between the trees of sizes `from` and `to`, base64.
#[derive(Serialize, ToSchema)]
pub(crate) struct Consistency {
    log: String,
    /// Size of the older tree.
    #[schema(example = 1)]
    from: u64,
    /// Size of the newer tree.
    #[schema(example = 4712)]
    to: u64,
    hashes: Vec<String>,
    checkpoint: String,
}

/// `GET /v1/logs`.
pub(crate) async fn logs(State(api): State<Api>) -> Response {
    let logs: Vec<LogFacts> = api
        .logs
        .iter()
        .map(|log| LogFacts {
            name: log.name().to_owned(),
            origin: log.origin().to_owned(),
            vkey: log.vkey().to_string(),
            environment: if log.generation().is_some() { "sandbox" } else { "production" },
            generation: log.generation(),
            path: format!("/{}", log.name()),
            published_size: log.reader().checkpoint().map_or(0, |published| published.checkpoint.size),
        })
        .collect();
    Json(LogList { logs }).into_response()
}

/// `GET /v1/log/vkey`: the log key, one line.
pub(crate) async fn vkey(
    State(api): State<Api>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(malformed)?;
    let log = api.logs.named(&query.log)?;
    Ok(text(&log, format!("{}\n", log.vkey())))
}

/// `GET /v1/log/policy`: a tlog-policy that a verifier can start from. Trusting it is the verifier's decision.
pub(crate) async fn policy(
    State(api): State<Api>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(malformed)?;
    let log = api.logs.named(&query.log)?;
    Ok(text(&log, log.policy_text().to_owned()))
}

/// `GET /v1/log/proof/inclusion?index=&size=`; without `size`, of the published tree.
pub(crate) async fn inclusion(
    State(api): State<Api>,
    query: Result<Query<InclusionQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(malformed)?;
    let log = api.logs.named(&query.log)?;
    let (checkpoint, published) = published(&log)?;
    let (index, size) = (query.index, query.size.unwrap_or(published));
    within(size, published, "size")?;
    if index >= size {
        return Err(ApiError::not_found(format!("entry {index} is not in the tree of size {size}"))
            .field("index")
            .fix("use an index below the size, or wait until a checkpoint covers the entry"));
    }
    let reader = log.reader();
    let hashes = blocking(move || reader.inclusion(index, size)).await?.ok_or_else(not_readable)?;
    let log = log.name().to_owned();
    Ok(Json(Inclusion { log, index, size, hashes: base64(&hashes), checkpoint }).into_response())
}

/// `GET /v1/log/proof/consistency?from=&to=`; without `to`, up to the published tree.
pub(crate) async fn consistency(
    State(api): State<Api>,
    query: Result<Query<ConsistencyQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(malformed)?;
    let log = api.logs.named(&query.log)?;
    let (checkpoint, published) = published(&log)?;
    let (from, to) = (query.from, query.to.unwrap_or(published));
    within(to, published, "to")?;
    if from > to {
        return Err(ApiError::unprocessable(format!("from ({from}) is larger than to ({to})"))
            .field("from")
            .fix("swap the two sizes"));
    }
    let reader = log.reader();
    let hashes = blocking(move || reader.consistency(from, to)).await?.ok_or_else(not_readable)?;
    let log = log.name().to_owned();
    Ok(Json(Consistency { log, from, to, hashes: base64(&hashes), checkpoint }).into_response())
}

fn published(log: &HostedLog) -> Result<(String, u64), ApiError> {
    let published = log.reader().checkpoint().ok_or_else(|| {
        ApiError::not_found("this log has not published a checkpoint yet").fix("ask again in a second")
    })?;
    Ok((String::from_utf8_lossy(&published.note).into_owned(), published.checkpoint.size))
}

fn within(size: u64, published: u64, field: &str) -> Result<(), ApiError> {
    if size <= published {
        return Ok(());
    }
    Err(ApiError::not_found(format!("{field} {size} is beyond the published size {published}"))
        .field(field)
        .fix("use the published size or less, or wait for the next checkpoint"))
}

fn not_readable() -> ApiError {
    ApiError::internal("a tile below the published size is missing")
}

pub(crate) fn malformed(rejection: QueryRejection) -> ApiError {
    ApiError::malformed(rejection.body_text())
        .field("query")
        .fix("numbers are decimal; see the documentation of the endpoint for its parameters")
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| hash.to_base64()).collect()
}

/// A fact about a log, which a sandbox's next generation changes.
fn text(log: &HostedLog, body: String) -> Response {
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let cache = if log.generation().is_some() { "public, max-age=1" } else { "public, max-age=60" };
    let cache = HeaderValue::from_static(cache);
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)], body).into_response()
}
