//! A running node: its hosted logs, and the three listeners in front of them.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use ledger_api::{Logs, MaipOptions, Options};
use ledger_format::{NoteSigner, Policy, generation_origin};
use ledger_log::{Clock as _, Generation, HostedLog, LogOptions, World};
use tokio::{net::TcpSocket, sync::watch, task::JoinHandle};

use crate::{
    clock::SystemClock,
    config::{self, Config},
    counters::Counters,
    front::Front,
    given::{Files, Given},
    grpc::{self, Services},
    guard::Guard,
    keys::{AdminKey, load_log_keys},
    listener::{self, Listener},
    otlp::Exporter,
    outbound::HttpWitnesses,
    outgoing::HttpOutgoing,
    peer::{self, GrpcPeers},
    sandbox::Sandbox,
    tls::{ServerTls, TlsError},
};

/// How long a stopping leader tries to hand over before it simply goes.
const HAND_OVER: Duration = Duration::from_secs(3);

/// The sockets of a node, bound before anything is opened: a port in use must not cost a recovery. They listen when everything is open.
pub struct Sockets {
    client: TcpSocket,
    peer: TcpSocket,
    http: Option<TcpSocket>,
}

impl Sockets {
    /// Binds what the configuration names.
    pub fn bind(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            client: listener::bind("clients", config.listen)?,
            peer: listener::bind("peers", config.peer_listen)?,
            http: config.http_listen.map(|address| listener::bind("http", address)).transpose()?,
        })
    }
}

/// A node that serves.
pub struct Node {
    node_id: u64,
    logs: Logs,
    client_tls: Arc<ServerTls>,
    peer_tls: Arc<ServerTls>,
    peers: Arc<GrpcPeers>,
    /// Clients are told to go first, then the peers; then the logs are closed.
    stop_clients: watch::Sender<bool>,
    stop_peers: watch::Sender<bool>,
    client_listeners: Vec<JoinHandle<()>>,
    peer_listener: JoinHandle<()>,
    sandboxes: Vec<JoinHandle<()>>,
    /// Webhooks and runs of workflows.
    background: Vec<JoinHandle<()>>,
    exporting: Option<JoinHandle<()>>,
    given: Arc<Given>,
    /// Looks after the files that the node was given.
    looking: JoinHandle<()>,
    /// The files that each listener reads again.
    client_files: Vec<PathBuf>,
    peer_files: Vec<PathBuf>,
}

