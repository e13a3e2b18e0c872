//! The configuration of a node: one TOML file, then environment, then flags.
//!
//! What could lose data or lie to a verifier has no default; everything else has one, here. A misspelt key is an error.

mod api;
mod limits;
mod load;
mod timing;
mod validate;

#[cfg(test)]
mod damaged;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ledger_log::{LogLimits, Member};
use ledger_store::EngineKind;
use serde::Deserialize;

pub use api::Api;
pub use limits::Limits;
pub use load::{ConfigError, Overrides, load, parse};
pub use timing::{Publish, Raft, Seal};

/// Everything a node is started with. Paths are absolute once loaded.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This node's id in its cluster. Never reused, not even when the disk was lost (rule L3).
    pub node_id: u64,
    /// Everything the node writes.
    pub data_dir: PathBuf,
    /// TLS for clients: gRPC, gRPC-web and HTTP on one port.
    pub listen: SocketAddr,
    /// Mutual TLS between the nodes of the cluster.
    pub peer_listen: SocketAddr,
    /// Plain HTTP: checkpoint, tiles, metrics, health. Reads only.
    pub http_listen: Option<SocketAddr>,
    /// Who holds this key may administer the node.
    pub admin_key_file: PathBuf,
    /// Storage engine of the state and the indexes.
    #[serde(default)]
    pub engine: Engine,
    /// Memory for the cache of each log's engine, in bytes.
    #[serde(default = "default_engine_cache")]
    pub engine_cache_bytes: usize,
    /// Offer entries above the published size on the plain and the peer listener, for witnesses that replay them.
    #[serde(default)]
    pub serve_unpublished: bool,
    /// Certificate that clients see.
    pub tls: TlsFiles,
    /// Certificate and authority for the peer listener.
    pub peer_tls: PeerTlsFiles,
    /// The other nodes.
    #[serde(default)]
    pub cluster: Cluster,
    /// The hosted logs; the first is the main one.
    pub logs: Vec<Log>,
    /// The MAIP API over HTTP.
    #[serde(default)]
    pub api: Api,
    /// Bounds on what strangers and clients may cost.
    #[serde(default)]
    pub limits: Limits,
    /// Raft's timing, the same on every node.
    #[serde(default)]
    pub raft: Raft,
    /// Requests that this node makes to witnesses.
    #[serde(default)]
    pub outbound: Outbound,
    /// Logs of the program itself.
    #[serde(default)]
    pub telemetry: Telemetry,
}

/// Names of the storage engines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A log-structured merge tree: steady memory on large logs.
    #[default]
    Fjall,
    /// A B-tree-like engine; for small logs.
    Sled,
}

impl From<Engine> for EngineKind {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Fjall => Self::Fjall,
            Engine::Sled => Self::Sled,
        }
    }
}

/// PEM files of a listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Certificate chain, own certificate first.
    pub cert: PathBuf,
    /// Its private key, mode 0600.
    pub key: PathBuf,
}

/// PEM files of the peer listener. The certificate carries the DNS name `maip-node-<id>`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerTlsFiles {
    /// The cluster's own authority. Whoever holds a certificate of it is a node.
    pub ca: PathBuf,
    /// This node's certificate chain.
    pub cert: PathBuf,
    /// Its private key, mode 0600.
    pub key: PathBuf,
}

/// How the cluster begins.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// Form a new cluster of `members` when this node has never been in one. Harmless later.
    pub bootstrap: bool,
    /// The first voters. Later changes are made with the Admin service, not here.
    pub members: Vec<MemberEntry>,
}

/// One first voter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberEntry {
    /// Its node id.
    pub id: u64,
    /// `host:port` of its peer listener.
    pub peer: String,
    /// `https://host:port` of its client listener.
    pub api: String,
}

impl From<&MemberEntry> for Member {
    fn from(entry: &MemberEntry) -> Self {
        Self { id: entry.id, peer: entry.peer.clone(), api: entry.api.clone() }
    }
}

/// One hosted log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Short name: path segment, directory, metrics label.
    pub name: String,
    /// First line of every checkpoint. The name of the log key.
    pub origin: String,
    /// A sandbox: it can be reset, and then begins anew under another origin. A production log, like the first, never is.
    #[serde(default)]
    pub sandbox: bool,
    /// File of the log key, the same key on every node.
    pub log_key: PathBuf,
    /// File of a second log key, while one takes over from the other (rule R5). Signs once `log.key` has added it.
    pub next_log_key: Option<PathBuf>,
    /// File of the operator key, the same key on every node.
    pub operator_key: PathBuf,
    /// File of the tlog-policy: which witnesses, how many.
    pub policy: PathBuf,
    /// For a new log that follows one which lost entries: file with the last good checkpoint of that one (rule R4).
    pub predecessor: Option<PathBuf>,
    /// Publish although the policy is not satisfied. Verifiers see it: cosignatures are missing.
    #[serde(default)]
    pub fail_open: bool,
    /// When to publish.
    #[serde(default)]
    pub publish: Publish,
    /// When to seal statuses.
    #[serde(default)]
    pub seal: Seal,
}

