//! One hosted log: the parts above, wired together.

mod core;
mod submit;

use std::{
    sync::{Arc, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::stream::BoxStream;
use ledger_format::{NoteSigner, Vkey, record::SigningKey, token};
use ledger_store::{
    Engine, EngineOptions, RaftLog, RaftLogOptions, StoreError,
    disk::{Disk, RealDisk},
};
use openraft::SnapshotPolicy;
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
};

use crate::{
    ablation::{self, Rule},
    alarm::Alarms,
    generations, genesis, housekeeping,
    incoming::Incoming,
    ingest::{self, Ack, Credential, Noted, OwnRecord, Queue, Refused, Source, Submitted, TIMEOUT_MAX},
    ledger::{Ledger, LedgerError},
    metrics::Metrics,
    options::{LogOptions, PeerError, World},
    payloads::{self, PayloadStore},
    private,
    publish::{
        self,
        demand::Demand,
        guard::{GuardError, SignGuard},
    },
    purge,
    raft::{log_store::LogStore, machine::Machine, network::Network, types::Raft},
    reader::Reader,
    seal,
    timeline::{self, Timeline},
};

pub(crate) use self::core::{Core, ProposeError};

/// Space that the Raft log sets aside in a file, so that what was taken can still be finished on a full disk.
const RESERVE_FILE_BYTES_MAX: u64 = 16 << 20;

/// Why a log could not be opened. An operator must act; nothing has been changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The disk, or what is on it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The sign guard.
    #[error("{0}")]
    Guard(String),
    /// Raft would not start.
    #[error("consensus cannot start: {0}")]
    Raft(String),
    /// The options contradict each other.
    #[error("{field}: {reason}")]
    Options {
        /// The field at fault.
        field: &'static str,
        /// What is wrong and what to write instead.
        reason: String,
    },
}

impl From<ledger_store::StoreError> for OpenError {
    fn from(error: ledger_store::StoreError) -> Self {
        Self::Ledger(error.into())
    }
}

impl From<GuardError> for OpenError {
    fn from(error: GuardError) -> Self {
        Self::Guard(error.to_string())
    }
}

/// What a log keeps its state and its Raft log on. Files (tiles, snapshots, the sign guard) are in its directory.
pub struct Storage {
    /// State and indexes.
    pub engine: Arc<dyn Engine>,
    /// The disk under the Raft log.
    pub raft_disk: Arc<dyn Disk>,
    /// How long a sync of that disk takes, simulated milliseconds.
    #[cfg(simulation)]
    pub sync_ms: Arc<std::sync::atomic::AtomicU64>,
}

impl Storage {
    /// The engine that the options name, in the log's directory, and the machine's disk.
    fn of(options: &LogOptions) -> Result<Self, StoreError> {
        let engine_options = EngineOptions { cache_bytes: options.engine_cache_bytes as u64 };
        let engine = ledger_store::open(options.engine, &options.dir.join("engine"), &engine_options)?;
        Ok(Self {
            engine,
            raft_disk: Arc::new(RealDisk),
            #[cfg(simulation)]
            sync_ms: Arc::default(),
        })
    }
}

/// A log that this node hosts. Cheap to clone.
#[derive(Clone)]
pub struct HostedLog {
    pub(crate) core: Arc<Core>,
}

impl HostedLog {
    /// Opens a log and starts its tasks on the current tokio runtime.
    ///
    /// # Errors
    /// See [`OpenError`]; most need a person.
    pub async fn open(options: LogOptions, world: World) -> Result<Self, OpenError> {
        check_options(&options)?;
        let storage = Storage::of(&options)?;
        Self::open_on(options, world, storage).await
    }

