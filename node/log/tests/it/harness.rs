//! Nodes, network and records for the tests of this crate.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use ledger_format::{
    NoteSigner, Policy, SignatureType, TlogProof,
    record::{
        Actor, AgentId, AgentKill, AgentRegister, AgentType, Body, DelegationId, DelegationOffer, Digest,
        Draft, Erasure, FederationAgree, GrantLimits, GrantTo, PeerSignature, ReceiptAction, Scope,
        SessionId, SessionOpen, SigningKey, TenantId, TenantRegister, Ulid,
    },
    verify,
};
use ledger_log::{
    Ack, Clock, Credential, HostedLog, Kind, LogLimits, LogOptions, Member, PeerError, PeerStream,
    PeerTransport, PublishOptions, RaftOptions, Refused, SealOptions, Submitted, World,
};
use ledger_store::EngineKind;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use crate::witness::Witnesses;

pub(crate) const ORIGIN: &str = "log.example/test";
/// Seed of the log's operator.
pub(crate) const OPERATOR_SEED: [u8; 32] = [2; 32];
/// Seed of the key that the log begins with.
pub(crate) const FIRST_LOG_KEY: u8 = 1;
/// Longest any wait of these tests may take before it counts as "never".
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
    }
}

/// Links between nodes, in memory. A cut link answers nothing, in both directions.
#[derive(Default)]
pub(crate) struct Net {
    nodes: Mutex<HashMap<u64, HostedLog>>,
    cut: Mutex<HashSet<(u64, u64)>>,
    lies: Mutex<HashSet<(u64, u32)>>,
    lied: AtomicBool,
    mute: Mutex<HashSet<u64>>,
    lost: Mutex<HashSet<u64>>,
    /// Who forwarded which records.
    forwarded: Mutex<Vec<(u64, Bytes)>>,
    /// Calls that do not arrive, by kind.
    lost_calls: Mutex<HashSet<u32>>,
    /// Calls that are on their way until they are let through, by kind.
    held: watch::Sender<HashSet<u32>>,
    /// What was asked for a snapshot: kind and body.
    snapshot_calls: Mutex<Vec<(u32, Bytes)>>,
}

/// One node's side of the network.
struct Port {
    net: Arc<Net>,
    id: u64,
}

impl Net {
    /// The log of this Raft group at node `to`, as a node finds it among those it hosts.
    fn target(&self, from: u64, to: u64, group: &str) -> Result<HostedLog, PeerError> {
        if self.cut.lock().unwrap().contains(&(from.min(to), from.max(to))) {
            return Err(PeerError::Unreachable("cut".into()));
        }
        let nodes = self.nodes.lock().unwrap();
        let log = nodes.get(&to).ok_or_else(|| PeerError::Unreachable("down".into()))?;
        let hosted = log.group() == group;
        hosted.then(|| log.clone()).ok_or_else(|| PeerError::Refused(format!("no log {group:?} here")))
    }

    pub(crate) fn cut(&self, a: u64, b: u64) {
        self.cut.lock().unwrap().insert((a.min(b), a.max(b)));
    }

    pub(crate) fn heal(&self) {
        self.cut.lock().unwrap().clear();
    }

    /// From now on nobody hears what node `id` appends: it can win votes and cannot commit anything.
    pub(crate) fn mute(&self, id: u64) {
        self.mute.lock().unwrap().insert(id);
    }

    pub(crate) fn unmute(&self) {
        self.mute.lock().unwrap().clear();
    }

    /// From now on what node `id` answers to appends is lost on the way: it has the entries and nobody knows.
    pub(crate) fn lose_answers(&self, id: u64) {
        self.lost.lock().unwrap().insert(id);
    }

    pub(crate) fn lose_nothing(&self) {
        self.lost.lock().unwrap().clear();
    }

    fn is_lost(&self, id: u64) -> bool {
        self.lost.lock().unwrap().contains(&id)
    }

