//! Connections to the nodes of one cluster, and the rule for trying the next one.
//!
//! Any node takes any call: writes are forwarded to the leader. So when a node is gone, has no leader or is
//! overloaded, the same call goes to the next URL, up to [`ATTEMPTS_MAX`] times with growing pauses. That is safe for
//! writes too: the same record gets the same index, however often it is sent.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use ledger_proto::v1::ledger_client::LedgerClient;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use crate::error::{ClientError, Refused, explain};

/// How often one call is tried in all. With the pauses below this outlasts the election of a new leader.
pub const ATTEMPTS_MAX: usize = 10;
/// The first pause between attempts; doubles up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(50);
pub(super) const PAUSE_MAX: Duration = Duration::from_millis(1_000);
/// How long a TCP and TLS handshake may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// An idle or silent connection is checked this often, so that a dead machine is noticed during a long wait.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Largest answer accepted: a batch of proofs fits many times over.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Where the nodes are and how to trust them.
#[derive(Clone, Debug, Default)]
pub struct NodesConfig {
    /// `https://host:port` of each node, tried in this order.
    pub urls: Vec<String>,
    /// PEM of the certificate authority of the nodes; `None`: the public ones.
    pub ca_pem: Option<Vec<u8>>,
    /// The operator's key, sent with calls of the `Admin` service and with records: only an operator lets tenants in.
    pub admin_key: Option<String>,
}

/// The nodes of one cluster.
#[derive(Debug)]
pub struct Nodes {
    nodes: Vec<(String, Channel)>,
    /// The node that answered last; the next call starts there.
    preferred: AtomicUsize,
    admin_key: Option<MetadataValue<Ascii>>,
    ca_pem: Option<Vec<u8>>,
}

impl Nodes {
    /// Prepares connections; none is opened before the first call. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`] when there is no URL or one of them cannot be used.
    pub fn new(config: &NodesConfig) -> Result<Self, ClientError> {
        let nodes = config
            .urls
            .iter()
            .map(|url| Ok((url.clone(), channel(url, config.ca_pem.as_deref())?)))
            .collect::<Result<Vec<_>, ClientError>>()?;
        if nodes.is_empty() {
            return Err(ClientError::BadUrl { url: String::new(), reason: "no URL was given".into() });
        }
        let admin_key = match &config.admin_key {
            None => None,
            Some(key) => Some(format!("ApiKey {}", key.trim()).parse().map_err(|_| ClientError::BadUrl {
                url: config.urls[0].clone(),
                reason: "the admin key holds characters that no key has".into(),
            })?),
        };
        Ok(Self { nodes, preferred: AtomicUsize::new(0), admin_key, ca_pem: config.ca_pem.clone() })
    }

    /// The URL the next call goes to first.
    pub fn preferred_url(&self) -> &str {
        &self.nodes[self.preferred.load(Ordering::Relaxed) % self.nodes.len()].0
    }

    /// All URLs, in the order given.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|(url, _)| url.as_str())
    }

    /// Makes one call, on another node after each failure that another node might not have.
    pub(crate) async fn call<T>(
        &self,
        call: impl AsyncFn(Channel) -> Result<T, Status>,
    ) -> Result<T, ClientError> {
        let mut pause = PAUSE_FIRST;
        let mut failures = Failures::default();
        let first = self.preferred.load(Ordering::Relaxed);
        // A URL that nobody serves is not worth ten attempts when it is the only one and was never up.
        for attempt in 0..ATTEMPTS_MAX {
            let at = (first + attempt) % self.nodes.len();
            let (url, channel) = &self.nodes[at];
            match call(channel.clone()).await {
                Ok(answer) => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(status) => failures.note(url, &status)?,
            }
            // All nodes in turn at once, then a pause before the next round.
            let round_ends = (attempt + 1) % self.nodes.len() == 0;
            if round_ends && attempt + 1 < ATTEMPTS_MAX {
                if failures.hopeless(self.nodes.len()) {
                    break;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        Err(failures.into_error())
    }

    /// As [`Self::call`], for the `Ledger` service.
    pub(crate) async fn ledger<T>(
        &self,
        call: impl AsyncFn(LedgerClient<Channel>) -> Result<tonic::Response<T>, Status>,
    ) -> Result<T, ClientError> {
        self.call(async |channel| {
            let client = LedgerClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
            call(client).await.map(tonic::Response::into_inner)
        })
        .await
    }

    /// The request with the operator's key, if there is one.
    pub(crate) fn with_key<M>(&self, mut request: Request<M>) -> Request<M> {
        if let Some(key) = &self.admin_key {
            request.metadata_mut().insert("authorization", key.clone());
        }
        request
    }

    /// A connection to a node that may not be among the URLs given: a refusal named it.
    pub(crate) fn channel_to(&self, url: &str) -> Result<Channel, ClientError> {
        match self.nodes.iter().find(|(known, _)| known.trim_end_matches('/') == url.trim_end_matches('/')) {
            Some((_, channel)) => Ok(channel.clone()),
            None => channel(url, self.ca_pem.as_deref()),
        }
    }
}

/// What the attempts of one call ended with.
#[derive(Default)]
pub(super) struct Failures {
    /// One sentence a node; the last attempt's counts.
    reasons: Vec<(String, String)>,
    next: String,
    refused: Option<Refused>,
    /// Attempts that failed before a connection stood.
    no_connection: usize,
    attempts: usize,
}

impl Failures {
    /// Takes note of a failure, or gives it back when no other node would do better.
    pub(super) fn note(&mut self, url: &str, status: &Status) -> Result<(), ClientError> {
        self.attempts += 1;
        let transport = std::error::Error::source(status);
        let reason = match transport {
            Some(cause) => {
                let plain = explain(url, cause);
                self.next = plain.next;
                self.no_connection += 1;
                plain.why
            }
            None => {
                let refused = Refused::from_status(status);
                if !refused.is_transient() {
                    return Err(ClientError::Refused(refused));
                }
                let reason = format!("{url}: {refused}");
                self.refused = Some(refused);
                reason
            }
        };
        self.reasons.retain(|(u, _)| u != url);
        self.reasons.push((url.to_owned(), reason));
        Ok(())
    }

    /// No attempt got as far as a connection, for two rounds: the cluster is not electing, it is not there.
    fn hopeless(&self, nodes: usize) -> bool {
        self.no_connection == self.attempts && self.attempts >= 2 * nodes
    }

    pub(super) fn into_error(self) -> ClientError {
        if self.no_connection == 0
            && let Some(refused) = self.refused
        {
            return ClientError::Refused(refused);
        }
        ClientError::Unreachable {
            reasons: self.reasons.into_iter().map(|(_, r)| r).collect(),
            next: self.next,
        }
    }
}

fn channel(url: &str, ca_pem: Option<&[u8]>) -> Result<Channel, ClientError> {
    let bad = |reason: &str| ClientError::BadUrl { url: url.into(), reason: reason.into() };
    let secure = match url.split_once("://") {
        Some(("https", _)) => true,
        Some(("http", _)) => false,
        _ => return Err(bad("it must begin with https:// (or http:// for a node without TLS)")),
    };
    let mut endpoint = Endpoint::from_shared(url.trim_end_matches('/').to_owned())
        .map_err(|e| bad(&e.to_string()))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .tcp_nodelay(true);
    if secure {
        let tls = match ca_pem {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_webpki_roots(),
        };
        endpoint = endpoint.tls_config(tls).map_err(|e| bad(&format!("the CA file cannot be used: {e}")))?;
    }
    Ok(endpoint.connect_lazy())
}
