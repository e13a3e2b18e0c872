//! The HTTP interface of C2SP tlog-witness, and what an operator needs beside it.
//!
//! Spec: <https://c2sp.org/tlog-witness>
//!
//! ```text
//! POST /add-checkpoint                        200 lines | 400 | 403 | 404 | 409 size | 422 | 429 | 503
//! POST /sign-subtree                          200 lines | 400 | 403 | 404 | 422
//! GET  /<hex SHA-256 of the origin>/checkpoint    200 note | 404
//! GET  /metrics  /health/live  /health/ready
//! ```
//!
//! Strangers may connect, so everything is bounded: connections, requests at once, bytes of a body, and the
//! time to send a head and a body.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::config::Limits;
use crate::decide::Refusal;
use crate::subtree::SubtreeRefusal;
use crate::witness::{Denial, Witness};

const TEXT: &str = "text/plain; charset=utf-8";
/// Content type of the body that tells the size last cosigned.
const SIZE: &str = "text/x.tlog.size";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long a stranger should wait when we are busy, in seconds.
const BUSY_RETRY_AFTER_S: u64 = 1;
/// Requests that one HTTP/2 connection may have under way.
const HTTP2_STREAMS_MAX: u32 = 64;
/// How long to wait before accepting again when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

struct Server {
    witness: Arc<Witness>,
    limits: Limits,
    requests: Arc<Semaphore>,
    stopping: AtomicBool,
}

impl Server {
    fn new(witness: Arc<Witness>, limits: Limits) -> Self {
        let (requests, stopping) = (Arc::new(Semaphore::new(limits.requests_max)), AtomicBool::new(false));
        Self { witness, limits, requests, stopping }
    }
}

/// Answers on `listener` until `stop` resolves, then finishes the requests under way.
pub async fn serve(
    listener: TcpListener,
    witness: Arc<Witness>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let (header_timeout, shutdown_timeout) =
        (Duration::from_millis(limits.header_ms_max), Duration::from_millis(limits.shutdown_ms_max));
    let server = Arc::new(Server::new(witness, limits));
    let router = router(server.clone());
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // A connection that failed before we took it, or no file descriptor left. Neither is a
                // reason to stop serving the connections that are open.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let metrics = server.witness.metrics();
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            metrics.connections_refused.add(1);
            continue;
        };
        metrics.connections.add(1);
        // A cosignature is small and somebody waits for it.
        let _ = stream.set_nodelay(true);
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(header_timeout);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(HTTP2_STREAMS_MAX)
            .keep_alive_interval(header_timeout)
            .keep_alive_timeout(header_timeout);
        let activity = Arc::new(Activity::default());
        let service = {
            let (router, activity) = (TowerToHyperService::new(router.clone()), activity.clone());
            hyper::service::service_fn(move |request| {
                let busy = activity.begin();
                let answer = router.call(request);
                async move {
                    let answer = answer.await;
                    drop(busy);
                    answer
                }
            })
        };
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                // Errors are the peer's: it went away or spoke nonsense.
                _ = connection => {}
                () = activity.idle(header_timeout) => {}
            }
            drop(permit);
        });
    }
    drop(listener);
    server.stopping.store(true, Ordering::Relaxed);
    if tokio::time::timeout(shutdown_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still busy at the end of the shutdown time");
    }
    Ok(())
}

/// Whether a connection does anything. HTTP/1 heads have a timeout of their own; this also ends connections
/// that never say which protocol they speak, and idle HTTP/2.
#[derive(Debug, Default)]
struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// Ends the request in [`Activity`] when dropped.
struct Busy(Arc<Activity>);

