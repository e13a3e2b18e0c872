//! `devnet.json`: where everything is, for any tool that wants to attach.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Name of the file in a devnet's directory.
pub const FILE_NAME: &str = "devnet.json";

/// The content of `devnet.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The nodes, in the order in which they were added.
    pub nodes: Vec<NodeInfo>,
    /// The witnesses.
    pub witnesses: Vec<WitnessInfo>,
    /// The hosted logs, main first.
    pub logs: Vec<LogInfo>,
    /// Path of the main log's policy.
    pub policy: PathBuf,
    /// Path of the sandbox log's policy.
    pub policy_sandbox: PathBuf,
    /// The admin key itself, `maip_live_…`: good for every node.
    pub admin_key: String,
    /// Path of the certificate authority's certificate, PEM.
    pub ca: PathBuf,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Node id, never reused.
    pub id: u64,
    /// TLS: HTTP API.
    pub url: String,
    /// TLS: gRPC, the same port as `url`.
    pub grpc_url: String,
    /// Process id; 0 when it does not run.
    pub pid: u32,
    /// Plain HTTP: checkpoints, tiles, metrics, health.
    pub http_url: String,
    /// host:port under which the other nodes reach it.
    pub peer: String,
    /// Its configuration file.
    pub config: PathBuf,
    /// What it prints.
    pub log: PathBuf,
}

/// One witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessInfo {
    /// Key name, `w1.devnet`.
    pub name: String,
    /// Submission and monitoring prefix.
    pub url: String,
    /// Verifier key.
    pub vkey: String,
    /// Process id; 0 when it does not run.
    pub pid: u32,
    /// Its configuration file.
    pub config: PathBuf,
    /// What it prints.
    pub log: PathBuf,
}

/// One hosted log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogInfo {
    /// Name within the nodes.
    pub name: String,
    /// C2SP origin; of the sandbox, that of its first generation: `/v1/logs` of a node has the present one.
    pub origin: String,
    /// Verifier key.
    pub vkey: String,
    /// C2SP monitoring prefix, plain HTTP.
    pub url: String,
}

impl Manifest {
    /// Path of the file in a devnet's directory.
    pub fn path(data: &Path) -> PathBuf {
        data.join(FILE_NAME)
    }

    /// Reads the file of the devnet in `data`.
    pub fn read(data: &Path) -> Result<Manifest> {
        let path = Manifest::path(data);
        let text = fs::read(&path)
            .with_context(|| format!("no devnet in {} ({FILE_NAME} cannot be read)", data.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Writes the file, readable by its owner only: it holds the admin key.
    pub fn write(&self, data: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        let path = Manifest::path(data);
        let fresh = path.with_extension("json.new");
        write_private(&fresh, &text)?;
        fs::rename(&fresh, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The node with this id.
    pub fn node(&self, id: u64) -> Result<&NodeInfo> {
        self.nodes.iter().find(|node| node.id == id).with_context(|| format!("no node {id} in this devnet"))
    }

    /// The log with this name.
    pub fn log(&self, name: &str) -> Result<&LogInfo> {
        self.logs
            .iter()
            .find(|log| log.name == name)
            .with_context(|| format!("no log {name:?} in this devnet"))
    }
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

#[test]
fn a_manifest_comes_back_and_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let manifest = Manifest {
        nodes: Vec::new(),
        witnesses: Vec::new(),
        logs: Vec::new(),
        policy: "policy".into(),
        policy_sandbox: "sandbox".into(),
        admin_key: "maip_live_secret".into(),
        ca: "ca.pem".into(),
    };
    manifest.write(dir.path()).unwrap();
    assert_eq!(Manifest::read(dir.path()).unwrap(), manifest);
    let mode = fs::metadata(Manifest::path(dir.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
