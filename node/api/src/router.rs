//! Which path leads where.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware,
    response::Response,
    routing::get,
};

use tower::{ServiceExt as _, util::MapRequest};

use crate::{ApiError, Logs, MaipOptions, health, keys, maip, older, proofs, status, transparency};

/// What a listener offers beyond the published log.
#[derive(Clone)]
pub struct Options {
    /// Serve `unpublished/tile/…` up to the applied size, for witnesses that check entries before they cosign. Only
    /// on listeners that strangers cannot reach.
    pub unpublished: bool,
    /// The node's own metrics in Prometheus text.
    pub node_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Serve the MAIP API.
    pub maip: Option<MaipOptions>,
}

/// State of the handlers.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) logs: Logs,
    pub(crate) node_metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// Every endpoint of this crate, for one listener. The caller adds [`crate::trace::middleware`] around the whole
/// listener, so that other services on it are covered too.
pub fn router(logs: Logs, options: Options) -> Router {
    let mut router = Router::new()
        .route("/checkpoint", get(transparency::main_checkpoint))
        .route("/tile/{*rest}", get(transparency::main_tile))
        .route("/{log}/checkpoint", get(transparency::log_checkpoint))
        .route("/{log}/tile/{*rest}", get(transparency::log_tile))
        .route("/v1/logs", get(proofs::logs))
        .route("/v1/log/vkey", get(proofs::vkey))
        .route("/v1/log/policy", get(proofs::policy))
        .route("/v1/log/proof/inclusion", get(proofs::inclusion))
        .route("/v1/log/proof/consistency", get(proofs::consistency))
        .route("/status/{subject}", get(status::main))
        .route("/{log}/status/{subject}", get(status::log))
        .route("/v1/log/status/{subject}", get(status::named))
        .route("/.well-known/jwks.json", get(keys::main))
        .route("/{log}/.well-known/jwks.json", get(keys::log))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics));
    if options.unpublished {
        router = router
            .route("/unpublished/tile/{*rest}", get(transparency::main_unpublished))
            .route("/{log}/unpublished/tile/{*rest}", get(transparency::log_unpublished));
    }
    let maip = options.maip.map(|maip| maip::maip(logs.clone(), maip));
    let router = router.with_state(Api { logs, node_metrics: options.node_metrics });
    let router = router.layer(middleware::map_response(readable_anywhere));
    let router = maip
        .into_iter()
        .fold(router, Router::merge)
        .fallback(no_endpoint)
        .method_not_allowed_fallback(wrong_method);
    // A path must be rewritten before it is routed, so the router is the fallback of one without routes.
    Router::new().fallback(move |request: Request| {
        let router = MapRequest::new(router.clone(), older::rewrite);
        router.oneshot(request)
    })
}

/// Everything here is public and takes no credential, so a page of any origin may read it: verifiers run in browsers.
async fn readable_anywhere(mut response: Response) -> Response {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

async fn no_endpoint(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is no endpoint {}", uri.path()))
        .field("path")
        .fix("GET /v1/logs lists the logs; each has /<log>/checkpoint and /<log>/tile/…")
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        format!("{} does not take {method}", uri.path()),
    )
    .fix("use GET or HEAD")
}
