//! What all tasks of one hosted log share, and the questions they ask of it: who leads, what may be signed, what is read-only.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, PoisonError},
};

use bytes::Bytes;
use ledger_format::{Hash, record::SigningKey};
use ledger_state::{Command, Outcome};
use openraft::{ServerState, async_runtime::WatchReceiver as _, errors::ClientWriteError, errors::RaftError};
use tokio::{
    sync::{Mutex, Semaphore, watch},
    task::JoinSet,
};

use super::OpenError;
use crate::{
    ablation::{self, Rule},
    alarm::{AlarmKind, Alarms},
    incoming::Incoming,
    ingest::Queue,
    ledger::{Ledger, LedgerError},
    metrics::Metrics,
    options::{LogOptions, Member, World},
    payloads::PayloadStore,
    publish::{cosign::WitnessState, demand::Demand, guard::SignGuard},
    raft::{
        log_store::LogStore,
        types::{Proposal, Raft},
    },
    timeline::Timeline,
};

/// Why a command was not applied. Worth a retry elsewhere or later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProposeError {
    #[error("this node is not the leader")]
    NotLeader,
    #[error("consensus has stopped on this node: {0}")]
    Stopped(String),
}

/// How long a majority may take to confirm who leads.
pub(super) const CONFIRM_LIMIT: std::time::Duration = std::time::Duration::from_secs(2);

/// What all tasks of one hosted log share.
pub(crate) struct Core {
    pub(crate) name: Arc<str>,
    /// The name among the nodes: see [`HostedLog::group`](crate::HostedLog::group).
    pub(crate) group: Arc<str>,
    pub(crate) options: LogOptions,
    pub(crate) world: World,
    /// Signs session tokens: follows from the operator key.
    pub(crate) token_key: SigningKey,
    pub(crate) peers: Arc<dyn crate::options::PeerTransport>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) raft: Raft,
    pub(crate) log_store: LogStore,
    pub(crate) queue: Queue,
    pub(crate) private_room: Arc<Semaphore>,
    pub(crate) payloads: PayloadStore,
    pub(crate) payload_room: Arc<Semaphore>,
    pub(crate) demand: Demand,
    pub(crate) guard: Mutex<SignGuard>,
    pub(crate) fence: watch::Sender<bool>,
    pub(crate) low_space: watch::Sender<bool>,
    pub(crate) witness_states: Vec<watch::Sender<WitnessState>>,
    pub(crate) incoming: Incoming,
    pub(crate) metrics: Metrics,
    pub(crate) timeline: Timeline,
    pub(crate) stopped: OnceLock<String>,
    pub(crate) closed: watch::Sender<bool>,
    pub(super) tasks: std::sync::Mutex<JoinSet<()>>,
}

impl Core {
    /// Starts a task that ends with the log.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        #[cfg(simulation)]
        let task = crate::raft::types::Runtime::scope(self.options.node_id, task);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    /// First start of a new cluster: the membership is the first raft_entry.
    ///
    /// Every member may propose the same first entry; Raft takes one. In a new cluster the lowest id does, and the others join it. A later generation
    /// of a sandbox begins while that node is away, or goes away in the middle: there each member begins before anybody can ask it for its vote.
    /// Once it has given one it could not begin any more, and whoever has no first entry stands for no election.
    pub(super) async fn bootstrap(&self) -> Result<(), OpenError> {
        let Some(members) = &self.options.bootstrap else { return Ok(()) };
        let own = self.options.node_id;
        let is_member = members.iter().any(|member| member.id == own);
        let is_lowest = members.iter().all(|member| member.id >= own);
        let is_later = self.options.generation.is_some_and(|number| number > 1);
        if !is_member || !(is_lowest || is_later) || self.is_begun().await? {
            return Ok(());
        }
        self.initialize(members).await
    }

    async fn is_begun(&self) -> Result<bool, OpenError> {
        self.raft.is_initialized().await.map_err(|e| OpenError::Raft(e.to_string()))
    }

    async fn initialize(&self, members: &[Member]) -> Result<(), OpenError> {
        let members: BTreeMap<u64, Member> =
            members.iter().map(|member| (member.id, member.clone())).collect();
        match self.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(openraft::errors::InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(OpenError::Raft(error.to_string())),
        }
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
        if ablation::is_off(Rule::G4) {
            return self.is_leader();
        }
        self.is_leader() && self.ledger.watch_applied().borrow().term == self.term()
    }

    /// The same, and a majority says so now. A leader that died and came back takes itself for the leader of its old
    /// term until it hears of a newer one: it must not judge what others remember before that.
    pub(crate) async fn majority_confirms_leader(&self) -> bool {
        if !self.confirmed_leader().await || ablation::is_off(Rule::G4) {
            return self.is_leader() && ablation::is_off(Rule::G4);
        }
        let asked = self.raft.ensure_linearizable(openraft::ReadPolicy::ReadIndex);
        matches!(tokio::time::timeout(CONFIRM_LIMIT, asked).await, Ok(Ok(_))) && self.confirmed_leader().await
    }

    /// G1: size and root, as both trees that this node keeps say. A node that contradicts itself leaves consensus, so that another
    /// one leads.
    pub(crate) async fn checked_root(&self) -> Result<(u64, Hash), LedgerError> {
        let checked = self.ledger.checked_root();
        if checked.is_err() && self.alarms.is_standing(AlarmKind::RootMismatch) {
            self.halt("the trees of this node contradict each other").await;
        }
        checked
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
        self.propose_encoded(command.encode()).await
    }

    /// The same, for a command's bytes.
    pub(crate) async fn propose_encoded(&self, command: Vec<u8>) -> Result<Vec<Outcome>, ProposeError> {
        let proposal = Proposal(Bytes::from(command));
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
}
