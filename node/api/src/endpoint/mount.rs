//! The way of a request: who calls, may it, input, handler, answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use ledger_log::Ack;

use super::{
    Context, Operation, Page, Routes,
    input::once,
    newcomer,
    operation::Access,
    page::{INDEX_MAX, number, take},
    routes::{Endpoint, Raw},
};
use crate::{
    ApiError,
    account::{Caller, Environment, Rate, claim, finish},
    maip::Shared,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// How long a write waits for what `ack` asks, and a read for `min_index`.
const WAIT: Duration = Duration::from_secs(10);
/// Whoever calls without a credential, where that is enough.
const NOBODY: &str = "nobody";
/// Idempotency keys that a node takes from nobody in particular a minute.
const KEYS_OF_NOBODY_A_MINUTE: u64 = 600;
/// The endpoint that agents wait for before they act; how long it takes is a figure of the tenant's.
const GUARDRAIL_CHECK: &str = "/v1/guardrails/check";
const LOG_INDEX: HeaderName = HeaderName::from_static("x-log-index");

/// Mounts every endpoint.
pub(crate) fn mount(routes: Routes, shared: Shared) -> Router {
    let mut by_path: Vec<(&'static str, MethodRouter<Shared>)> = Vec::new();
    for endpoint in routes.endpoints {
        let path = endpoint.operation.path;
        let filter = filter(&endpoint.operation.method);
        let endpoint = Arc::new(endpoint);
        let handler = move |State(shared): State<Shared>, path: RawPathParams, request: Request| {
            let endpoint = Arc::clone(&endpoint);
            async move { answer(&endpoint, shared, path, request).await }
        };
        match by_path.iter_mut().find(|(known, _)| *known == path) {
            Some((_, methods)) => *methods = std::mem::take(methods).on(filter, handler),
            None => by_path.push((path, on(filter, handler))),
        }
    }
    by_path
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods))
        .with_state(shared)
}

fn filter(method: &Method) -> MethodFilter {
    match *method {
        Method::POST => MethodFilter::POST,
        Method::PUT => MethodFilter::PUT,
        Method::PATCH => MethodFilter::PATCH,
        Method::DELETE => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    }
}

async fn answer(endpoint: &Endpoint, shared: Shared, path: RawPathParams, request: Request) -> Response {
    let operation = &endpoint.operation;
    let now_ms = (shared.now_ms)();
    let (parts, body) = request.into_parts();
    let caller = match newcomer::caller(&shared, &parts, now_ms).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let rate = caller
        .as_ref()
        .filter(|caller| !caller.is_admin())
        .map(|caller| shared.rates.take(&caller.name, shared.calls_a_minute, now_ms));
    let timed = caller
        .as_ref()
        .filter(|_| operation.path == GUARDRAIL_CHECK)
        .map(|caller| (shared.clone(), caller.tenant, Instant::now()));
    let outcome = match rate {
        Some(rate) if !rate.granted => Err(ApiError::rate_limited(rate.wait_s)),
        _ => {
            let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let uri = parts.uri.path_and_query().map_or("", |whole| whole.as_str()).to_owned();
            let call = Call { endpoint, shared, caller, path, query: query(parts.uri.query()), uri, now_ms };
            call.run(parts.headers, body).await
        }
    };
    let mut response = outcome.unwrap_or_else(ApiError::into_response);
    if let Some((shared, tenant, begun)) = timed {
        shared.timings.note(tenant, now_ms, begun.elapsed());
    }
    if operation.older {
        response.headers_mut().insert("deprecation", HeaderValue::from_static("true"));
    }
    if let Some(rate) = rate {
        rate_headers(response.headers_mut(), rate);
    }
    response
}

fn rate_headers(headers: &mut HeaderMap, rate: Rate) {
    headers.insert("x-ratelimit-limit", rate.limit.into());
    headers.insert("x-ratelimit-remaining", rate.remaining.into());
    headers.insert("x-ratelimit-reset", rate.reset_s.into());
    if let Ok(policy) = HeaderValue::from_str(&format!("\"{};w=60\"", rate.limit)) {
        headers.insert("x-ratelimit-policy", policy);
    }
}

fn query(text: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(text.unwrap_or("").as_bytes()).into_owned().collect()
}

struct Call<'a> {
    endpoint: &'a Endpoint,
    shared: Shared,
    caller: Option<Caller>,
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    uri: String,
    now_ms: u64,
}

