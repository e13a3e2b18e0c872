//! gRPC to the nodes of a devnet.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use ledger_proto::v1::{LogStatus, StatusRequest, StatusResponse, admin_client::AdminClient};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use crate::manifest::{Manifest, NodeInfo};

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// How long a status question may take.
const STATUS_LIMIT: Duration = Duration::from_secs(3);

/// The admin service with its key.
pub type Admin = AdminClient<InterceptedService<Channel, ApiKey>>;

/// Adds `authorization: ApiKey …` to every call.
#[derive(Clone, Debug)]
pub struct ApiKey(MetadataValue<Ascii>);

impl ApiKey {
    /// The header for this admin key.
    pub fn new(admin_key: &str) -> Result<ApiKey> {
        Ok(ApiKey(format!("ApiKey {admin_key}").parse().context("the admin key is not printable ASCII")?))
    }

    /// Lets a single request speak for the operator.
    pub fn authorize<T>(&self, request: &mut Request<T>) {
        request.metadata_mut().insert("authorization", self.0.clone());
    }
}

impl Interceptor for ApiKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        self.authorize(&mut request);
        Ok(request)
    }
}

/// What is needed to connect to a node; connects on first use.
pub fn endpoint(node: &NodeInfo, ca: &Path) -> Result<Endpoint> {
    let ca = fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?;
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    Ok(Endpoint::from_shared(node.grpc_url.clone())?
        .connect_timeout(CONNECT_LIMIT)
        .tcp_nodelay(true)
        .tls_config(tls)?)
}

/// Connects to a node.
pub async fn connect(node: &NodeInfo, ca: &Path) -> Result<Channel> {
    endpoint(node, ca)?.connect().await.with_context(|| format!("no connection to node {}", node.id))
}

/// The admin service on a channel.
pub fn admin(channel: Channel, admin_key: &str) -> Result<Admin> {
    Ok(AdminClient::with_interceptor(channel, ApiKey::new(admin_key)?))
}

/// What a node says of itself.
pub async fn status(manifest: &Manifest, node: &NodeInfo) -> Result<StatusResponse> {
    let mut admin = admin(connect(node, &manifest.ca).await?, &manifest.admin_key)?;
    let mut request = Request::new(StatusRequest {});
    request.set_timeout(STATUS_LIMIT);
    Ok(admin.status(request).await.with_context(|| format!("node {} gave no status", node.id))?.into_inner())
}

/// What a node says of one of its logs.
pub async fn log_status(manifest: &Manifest, node: &NodeInfo, log: &str) -> Result<LogStatus> {
    let status = status(manifest, node).await?;
    status
        .logs
        .into_iter()
        .find(|l| l.name == log)
        .with_context(|| format!("node {} has no log {log}", node.id))
}

/// The node that says it leads the named log in the highest term.
pub async fn leader(manifest: &Manifest, log: &str) -> Result<u64> {
    let mut best: Option<(u64, u64)> = None;
    let mut seen = Vec::new();
    for node in &manifest.nodes {
        match log_status(manifest, node, log).await {
            Ok(status) => {
                seen.push(format!("node {}: {} in term {}", node.id, status.raft_state, status.term));
                if status.raft_state == "leader" {
                    best = best.max(Some((status.term, node.id)));
                }
            }
            Err(error) => seen.push(format!("node {}: {error:#}", node.id)),
        }
    }
    match best {
        Some((_, id)) => Ok(id),
        None => bail!("nobody leads {log}: {}", seen.join("; ")),
    }
}