    fn stream_target(&self, from: u64, to: u64, group: &str) -> Result<HostedLog, PeerError> {
        if self.is_mute(from) { Err(PeerError::Timeout) } else { self.target(from, to, group) }
    }

    fn is_mute(&self, id: u64) -> bool {
        self.mute.lock().unwrap().contains(&id)
    }

    /// From now on what node `id` answers to calls of this kind has a flipped bit, as from a machine with bad memory.
    pub(crate) fn lie(&self, id: u64, kind: Kind) {
        self.lies.lock().unwrap().insert((id, kind as u32));
    }

    pub(crate) fn tell_the_truth(&self) {
        self.lies.lock().unwrap().clear();
    }

    /// Whether anybody was told anything wrong.
    pub(crate) fn has_lied(&self) -> bool {
        self.lied.load(Ordering::SeqCst)
    }

    /// Every forward so far: who sent it, and its bytes.
    pub(crate) fn forwarded(&self) -> Vec<(u64, Bytes)> {
        self.forwarded.lock().unwrap().clone()
    }

    /// From now on calls of this kind do not arrive.
    pub(crate) fn lose_calls(&self, kind: Kind) {
        self.lost_calls.lock().unwrap().insert(kind as u32);
    }

    pub(crate) fn lose_no_calls(&self) {
        self.lost_calls.lock().unwrap().clear();
    }

    /// From now on calls of this kind wait on their way.
    pub(crate) fn hold(&self, kind: Kind) {
        self.held.send_if_modified(|held| held.insert(kind as u32));
    }

    pub(crate) fn let_through(&self) {
        self.held.send_modify(HashSet::clear);
    }

    async fn pass(&self, kind: u32) -> Result<(), PeerError> {
        let mut held = self.held.subscribe();
        let _ = held.wait_for(|held| !held.contains(&kind)).await;
        if self.lost_calls.lock().unwrap().contains(&kind) { Err(PeerError::Timeout) } else { Ok(()) }
    }

    fn note(&self, from: u64, kind: u32, body: &Bytes) {
        if kind == Kind::Forward as u32 {
            self.forwarded.lock().unwrap().push((from, body.clone()));
        }
        let of_snapshots = [Kind::SnapshotPart, Kind::SnapshotInstall, Kind::FetchBundle];
        if of_snapshots.iter().any(|of| *of as u32 == kind) {
            self.snapshot_calls.lock().unwrap().push((kind, body.clone()));
        }
    }

    /// Every call of this kind so far, one of those about snapshots, also if it did not arrive.
    pub(crate) fn snapshot_calls(&self, kind: Kind) -> Vec<Bytes> {
        let calls = self.snapshot_calls.lock().unwrap();
        calls.iter().filter(|(of, _)| *of == kind as u32).map(|(_, body)| body.clone()).collect()
    }

    fn heard(&self, from: u64, kind: u32, answer: Bytes) -> Bytes {
        if answer.is_empty() || !self.lies.lock().unwrap().contains(&(from, kind)) {
            return answer;
        }
        self.lied.store(true, Ordering::SeqCst);
        let mut bytes = answer.to_vec();
        bytes[answer.len() / 2] ^= 1;
        bytes.into()
    }
}

impl PeerTransport for Port {
    fn call(
        &self,
        to: &Member,
        group: &str,
        kind: u32,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        let muted = kind == Kind::Append as u32 && self.net.is_mute(self.id);
        let target = if muted { Err(PeerError::Timeout) } else { self.net.target(self.id, to.id, group) };
        let (net, from) = (self.net.clone(), to.id);
        self.net.note(self.id, kind, &body);
        let call = async move {
            let target = target?;
            net.pass(kind).await?;
            // Spawned: a caller that gives up does not stop the callee, as with a real network.
            let answer = tokio::spawn(async move { target.peer_call(kind, body).await });
            match tokio::time::timeout(timeout, answer).await {
                Ok(_) if kind == Kind::Append as u32 && net.is_lost(from) => Err(PeerError::Timeout),
                Ok(answer) => {
                    let answer = answer.map_err(|e| PeerError::Unreachable(e.to_string()))??;
                    Ok(net.heard(from, kind, answer))
                }
                Err(_) => Err(PeerError::Timeout),
            }
        };
        call.boxed()
    }

