//! How this node reaches the others: one HTTP/2 connection to each for calls and one for appends, kept and re-made.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, future::BoxFuture};
use ledger_api::trace;
use ledger_log::{Member, PeerError, PeerStream, PeerTransport};
use ledger_proto::v1::{PeerFrame, peer_client::PeerClient};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::FRAME_BYTES_MAX;
use crate::{
    config::PeerTlsFiles,
    counters::Counters,
    keys::read_secret,
    tls::{self, TlsError, node_name},
};

/// Time to connect, TLS included.
const CONNECT: Duration = Duration::from_secs(2);
/// Pings find a peer whose machine vanished without a word.
const PING: Duration = Duration::from_secs(2);
/// Frames that may wait in an append stream, in each direction.
const APPENDS_WAITING: usize = 64;
/// Flow-control windows: several frames on their way at once.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// First and longest pause before a peer that could not be reached is tried again.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// Appends never queue behind a snapshot or a forwarded batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lane {
    Calls,
    Appends,
}

type PeerKey = (u64, String, Lane);

/// The transport between nodes.
pub struct GrpcPeers {
    shared: Arc<Shared>,
}

struct Shared {
    files: PeerTlsFiles,
    state: Mutex<State>,
    counters: Arc<Counters>,
}

struct State {
    tls: ClientTlsConfig,
    channels: HashMap<PeerKey, Channel>,
    failures: HashMap<PeerKey, Failure>,
}

/// A peer that could not be reached of late.
struct Failure {
    pause: Duration,
    until: Instant,
}

impl GrpcPeers {
    /// Loads this node's certificate and the cluster's authority.
    pub fn new(files: &PeerTlsFiles, counters: Arc<Counters>) -> Result<Self, TlsError> {
        let state = State { tls: client_tls(files)?, channels: HashMap::new(), failures: HashMap::new() };
        let shared = Shared { files: files.clone(), state: Mutex::new(state), counters };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Reads the certificates again; new connections use them.
    pub fn reload(&self) -> Result<(), TlsError> {
        let tls = client_tls(&self.shared.files)?;
        let mut state = self.shared.lock();
        state.tls = tls;
        state.channels.clear();
        Ok(())
    }
}

impl PeerTransport for GrpcPeers {
    fn call(
        &self,
        to: &Member,
        log: &str,
        kind: u32,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        let (shared, key) = (Arc::clone(&self.shared), key(to, Lane::Calls));
        let trace = trace::current().map(|id| id.to_string()).unwrap_or_default();
        let frame = PeerFrame { log: log.to_owned(), kind, body, trace };
        Box::pin(async move {
            let mut client = client(shared.channel(&key)?);
            let outcome = match tokio::time::timeout(timeout, client.call(frame)).await {
                Ok(Ok(answer)) => Ok(answer.into_inner().body),
                Ok(Err(status)) => Err(error(&status)),
                Err(_) => Err(PeerError::Timeout),
            };
            shared.note(&key, &outcome);
            outcome
        })
    }

    fn append_stream(&self, to: &Member, log: &str) -> BoxFuture<'static, Result<PeerStream, PeerError>> {
        let (shared, key, log) = (Arc::clone(&self.shared), key(to, Lane::Appends), log.to_owned());
        Box::pin(async move {
            let mut client = client(shared.channel(&key)?);
            let (tx, requests) = mpsc::channel::<Bytes>(APPENDS_WAITING);
            let requests = ReceiverStream::new(requests).map(move |body| PeerFrame {
                log: log.clone(),
                kind: 0,
                body,
                trace: String::new(),
            });
            let opened = match tokio::time::timeout(CONNECT, client.append(requests)).await {
                Ok(Ok(answers)) => Ok(answers.into_inner()),
                Ok(Err(status)) => Err(error(&status)),
                Err(_) => Err(PeerError::Timeout),
            };
            shared.note(&key, &opened);
            let mut answers = opened?;
            let (answered, rx) = mpsc::channel(APPENDS_WAITING);
            tokio::spawn(async move {
                while let Some(answer) = answers.next().await {
                    let answer = answer.map(|frame| frame.body).map_err(|status| error(&status));
                    let broken = answer.is_err();
                    if answered.send(answer).await.is_err() || broken {
                        break;
                    }
                }
            });
            Ok(PeerStream { tx, rx })
        })
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to a peer; it is made when first used. Refused while the peer's pause lasts.
    fn channel(&self, key: &PeerKey) -> Result<Channel, PeerError> {
        let mut state = self.lock();
        if let Some(failure) = state.failures.get(key)
            && Instant::now() < failure.until
        {
            return Err(PeerError::Unreachable(format!("{} could not be reached a moment ago", key.1)));
        }
        if let Some(channel) = state.channels.get(key) {
            return Ok(channel.clone());
        }
        // A node that moved has another address: drop what leads to the old one.
        state.channels.retain(|(id, _, lane), _| (*id, *lane) != (key.0, key.2));
        let channel = connect_later(key, &state.tls)?;
        state.channels.insert(key.clone(), channel.clone());
        Ok(channel)
    }

    /// Remembers whether the peer could be reached.
    fn note<T>(&self, key: &PeerKey, outcome: &Result<T, PeerError>) {
        if outcome.is_err() {
            self.counters.peer_call_failed();
        }
        let mut state = self.lock();
        let Err(PeerError::Unreachable(why)) = outcome else {
            if state.failures.remove(key).is_some() {
                tracing::info!(peer = key.0, address = key.1, lane = ?key.2, "the peer is reached again");
            }
            return;
        };
        // Said once, not with every heartbeat.
        if !state.failures.contains_key(key) {
            tracing::warn!(peer = key.0, address = key.1, lane = ?key.2, %why, "the peer cannot be reached");
        }
        let pause =
            state.failures.get(key).map_or(BACKOFF_MIN, |failure| (failure.pause * 2).min(BACKOFF_MAX));
        state.failures.insert(key.clone(), Failure { pause, until: Instant::now() + pause });
    }
}

fn key(to: &Member, lane: Lane) -> PeerKey {
    (to.id, to.peer.clone(), lane)
}

fn client(channel: Channel) -> PeerClient<Channel> {
    PeerClient::new(channel)
        .max_decoding_message_size(FRAME_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX)
}

fn connect_later((id, address, _): &PeerKey, tls: &ClientTlsConfig) -> Result<Channel, PeerError> {
    let unusable = |error: tonic::transport::Error| PeerError::Unreachable(format!("{address}: {error}"));
    let endpoint = Endpoint::from_shared(format!("https://{address}"))
        .map_err(unusable)?
        // Not the address but the node is named: a certificate of another node does not do.
        .tls_config(tls.clone().domain_name(node_name(*id)))
        .map_err(unusable)?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    Ok(endpoint.connect_lazy())
}

fn client_tls(files: &PeerTlsFiles) -> Result<ClientTlsConfig, TlsError> {
    // Parsed here only to find mistakes early: tonic takes PEM and complains late.
    tls::read_roots(&files.ca)?;
    tls::read_certificates(&files.cert)?;
    let key = read_secret(&files.key)?;
    Ok(ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(tls::read(&files.ca)?))
        .identity(Identity::from_pem(tls::read(&files.cert)?, key)))
}

fn error(status: &Status) -> PeerError {
    match status.code() {
        Code::DeadlineExceeded => PeerError::Timeout,
        Code::Unavailable | Code::Unknown | Code::Cancelled => PeerError::Unreachable(describe(status)),
        _ => PeerError::Refused(describe(status)),
    }
}

/// The message and its causes: "tcp connect error" alone helps nobody.
fn describe(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
