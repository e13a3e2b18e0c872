//! What an operator asks of a hosted log: status, membership, snapshots.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use bytes::Bytes;
use openraft::{ChangeMembers, ServerState, async_runtime::WatchReceiver as _, metrics::WaitError};
use tokio::time::Instant;

use crate::{
    alarm::AlarmKind,
    genesis::register_node_id,
    hosted::HostedLog,
    ingest::LEADER_RETRY,
    options::{Member, PeerError},
    peer::Kind,
    publish::cosign::WitnessState,
    purge,
};

/// How long a node may take to answer before leadership is not handed to it.
const REACH_LIMIT: Duration = Duration::from_secs(1);
/// Raft_entries that a learner may be behind when it gets a vote: what it takes in a moment.
const PROMOTE_BEHIND_MAX: u64 = 1_000;
/// How long a promotion waits for a learner to be that far.
pub(crate) const PROMOTE_WAIT: Duration = Duration::from_secs(10);

/// Why an operation was not done. The message says what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Only the leader can; `leader` is its client URL, empty when none is known.
    #[error("this node does not lead; ask {leader}")]
    NotLeader {
        /// Client URL of the leader.
        leader: String,
    },
    /// The operation makes no sense now.
    #[error("{0}")]
    Refused(String),
    /// It was tried and failed; the membership may have changed, look at the status.
    #[error("{0}")]
    Failed(String),
}

/// A member of the cluster as the status shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Who.
    pub member: Member,
    /// Voter, or learner.
    pub voter: bool,
    /// The raft_index known to be on it; known by the leader only.
    pub matched: Option<u64>,
}

/// One hosted log as an operator sees it.
#[derive(Clone, Debug)]
pub struct LogStatus {
    /// Short name.
    pub name: String,
    /// Origin.
    pub origin: String,
    /// Entries applied on this node.
    pub size: u64,
    /// Root at `size`, hex; empty when it cannot be computed.
    pub root: String,
    /// Size of the published checkpoint.
    pub published_size: u64,
    /// Time of its youngest cosignature, milliseconds.
    pub published_at_ms: u64,
    /// Raft's term.
    pub term: u64,
    /// The leader's id; 0 when none is known.
    pub leader_id: u64,
    /// leader, follower, candidate, learner or stopped.
    pub raft_state: &'static str,
    /// Last raft_index in the Raft log.
    pub raft_last_index: u64,
    /// Last applied raft_index.
    pub raft_applied_index: u64,
    /// raft_index of the newest Raft snapshot.
    pub raft_snapshot_index: u64,
    /// The cluster.
    pub members: Vec<MemberStatus>,
    /// Standing alarms, `kind: text`.
    pub alarms: Vec<String>,
    /// Why no records are taken, if so.
    pub read_only: Option<String>,
    /// What is known of the witnesses.
    pub witnesses: Vec<WitnessState>,
}

impl HostedLog {
    /// How this log fares on this node.
    #[must_use]
    pub fn status(&self) -> LogStatus {
        let core = &self.core;
        let metrics = core.raft.metrics().borrow_watched().clone();
        let applied = *core.ledger.watch_applied().borrow();
        let published = core.ledger.published();
        LogStatus {
            name: core.name.to_string(),
            origin: core.options.origin.clone(),
            size: applied.size,
            root: core.ledger.root_at(applied.size).map(|root| root.to_hex()).unwrap_or_default(),
            published_size: published.as_ref().map_or(0, |p| p.checkpoint.size),
            published_at_ms: published.as_ref().map_or(0, |p| p.at_ms),
            term: metrics.current_term,
            leader_id: metrics.current_leader.unwrap_or(0),
            raft_state: if core.stopped.get().is_some() { "stopped" } else { state_name(metrics.state) },
            raft_last_index: metrics.last_log_index.unwrap_or(0),
            raft_applied_index: applied.raft_index,
            raft_snapshot_index: metrics.snapshot.map_or(0, |id| id.index),
            members: self.members(),
            alarms: core
                .alarms
                .standing()
                .into_iter()
                .map(|(kind, text)| format!("{}: {text}", kind.name()))
                .collect(),
            read_only: core.read_only_reason(),
            witnesses: core.witness_states.iter().map(|state| state.borrow().clone()).collect(),
        }
    }

    /// Raises the alarm `given` with this text, or lowers it: whoever hosts the log knows which files it was given, and what became of them.
    pub fn set_given_alarm(&self, text: Option<String>) {
        match text {
            Some(text) => self.core.alarms.raise(AlarmKind::Given, text),
            None => self.core.alarms.lower(AlarmKind::Given),
        }
    }