    fn append_stream(&self, to: &Member, group: &str) -> BoxFuture<'static, Result<PeerStream, PeerError>> {
        let (net, from, to) = (self.net.clone(), self.id, to.id);
        let group: Arc<str> = group.into();
        let open = async move {
            let target = net.stream_target(from, to, &group)?;
            let (tx, input) = mpsc::channel::<Bytes>(64);
            let (answers, rx) = mpsc::channel(64);
            let (gate, gate_group) = (net.clone(), group.clone());
            let input =
                futures::stream::unfold(
                    input,
                    |mut input| async move { input.recv().await.map(|b| (b, input)) },
                );
            let input = input.take_while(move |_| {
                futures::future::ready(gate.stream_target(from, to, &gate_group).is_ok())
            });
            let mut output = target.peer_append(input.boxed());
            tokio::spawn(async move {
                while let Some(answer) = output.next().await {
                    if net.is_lost(to) {
                        continue;
                    }
                    if net.stream_target(from, to, &group).is_err() || answers.send(answer).await.is_err() {
                        return;
                    }
                }
            });
            Ok(PeerStream { tx, rx })
        };
        open.boxed()
    }
}

/// A cluster of nodes with their directories.
pub(crate) struct Cluster {
    pub(crate) net: Arc<Net>,
    pub(crate) witnesses: Arc<Witnesses>,
    pub(crate) policy_text: String,
    pub(crate) engine: EngineKind,
    pub(crate) dirs: HashMap<u64, PathBuf>,
    pub(crate) reserve_bytes: u64,
    pub(crate) raft_log_bytes: u64,
    pub(crate) snapshot_after: u64,
    /// Seeds of the log keys that the nodes hold.
    pub(crate) log_seeds: Vec<u8>,
    pub(crate) operator_seed: [u8; 32],
    pub(crate) predecessor: Option<String>,
    pub(crate) generation: Option<u32>,
    pub(crate) publish: PublishOptions,
    pub(crate) fail_open: bool,
    /// Off unless a test is about it: the others count entries.
    pub(crate) seal: SealOptions,
    pub(crate) members: Vec<Member>,
    root: TempDir,
}

pub(crate) fn member(id: u64) -> Member {
    Member { id, peer: format!("peer-{id}:1"), api: format!("https://api-{id}") }
}

pub(crate) fn log_signer(seed: u8) -> NoteSigner {
    NoteSigner::new(ORIGIN, SignatureType::Ed25519, [seed; 32]).unwrap()
}

impl Cluster {
    /// `nodes` nodes started, with three witnesses of which two suffice.
    pub(crate) async fn start(nodes: u64) -> Self {
        // Silent unless RUST_LOG says otherwise; the first test of the process wins.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        Self::prepare(nodes).begin().await
    }

    /// Starts all members of a prepared cluster.
    pub(crate) async fn begin(mut self) -> Self {
        for id in 1..=self.members.len() as u64 {
            self.run(id).await;
        }
        self.ready().await;
        self
    }

    /// Every node that runs says that it can serve.
    pub(crate) async fn ready(&self) {
        wait_for("all nodes to be ready", || {
            self.nodes().iter().all(|(_, log)| log.ready().is_ok()).then_some(())
        })
        .await;
    }