impl Node {
    /// Opens every hosted log and serves it. `given` are the files of `config`, compared with those of the last start.
    pub async fn start(config: &Config, given: Given, sockets: Sockets) -> anyhow::Result<Self> {
        given.report();
        let given = Arc::new(given);
        let counters = Arc::new(Counters::default());
        let limits = Arc::new(config.limits.clone());
        let client_tls = ServerTls::clients(&config.tls, config.api.client_ca.as_deref())?;
        let peer_tls = ServerTls::peers(&config.peer_tls)?;
        let admin_key = Arc::new(AdminKey::load(&config.admin_key_file)?);
        let peers = Arc::new(GrpcPeers::new(&config.peer_tls, Arc::clone(&counters))?);
        let world = World {
            peers: Arc::clone(&peers) as _,
            witnesses: Arc::new(HttpWitnesses::new(&config.outbound)?),
            clock: Arc::new(SystemClock),
        };
        let (logs, sandboxes) = open_logs(config, &given, &world).await?;
        given.keep();

        let (stop_clients, clients_stopping) = watch::channel(false);
        let (stop_peers, peers_stopping) = watch::channel(false);
        let sandboxes =
            sandboxes.into_iter().map(|one| one.follow(logs.clone(), clients_stopping.clone())).collect();
        let looking = Arc::clone(&given).watch(logs.clone(), clients_stopping.clone());
        let node_metrics = metrics_of(&counters);
        let (exporter, exporting) =
            Exporter::start(config, &logs, &node_metrics, clients_stopping.clone())?.unzip();
        let node_metrics = with_exporter(node_metrics, exporter.as_ref());
        let maip =
            config.api.enabled.then(|| maip_options(config, &admin_key, &clients_stopping)).transpose()?;
        let services = Services {
            logs: logs.clone(),
            admin_key,
            limits: Arc::clone(&limits),
            node_id: config.node_id,
            stop: clients_stopping.clone(),
        };
        let background = maip.iter().flat_map(|maip| {
            [ledger_api::deliver_webhooks(&logs, maip), ledger_api::run_workflows(&logs, maip)]
        });
        let background = background.collect();
        let plain_maip = maip.clone().filter(|_| config.api.plain);
        let public = ledger_api::router(
            logs.clone(),
            Options {
                unpublished: false,
                node_metrics: Arc::clone(&node_metrics),
                stopping: clients_stopping.clone(),
                maip,
            },
        );
        let unpublished = config.serve_unpublished;
        let plain = Options {
            unpublished,
            node_metrics: Arc::clone(&node_metrics),
            stopping: clients_stopping.clone(),
            maip: plain_maip,
        };
        let plain = ledger_api::router(logs.clone(), plain);
        let stopping = clients_stopping.clone();
        let inner =
            ledger_api::router(logs.clone(), Options { unpublished, node_metrics, stopping, maip: None });
        let guard = || Guard::new(&limits, Arc::clone(&counters));
        let client_front = Front::clients(Some(grpc::calls(services)?), public, guard(), exporter.clone());
        let http_front = Front::clients(None, plain, guard(), exporter);
        let peer_front = Front::peers(peer::router(logs.clone()), inner);

        let build = |name, tls, front, socket| -> anyhow::Result<Listener> {
            let (limits, counters) = (Arc::clone(&limits), Arc::clone(&counters));
            Ok(Listener { name, tls, front, limits, counters, socket: listener::listen(name, socket)? })
        };
        let client = build("clients", Some(Arc::clone(&client_tls)), client_front, sockets.client)?;
        let mut client_listeners = vec![tokio::spawn(client.run(clients_stopping.clone()))];
        if let Some(socket) = sockets.http {
            client_listeners
                .push(tokio::spawn(build("http", None, http_front, socket)?.run(clients_stopping)));
        }
        let peer = build("peers", Some(Arc::clone(&peer_tls)), peer_front, sockets.peer)?;
        let peer_listener = tokio::spawn(peer.run(peers_stopping));
        Ok(Self {
            node_id: config.node_id,
            logs,
            client_tls,
            peer_tls,
            peers,
            stop_clients,
            stop_peers,
            client_listeners,
            peer_listener,
            sandboxes,
            background,
            exporting,
            given,
            looking,
            client_files: [&config.tls.cert, &config.tls.key]
                .into_iter()
                .chain(&config.api.client_ca)
                .cloned()
                .collect(),
            peer_files: [&config.peer_tls.ca, &config.peer_tls.cert, &config.peer_tls.key]
                .map(Clone::clone)
                .into(),
        })
    }

    /// Reads every certificate again; what cannot be read, or is damaged, leaves the old one in use.
    pub fn reload_certificates(&self) {
        let outcomes = [
            (&self.client_files, self.reload("tls", &self.client_files, || self.client_tls.reload())),
            (&self.peer_files, self.reload("peer_tls", &self.peer_files, || self.peer_tls.reload())),
            (&self.peer_files, self.reload("peer_tls", &self.peer_files, || self.peers.reload())),
        ];
        let (mut taken, mut refused) = (Files::new(), Vec::new());
        for (files, outcome) in outcomes {
            match outcome {
                Some(read) => taken.extend(read),
                None => refused.extend(files),
            }
        }
        // What two of them read is in use when both have it.
        taken.retain(|path, _| !refused.contains(&path));
        self.given.take(taken);
    }

