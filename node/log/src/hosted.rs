//! One hosted log: the parts above, wired together.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::stream::BoxStream;
use ledger_format::{NoteSigner, Vkey};
use ledger_state::{Command, Outcome};
use ledger_store::{EngineOptions, RaftLog, RaftLogOptions};
use openraft::{
    ServerState, SnapshotPolicy, async_runtime::WatchReceiver as _, errors::ClientWriteError,
    errors::RaftError,
};
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
    time::Instant,
};

use crate::{
    alarm::{AlarmKind, Alarms},
    genesis, housekeeping,
    ingest::{self, Ack, Checked, Credential, Queue, Refused, Submitted, TIMEOUT_MAX},
    ledger::{Ledger, LedgerError},
    metrics::Metrics,
    options::{LogOptions, Member, PeerError, World},
    peer::{Incoming, Kind},
    publish::{
        self,
        cosign::WitnessState,
        demand::Demand,
        guard::{GuardError, SignGuard},
    },
    purge,
    raft::{
        log_store::LogStore,
        machine::Machine,
        network::Network,
        types::{Proposal, Raft},
    },
    reader::Reader,
};

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

/// Why a command was not applied. Worth a retry elsewhere or later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProposeError {
    #[error("this node is not the leader")]
    NotLeader,
    #[error("consensus has stopped on this node: {0}")]
    Stopped(String),
}

/// How long a majority may take to confirm who leads.
const CONFIRM_LIMIT: std::time::Duration = std::time::Duration::from_secs(2);

/// A log that this node hosts. Cheap to clone.
#[derive(Clone)]
pub struct HostedLog {
    pub(crate) core: Arc<Core>,
}

/// What all tasks of one hosted log share.
pub(crate) struct Core {
    pub(crate) name: Arc<str>,
    pub(crate) options: LogOptions,
    pub(crate) world: World,
    pub(crate) peers: Arc<dyn crate::options::PeerTransport>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) raft: Raft,
    pub(crate) log_store: LogStore,
    pub(crate) queue: Queue,
    pub(crate) demand: Demand,
    pub(crate) guard: Mutex<SignGuard>,
    pub(crate) fence: watch::Sender<bool>,
    pub(crate) low_space: watch::Sender<bool>,
    pub(crate) witness_states: Vec<watch::Sender<WitnessState>>,
    pub(crate) incoming: Incoming,
    pub(crate) metrics: Metrics,
    pub(crate) stopped: OnceLock<String>,
    tasks: std::sync::Mutex<JoinSet<()>>,
}

