//! What a hosted log is opened with, and what it needs from outside.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use ledger_format::{NoteSigner, Policy, record::SigningKey};
use ledger_store::EngineKind;
use tokio::sync::mpsc;

/// One node of the cluster, as the Raft membership stores it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Never reused, not even for a node that lost its disk (rule L3).
    pub id: u64,
    /// `host:port` of the node-to-node listener.
    pub peer: String,
    /// URL of the client listener.
    pub api: String,
}

/// Everything that distinguishes one hosted log from another.
pub struct LogOptions {
    /// Short name, used in paths and metrics.
    pub name: String,
    /// First line of every checkpoint.
    pub origin: String,
    /// Of a sandbox log: its generation, from 1. `None` for a production log, which is never reset.
    pub generation: Option<u32>,
    /// This node's id in the cluster.
    pub node_id: u64,
    /// Directory of this log on this node. Created when missing.
    pub dir: PathBuf,
    /// Which storage engine holds state and indexes.
    pub engine: EngineKind,
    /// Memory for the engine's cache.
    pub engine_cache_bytes: usize,
    /// The log key. The same on every voter.
    pub signer: NoteSigner,
    /// Further log keys, while one takes over from another (rule R5). Each signs while the log has it in force.
    pub additional_signers: Vec<NoteSigner>,
    /// The operator key: signs the genesis record. The same on every voter.
    pub operator: SigningKey,
    /// Keep a timeline of each tenant's records, which the MAIP API lists from.
    pub timeline: bool,
    /// Which witnesses, and how many of them, make a checkpoint witnessed.
    pub policy: Policy,
    /// The policy as text, as it is logged in `log.genesis` and served.
    pub policy_text: String,
    /// For a new log that follows one which lost entries: the last good checkpoint of that one, a signed note (rule R4).
    pub predecessor: Option<String>,
    /// Publish although the witness policy is not satisfied. Such a checkpoint shows it: it lacks the cosignatures.
    pub fail_open: bool,
    /// When to publish.
    pub publish: PublishOptions,
    /// When to seal statuses.
    pub seal: SealOptions,
    /// Members of a new cluster; `None` for a node that is added to a living one. Harmless after the first start.
    pub bootstrap: Option<Vec<Member>>,
    /// Queues and batches.
    pub limits: LogLimits,
    /// Raft's timing.
    pub raft: RaftOptions,
}

impl LogOptions {
    /// Every log key that this node holds, the first one first.
    pub(crate) fn signers(&self) -> impl Iterator<Item = &NoteSigner> {
        std::iter::once(&self.signer).chain(&self.additional_signers)
    }
}

/// When checkpoints are published (rule G7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishOptions {
    /// The tick: a grown log is published at least this often.
    pub interval_ms: u64,
    /// Least time between two checkpoints while somebody waits for one.
    pub min_interval_ms: u64,
    /// An unchanged log is published again after this long, so that its age stays bounded.
    pub republish_s: u64,
    /// How long one witness may take.
    pub witness_timeout_ms: u64,
    /// Requests a day that each witness has agreed to.
    pub witness_requests_per_day: u64,
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self {
            interval_ms: 1_000,
            min_interval_ms: 10,
            republish_s: 600,
            witness_timeout_ms: 1_000,
            witness_requests_per_day: 86_400_000,
        }
    }
}

/// When the leader seals statuses that have changed into the status map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealOptions {
    /// Statuses that have changed wait at most this long; 0: nothing is ever sealed. A revocation or kill is sealed at once.
    pub interval_ms: u64,
    /// Pause between two steps while more statuses wait than one step takes. Each step holds up records for as long as it takes,
    /// a few milliseconds.
    pub pause_ms: u64,
}

impl Default for SealOptions {
    fn default() -> Self {
        Self { interval_ms: 1_000, pause_ms: 10 }
    }
}