impl Call<'_> {
    async fn run(mut self, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
        let operation = &self.endpoint.operation;
        self.admit(operation)?;
        once(&self.query)?;
        let body = read_body(operation, &headers, body).await?;
        self.caller.as_ref().map_or(Ok(()), |caller| caller.has_signed(&body))?;
        let environment = self.environment(&headers)?;
        let log = self.shared.logs.named(environment.log_name())?;
        let reader = log.reader();
        let (ack, timeout) = self.waits(operation)?;
        if let Some(index) = take(&mut self.query, "min_index") {
            let index = number("min_index", &index, 0, INDEX_MAX)?;
            if !reader.wait_applied(index + 1, timeout).await {
                return Err(
                    ApiError::too_late(format!("this node has not applied entry {index}")).field("min_index")
                );
            }
        }
        let page = if operation.paged { Page::take(&mut self.query)? } else { Page::default() };
        let declared = StatusCode::from_u16(operation.status).unwrap_or(StatusCode::OK);
        let key = headers.get(IDEMPOTENCY_KEY).cloned().filter(|_| operation.takes_key());
        let mut context = Context {
            shared: self.shared.clone(),
            log,
            reader,
            caller: self.caller,
            path: self.path,
            headers,
            page,
            ack,
            timeout,
            now_ms: self.now_ms,
            seed: None,
            drawn: 0,
        };
        let raw = Raw { query: self.query, body };
        let Some(key) = key else {
            return Ok((self.endpoint.run)(context, raw).await?.into_response(declared));
        };
        let key = key
            .to_str()
            .map_err(|_| ApiError::malformed("not visible ASCII").field("Idempotency-Key"))?
            .to_owned();
        let request = digest(&[operation.method.as_str().as_bytes(), self.uri.as_bytes(), &raw.body]);
        let owner = match &context.caller {
            Some(caller) => caller.owner(environment),
            None => anonymous(&self.shared, self.now_ms)?,
        };
        let store = self.shared.store.clone();
        let claimed = claim(&store, &self.shared.secrets, &owner, &key, &request, self.now_ms).await?;
        if let Some((status, log_index, body)) = claimed.answer {
            return Ok(replayed(status, log_index, body));
        }
        (context.seed, context.now_ms) = (Some(claimed.seed), claimed.at_ms);
        let response = (self.endpoint.run)(context, raw).await?.into_response(declared);
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.map_err(ApiError::internal)?;
        let log_index = parts.headers.get(LOG_INDEX).and_then(|value| value.to_str().ok()).map(str::to_owned);
        finish(&store, &self.shared.secrets, &claimed, &request, parts.status.as_u16(), log_index, &body)
            .await;
        Ok(Response::from_parts(parts, Body::from(body)))
    }

    fn admit(&self, operation: &Operation) -> Result<(), ApiError> {
        match (operation.access, &self.caller) {
            (Access::Public, _) => Ok(()),
            (_, None) => Err(ApiError::unauthenticated()),
            (Access::Admin, Some(caller)) if caller.is_admin() => Ok(()),
            (Access::Admin, Some(_)) => Err(ApiError::forbidden("this needs the operator's admin key")),
            (Access::Scope(scope), Some(caller)) => {
                if caller.tenant == ledger_format::record::Ulid::NIL {
                    return Err(ApiError::forbidden("the admin key alone speaks for no tenant")
                        .field("X-Tenant-ID")
                        .fix("name the tenant in X-Tenant-ID, or use one of its API keys"));
                }
                if operation.lasting && caller.agent().is_some() {
                    return Err(ApiError::forbidden("what this makes would outlive the session that calls")
                        .field("authorization")
                        .fix("use an API key of the tenant"));
                }
                caller.may(scope)
            }
        }
    }

    /// The credential decides; the operator and the public may say it in a header.
    fn environment(&self, headers: &HeaderMap) -> Result<Environment, ApiError> {
        let named = Environment::of_header(headers)?;
        Ok(self
            .caller
            .as_ref()
            .filter(|caller| !caller.is_admin())
            .map_or(named, |caller| caller.environment))
    }

    fn waits(&mut self, operation: &Operation) -> Result<(Ack, Duration), ApiError> {
        let timeout = match take(&mut self.query, "timeout_ms") {
            Some(text) => Duration::from_millis(number("timeout_ms", &text, 1, 30_000)?),
            None => WAIT,
        };
        if !operation.writes() {
            return Ok((Ack::Sequenced, timeout));
        }
        let ack = match take(&mut self.query, "ack").as_deref() {
            None | Some("sequenced") => Ack::Sequenced,
            Some("published") => Ack::Published,
            Some("witnessed") => Ack::Witnessed,
            Some(_) => {
                return Err(ApiError::malformed("no such level")
                    .field("ack")
                    .fix("write sequenced, published or witnessed"));
            }
        };
        Ok((ack, timeout))
    }
}

/// Names a request, so that another one under the same key is told apart.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    hash.finalize().to_hex().to_string()
}

/// The owner of the idempotency keys of nobody in particular. What is remembered of them is in every node's state for a day, so there are
/// only so many a minute.
fn anonymous(shared: &Shared, now_ms: u64) -> Result<String, ApiError> {
    let rate = shared.rates.take(NOBODY, KEYS_OF_NOBODY_A_MINUTE, now_ms);
    if rate.granted { Ok(NOBODY.to_owned()) } else { Err(ApiError::rate_limited(rate.wait_s)) }
}

async fn read_body(
    operation: &Operation,
    headers: &HeaderMap,
    body: Body,
) -> Result<axum::body::Bytes, ApiError> {
    let bytes = axum::body::to_bytes(body, operation.body_bytes_max).await.map_err(|_| {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
            format!("the body is larger than {} bytes", operation.body_bytes_max),
        )
        .field("body")
        .fix("send less, or digests instead of content")
    })?;
    let json = headers.get(header::CONTENT_TYPE).is_none_or(|value| {
        let value = value.to_str().unwrap_or("");
        value.split(';').next().is_some_and(|kind| {
            let kind = kind.trim();
            kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
        })
    });
    if !bytes.is_empty() && !json {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "the body is not application/json",
        )
        .field("Content-Type")
        .fix("send Content-Type: application/json"));
    }
    Ok(bytes)
}

fn replayed(status: u16, log_index: Option<String>, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let mut response = (status, json, body).into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    if let Some(index) = log_index.and_then(|index| HeaderValue::from_str(&index).ok()) {
        response.headers_mut().insert(LOG_INDEX, index);
    }
    response
}
