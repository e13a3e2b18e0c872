//! What happens on the listeners, counted for `/metrics`.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Counters of the node itself; those of a log belong to the log.
#[derive(Debug, Default)]
pub struct Counters {
    opened: AtomicU64,
    closed: AtomicU64,
    refused: AtomicU64,
    handshakes_failed: AtomicU64,
    requests: AtomicU64,
    refused_busy: AtomicU64,
    timed_out: AtomicU64,
    peer_calls_failed: AtomicU64,
}

impl Counters {
    pub(crate) fn connection_opened(&self) {
        self.opened.fetch_add(1, Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.closed.fetch_add(1, Relaxed);
    }

    pub(crate) fn connection_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshakes_failed.fetch_add(1, Relaxed);
    }

    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused_busy(&self) {
        self.refused_busy.fetch_add(1, Relaxed);
    }

    pub(crate) fn timed_out(&self) {
        self.timed_out.fetch_add(1, Relaxed);
    }

    pub(crate) fn peer_call_failed(&self) {
        self.peer_calls_failed.fetch_add(1, Relaxed);
    }

    /// Prometheus text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut counter = |name: &str, help: &str, value: u64| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
        };
        let (opened, closed) = (self.opened.load(Relaxed), self.closed.load(Relaxed));
        counter("maip_node_connections_opened_total", "Connections accepted.", opened);
        counter(
            "maip_node_connections_refused_total",
            "Connections closed because too many were open.",
            self.refused.load(Relaxed),
        );
        counter(
            "maip_node_handshakes_failed_total",
            "TLS handshakes that failed or took too long.",
            self.handshakes_failed.load(Relaxed),
        );
        counter("maip_node_requests_total", "Requests taken on.", self.requests.load(Relaxed));
        counter(
            "maip_node_requests_refused_total",
            "Requests refused because too many were under way.",
            self.refused_busy.load(Relaxed),
        );
        counter(
            "maip_node_requests_timed_out_total",
            "Requests that took longer than limits.request_ms.",
            self.timed_out.load(Relaxed),
        );
        counter(
            "maip_node_peer_calls_failed_total",
            "Calls to other nodes that failed.",
            self.peer_calls_failed.load(Relaxed),
        );
        let open = opened.saturating_sub(closed);
        let _ = writeln!(
            text,
            "# HELP maip_node_connections Connections open now.\n# TYPE maip_node_connections gauge\nmaip_node_connections {open}\n\
             # HELP maip_node_info Version of the program.\n# TYPE maip_node_info gauge\nmaip_node_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION"),
        );
        text
    }
}