    /// The same, on any storage. `options.engine` says nothing then.
    ///
    /// # Errors
    /// As [`HostedLog::open`].
    pub async fn open_on(options: LogOptions, world: World, storage: Storage) -> Result<Self, OpenError> {
        check_options(&options)?;
        let alarms = Arc::new(Alarms::default());
        let ledger = Ledger::open(&options.dir, storage.engine, alarms.clone())?;
        check_operator(&ledger, &options)?;
        let raft_options = RaftLogOptions {
            reserve_bytes: options.limits.reserve_bytes.min(RESERVE_FILE_BYTES_MAX),
            ..RaftLogOptions::default()
        };
        let (raft_log, _) = RaftLog::open_on(&options.dir.join("raft"), &raft_options, storage.raft_disk)?;
        let log_store = LogStore::open(raft_log, ledger.raft_mark().applied)
            .map_err(|e| OpenError::Raft(e.to_string()))?;
        #[cfg(simulation)]
        let log_store = log_store.slow(storage.sync_ms);
        let guard = SignGuard::open(&options.dir, &options.origin)?;

        let name: Arc<str> = options.name.as_str().into();
        let group: Arc<str> = generations::group_name(&name, options.generation).into();
        let network = Network { log: group.clone(), peers: world.peers.clone(), alarms: alarms.clone() };
        let config = raft_config(&options).map_err(OpenError::Raft)?;
        let machine = Machine::new(ledger.clone());
        let raft = Raft::new(options.node_id, Arc::new(config), network, log_store.clone(), machine).await;
        let raft = raft.map_err(|e| OpenError::Raft(e.to_string()))?;

        let witness_states = options.policy.witnesses().iter().map(|_| watch::Sender::default()).collect();
        let core = Arc::new(Core {
            name,
            group,
            peers: world.peers.clone(),
            queue: Queue::new(&options.limits),
            private_room: private::room(),
            payloads: PayloadStore::open(&options.dir)?,
            payload_room: payloads::room(),
            demand: Demand::default(),
            guard: Mutex::new(guard),
            fence: watch::Sender::new(false),
            low_space: watch::Sender::new(false),
            witness_states,
            incoming: Incoming::default(),
            metrics: Metrics::default(),
            timeline: Timeline::default(),
            stopped: OnceLock::new(),
            closed: watch::Sender::new(false),
            token_key: token::signing_key(&options.operator),
            tasks: std::sync::Mutex::new(JoinSet::new()),
            options,
            world,
            ledger,
            alarms,
            raft,
            log_store,
        });
        core.bootstrap().await?;
        core.spawn(ingest::run(core.clone()));
        core.spawn(publish::run(core.clone()));
        core.spawn(genesis::run(core.clone()));
        core.spawn(housekeeping::run(core.clone()));
        core.spawn(purge::run(core.clone()));
        core.spawn(seal::run(core.clone()));
        if core.options.timeline {
            core.spawn(timeline::run(core.clone()));
        }
        core.spawn(private::run(core.clone()));
        // They work on threads of their own, for which a simulation's clock does not wait.
        if !cfg!(simulation) {
            core.spawn(payloads::erase(core.clone()));
            core.spawn(payloads::catch_up(core.clone()));
        }
        if core.ledger.size() > 0 && crate::snapshot::newest(core.ledger.dir())?.is_none() {
            // A restored log begins behind its Raft log: without a snapshot no new node could join it.
            core.raft.trigger().snapshot().await.map_err(|e| OpenError::Raft(e.to_string()))?;
        }
        let fence = core.clone();
        core.spawn(async move { publish::fence::pass(&fence).await });
        Ok(Self { core })
    }

    /// Submits records of one caller, answered in order. One record's refusal does not stop the rest.
    pub async fn submit(
        &self,
        records: Vec<Bytes>,
        ack: Ack,
        timeout: Duration,
        credential: Credential,
    ) -> Vec<Result<Submitted, Refused>> {
        let records = records.into_iter().map(Noted::plain).collect();
        self.submit_noted(records, ack, timeout, credential).await
    }

    /// As [`HostedLog::submit`], of records with what nodes keep of them apart from the log.
    pub async fn submit_noted(
        &self,
        records: Vec<Noted>,
        ack: Ack,
        timeout: Duration,
        credential: Credential,
    ) -> Vec<Result<Submitted, Refused>> {
        self.core.submit(records, ack, timeout.min(TIMEOUT_MAX), Source::Caller(credential)).await
    }

    /// As [`HostedLog::submit_noted`], of records that this node has signed.
    pub async fn submit_own(
        &self,
        records: Vec<OwnRecord>,
        ack: Ack,
        timeout: Duration,
    ) -> Vec<Result<Submitted, Refused>> {
        let records = records.into_iter().map(OwnRecord::into_noted).collect();
        self.core.submit(records, ack, timeout.min(TIMEOUT_MAX), Source::Own).await
    }

