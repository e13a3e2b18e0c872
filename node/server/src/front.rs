//! What a listener serves: gRPC and HTTP on one port, behind the listener's bounds.
//!
//! One function around another, and not a stack of layers: a layer boxes its future, and clones what is below it, for each
//! request. `docs/performance.md` has what that cost single records.

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
pub struct Front {
    grpc: Option<Grpc>,
    http: Router,
    bounds: Option<Bounds>,
}

enum Grpc {
    Clients(Calls),
    Peers(Router),
}

struct Bounds {
    guard: Arc<Guard>,
    exporter: Option<Arc<Exporter>>,
}

impl Front {
    /// For clients: HTTP, and gRPC if it is given; without it the HTTP endpoints say that there is no such thing.
    pub(crate) fn clients(
        grpc: Option<Calls>,
        http: Router,
        guard: Arc<Guard>,
        exporter: Option<Arc<Exporter>>,
    ) -> Self {
        Self { grpc: grpc.map(Grpc::Clients), http, bounds: Some(Bounds { guard, exporter }) }
    }

    /// For nodes. They are not held back: a refused vote or append would cost the cluster its leader.
    pub(crate) fn peers(grpc: Router, http: Router) -> Self {
        Self { grpc: Some(Grpc::Peers(grpc)), http, bounds: None }
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
        let router = match self.grpc.as_ref().filter(|_| guard::is_grpc(request.headers())) {
            Some(Grpc::Clients(calls)) => return calls.answer(request).await,
            Some(Grpc::Peers(router)) => router,
            None => &self.http,
        };
        router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}
