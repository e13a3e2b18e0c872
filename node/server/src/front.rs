//! What a listener serves: gRPC and HTTP on one port, behind the listener's bounds.
//!
//! This is one function and not a stack of layers. A layer boxes its future, and clones what is below it, for each request;
//! on the way of a single record that cost more than to read it.

use std::sync::Arc;

use axum::{Router, extract::Request, response::Response};
use ledger_api::trace;
use tower::ServiceExt as _;

use crate::{
    grpc::Calls,
    guard::{self, Guard},
    otlp::{self, Exporter},
};

/// The services of one listener.
#[derive(Clone)]
pub struct Front {
    grpc: Grpc,
    http: Router,
    bounds: Option<Bounds>,
}

/// gRPC of one listener.
#[derive(Clone)]
enum Grpc {
    /// The services for clients.
    Clients(Calls),
    /// Something else, or nothing: then the HTTP endpoints say that there is no such thing.
    Other(Router),
}

#[derive(Clone)]
struct Bounds {
    guard: Arc<Guard>,
    exporter: Option<Arc<Exporter>>,
}

impl Front {
    /// For clients: HTTP, and gRPC if it is given.
    pub(crate) fn clients(
        grpc: Option<Calls>,
        http: Router,
        guard: Arc<Guard>,
        exporter: Option<Arc<Exporter>>,
    ) -> Self {
        let grpc = grpc.map_or_else(|| Grpc::Other(http.clone()), Grpc::Clients);
        Self { grpc, http, bounds: Some(Bounds { guard, exporter }) }
    }

    /// For nodes. They are not held back: a refused vote or append would cost the cluster its leader.
    pub(crate) fn peers(grpc: Router, http: Router) -> Self {
        Self { grpc: Grpc::Other(grpc), http, bounds: None }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        trace::traced(request, |request| self.bounded(request)).await
    }

    async fn bounded(&self, request: Request) -> Response {
        let Some(Bounds { guard, exporter }) = &self.bounds else { return self.served(request).await };
        let guarded = |request| guard::guarded(guard, request, |request| self.served(request));
        match exporter {
            Some(exporter) => otlp::noted(exporter, request, guarded).await,
            None => guarded(request).await,
        }
    }

    /// The content type decides, as gRPC prescribes it.
    async fn served(&self, request: Request) -> Response {
        let router = match &self.grpc {
            _ if !guard::is_grpc(request.headers()) => &self.http,
            Grpc::Clients(calls) => return calls.answer(request).await,
            Grpc::Other(router) => router,
        };
        router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}