impl Activity {
    fn begin(self: &Arc<Self>) -> Busy {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Returns when no request was under way, begun or ended for a whole `period`.
    async fn idle(&self, period: Duration) {
        let count = || (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed));
        let mut before = count();
        loop {
            tokio::time::sleep(period).await;
            let now = count();
            if now == before && now.0 == now.1 {
                return;
            }
            before = now;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The endpoints without a listener, for whoever brings requests in another way; `limits` on connections and their idle time are the
/// listener's.
pub fn app(witness: Arc<Witness>, limits: Limits) -> Router {
    router(Arc::new(Server::new(witness, limits)))
}

fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/sign-subtree", post(sign_subtree))
        .route("/{origin}/checkpoint", get(checkpoint))
        .route("/metrics", get(metrics))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(server)
}

async fn add_checkpoint(State(server): State<Arc<Server>>, request: Request) -> Response {
    let Ok(permit) = server.requests.clone().try_acquire_owned() else { return busy() };
    let body = match read_body(&server.limits, request).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    // A task of its own: a log that hangs up before its entries are replayed asks again, and finds them replayed. The permit goes with
    // it, so that there are no more of them than requests.
    let work = tokio::spawn(async move {
        let answer = server.witness.add_checkpoint(&body).await;
        drop(permit);
        answer
    });
    match work.await {
        Ok(Ok(lines)) => text(StatusCode::OK, lines),
        Ok(Err(denial)) => deny(&denial),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("the request broke off: {error}\n")),
    }
}

async fn sign_subtree(State(server): State<Arc<Server>>, request: Request) -> Response {
    let Ok(_permit) = server.requests.try_acquire() else { return busy() };
    let body = match read_body(&server.limits, request).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let refusal = match server.witness.sign_subtree(&body) {
        Ok(lines) => return text(StatusCode::OK, lines),
        Err(refusal) => refusal,
    };
    let status = match refusal {
        SubtreeRefusal::Malformed(_) => StatusCode::BAD_REQUEST,
        SubtreeRefusal::UnknownOrigin(_) | SubtreeRefusal::NotOffered => StatusCode::NOT_FOUND,
        SubtreeRefusal::NotCosigned => StatusCode::FORBIDDEN,
        SubtreeRefusal::Proof(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    text(status, format!("{refusal}\n"))
}

async fn checkpoint(State(server): State<Arc<Server>>, Path(origin): Path<String>) -> Response {
    match server.witness.memory().latest_by_path(&origin) {
        Some(latest) => {
            let headers = [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-cache")];
            (headers, latest.note.to_vec()).into_response()
        }
        None => text(StatusCode::NOT_FOUND, "this witness has cosigned no checkpoint of such a log\n".into()),
    }
}

async fn metrics(State(server): State<Arc<Server>>) -> Response {
    ([(header::CONTENT_TYPE, METRICS)], server.witness.render_metrics()).into_response()
}

async fn live() -> Response {
    text(StatusCode::OK, "ok\n".into())
}

async fn ready(State(server): State<Arc<Server>>) -> Response {
    if server.stopping.load(Ordering::Relaxed) {
        return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
    }
    match server.witness.not_ready() {
        None => text(StatusCode::OK, "ok\n".into()),
        Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// Reads a body within the limits, or says what to answer.
async fn read_body(limits: &Limits, request: Request) -> Result<Vec<u8>, Response> {
    let too_large = || {
        let limit = limits.body_bytes_max;
        text(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes\n"))
    };
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > limits.body_bytes_max as u64) {
        return Err(too_large());
    }
    let body = axum::body::to_bytes(request.into_body(), limits.body_bytes_max);
    match tokio::time::timeout(Duration::from_millis(limits.body_ms_max), body).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        // Over the limit, or the peer went away, when it does not matter what is answered.
        Ok(Err(_)) => Err(too_large()),
        Err(_) => {
            let answer = text(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive\n".into());
            Err(with(answer, header::CONNECTION, "close"))
        }
    }
}

/// The answer of the specification for each denial.
fn deny(denial: &Denial) -> Response {
    let sentence = || format!("{denial}\n");
    match denial {
        Denial::Refused(refusal) => match refusal {
            // SPEC: The response body MUST consist of the tree size of the latest cosigned checkpoint in
            // decimal, followed by a newline. The response MUST have a Content-Type of text/x.tlog.size.
            Refusal::Conflict { latest } => {
                (StatusCode::CONFLICT, [(header::CONTENT_TYPE, SIZE)], format!("{latest}\n")).into_response()
            }
            Refusal::Malformed(_) | Refusal::OldSizeTooLarge { .. } => {
                text(StatusCode::BAD_REQUEST, sentence())
            }
            Refusal::UnknownOrigin(_) => text(StatusCode::NOT_FOUND, sentence()),
            Refusal::NoTrustedSignature | Refusal::BadTrustedSignature(_) => {
                text(StatusCode::FORBIDDEN, sentence())
            }
            Refusal::EmptyTreeRoot | Refusal::Fork { .. } | Refusal::Proof(_) => {
                text(StatusCode::UNPROCESSABLE_ENTITY, sentence())
            }
        },
        Denial::Invalid(_) => text(StatusCode::UNPROCESSABLE_ENTITY, sentence()),
        Denial::Unverified(_) => {
            retry_after(text(StatusCode::SERVICE_UNAVAILABLE, sentence()), BUSY_RETRY_AFTER_S)
        }
        Denial::Budget { retry_after_s } => {
            retry_after(text(StatusCode::TOO_MANY_REQUESTS, sentence()), *retry_after_s)
        }
        Denial::Busy => busy(),
        Denial::Failed(_) => text(StatusCode::INTERNAL_SERVER_ERROR, sentence()),
    }
}

fn busy() -> Response {
    let answer = text(StatusCode::SERVICE_UNAVAILABLE, "this witness is busy\n".into());
    retry_after(answer, BUSY_RETRY_AFTER_S)
}

fn text(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, TEXT)], Body::from(body)).into_response()
}

fn retry_after(answer: Response, seconds: u64) -> Response {
    with(answer, header::RETRY_AFTER, &seconds.to_string())
}

fn with(mut answer: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

#[cfg(test)]
mod tests;