/// Bounds of one hosted log. Nothing waits without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Records that may wait to be proposed; above it callers hear `BUSY`.
    pub queue_records: usize,
    /// Bytes that may wait to be proposed.
    pub queue_bytes: usize,
    /// Records in one raft_entry.
    pub batch_records: usize,
    /// Bytes in one raft_entry.
    pub batch_bytes: usize,
    /// Raft entries or forwarded batches under way from this node.
    pub batches_in_flight: usize,
    /// Below this much free disk space writes are refused (rule R6).
    pub reserve_bytes: u64,
    /// The Raft log may take this much before a snapshot is taken for its sake.
    pub raft_log_bytes: u64,
    /// Pause between two files that the background scrub reads, and two pieces of an engine's file; 0 switches it off.
    pub scrub_pause_ms: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            queue_records: 16_384,
            queue_bytes: 32 << 20,
            batch_records: 512,
            batch_bytes: 1 << 20,
            batches_in_flight: 1,
            reserve_bytes: 64 << 20,
            raft_log_bytes: 256 << 20,
            scrub_pause_ms: 20,
        }
    }
}

/// Raft's timing and housekeeping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftOptions {
    /// Time between two heartbeats.
    pub heartbeat_ms: u64,
    /// Least time without a leader before an election.
    pub election_min_ms: u64,
    /// Most time without a leader before an election; also the leader's lease.
    pub election_max_ms: u64,
    /// Raft entries between two Raft snapshots.
    pub snapshot_after: u64,
    /// Raft entries kept behind a snapshot, so that a follower that was away shortly needs no snapshot.
    pub keep_entries: u64,
}

impl Default for RaftOptions {
    fn default() -> Self {
        Self {
            heartbeat_ms: 100,
            election_min_ms: 400,
            election_max_ms: 700,
            snapshot_after: 20_000,
            keep_entries: 5_000,
        }
    }
}

/// The only source of time. A program hands in the system's, a simulation its own.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01 UTC.
    fn now_ms(&self) -> u64;
}

/// Why a peer did not answer. Worth a retry, unless `Refused`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// No connection, or it broke.
    #[error("peer unreachable: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("peer did not answer in time")]
    Timeout,
    /// It answered that it will not: another version, an unknown log, a request it cannot read.
    #[error("peer refused: {0}")]
    Refused(String),
}

/// A pipelined stream of append requests to one peer; answers come in order.
pub struct PeerStream {
    /// Requests.
    pub tx: mpsc::Sender<Bytes>,
    /// Answers. Closed when the stream broke.
    pub rx: mpsc::Receiver<Result<Bytes, PeerError>>,
}

/// How nodes reach one another. gRPC over mutual TLS in the product, framed TCP in the simulation.
pub trait PeerTransport: Send + Sync + 'static {
    /// One request, one answer, within `timeout`.
    fn call(
        &self,
        to: &Member,
        log: &str,
        kind: u32,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, PeerError>>;
    /// Opens a stream of append requests.
    fn append_stream(&self, to: &Member, log: &str) -> BoxFuture<'static, Result<PeerStream, PeerError>>;
}

/// An HTTP answer of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// The `Content-Type` header, empty when absent.
    pub content_type: String,
    /// The body, bounded by the transport.
    pub body: Vec<u8>,
}

/// How witnesses are reached (C2SP tlog-witness over HTTP).
pub trait WitnessTransport: Send + Sync + 'static {
    /// `POST <url>/add-checkpoint`.
    fn add_checkpoint(
        &self,
        url: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<HttpAnswer, String>>;
    /// `GET <url>`.
    fn get(&self, url: &str, timeout: Duration) -> BoxFuture<'static, Result<HttpAnswer, String>>;
}

/// The world outside a hosted log.
#[derive(Clone)]
pub struct World {
    /// Other nodes.
    pub peers: Arc<dyn PeerTransport>,
    /// Witnesses.
    pub witnesses: Arc<dyn WitnessTransport>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}