/// Requests to witnesses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// PEM file with further authorities for witnesses whose certificates are not of the web's.
    pub ca: Option<PathBuf>,
    /// HTTP proxy to the witnesses. Only what is written here is used, never the environment's: a proxy that somebody
    /// exported for other programs must not stop a log. Targets that tenants name are reached through it only where
    /// `api.private_targets` lets them be anything: what a proxy connects to is out of this program's hands.
    pub proxy: Option<String>,
}

/// Logs of the program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Filter as in `info,ledger_log=debug`. Consensus itself is heard only when it fails: it would warn of each heartbeat
    /// to a dead node, which the peers' transport says once.
    pub log: String,
    /// For people or for machines.
    pub format: LogFormat,
    /// URL of a collector that takes OTLP over HTTP, without the path: spans of requests and the metrics go there. None by default.
    pub otlp: Option<String>,
    /// Pause between two posts of the metrics to it.
    pub otlp_metrics_ms: u64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log: "info,openraft=error".to_owned(),
            format: LogFormat::Text,
            otlp: None,
            otlp_metrics_ms: 10_000,
        }
    }
}

/// Shape of the log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Log {
    /// Every file that this log names to be read, with the field that names it.
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        let needed =
            [("log_key", &self.log_key), ("operator_key", &self.operator_key), ("policy", &self.policy)];
        let optional = [("next_log_key", &self.next_log_key), ("predecessor", &self.predecessor)];
        let needed = needed.into_iter().map(|(field, path)| (field, path.as_path()));
        needed
            .chain(optional.into_iter().filter_map(|(field, path)| Some((field, path.as_deref()?))))
            .collect()
    }
}

impl Config {
    /// Directory that holds the data of all logs.
    pub fn logs_dir(&self) -> PathBuf {
        self.data_dir.join("logs")
    }

    /// Directory of one log's data; of a sandbox, of its first generation.
    pub fn log_dir(&self, name: &str) -> PathBuf {
        self.logs_dir().join(name)
    }

    /// Directory of the data of one generation of a sandbox.
    pub fn generation_dir(&self, name: &str, generation: u32) -> PathBuf {
        if generation <= 1 {
            self.log_dir(name)
        } else {
            self.logs_dir().join(format!("{name}.{generation}"))
        }
    }

    /// Every file that the configuration names to be read, with the field that names it.
    pub fn files(&self) -> Vec<(String, &Path)> {
        let needed = [
            ("admin_key_file", &self.admin_key_file),
            ("tls.cert", &self.tls.cert),
            ("tls.key", &self.tls.key),
            ("peer_tls.ca", &self.peer_tls.ca),
            ("peer_tls.cert", &self.peer_tls.cert),
            ("peer_tls.key", &self.peer_tls.key),
        ];
        let optional = [("api.client_ca", &self.api.client_ca), ("outbound.ca", &self.outbound.ca)];
        let optional = optional.into_iter().filter_map(|(field, path)| Some((field, path.as_ref()?)));
        let named = needed.into_iter().chain(optional);
        let mut files: Vec<_> = named.map(|(field, path)| (field.to_owned(), path.as_path())).collect();
        for (place, log) in self.logs.iter().enumerate() {
            let of_log = |(field, path)| (format!("logs[{place}].{field}"), path);
            files.extend(log.files().into_iter().map(of_log));
        }
        files
    }

    /// The first voters, when this node is to form a new cluster.
    pub fn bootstrap_members(&self) -> Option<Vec<Member>> {
        self.cluster.bootstrap.then(|| self.cluster.members.iter().map(Member::from).collect())
    }

    /// The configured log called `name`, or the first when `name` is empty.
    pub fn log(&self, name: &str) -> Option<&Log> {
        if name.is_empty() { self.logs.first() } else { self.logs.iter().find(|log| log.name == name) }
    }

    /// Bounds of each hosted log.
    pub fn log_limits(&self) -> LogLimits {
        (&self.limits).into()
    }

    /// Makes every path absolute, relative to the directory of the file.
    fn resolve(&mut self, base: &Path) {
        let join = |path: &mut PathBuf| *path = base.join(&path);
        join(&mut self.data_dir);
        self.api.client_ca.iter_mut().for_each(join);
        join(&mut self.admin_key_file);
        join(&mut self.tls.cert);
        join(&mut self.tls.key);
        join(&mut self.peer_tls.ca);
        join(&mut self.peer_tls.cert);
        join(&mut self.peer_tls.key);
        self.outbound.ca.iter_mut().for_each(join);
        for log in &mut self.logs {
            join(&mut log.log_key);
            join(&mut log.operator_key);
            join(&mut log.policy);
            log.next_log_key.iter_mut().for_each(join);
            log.predecessor.iter_mut().for_each(join);
        }
    }
}

fn default_engine_cache() -> usize {
    32 << 20
}
