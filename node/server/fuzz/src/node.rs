//! One node alone: a log in memory without witnesses, started once.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::Router;
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use ledger_api::{Logs, MaipOptions, Options, Outbound, OutboundAnswer, OutboundCall, OutboundFault, router};
use ledger_format::record::{Actor, Body, Draft, SigningKey, TenantRegister, Ulid};
use ledger_format::{NoteSigner, Policy, SignatureType};
use ledger_log::{
    Ack, Clock, Credential, HostedLog, LogLimits, LogOptions, Member, PublishOptions, RaftOptions,
    SealOptions, World,
};
use ledger_node::{
    config::Limits,
    grpc::{self, Services},
    keys::{AdminKey, new_admin_key},
};
use ledger_store::EngineKind;
use tokio::{runtime::Runtime, sync::watch};

#[path = "../../../log/examples/alone/nobody.rs"]
mod nobody;

use nobody::Nobody;

const ORIGIN: &str = "log.example/fuzz";
/// Longest that the node may take to begin.
const LIMIT: Duration = Duration::from_secs(30);

/// A node that answers.
pub(crate) struct Node {
    pub(crate) runtime: Runtime,
    pub(crate) grpc: Router,
    pub(crate) http: Router,
    pub(crate) admin_key: String,
    _stop: watch::Sender<bool>,
}

/// The node of this process.
pub(crate) fn node() -> &'static Node {
    static NODE: OnceLock<Node> = OnceLock::new();
    NODE.get_or_init(start)
}

fn start() -> Node {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    // Taken away by whoever cleans the directory for temporary files: a fuzz target never ends in good order.
    let dir = tempfile::tempdir().expect("a directory").keep();
    let (admin_key, key_file) = (new_admin_key().expect("a key"), dir.join("admin.key"));
    fs::write(&key_file, &admin_key).expect("written");
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).expect("its mode");
    let loaded = Arc::new(AdminKey::load(&key_file).expect("a key"));
    let (stop, stopping) = watch::channel(false);
    let (grpc, http) = runtime.block_on(async {
        let log = open(&dir).await;
        let logs = Logs::new(log, Vec::new());
        let services = Services {
            logs: logs.clone(),
            admin_key: Arc::clone(&loaded),
            limits: Arc::new(Limits::default()),
            node_id: 1,
            stop: stopping.clone(),
        };
        let maip = MaipOptions {
            is_admin_key: Arc::new(move |text| loaded.matches(text)),
            now_ms: Arc::new(|| Time.now_ms()),
            calls_a_minute: u64::from(u32::MAX),
            open_registration: true,
            outbound: Arc::new(Nowhere),
            stopping: stopping.clone(),
        };
        let options =
            Options { unpublished: true, node_metrics: Arc::new(String::new), stopping, maip: Some(maip) };
        let calls = grpc::calls(services).expect("the services");
        let grpc = move |request| {
            let calls = calls.clone();
            async move { calls.answer(request).await }
        };
        (Router::new().fallback(grpc), router(logs, options))
    });
    Node { runtime, grpc, http, admin_key, _stop: stop }
}

/// A log that leads, with a tenant in it.
async fn open(dir: &std::path::Path) -> HostedLog {
    let signer = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [1; 32]).expect("a name");
    let policy_text = format!("log {}\nquorum none\n", signer.vkey());
    let member = Member { id: 1, peer: "peer:1".into(), api: "https://node:1".into() };
    let options = LogOptions {
        name: "main".into(),
        origin: ORIGIN.into(),
        generation: None,
        node_id: 1,
        dir: dir.join("main"),
        engine: EngineKind::Memory,
        engine_cache_bytes: 8 << 20,
        signer,
        operator: SigningKey::from_seed([2; 32]),
        timeline: true,
        additional_signers: Vec::new(),
        predecessor: None,
        policy: Policy::parse(&policy_text).expect("a policy"),
        policy_text,
        fail_open: false,
        publish: PublishOptions { interval_ms: 50, min_interval_ms: 5, ..PublishOptions::default() },
        seal: SealOptions { interval_ms: 100, pause_ms: 1 },
        bootstrap: Some(vec![member]),
        limits: LogLimits { reserve_bytes: 1, scrub_pause_ms: 0, ..LogLimits::default() },
        raft: RaftOptions::default(),
    };
    let world = World { peers: Arc::new(Nobody), witnesses: Arc::new(Nobody), clock: Arc::new(Time) };
    let log = HostedLog::open(options, world).await.expect("a log");
    let begun = async {
        while log.ready().is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, begun).await.expect("a log that leads");
    let record = Bytes::from(tenant());
    let submitted = log.submit(vec![record], Ack::Witnessed, LIMIT, Credential::Admin).await.remove(0);
    submitted.expect("a tenant in the log");
    log
}

fn tenant() -> Vec<u8> {
    let key = SigningKey::from_seed([7; 32]);
    let body =
        TenantRegister { key: Some(key.public()), name: "Acme".into(), on_behalf_of: None, plan: None };
    let now_ms = Time.now_ms();
    let id = |number| Ulid::from_parts(now_ms, number);
    Draft::new(id(1), id(2), Actor::Tenant, now_ms, Body::TenantRegister(body)).sign(&key).to_bytes()
}

struct Time;

impl Clock for Time {
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
    }
}

/// Nothing is sent from here.
struct Nowhere;

impl Outbound for Nowhere {
    fn check(&self, _: &str) -> Result<(), OutboundFault> {
        Ok(())
    }

    fn send(&self, _: OutboundCall) -> BoxFuture<'static, Result<OutboundAnswer, OutboundFault>> {
        async { Err(OutboundFault::Failed("nowhere".into())) }.boxed()
    }
}