impl HostedLog {
    /// Opens a log and starts its tasks on the current tokio runtime.
    ///
    /// # Errors
    /// See [`OpenError`]; most need a person.
    pub async fn open(options: LogOptions, world: World) -> Result<Self, OpenError> {
        check_options(&options)?;
        let alarms = Arc::new(Alarms::default());
        let engine_options = EngineOptions { cache_bytes: options.engine_cache_bytes as u64 };
        let engine = ledger_store::open(options.engine, &options.dir.join("engine"), &engine_options)?;
        let ledger = Ledger::open(&options.dir, engine, alarms.clone())?;
        let raft_options = RaftLogOptions {
            reserve_bytes: options.limits.reserve_bytes.min(RESERVE_FILE_BYTES_MAX),
            ..RaftLogOptions::default()
        };
        let (raft_log, _) = RaftLog::open(&options.dir.join("raft"), &raft_options)?;
        let log_store = LogStore::open(raft_log).map_err(|e| OpenError::Raft(e.to_string()))?;
        let guard = SignGuard::open(&options.dir, &options.origin)?;

        let name: Arc<str> = options.name.as_str().into();
        let network = Network { log: name.clone(), peers: world.peers.clone() };
        let config = raft_config(&options).map_err(OpenError::Raft)?;
        let machine = Machine::new(ledger.clone());
        let raft = Raft::new(options.node_id, Arc::new(config), network, log_store.clone(), machine).await;
        let raft = raft.map_err(|e| OpenError::Raft(e.to_string()))?;

        let witness_states = options.policy.witnesses().iter().map(|_| watch::Sender::default()).collect();
        let core = Arc::new(Core {
            name,
            peers: world.peers.clone(),
            queue: Queue::new(&options.limits),
            demand: Demand::default(),
            guard: Mutex::new(guard),
            fence: watch::Sender::new(false),
            low_space: watch::Sender::new(false),
            witness_states,
            incoming: Incoming::default(),
            metrics: Metrics::default(),
            stopped: OnceLock::new(),
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
        self.core.submit(records, ack, timeout.min(TIMEOUT_MAX), credential).await
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

    /// The witness policy, as text.
    #[must_use]
    pub fn policy_text(&self) -> &str {
        &self.core.options.policy_text
    }

    /// Stops consensus, makes everything durable and lets go of the files.
    pub async fn shutdown(&self) {
        self.core.halt("shutting down").await;
        let mut tasks = std::mem::take(&mut *self.core.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
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
        // L3: a follower that comes back with less than it acknowledged is a broken promise, not something to repair.
        allow_log_reversion: Some(false),
        ..openraft::Config::default()
    };
    config.validate().map_err(|e| e.to_string())
}

impl Core {
    /// Starts a task that ends with the log.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    /// First start of a new cluster: the membership is the first raft_entry.
    async fn bootstrap(&self) -> Result<(), OpenError> {
        let Some(members) = &self.options.bootstrap else { return Ok(()) };
        let fresh = !self.raft.is_initialized().await.map_err(|e| OpenError::Raft(e.to_string()))?;
        // Every member proposes the same first entry; Raft takes one. The lowest id goes first, the others join it.
        let lowest = members.iter().map(|member| member.id).min() == Some(self.options.node_id);
        if fresh && lowest {
            let members: BTreeMap<u64, Member> =
                members.iter().map(|member| (member.id, member.clone())).collect();
            match self.raft.initialize(members).await {
                Ok(()) | Err(RaftError::APIError(openraft::errors::InitializeError::NotAllowed(_))) => {}
                Err(error) => return Err(OpenError::Raft(error.to_string())),
            }
        }
        Ok(())
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.stopped.get().is_none() && self.raft.metrics().borrow_watched().state == ServerState::Leader
    }

    /// The present term, as this node knows it.
    pub(crate) fn term(&self) -> u64 {
        self.raft.metrics().borrow_watched().current_term
    }

    /// The leader, if one is known.
    pub(crate) fn leader(&self) -> Option<Member> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let id = metrics.current_leader?;
        metrics.membership_config.get_node(&id).cloned()
    }

    /// The voters of the membership in force.
    pub(crate) fn voters(&self) -> Vec<Member> {
        let metrics = self.raft.metrics();
        let membership = metrics.borrow_watched().membership_config.clone();
        membership.voter_ids().filter_map(|id| membership.get_node(&id).cloned()).collect()
    }

    /// G4: leader, and a raft_entry of this very term is applied here.
    pub(crate) async fn confirmed_leader(&self) -> bool {
        self.is_leader() && self.ledger.watch_applied().borrow().term == self.term()
    }

    /// The same, and a majority says so now. A leader that died and came back takes itself for the leader of its old
    /// term until it hears of a newer one: it must not judge what others remember before that.
    pub(crate) async fn majority_confirms_leader(&self) -> bool {
        if !self.confirmed_leader().await {
            return false;
        }
        let asked = self.raft.ensure_linearizable(openraft::ReadPolicy::ReadIndex);
        matches!(tokio::time::timeout(CONFIRM_LIMIT, asked).await, Ok(Ok(_))) && self.confirmed_leader().await
    }

    /// No alarm forbids it and the fence is behind us.
    pub(crate) fn may_sign(&self) -> bool {
        *self.fence.borrow() && !self.alarms.stop_signing()
    }

    /// Size of the published checkpoint.
    pub(crate) fn published_size(&self) -> u64 {
        self.ledger.published().map_or(0, |published| published.checkpoint.size)
    }

    /// The fence is being checked and nothing speaks against it yet: callers wait for it as they wait for a leader.
    pub(crate) fn fence_pending(&self) -> bool {
        !*self.fence.borrow() && !self.alarms.is_standing(AlarmKind::Fence) && !self.alarms.stop_signing()
    }

    /// Why this node takes no records now, if it does not.
    pub(crate) fn read_only_reason(&self) -> Option<String> {
        if let Some(reason) = self.stopped.get() {
            return Some(format!("consensus has stopped on this node: {reason}"));
        }
        if *self.low_space.borrow() {
            return Some("free disk space is below the reserve".into());
        }
        if !*self.fence.borrow() {
            return Some(
                "the fence has not been passed: witnesses must first confirm that no entry is lost".into(),
            );
        }
        let stop = self.alarms.standing().into_iter().find(|(kind, _)| kind.stops_signing());
        stop.map(|(kind, text)| format!("alarm {}: {text}", kind.name()))
    }

    /// Proposes a command and waits until this node has applied it.
    pub(crate) async fn propose(&self, command: &Command) -> Result<Vec<Outcome>, ProposeError> {
        let proposal = Proposal(Bytes::from(command.encode()));
        match self.raft.client_write(proposal).await {
            Ok(answer) => Ok(answer.data.outcomes),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Err(ProposeError::NotLeader),
            Err(RaftError::APIError(other)) => Err(ProposeError::Stopped(other.to_string())),
            Err(RaftError::Fatal(fatal)) => {
                self.note_stopped(&fatal.to_string());
                Err(ProposeError::Stopped(fatal.to_string()))
            }
        }
    }

    /// Consensus has stopped here; reads go on.
    pub(crate) fn note_stopped(&self, reason: &str) {
        if self.stopped.set(reason.to_owned()).is_ok() {
            self.alarms.raise(AlarmKind::ConsensusStopped, reason);
        }
    }

    /// Takes this node out of consensus.
    pub(crate) async fn halt(&self, reason: &str) {
        let _ = self.stopped.set(reason.to_owned());
        if let Err(error) = self.raft.shutdown().await {
            tracing::error!(log = %self.name, "consensus did not stop cleanly: {error}");
        }
    }

    async fn submit(
        self: &Arc<Self>,
        records: Vec<Bytes>,
        ack: Ack,
        timeout: Duration,
        credential: Credential,
    ) -> Vec<Result<Submitted, Refused>> {
        let started = Instant::now();
        let deadline = started + timeout;
        self.metrics.submitted.add(records.len() as u64);
        let mut fates: Vec<Option<Result<Submitted, Refused>>> = Vec::with_capacity(records.len());
        let mut good = Vec::with_capacity(records.len());
        for (record, checked) in records.iter().zip(self.check(&records, credential, deadline).await) {
            match checked {
                Checked::Good => {
                    good.push(record.clone());
                    fates.push(None);
                }
                Checked::Refused(refused) | Checked::MaybeLag(refused) => fates.push(Some(Err(refused))),
            }
        }
        let sequenced = self.sequence(good, ack, deadline).await;
        self.metrics.ingest_seconds.observe(started.elapsed().as_secs_f64());
        let mut sequenced = sequenced.into_iter();
        let mut answers: Vec<Result<Submitted, Refused>> = Vec::with_capacity(fates.len());
        for fate in fates {
            answers.push(fate.or_else(|| sequenced.next()).unwrap_or_else(|| Err(Refused::timeout())));
        }
        if ack > Ack::Sequenced {
            self.reach(&mut answers, ack, deadline).await;
        }
        self.metrics.refused.add(answers.iter().filter(|answer| answer.is_err()).count() as u64);
        answers
    }

    /// Checks records; if this node may only be behind, catches up with the leader first.
    async fn check(&self, records: &[Bytes], credential: Credential, deadline: Instant) -> Vec<Checked> {
        let checked = ingest::check(&self.ledger, records, credential);
        let maybe_lag = checked.iter().any(|checked| matches!(checked, Checked::MaybeLag(_)));
        if maybe_lag && !self.is_leader() && self.catch_up(deadline).await {
            return ingest::check(&self.ledger, records, credential);
        }
        checked
    }

    /// Waits until this node has applied what the leader has; false when that cannot be found out in time.
    async fn catch_up(&self, deadline: Instant) -> bool {
        let Some(leader) = self.leader() else { return false };
        let call = self.peers.call(&leader, &self.name, Kind::ReadIndex as u32, Bytes::new(), CONFIRM_LIMIT);
        let Ok(answer) = call.await else { return false };
        let Ok(raft_index) = crate::bytes_codec::Reader::new(answer, "read index").u64() else {
            return false;
        };
        let mut applied = self.ledger.watch_applied();
        let limit = deadline.min(Instant::now() + CONFIRM_LIMIT);
        matches!(
            tokio::time::timeout_at(limit, applied.wait_for(|mark| mark.raft_index >= raft_index)).await,
            Ok(Ok(_))
        )
    }

    async fn sequence(
        &self,
        records: Vec<Bytes>,
        ack: Ack,
        deadline: Instant,
    ) -> Vec<Result<Submitted, Refused>> {
        let count = records.len();
        if count == 0 {
            return Vec::new();
        }
        match self.queue.put(records, ack > Ack::Sequenced, deadline) {
            Err(refused) => vec![Err(refused); count],
            Ok(answer) => match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(fates)) => fates,
                Ok(Err(_)) => vec![Err(Refused::no_leader("this node is shutting down")); count],
                Err(_) => vec![Err(Refused::timeout()); count],
            },
        }
    }

    /// Waits until a checkpoint of the wanted quality covers the records, and adds the proofs.
    async fn reach(&self, answers: &mut [Result<Submitted, Refused>], ack: Ack, deadline: Instant) {
        let Some(last) = answers.iter().flatten().map(|submitted| submitted.index).max() else { return };
        let mut published = self.ledger.watch_published();
        let covers = |checkpoint: &Option<Arc<crate::PublishedCheckpoint>>| {
            checkpoint
                .as_ref()
                .is_some_and(|p| p.checkpoint.size > last && (ack < Ack::Witnessed || self.is_witnessed(p)))
        };
        let reached = tokio::time::timeout_at(deadline, published.wait_for(covers)).await;
        let checkpoint = match reached {
            Ok(Ok(checkpoint)) => checkpoint.clone(),
            _ => None,
        };
        let Some(checkpoint) = checkpoint else { return };
        for submitted in answers.iter_mut().flatten() {
            if let Ok(Some(proof)) = crate::reader::proof_under(&self.ledger, submitted.index, &checkpoint) {
                submitted.ack = ack;
                submitted.proof = Some(proof);
            }
        }
    }

    fn is_witnessed(&self, published: &crate::PublishedCheckpoint) -> bool {
        // What is published fail-closed has satisfied the policy already.
        !self.options.fail_open || self.options.policy.check(&published.parsed).is_ok()
    }

    /// Asks the leader to publish at least `size` soon.
    pub(crate) async fn want_published(&self, size: u64) {
        if self.is_leader() {
            return self.demand.want(size);
        }
        if let Some(leader) = self.leader() {
            let body = crate::bytes_codec::Writer::default().u64(size).finish();
            let call = self.peers.call(
                &leader,
                &self.name,
                Kind::WantPublished as u32,
                body,
                Duration::from_secs(1),
            );
            if let Err(error) = call.await {
                tracing::debug!(log = %self.name, "the leader could not be asked to publish: {error}");
            }
        }
    }
}