    pub(crate) fn prepare(nodes: u64) -> Self {
        let witnesses = Arc::new(Witnesses::default());
        let mut policy_text = format!("log {}\n", log_signer(FIRST_LOG_KEY).vkey());
        for (i, name) in ["w1", "w2", "w3"].into_iter().enumerate() {
            let vkey = witnesses.add(name, 20 + i as u8);
            policy_text += &format!("witness {name} {vkey} http://{name}\n");
        }
        policy_text += "group witnesses 2 w1 w2 w3\nquorum witnesses\n";
        let members = (1..=nodes).map(member).collect();
        Self {
            net: Arc::new(Net::default()),
            witnesses,
            policy_text,
            engine: EngineKind::Fjall,
            dirs: HashMap::new(),
            reserve_bytes: 1 << 20,
            raft_log_bytes: 256 << 20,
            snapshot_after: 50,
            log_seeds: vec![FIRST_LOG_KEY],
            operator_seed: OPERATOR_SEED,
            predecessor: None,
            generation: None,
            publish: PublishOptions { interval_ms: 50, min_interval_ms: 5, ..PublishOptions::default() },
            fail_open: false,
            seal: SealOptions { interval_ms: 0, pause_ms: 1 },
            members,
            root: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy::parse(&self.policy_text).unwrap()
    }

    fn options(&mut self, id: u64) -> LogOptions {
        let dir = self.dirs.entry(id).or_insert_with(|| self.root.path().join(format!("node-{id}"))).clone();
        LogOptions {
            name: "main".into(),
            origin: ORIGIN.into(),
            generation: self.generation,
            node_id: id,
            dir,
            engine: self.engine,
            engine_cache_bytes: 8 << 20,
            signer: log_signer(self.log_seeds[0]),
            operator: SigningKey::from_seed(self.operator_seed),
            timeline: true,
            additional_signers: self.log_seeds[1..].iter().map(|seed| log_signer(*seed)).collect(),
            predecessor: self.predecessor.clone(),
            policy: self.policy(),
            policy_text: self.policy_text.clone(),
            fail_open: self.fail_open,
            publish: self.publish.clone(),
            seal: self.seal.clone(),
            bootstrap: self.members.iter().any(|m| m.id == id).then(|| self.members.clone()),
            limits: LogLimits {
                reserve_bytes: self.reserve_bytes,
                raft_log_bytes: self.raft_log_bytes,
                scrub_pause_ms: 1,
                ..LogLimits::default()
            },
            raft: RaftOptions {
                snapshot_after: self.snapshot_after,
                keep_entries: 10,
                ..RaftOptions::default()
            },
        }
    }

    /// Opens node `id` and connects it.
    pub(crate) async fn run(&mut self, id: u64) {
        if let Err(error) = self.try_run(id).await {
            panic!("node {id} does not open: {error}");
        }
    }

    pub(crate) async fn try_run(&mut self, id: u64) -> Result<(), String> {
        let options = self.options(id);
        let world = World {
            peers: Arc::new(Port { net: self.net.clone(), id }),
            witnesses: self.witnesses.clone(),
            clock: Arc::new(SystemClock),
        };
        // The node that was stopped lets go of its files when its last task is gone.
        let deadline = tokio::time::Instant::now() + LIMIT;
        let mut options = Some(options);
        let log = loop {
            match HostedLog::open(options.take().unwrap_or_else(|| self.options(id)), world.clone()).await {
                Ok(log) => break log,
                Err(error)
                    if error.to_string().contains("in use") && tokio::time::Instant::now() < deadline =>
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error.to_string()),
            }
        };
        self.net.nodes.lock().unwrap().insert(id, log);
        Ok(())
    }

    /// The first members but one.
    pub(crate) fn others(&self, id: u64) -> Vec<u64> {
        self.members.iter().map(|member| member.id).filter(|other| *other != id).collect()
    }

    pub(crate) fn node(&self, id: u64) -> HostedLog {
        self.net.nodes.lock().unwrap()[&id].clone()
    }

    pub(crate) fn nodes(&self) -> Vec<(u64, HostedLog)> {
        let mut nodes: Vec<_> =
            self.net.nodes.lock().unwrap().iter().map(|(id, log)| (*id, log.clone())).collect();
        nodes.sort_by_key(|(id, _)| *id);
        nodes
    }

