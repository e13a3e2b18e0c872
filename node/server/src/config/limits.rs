//! Every bound of a node, each with its reason.

use ledger_log::LogLimits;
use serde::Deserialize;

/// What clients and strangers may cost. Above a bound the answer is an error that says so, never a longer queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections open at once on each listener. Further ones are closed at once.
    pub connections: usize,
    /// HTTP/2 streams at once on one connection.
    pub streams_per_connection: u32,
    /// Requests under way at once on each listener; above it 429 or RESOURCE_EXHAUSTED.
    pub requests: usize,
    /// `Tail` and `SubmitStream` calls open at once.
    pub long_streams: usize,
    /// Bytes of request bodies held at once. A batch is at most 17 MiB, so this bounds the memory of a flood.
    pub body_bytes_in_flight: usize,
    /// Time for a TLS handshake.
    pub handshake_ms: u64,
    /// Time from the first byte of a request to the end of its header (HTTP/1).
    pub header_read_ms: u64,
    /// Largest header of a request.
    pub header_bytes: u32,
    /// A connection on which nothing moves for this long is closed. Pings keep an honest HTTP/2 client alive.
    pub idle_ms: u64,
    /// Pause between HTTP/2 pings, and how long an answer may take.
    pub ping_ms: u64,
    /// Time for a whole request that is not a long stream.
    pub request_ms: u64,
    /// How long a `Submit` waits when the caller names no time.
    pub submit_ms: u64,
    /// The longest time that a caller may name.
    pub submit_ms_max: u64,
    /// Records of one `SubmitStream` under way at once.
    pub stream_window: usize,
    /// Graceful shutdown: time for open requests to end.
    pub drain_ms: u64,
    /// Records that may wait to be proposed in one log; above it callers hear BUSY.
    pub queue_records: usize,
    /// Bytes that may wait to be proposed in one log.
    pub queue_bytes: usize,
    /// Records in one raft_entry.
    pub batch_records: usize,
    /// Bytes in one raft_entry.
    pub batch_bytes: usize,
    /// Raft entries or forwarded batches of one log under way from this node.
    pub batches_in_flight: usize,
    /// Below this much free disk space writes are refused (rule R6).
    pub reserve_bytes: u64,
    /// The Raft log of one log may take this much before a snapshot is taken for its sake.
    pub raft_log_bytes: u64,
    /// Pause between two files that the background scrub reads, and two pieces of an engine's file; 0 switches it off.
    pub scrub_pause_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let log = LogLimits::default();
        Self {
            connections: 4_096,
            streams_per_connection: 1_024,
            requests: 8_192,
            long_streams: 256,
            body_bytes_in_flight: 256 << 20,
            handshake_ms: 5_000,
            header_read_ms: 5_000,
            header_bytes: 16 << 10,
            idle_ms: 90_000,
            ping_ms: 20_000,
            request_ms: 75_000,
            submit_ms: 10_000,
            submit_ms_max: 60_000,
            stream_window: 256,
            drain_ms: 10_000,
            queue_records: log.queue_records,
            queue_bytes: log.queue_bytes,
            batch_records: log.batch_records,
            batch_bytes: log.batch_bytes,
            batches_in_flight: log.batches_in_flight,
            reserve_bytes: log.reserve_bytes,
            raft_log_bytes: log.raft_log_bytes,
            scrub_pause_ms: log.scrub_pause_ms,
        }
    }
}

impl From<&Limits> for LogLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            queue_records: limits.queue_records,
            queue_bytes: limits.queue_bytes,
            batch_records: limits.batch_records,
            batch_bytes: limits.batch_bytes,
            batches_in_flight: limits.batches_in_flight,
            reserve_bytes: limits.reserve_bytes,
            raft_log_bytes: limits.raft_log_bytes,
            scrub_pause_ms: limits.scrub_pause_ms,
        }
    }
}

/// Most that a bound on a number or on bytes may say: far more than a node can serve, and far less than what its counters cannot hold.
pub(super) const BOUND_MAX: usize = 1 << 40;

impl Limits {
    /// The first bound that bounds nothing, by name.
    pub(super) fn too_large(&self) -> Option<&'static str> {
        let bounds = [
            ("connections", self.connections),
            ("requests", self.requests),
            ("long_streams", self.long_streams),
            ("body_bytes_in_flight", self.body_bytes_in_flight),
            ("stream_window", self.stream_window),
            ("queue_records", self.queue_records),
            ("queue_bytes", self.queue_bytes),
            ("batch_records", self.batch_records),
            ("batch_bytes", self.batch_bytes),
            ("batches_in_flight", self.batches_in_flight),
        ];
        bounds.into_iter().find_map(|(name, bound)| (bound > BOUND_MAX).then_some(name))
    }

    /// The first bound that would stop the node from working, by name.
    pub(super) fn zero(&self) -> Option<&'static str> {
        let bounds = [
            ("connections", self.connections == 0),
            ("streams_per_connection", self.streams_per_connection == 0),
            ("requests", self.requests == 0),
            ("long_streams", self.long_streams == 0),
            ("handshake_ms", self.handshake_ms == 0),
            ("header_read_ms", self.header_read_ms == 0),
            ("idle_ms", self.idle_ms == 0),
            ("ping_ms", self.ping_ms == 0),
            ("request_ms", self.request_ms == 0),
            ("submit_ms", self.submit_ms == 0),
            ("submit_ms_max", self.submit_ms_max == 0),
            ("stream_window", self.stream_window == 0),
            ("queue_records", self.queue_records == 0),
            ("batch_records", self.batch_records == 0),
            ("batches_in_flight", self.batches_in_flight == 0),
            ("raft_log_bytes", self.raft_log_bytes == 0),
        ];
        bounds.into_iter().find_map(|(name, zero)| zero.then_some(name))
    }
}