    /// Reads, of what is published and (for peers and witnesses) of what is applied.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.core.clone())
    }

    /// Answers a call of another node.
    ///
    /// # Errors
    /// The caller is told what it should do: try again, or that it will never work.
    pub async fn peer_call(&self, kind: u32, body: Bytes) -> Result<Bytes, PeerError> {
        self.core.answer(kind, body).await
    }

    /// Answers a pipelined stream of append requests, in order.
    #[must_use]
    pub fn peer_append(
        &self,
        input: BoxStream<'static, Bytes>,
    ) -> BoxStream<'static, Result<Bytes, PeerError>> {
        self.core.answer_appends(input)
    }

    /// Short name of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// First line of its checkpoints.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.core.options.origin
    }

    /// The log's key: the first of this node's that is in force, or, before the log has begun, the first.
    #[must_use]
    pub fn vkey(&self) -> Vkey {
        let options = &self.core.options;
        let in_force = self.core.ledger.with_view(|view| ledger_state::log_keys(view)).unwrap_or_default();
        let mut signers = options.signers().map(NoteSigner::vkey);
        let vkey = signers.find(|vkey| in_force.is_in_force(&vkey.to_string()));
        vkey.unwrap_or_else(|| options.signer.vkey()).clone()
    }

    /// The operator key: signs for callers that cannot.
    #[must_use]
    pub fn operator(&self) -> &SigningKey {
        &self.core.options.operator
    }

    /// The witness policy, as text.
    #[must_use]
    pub fn policy_text(&self) -> &str {
        &self.core.options.policy_text
    }

    /// Flips a bit of the tree in this node's memory, such that the root that it computes is wrong from now on. False while
    /// there is no tree.
    #[cfg(simulation)]
    pub fn flip_in_memory(&self, bit: usize) -> bool {
        self.core.ledger.flip_in_memory(bit)
    }

    /// Stops consensus, makes everything durable and lets go of the files.
    pub async fn shutdown(&self) {
        self.core.halt("shutting down").await;
        self.core.closed.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.core.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
        self.core.ledger.snapshot_writers().stop().await;
        if let Err(error) = self.core.ledger.sync() {
            tracing::error!(log = %self.core.name, "the state could not be made durable (the Raft log has it): {error}");
        }
        self.core.ledger.stop();
    }
}

fn check_options(options: &LogOptions) -> Result<(), OpenError> {
    let wrong = |field, reason: String| Err(OpenError::Options { field, reason });
    if options.node_id == 0 {
        return wrong("node_id", "ids begin at 1".into());
    }
    for vkey in options.signers().map(NoteSigner::vkey) {
        if vkey.name() != options.origin {
            return wrong("log_key", format!("it is the key of {}, not of {}", vkey.name(), options.origin));
        }
        if !options.policy.logs().iter().any(|log| log.vkey == *vkey) {
            return wrong("policy", format!("add the line `log {vkey}`"));
        }
    }
    match &options.predecessor {
        Some(note) => genesis::check_predecessor(note, &options.origin).or_else(|e| wrong("predecessor", e)),
        None => Ok(()),
    }
}

/// A seed has no checksum: one with a flipped bit is another key, whose records and tokens nobody takes. A log that has begun says which
/// one is its own.
fn check_operator(ledger: &Ledger, options: &LogOptions) -> Result<(), OpenError> {
    let Some(genesis) = ledger.with_view(|view| ledger_state::genesis(view))? else { return Ok(()) };
    if genesis.operator.public == *options.operator.public().as_bytes() {
        return Ok(());
    }
    let reason = format!(
        "its public half is not the operator key of this log ({}): it is damaged or another log's; copy it from another node",
        genesis.operator.kid
    );
    Err(OpenError::Options { field: "operator_key", reason })
}

fn raft_config(options: &LogOptions) -> Result<openraft::Config, String> {
    let raft = &options.raft;
    let config = openraft::Config {
        cluster_name: options.origin.clone(),
        heartbeat_interval: raft.heartbeat_ms,
        election_timeout_min: raft.election_min_ms,
        election_timeout_max: raft.election_max_ms,
        enable_pre_vote: Some(true),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(raft.snapshot_after),
        max_in_snapshot_log_to_keep: raft.keep_entries,
        install_snapshot_timeout: 60_000,
        // G4: a leader that comes back must be elected again. Restored in its old term it would take an entry of that term for its own
        // blank one, and what it has applied for all that was committed.
        enable_leader_restore: Some(false),
        // L3: a follower that comes back with less than it acknowledged is a broken promise, not something to repair.
        allow_log_reversion: Some(ablation::is_off(Rule::L3)),
        ..openraft::Config::default()
    };
    config.validate().map_err(|e| e.to_string())
}
