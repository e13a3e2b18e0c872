//! The MAIP API: every group mounted on any number of hosted logs.

use std::sync::{Arc, LazyLock};

use crate::{
    Logs, SharedOutbound,
    account::{Rates, Secrets, Store},
    docs,
    endpoint::{Routes, document, mount},
    events::{Streams, Timings},
    groups, plain,
    webhooks::Targets,
};
use axum::Router;
use tokio::sync::watch;

/// Calls a minute of a credential when the configuration says nothing.
pub const CALLS_A_MINUTE: u64 = 60_000;

/// What the API is started with.
#[derive(Clone)]
pub struct MaipOptions {
    /// Whether a text is the operator's admin key; compares in constant time.
    pub is_admin_key: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// The node's clock, ms since 1970.
    pub now_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Calls a minute of one credential on this node.
    pub calls_a_minute: u64,
    /// Whether anybody may register a tenant of the sandbox.
    pub open_registration: bool,
    /// To hosts that tenants name.
    pub outbound: SharedOutbound,
    /// Becomes true when the node stops: what is streamed ends.
    pub stopping: watch::Receiver<bool>,
}

/// What every call shares.
pub(crate) struct Parts {
    pub(crate) logs: Logs,
    pub(crate) store: Store,
    pub(crate) secrets: Secrets,
    pub(crate) rates: Rates,
    pub(crate) is_admin_key: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    pub(crate) now_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub(crate) calls_a_minute: u64,
    pub(crate) open_registration: bool,
    pub(crate) outbound: SharedOutbound,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) streams: Streams,
    pub(crate) targets: Targets,
    pub(crate) timings: Timings,
}

/// What every call shares; cheap to clone.
pub(crate) type Shared = Arc<Parts>;

/// The router of the MAIP API.
pub fn maip(logs: Logs, options: MaipOptions) -> Router {
    mount(routes(), share(logs, options)).merge(docs::router())
}

/// What every call shares, and whoever acts without one.
pub(crate) fn share(logs: Logs, options: MaipOptions) -> Shared {
    Arc::new(Parts {
        store: Store::new(logs.main().clone()),
        secrets: Secrets::new(logs.main().operator()),
        rates: Rates::default(),
        logs,
        is_admin_key: options.is_admin_key,
        now_ms: options.now_ms,
        calls_a_minute: options.calls_a_minute,
        open_registration: options.open_registration,
        outbound: options.outbound,
        stopping: options.stopping,
        streams: Streams::default(),
        targets: Targets::default(),
        timings: Timings::default(),
    })
}

/// The OpenAPI 3.1 document of the API, as JSON. Made when it is first asked for, in tenths of a second: a node starts without it.
pub fn openapi() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        serde_json::to_string_pretty(&document(&routes(), &plain::endpoints())).unwrap_or_default()
    });
    &DOCUMENT
}

fn routes() -> Routes {
    let mut routes = Routes::default();
    groups::declare(&mut routes);
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_declared_in_full() {
        assert_eq!(crate::endpoint::faults(&routes(), &plain::endpoints()), Vec::<String>::new());
    }

    #[test]
    fn the_document_is_openapi_3_1_and_names_every_route() {
        let document: serde_json::Value = serde_json::from_str(openapi()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        for operation in routes().operations() {
            let method = operation.method.as_str().to_lowercase();
            let found = &document["paths"][operation.path][&method];
            assert_eq!(found["operationId"], operation.id, "{method} {}", operation.path);
        }
    }
}