    /// Stops a node in good order.
    pub(crate) async fn stop(&self, id: u64) {
        let log = self.net.nodes.lock().unwrap().remove(&id);
        if let Some(log) = log {
            log.shutdown().await;
        }
    }

    /// The leader that a majority follows.
    pub(crate) async fn leader(&self) -> u64 {
        wait_for("a leader", || {
            let nodes = self.nodes();
            let statuses: Vec<_> = nodes.iter().map(|(id, log)| (*id, log.status())).collect();
            let leader =
                statuses.iter().filter(|(_, s)| s.raft_state == "leader").max_by_key(|(_, s)| s.term)?.0;
            let followed = statuses.iter().filter(|(_, s)| s.leader_id == leader).count();
            (followed * 2 > self.members.len()).then_some(leader)
        })
        .await
    }

    /// All nodes have applied and published `size`.
    pub(crate) async fn all_published(&self, size: u64) {
        wait_for("every node to publish", || {
            self.nodes().iter().all(|(_, log)| log.status().published_size >= size).then_some(())
        })
        .await;
    }
}

/// Polls until something is there; panics when it never comes.
pub(crate) async fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Records of one tenant, valid and ready to submit.
pub(crate) struct Tenant {
    pub(crate) id: Ulid,
    key: SigningKey,
    next: u64,
}

impl Tenant {
    pub(crate) fn new(seed: u8) -> Self {
        Self { id: Ulid::from_parts(1, u128::from(seed)), key: SigningKey::from_seed([seed; 32]), next: 0 }
    }

    fn record(&mut self, body: Body) -> Bytes {
        self.next += 1;
        let id = Ulid::from_parts(2, u128::from(self.next));
        Draft::new(self.id, id, Actor::Tenant, 1_700_000_000_000, body).sign(&self.key).to_bytes().into()
    }

    pub(crate) fn register(&mut self) -> Bytes {
        let key = self.key.public();
        self.record(Body::TenantRegister(TenantRegister {
            key: Some(key),
            name: "Tenant".into(),
            on_behalf_of: None,
            plan: None,
        }))
    }

    pub(crate) fn erase(&mut self, subject: Digest) -> Bytes {
        let body = Erasure { on_behalf_of: None, reason: "requested".into(), subject };
        self.record(Body::Erasure(Box::new(body)))
    }

    pub(crate) fn kill(&mut self, agent: AgentId) -> Bytes {
        let reason = "stolen".into();
        let body = AgentKill { agent, cascade: true, compromised_at: None, on_behalf_of: None, reason };
        self.record(Body::AgentKill(body))
    }

    /// What one of its agents did, as the tenant says.
    pub(crate) fn receipt(&mut self, agent: AgentId) -> Bytes {
        let number = self.next.to_be_bytes();
        self.record(Body::ReceiptAction(ReceiptAction {
            approval: None,
            decision: None,
            grant: None,
            action: Scope::parse("invoice:read").unwrap(),
            agent,
            detail: Vec::new(),
            input: Digest::sha256(&number),
            on_behalf_of: None,
            outcome: None,
            output: Digest::sha256(b"out"),
            session: None,
            tool: None,
            verdict: None,
        }))
    }

    /// A session of one of its agents, in which nothing may be done.
    pub(crate) fn session(&mut self, agent: AgentId) -> (SessionId, Bytes) {
        let session = SessionId(Ulid::from_parts(4, u128::from(self.next)));
        let body = SessionOpen {
            agent,
            audience: None,
            on_behalf_of: None,
            proof_key: None,
            scopes: vec![Scope::parse("invoice:read").unwrap()],
            session,
            ttl_min: 60,
        };
        (session, self.record(Body::SessionOpen(Box::new(body))))
    }