    /// Whether this node leads the log, as far as it knows: another may have taken over a moment ago.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.core.is_leader()
    }

    /// Whether this node can serve writes now, directly or through a leader, and reads.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn ready(&self) -> Result<(), String> {
        if let Some(reason) = self.core.stopped.get() {
            return Err(format!("consensus has stopped: {reason}"));
        }
        if self.core.leader().is_none() {
            return Err("no leader is known".into());
        }
        if self.core.ledger.size() == 0 {
            return Err("the log has no genesis entry yet".into());
        }
        if !*self.core.fence.borrow() {
            return Err("the fence has not been passed".into());
        }
        Ok(())
    }

    /// The members of the cluster.
    #[must_use]
    pub fn members(&self) -> Vec<MemberStatus> {
        let metrics = self.core.raft.metrics().borrow_watched().clone();
        let membership = &metrics.membership_config;
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let matched = |id: &u64| {
            metrics.replication.as_ref().and_then(|r| r.get(id)).and_then(|m| m.as_ref()).map(|id| id.index)
        };
        membership
            .nodes()
            .map(|(id, member)| MemberStatus {
                member: member.clone(),
                voter: voters.contains(id),
                matched: matched(id),
            })
            .collect()
    }

    pub(crate) fn only_leader(&self) -> Result<(), AdminError> {
        if self.core.is_leader() {
            return Ok(());
        }
        Err(AdminError::NotLeader { leader: self.core.leader().map(|member| member.api).unwrap_or_default() })
    }

    /// Brings a node in as a learner. Its id must never have been used in this log (rule L3).
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn add_learner(&self, member: Member) -> Result<Vec<MemberStatus>, AdminError> {
        self.only_leader()?;
        if member.id == 0 || member.peer.is_empty() {
            return Err(AdminError::Refused(
                "a member needs an id above 0 and the host:port of its peer listener".into(),
            ));
        }
        let known = self.members().into_iter().find(|known| known.member.id == member.id);
        match known {
            Some(known) if known.member == member => return Ok(self.members()),
            Some(_) => {
                return Err(AdminError::Refused(format!(
                    "id {} belongs to another node; ids are never reused",
                    member.id
                )));
            }
            None => {}
        }
        // One per attempt: whatever the id was used for before, it is refused. Ids are plenty.
        let incarnation = u128::from(self.core.world.clock.now_ms());
        register_node_id(&self.core, member.id, incarnation).await.map_err(AdminError::Refused)?;
        self.core
            .raft
            .add_learner(member.id, member, false)
            .await
            .map_err(|e| AdminError::Failed(e.to_string()))?;
        Ok(self.members())
    }

    /// Makes a learner a voter, once it has what the others have: ten seconds are waited for that. A voter that has not would have to
    /// be waited for by every record, and where another one is dead nothing would be logged, nor the mistake taken back.
    ///
    /// # Errors
    /// See [`AdminError`]; refused, with how far it is, when the learner is still behind.
    pub async fn promote(&self, id: u64) -> Result<Vec<MemberStatus>, AdminError> {
        self.only_leader()?;
        let Some(known) = self.members().into_iter().find(|known| known.member.id == id) else {
            return Err(AdminError::Refused(format!("node {id} is not a learner; add it first")));
        };
        if !known.voter {
            self.caught_up(id).await?;
        }
        self.change(ChangeMembers::AddVoterIds(BTreeSet::from([id])), false).await
    }

    /// Takes a node out of the cluster for good.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn remove(&self, id: u64) -> Result<Vec<MemberStatus>, AdminError> {
        self.only_leader()?;
        let known = self.members().into_iter().find(|known| known.member.id == id);
        let Some(known) = known else {
            return Err(AdminError::Refused(format!("node {id} is not a member")));
        };
        if known.voter {
            if self.core.voters().len() == 1 {
                return Err(AdminError::Refused("the last voter cannot be removed".into()));
            }
            self.change(ChangeMembers::RemoveVoters(BTreeSet::from([id])), false).await
        } else {
            self.change(ChangeMembers::RemoveNodes(BTreeSet::from([id])), false).await
        }
    }

    /// Waits until a learner is hardly behind the leader.
    async fn caught_up(&self, id: u64) -> Result<(), AdminError> {
        let wait = self.core.raft.wait(Some(PROMOTE_WAIT));
        let waited = wait.metrics(
            |metrics| {
                let matched = metrics.replication.as_ref().and_then(|all| all.get(&id)?.as_ref());
                let last = metrics.last_log_index.unwrap_or(0);
                matched.is_some_and(|matched| last.saturating_sub(matched.index) <= PROMOTE_BEHIND_MAX)
            },
            "a learner that has caught up",
        );
        let Err(error) = waited.await else { return Ok(()) };
        self.only_leader()?;
        let known = self.members().into_iter().find(|known| known.member.id == id);
        let has = known.and_then(|known| known.matched).unwrap_or(0);
        let last = self.status().raft_last_index;
        match error {
            WaitError::Timeout(..) => Err(AdminError::Refused(format!(
                "node {id} has {has} of {last} raft_entries; promote it again when `maip admin status` shows that it has caught up"
            ))),
            WaitError::ShuttingDown => Err(AdminError::Failed("consensus has stopped on this node".into())),
        }
    }

    async fn change(
        &self,
        change: ChangeMembers<u64, Member>,
        retain: bool,
    ) -> Result<Vec<MemberStatus>, AdminError> {
        self.core
            .raft
            .change_membership(change, retain)
            .await
            .map_err(|e| AdminError::Failed(e.to_string()))?;
        Ok(self.members())
    }

    /// Hands leadership to a voter and waits until it leads, a few seconds at most.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn transfer(&self, id: u64) -> Result<(), AdminError> {
        self.only_leader()?;
        let Some(heir) = self.core.voters().into_iter().find(|member| member.id == id) else {
            return Err(AdminError::Refused(format!("node {id} is not a voter")));
        };
        if id == self.core.options.node_id {
            return Ok(());
        }
        self.reach(&heir).await?;
        self.core.raft.trigger().transfer_leader(id).await.map_err(|e| AdminError::Failed(e.to_string()))?;
        let limit = std::time::Duration::from_secs(5);
        let moved = self.core.raft.wait(Some(limit)).current_leader(id, "leadership transfer").await;
        moved.map(|_| ()).map_err(|_| {
            AdminError::Failed(format!(
                "node {id} did not take over; the old leader goes on or an election runs"
            ))
        })
    }

    /// Waits until a node answers. A leader that hands over takes no records and sends no heartbeats from then on: when the other node never
    /// hears of it, the cluster is without a leader until an election.
    async fn reach(&self, member: &Member) -> Result<(), AdminError> {
        let deadline = Instant::now() + REACH_LIMIT;
        loop {
            // Whatever it answers, it is there.
            let call = self.core.world.peers.call(
                member,
                &self.core.group,
                Kind::ReadIndex as u32,
                Bytes::new(),
                REACH_LIMIT,
            );
            match call.await {
                Ok(_) | Err(PeerError::Refused(_)) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    let text = format!("node {} cannot be reached: {error}; this node leads on", member.id);
                    return Err(AdminError::Failed(text));
                }
                Err(_) => tokio::time::sleep(LEADER_RETRY).await,
            }
        }
    }

    /// Takes a Raft snapshot now and lets the Raft log be purged behind it. Returns its raft_index and log size.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn snapshot(&self) -> Result<(u64, u64), AdminError> {
        let applied = *self.core.ledger.watch_applied().borrow();
        let reached =
            purge::take_snapshot(&self.core, applied.raft_index).await.map_err(AdminError::Failed)?;
        Ok((reached, applied.size))
    }

    /// Gauges, counters and histograms as Prometheus text, labelled with the log's name.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        let mut out = String::new();
        let (core, name) = (&self.core, self.name());
        let metrics = core.raft.metrics().borrow_watched().clone();
        let applied = *core.ledger.watch_applied().borrow();
        let gauges = [
            ("maip_log_generation", u64::from(core.options.generation.unwrap_or(0))),
            ("maip_log_size", applied.size),
            ("maip_log_published_size", core.published_size()),
            ("maip_log_filed_size", core.ledger.filed()),
            ("maip_raft_term", metrics.current_term),
            ("maip_raft_is_leader", u64::from(core.is_leader())),
            ("maip_raft_last_index", metrics.last_log_index.unwrap_or(0)),
            ("maip_raft_applied_index", applied.raft_index),
            ("maip_ingest_queue_records", core.queue.waiting(&core.options.limits) as u64),
            ("maip_read_only", u64::from(core.read_only_reason().is_some())),
            ("maip_engine_disk_bytes", core.ledger.engine().disk_bytes()),
            ("maip_disk_free_bytes", ledger_store::free_bytes(core.ledger.dir()).unwrap_or(0)),
        ];
        for (gauge, value) in gauges {
            let _ = writeln!(out, "# TYPE {gauge} gauge");
            let _ = writeln!(out, "{gauge}{{log=\"{name}\"}} {value}");
        }
        out.push_str("# TYPE maip_alarm gauge\n");
        for (kind, _) in core.alarms.standing() {
            let _ = writeln!(out, "maip_alarm{{log=\"{name}\",kind=\"{}\"}} 1", kind.name());
        }
        out.push_str("# TYPE maip_witness_size gauge\n");
        for state in &core.witness_states {
            let state = state.borrow();
            let _ = writeln!(
                out,
                "maip_witness_size{{log=\"{name}\",witness=\"{}\"}} {}",
                state.name, state.size
            );
        }
        core.metrics.write(&mut out, name);
        out
    }
}

fn state_name(state: ServerState) -> &'static str {
    match state {
        ServerState::Leader => "leader",
        ServerState::Follower => "follower",
        ServerState::Candidate => "candidate",
        ServerState::Learner => "learner",
        ServerState::Shutdown => "stopped",
    }
}