    /// Reads the certificates of one field again. Gives what was read, when it is in use now.
    fn reload(
        &self,
        field: &str,
        files: &[PathBuf],
        reload: impl FnOnce() -> Result<(), TlsError>,
    ) -> Option<Files> {
        // Read before the reload: what is written between the two is an alarm, not overlooked.
        let read = self.given.read_again(|path| files.iter().any(|file| file == path));
        let reloaded = read.map_err(anyhow::Error::from).and_then(|read| {
            reload()?;
            Ok(read)
        });
        match reloaded {
            Ok(read) => {
                tracing::info!(field, "certificates reloaded");
                Some(read)
            }
            Err(error) => {
                tracing::error!(field, %error, "certificates not reloaded, the old ones stay in use");
                None
            }
        }
    }

    /// Ends in good order: no new work, open requests get their answers, the logs are synced and closed.
    pub async fn stop(self) {
        // A receiver is gone only when its listener is.
        let _ = self.stop_clients.send(true);
        for sandbox in self.sandboxes {
            if let Err(error) = sandbox.await {
                tracing::error!(%error, "a sandbox failed");
            }
        }
        for task in self.background {
            if let Err(error) = task.await {
                tracing::error!(%error, "the deliveries of webhooks or the runs of workflows failed");
            }
        }
        if let Err(error) = self.looking.await {
            tracing::error!(%error, "the look at the files that the node was given failed");
        }
        // Requests that are still open go on at the new leader; nobody waits for an election.
        for log in self.logs.iter() {
            hand_over(&log, self.node_id).await;
        }
        for listener in self.client_listeners {
            if let Err(error) = listener.await {
                tracing::error!(%error, "a listener failed");
            }
        }
        if let Some(exporting) = self.exporting
            && let Err(error) = exporting.await
        {
            tracing::error!(%error, "the export of measurements failed");
        }
        // Peers keep their connections open for ever, so there is nothing to drain.
        let _ = self.stop_peers.send(true);
        self.peer_listener.abort();
        for log in self.logs.iter() {
            log.shutdown().await;
            tracing::info!(log = log.name(), "closed");
        }
    }
}

/// Gives leadership to the voter that is furthest, if this node leads and is not alone.
async fn hand_over(log: &HostedLog, own: u64) {
    let status = log.status();
    let others = status.members.iter().filter(|known| known.voter && known.member.id != own);
    let Some(successor) = others.max_by_key(|known| known.matched) else { return };
    if status.leader_id != own {
        return;
    }
    match tokio::time::timeout(HAND_OVER, log.transfer(successor.member.id)).await {
        Ok(Ok(())) => tracing::info!(log = log.name(), to = successor.member.id, "leadership handed over"),
        Ok(Err(error)) => tracing::warn!(log = log.name(), %error, "leadership not handed over"),
        Err(_) => tracing::warn!(log = log.name(), "leadership not handed over in time"),
    }
}

/// Opens the main log first: it says which generation of a sandbox is to be opened.
async fn open_logs(
    config: &Config,
    given: &Arc<Given>,
    world: &World,
) -> anyhow::Result<(Logs, Vec<Sandbox>)> {
    let (first, rest) = config.logs.split_first().context("no log is configured")?;
    let main = open_log(config, first, world).await?;
    let (mut others, mut sandboxes) = (Vec::new(), Vec::new());
    let shared = Arc::new(config.clone());
    for log in rest {
        let opened = if log.sandbox {
            let sandbox = Sandbox::new(Arc::clone(&shared), given, log, world, &main);
            let opened = sandbox.open_first().await?;
            sandboxes.push(sandbox);
            opened
        } else {
            Some(open_log(config, log, world).await?)
        };
        others.push((log.name.clone(), opened));
    }
    Ok((Logs::new(main, others), sandboxes))
}

async fn open_log(config: &Config, log: &config::Log, world: &World) -> anyhow::Result<HostedLog> {
    let options = options(config, log, &Generation::first()).with_context(|| format!("log {}", log.name))?;
    let opened = HostedLog::open(options, world.clone())
        .await
        .with_context(|| format!("cannot open log {}", log.name))?;
    tracing::info!(log = log.name, origin = log.origin, size = opened.status().size, "opened");
    Ok(opened)
}