    /// A grant from one of its agents to another, who has that key.
    pub(crate) fn grant(&mut self, from: AgentId, to: AgentId, key: &SigningKey, until: u64) -> Bytes {
        let tenant = TenantId(self.id);
        self.record(Body::DelegationOffer(Box::new(DelegationOffer {
            agreement: None,
            deny: Vec::new(),
            from: Some(from),
            grant: DelegationId(Ulid::from_parts(5, u128::from(self.next))),
            hops: 0,
            limits: GrantLimits::until(until),
            on_behalf_of: None,
            parent: None,
            scopes: vec![Scope::parse("invoice:read").unwrap()],
            to: GrantTo { agent: to, kid: key.public().kid(), origin: None, tenant },
        })))
    }

    /// An agreement with another tenant.
    pub(crate) fn agree(&mut self, peer: &Tenant, until: u64) -> Bytes {
        let key = peer.key.public();
        let mut body = FederationAgree {
            expires_at: until,
            hops: 0,
            on_behalf_of: None,
            origin: None,
            peer: TenantId(peer.id),
            peer_key: key,
            peer_sig: PeerSignature { kid: key.kid(), value: [0; 64] },
            scopes: vec![Scope::parse("invoice:read").unwrap()],
            ttl_min: 60,
        };
        body.sign_as_peer(self.id, &peer.key);
        self.record(Body::FederationAgree(Box::new(body)))
    }

    /// Any number of distinct valid records: agents of this tenant.
    pub(crate) fn agent(&mut self) -> Bytes {
        self.agent_with_key().1
    }

    /// An agent of this tenant, and its key.
    pub(crate) fn agent_with_key(&mut self) -> (SigningKey, Bytes) {
        let agent = AgentId(Ulid::from_parts(3, u128::from(self.next) << 8 | self.id.0 & 0xff));
        let seed = *ledger_format::leaf_hash(&self.next.to_be_bytes()).0.first_chunk().unwrap();
        let record = self.record(Body::AgentRegister(Box::new(AgentRegister {
            agent,
            denies: Vec::new(),
            key: SigningKey::from_seed(seed).public(),
            name: "Agent".into(),
            on_behalf_of: None,
            parent: None,
            runtime_type: None,
            scopes: vec![Scope::parse("invoice:read").unwrap()],
            agent_type: AgentType::Autonomous,
        })));
        (SigningKey::from_seed(seed), record)
    }
}

/// Submits one record and expects it in the log.
pub(crate) async fn submit(log: &HostedLog, record: Bytes, ack: Ack) -> Submitted {
    try_submit(log, record, ack).await.unwrap()
}

pub(crate) async fn try_submit(log: &HostedLog, record: Bytes, ack: Ack) -> Result<Submitted, Refused> {
    log.submit(vec![record], ack, LIMIT, Credential::Admin).await.remove(0)
}

/// Checks a proof file as a stranger would.
pub(crate) fn check_proof(policy: &Policy, proof: &[u8], record: &[u8]) {
    let proof = TlogProof::parse(proof).unwrap();
    let entry = proof.entry().expect("the server adds the entry").to_vec();
    verify(&entry, &proof, policy).unwrap();
    let entry = ledger_format::record::Entry::parse(&entry).unwrap();
    assert_eq!(entry.record, record, "the proof is of another record");
}

/// Agents of a tenant, twenty in each batch.
pub(crate) async fn register_agents(log: &HostedLog, tenant: &mut Tenant, batches: usize) {
    for _ in 0..batches {
        let records: Vec<Bytes> = (0..20).map(|_| tenant.agent()).collect();
        let answers = log.submit(records, Ack::Sequenced, LIMIT, Credential::Admin).await;
        assert!(answers.iter().all(Result::is_ok));
    }
}

/// Whether an alarm of this kind stands on a node.
pub(crate) fn has_alarm(cluster: &Cluster, id: u64, kind: &str) -> bool {
    cluster.node(id).status().alarms.iter().any(|alarm| alarm.starts_with(kind))
}
