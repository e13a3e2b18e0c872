//! The gRPC services for clients: `Ledger`, `Payloads`, `Admin`, health and reflection, also as gRPC-web.

mod admin;
mod auth;
mod evaluate;
mod health;
mod history;
mod ledger;
mod payloads;
mod present;
mod read;
pub mod refusal;
mod reset;
mod submit;
mod tail;
mod tokens;

use std::sync::Arc;

use axum::{Router, body::Body, extract::Request, http::Version, response::Response};
use ledger_api::Logs;
use ledger_proto::{
    DESCRIPTORS,
    v1::{
        admin_server::AdminServer,
        ledger_server::{self, LedgerServer},
        payloads_server::PayloadsServer,
    },
};
use tokio::sync::watch;
use tonic::service::Routes;
use tower::{Service as _, ServiceExt as _};

use crate::{config::Limits, guard, keys::AdminKey};

/// Records in one `SubmitBatch`.
pub const BATCH_RECORDS_MAX: usize = 256;
/// Largest gRPC message taken: a full batch of the largest records, with its framing.
pub const MESSAGE_BYTES_MAX: usize = 17 << 20;

/// What the services work on.
pub struct Services {
    /// The hosted logs.
    pub logs: Logs,
    /// Who may administer.
    pub admin_key: std::sync::Arc<AdminKey>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// This node's id.
    pub node_id: u64,
    /// Turns true when the node stops: endless answers end then.
    pub stop: watch::Receiver<bool>,
}

/// All services, ready to answer.
#[derive(Clone)]
pub struct Calls {
    ledger: LedgerServer<ledger::LedgerService>,
    all: Router,
}

impl Calls {
    /// Answers one call.
    pub async fn answer(&self, request: Request) -> Response {
        // Records come this way, so they go past the search for a route and the translation for browsers.
        let web = guard::is_grpc_web(request.headers());
        if request.version() == Version::HTTP_2 && !web && of_ledger(request.uri().path()) {
            let Ok(answer) = self.ledger.clone().call(request).await;
            return answer.map(Body::new);
        }
        self.all.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

fn of_ledger(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|rest| rest.strip_prefix(ledger_server::SERVICE_NAME));
    service.is_some_and(|method| method.starts_with('/'))
}

/// The services. Health follows the logs until the node stops.
///
/// # Errors
/// When the compiled descriptors cannot be read, which only a broken build does.
pub fn calls(services: Services) -> Result<Calls, tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    tokio::spawn(health::follow(reporter, services.logs.clone(), services.stop.clone()));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let services = Arc::new(services);
    let ledger = LedgerServer::new(ledger::LedgerService::new(Arc::clone(&services)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let payloads = PayloadsServer::new(payloads::PayloadService::new(Arc::clone(&services)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let admin = AdminServer::new(admin::AdminService::new(services));
    let routes = Routes::new(ledger.clone())
        .add_service(payloads)
        .add_service(admin)
        .add_service(health)
        .add_service(reflection);
    Ok(Calls { ledger, all: routes.into_axum_router().layer(tonic_web::GrpcWebLayer::new()) })
}
