//! One listening socket: accept, handshake off the loop, serve HTTP/1.1 and HTTP/2, drain.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use ledger_api::ClientUris;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    config::Limits,
    counters::Counters,
    front::Front,
    idle::IdleIo,
    tls::{self, ServerTls},
};

/// Pause after the system refused to accept (no more files): the loop must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections that the system has taken and the loop has not.
const BACKLOG: u32 = 1024;
/// Bytes that a peer may send on one stream, and on one connection, before we have read them.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// A bound socket and what is served on it.
pub struct Listener {
    /// For logs and metrics.
    pub name: &'static str,
    /// `None`: plain HTTP/1.1.
    pub tls: Option<Arc<ServerTls>>,
    /// What is served.
    pub front: Front,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// What happened.
    pub counters: Arc<Counters>,
    /// The socket.
    pub socket: TcpListener,
}

/// Takes an address and does not listen yet: a port in use is an error before anything is opened, and whoever connects meanwhile is refused at
/// once and asks another node, instead of waiting for as long as this one opens its logs.
pub fn bind(name: &'static str, address: SocketAddr) -> io::Result<TcpSocket> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    bound().map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen for {name} on {address}: {error}"))
    })
}

/// Lets connections in.
pub fn listen(name: &'static str, socket: TcpSocket) -> io::Result<TcpListener> {
    let listening = socket.listen(BACKLOG);
    listening.map_err(|error| io::Error::new(error.kind(), format!("cannot listen for {name}: {error}")))
}

impl Listener {
    /// Serves until `stop` turns true, then lets open requests end within `limits.drain_ms`.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(self.limits.connections));
        let mut connections = JoinSet::new();
        let shared = Arc::new(Shared {
            tls: self.tls,
            front: Arc::new(self.front),
            limits: self.limits,
            counters: self.counters,
        });
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                _ = stop.wait_for(|&stop| stop) => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(listener = self.name, %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Closing at once is the cheapest answer to a flood; a handshake would cost more than the attacker pays.
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                shared.counters.connection_refused();
                continue;
            };
            let (shared, stop, name) = (Arc::clone(&shared), stop.clone(), self.name);
            connections.spawn(async move {
                shared.counters.connection_opened();
                if let Err(error) = shared.connection(stream, stop).await {
                    tracing::debug!(listener = name, error = %error, "connection ended");
                }
                shared.counters.connection_closed();
                drop(slot);
            });
        }
        drop(self.socket);
        let drain = Duration::from_millis(shared.limits.drain_ms);
        let drained = timeout(drain, async { while connections.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(
                listener = self.name,
                open = connections.len(),
                "closing connections that did not end in time"
            );
            connections.shutdown().await;
        }
    }
}

/// What every connection of a listener needs.
struct Shared {
    tls: Option<Arc<ServerTls>>,
    front: Arc<Front>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Shared {
    async fn connection(&self, stream: TcpStream, stop: watch::Receiver<bool>) -> Result<(), BoxError> {
        stream.set_nodelay(true)?;
        let stream = IdleIo::new(stream, Duration::from_millis(self.limits.idle_ms));
        let Some(tls) = &self.tls else {
            return self.serve(self.builder().http1_only(), stream, None, stop).await;
        };
        let acceptor = TlsAcceptor::from(tls.current());
        let handshake = timeout(Duration::from_millis(self.limits.handshake_ms), acceptor.accept(stream));
        let stream = match handshake.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                self.counters.handshake_failed();
                return Err(error.into());
            }
            Err(elapsed) => {
                self.counters.handshake_failed();
                return Err(elapsed.into());
            }
        };
        // The protocol was agreed on in the handshake, so nobody can hold a connection by never sending a preface.
        let builder = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.builder().http2_only(),
            _ => self.builder().http1_only(),
        };
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let uris = certificate.map(|certificate| ClientUris(tls::uris(certificate).into()));
        self.serve(builder, stream, uris, stop).await
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let limits = &self.limits;
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(limits.header_read_ms))
            .max_buf_size((limits.header_bytes as usize).max(8 * 1024))
            .keep_alive(true);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_per_connection)
            .max_header_list_size(limits.header_bytes)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .keep_alive_interval(Duration::from_millis(limits.ping_ms))
            .keep_alive_timeout(Duration::from_millis(limits.ping_ms));
        builder
    }

    async fn serve<I>(
        &self,
        builder: Builder<TokioExecutor>,
        io: I,
        uris: Option<ClientUris>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), BoxError>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let front = Arc::clone(&self.front);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let front = Arc::clone(&front);
            if let Some(uris) = &uris {
                request.extensions_mut().insert(uris.clone());
            }
            async move { Ok::<_, Infallible>(front.answer(request.map(Body::new)).await) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
        tokio::select! {
            ended = connection.as_mut() => return ended,
            _ = stop.wait_for(|&stop| stop) => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_let_in_before_the_logs_are_open() {
        let socket = bind("clients", SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = socket.local_addr().unwrap();
        let refused = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let _listener = listen("clients", socket).unwrap();
        std::net::TcpStream::connect(address).unwrap();
        let taken = bind("peers", address).unwrap_err();
        assert!(taken.to_string().starts_with("cannot listen for peers on 127.0.0.1:"), "{taken}");
    }
}