/// What a hosted log is opened with, from the configuration and the files that it names; of a sandbox, one generation of it.
///
/// What is configured names the first generation. The keys and the policy of a later one follow from it.
pub fn options(config: &Config, log: &config::Log, generation: &Generation) -> anyhow::Result<LogOptions> {
    let mut keys = load_log_keys(log)?;
    let mut policy_text = fs::read_to_string(&log.policy)
        .with_context(|| format!("cannot read the witness policy {}", log.policy.display()))?;
    let mut policy =
        Policy::parse(&policy_text).with_context(|| format!("witness policy {}", log.policy.display()))?;
    for vkey in [Some(&keys.signer), keys.next_signer.as_ref()].into_iter().flatten().map(NoteSigner::vkey) {
        if !policy.logs().iter().any(|listed| listed.vkey == *vkey) {
            let policy = log.policy.display();
            bail!("witness policy {policy} does not list this log; add the line `log {vkey}`");
        }
    }
    let read = |path: &PathBuf| {
        fs::read_to_string(path).with_context(|| format!("cannot read the predecessor {}", path.display()))
    };
    let mut predecessor = log.predecessor.as_ref().map(read).transpose()?;
    let number = generation.number;
    let mut bootstrap = config.bootstrap_members();
    if number > 1 {
        keys.signer = keys.signer.of_generation(number)?;
        keys.next_signer = keys.next_signer.map(|next| next.of_generation(number)).transpose()?;
        policy = policy.of_generation(&log.origin, number)?;
        policy_text = policy.to_string();
        predecessor = None;
        let is_member = generation.members.iter().any(|member| member.id == config.node_id);
        bootstrap = is_member.then(|| generation.members.clone());
    }
    Ok(LogOptions {
        name: log.name.clone(),
        origin: generation_origin(&log.origin, number),
        generation: log.sandbox.then_some(number),
        node_id: config.node_id,
        dir: config.generation_dir(&log.name, number),
        engine: config.engine.into(),
        engine_cache_bytes: config.engine_cache_bytes,
        signer: keys.signer,
        additional_signers: keys.next_signer.into_iter().collect(),
        operator: keys.operator,
        timeline: config.api.enabled,
        policy,
        policy_text,
        predecessor,
        fail_open: log.fail_open,
        publish: (&log.publish).into(),
        seal: (&log.seal).into(),
        bootstrap,
        limits: config.log_limits(),
        raft: (&config.raft).into(),
    })
}

fn maip_options(
    config: &Config,
    admin_key: &Arc<AdminKey>,
    stopping: &watch::Receiver<bool>,
) -> anyhow::Result<MaipOptions> {
    let admin_key = Arc::clone(admin_key);
    let outbound = HttpOutgoing::new(&config.outbound, config.api.private_targets)?;
    Ok(MaipOptions {
        is_admin_key: Arc::new(move |text| admin_key.matches(text)),
        now_ms: Arc::new(|| SystemClock.now_ms()),
        calls_a_minute: config.api.calls_a_minute,
        open_registration: config.api.open_registration,
        outbound: Arc::new(outbound),
        stopping: stopping.clone(),
    })
}

type NodeMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// The node's metrics, with those of the exporter if there is one.
fn with_exporter(metrics: NodeMetrics, exporter: Option<&Arc<Exporter>>) -> NodeMetrics {
    let Some(exporter) = exporter.cloned() else { return metrics };
    Arc::new(move || metrics() + &exporter.text())
}

fn metrics_of(counters: &Arc<Counters>) -> Arc<dyn Fn() -> String + Send + Sync> {
    let counters = Arc::clone(counters);
    Arc::new(move || counters.text())
}

/// The addresses that a configuration listens on, for the first log line.
pub fn addresses(config: &Config) -> Vec<(&'static str, SocketAddr)> {
    let http = config.http_listen.map(|address| ("http", address));
    [("clients", config.listen), ("peers", config.peer_listen)].into_iter().chain(http).collect()
}
