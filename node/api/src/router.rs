//! Which path leads where.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware,
    response::Response,
};

use tokio::sync::watch;
use tower::{ServiceExt as _, util::MapRequest};

use crate::{ApiError, Logs, MaipOptions, maip, older, plain};

/// What a listener offers beyond the published log.
#[derive(Clone)]
pub struct Options {
    /// Serve `unpublished/tile/…` up to the applied size, for witnesses that check entries before they cosign. Only
    /// on listeners that strangers cannot reach.
    pub unpublished: bool,
    /// The node's own metrics in Prometheus text.
    pub node_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Becomes true when the node stops: what is streamed ends.
    pub stopping: watch::Receiver<bool>,
    /// Serve the MAIP API.
    pub maip: Option<MaipOptions>,
}

/// State of the handlers.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) logs: Logs,
    pub(crate) node_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Every endpoint of this crate, for one listener. The caller adds [`crate::trace::traced`] around the whole
/// listener, so that other services on it are covered too.
pub fn router(logs: Logs, options: Options) -> Router {
    let mut mounted = BTreeSet::new();
    let mut router = Router::new();
    for endpoint in plain::endpoints() {
        if (!endpoint.hidden || options.unpublished) && mounted.insert(endpoint.mounted) {
            router = router.route(endpoint.mounted, endpoint.handler);
        }
    }
    let maip = options.maip.map(|maip| maip::maip(logs.clone(), maip));
    let router =
        router.with_state(Api { logs, node_metrics: options.node_metrics, stopping: options.stopping });
    let router = router.layer(middleware::map_response(readable_anywhere));
    let router = maip
        .into_iter()
        .fold(router, Router::merge)
        .fallback(no_endpoint)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::map_request(readable_path));
    // A path must be rewritten before it is routed, so the router is the fallback of one without routes.
    Router::new().fallback(move |request: Request| {
        let router = MapRequest::new(router.clone(), older::rewrite);
        router.oneshot(request)
    })
}

/// Refuses a path whose percent-encoded bytes are no UTF-8, in the one shape of refusals.
async fn readable_path(request: Request) -> Result<Request, ApiError> {
    if is_text(request.uri().path()) {
        return Ok(request);
    }
    Err(ApiError::malformed("the percent-encoded bytes of the path are not UTF-8")
        .field("path")
        .fix("encode the characters of a path as UTF-8"))
}

/// Whether a path is text once its percent-encoding is undone.
fn is_text(path: &str) -> bool {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, more @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        match (first, more) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push((hex(*high).unwrap_or(0) * 16 + hex(*low).unwrap_or(0)) as u8);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// Everything here is public and takes no credential, so a page of any origin may read it: verifiers run in browsers.
async fn readable_anywhere(mut response: Response) -> Response {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

async fn no_endpoint(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is no endpoint {}", uri.path()))
        .field("path")
        .fix("GET /v1/openapi.json lists the endpoints; GET /v1/logs lists the logs, each with /<log>/checkpoint and /<log>/tile/…")
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        format!("{} does not take {method}", uri.path()),
    )
    .fix("the Allow header names the methods that it takes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_text() {
        for good in ["/", "/v1/agents/maip-agent%3A01", "/%C3%A9", "/%", "/%zz", "/a%2", "/%00"] {
            assert!(is_text(good), "{good}");
        }
        for bad in ["/%FF", "/%C3", "/%C3/%A9", "/%ED%A0%80"] {
            assert!(!is_text(bad), "{bad}");
        }
    }
}
