//! Options that every command takes, and what they resolve to.

use std::{env, fs, path::PathBuf, time::Duration};

use clap::{Args, ValueHint};
use ledger_client::{
    DirSource, Nodes, NodesConfig, Source,
    key_agent::Connection,
    keys::{self, KeyHandle},
    transport::HttpSource,
};
use ledger_format::{Policy, record::PublicKey};
use serde::Deserialize;

use super::{out::Failure, time::duration};

const DEFAULT_KEYS: &str = ".config/maip/keys";

#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Global {
    /// URL of a node, e.g. https://127.0.0.1:7443; repeat it or separate several with commas.
    #[arg(long, global = true, env = "MAIP_URL", value_delimiter = ',', value_hint = ValueHint::Url)]
    pub(crate) url: Vec<String>,
    /// Take URLs, CA, policy and admin key from DIR/devnet.json.
    #[arg(long, global = true, env = "MAIP_DEVNET", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) devnet: Option<PathBuf>,
    /// PEM file of the certificate authority of the nodes. Default: the public ones.
    #[arg(long, global = true, env = "MAIP_CA", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Option<PathBuf>,
    /// Name of the log. Default: the node's first one.
    #[arg(long, global = true, env = "MAIP_LOG", value_name = "NAME", default_value = "")]
    pub(crate) log: String,
    /// Directory in which keys are looked up by name. Default: ~/.config/maip/keys.
    #[arg(long, global = true, env = "MAIP_KEYS", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) keys: Option<PathBuf>,
    /// Socket of a key agent (`maip key agent serve`), which is asked for keys before files are.
    #[arg(long, global = true, env = "MAIP_KEY_SOCKET", value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) key_socket: Option<PathBuf>,
    /// How long one call may wait, e.g. 30s.
    #[arg(long, global = true, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What `maip-devnet up` writes.
#[derive(Debug, Deserialize)]
pub(crate) struct Devnet {
    nodes: Vec<DevnetNode>,
    logs: Vec<DevnetLog>,
    policy: PathBuf,
    admin_key: String,
    ca: PathBuf,
    /// Among others `policy_<log>`, for logs that have a policy of their own.
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct DevnetNode {
    grpc_url: String,
}

#[derive(Debug, Deserialize)]
struct DevnetLog {
    name: String,
    url: String,
}

impl Global {
    /// The file of `--devnet`, if given.
    pub(crate) fn devnet(&self) -> Result<Option<Devnet>, Failure> {
        let Some(dir) = &self.devnet else { return Ok(None) };
        let path = dir.join("devnet.json");
        let unusable = |why: String| {
            Failure::cannot(format!("{} cannot be used", path.display()))
                .why(why)
                .next(format!("start it with `maip-devnet up --data {}`", dir.display()))
        };
        let text = fs::read_to_string(&path).map_err(|e| unusable(e.to_string()))?;
        let mut devnet: Devnet = serde_json::from_str(&text).map_err(|e| unusable(e.to_string()))?;
        if let Some(own) = devnet.others.get(&format!("policy_{}", self.log)).and_then(|p| p.as_str()) {
            devnet.policy = own.into();
        }
        // Paths in the file may be relative to it.
        devnet.policy = dir.join(&devnet.policy);
        devnet.ca = dir.join(&devnet.ca);
        Ok(Some(devnet))
    }

    /// Connections to the nodes, as nobody in particular.
    pub(crate) fn nodes(&self) -> Result<Nodes, Failure> {
        self.connect(None)
    }

    /// Connections that carry the operator's key: `given` (the key or its file), else the devnet's, else none.
    pub(crate) fn nodes_as_operator(&self, given: Option<&str>) -> Result<Nodes, Failure> {
        let of_devnet = self.devnet()?.map(|d| d.admin_key);
        let key = given.or(of_devnet.as_deref()).map(read_key_text).transpose()?;
        self.connect(key)
    }

    fn connect(&self, admin_key: Option<String>) -> Result<Nodes, Failure> {
        let devnet = self.devnet()?;
        let mut config =
            NodesConfig { urls: self.url.clone(), ca_pem: self.ca_pem(devnet.as_ref())?, admin_key };
        if let Some(devnet) = devnet.filter(|_| config.urls.is_empty()) {
            config.urls = devnet.nodes.into_iter().map(|n| n.grpc_url).collect();
        }
        if config.urls.is_empty() {
            return Err(Failure::cannot("no node to talk to")
                .next("give --url https://host:port (or MAIP_URL), or --devnet DIR"));
        }
        Ok(Nodes::new(&config)?)
    }

    /// The URL given is a monitoring prefix (plain HTTP, or with a path), not the gRPC address of a node.
    pub(crate) fn reads_files(&self) -> bool {
        self.url.first().is_some_and(|url| url.starts_with("http://") || has_path(url))
    }

    /// The URL given has a path: it is a log's monitoring prefix, whatever its scheme.
    pub(crate) fn is_prefix(&self) -> bool {
        self.url.first().is_some_and(|url| has_path(url))
    }

    /// The log's published files: `dir` if given, else the monitoring prefix.
    pub(crate) fn source(&self, dir: Option<&PathBuf>) -> Result<Box<dyn Source + Send + Sync>, Failure> {
        if let Some(dir) = dir {
            return Ok(Box::new(DirSource::new(dir)));
        }
        let devnet = self.devnet()?;
        let ca = self.ca_pem(devnet.as_ref())?;
        let url = match (self.url.first(), &devnet) {
            // A node serves each log below its name.
            (Some(url), _) if !has_path(url) && !self.log.is_empty() => {
                format!("{}/{}", url.trim_end_matches('/'), self.log)
            }
            (Some(url), _) => url.clone(),
            (None, Some(devnet)) => self.devnet_log(devnet)?.url.clone(),
            (None, None) => {
                return Err(Failure::cannot("no log to read")
                    .next("give its monitoring prefix with --url http://host:port/main, or --dir DIR, or --devnet DIR"));
            }
        };
        Ok(Box::new(HttpSource::new(&url, ca.as_deref())?))
    }

    fn devnet_log<'d>(&self, devnet: &'d Devnet) -> Result<&'d DevnetLog, Failure> {
        let mut logs = devnet.logs.iter();
        let found = if self.log.is_empty() { logs.next() } else { logs.find(|l| l.name == self.log) };
        found.ok_or_else(|| {
            let names: Vec<_> = devnet.logs.iter().map(|l| l.name.as_str()).collect();
            Failure::cannot(format!("the devnet has no log {:?}", self.log))
                .next(format!("--log one of: {}", names.join(", ")))
        })
    }

    fn ca_pem(&self, devnet: Option<&Devnet>) -> Result<Option<Vec<u8>>, Failure> {
        let Some(path) = self.ca.as_ref().or(devnet.map(|d| &d.ca)) else { return Ok(None) };
        fs::read(path).map(Some).map_err(|e| {
            Failure::cannot(format!("the CA file {} cannot be read", path.display()))
                .why(e)
                .next("check --ca, MAIP_CA or the devnet")
        })
    }

    /// Where the policy is: as given, else the devnet's.
    pub(crate) fn policy_path(&self, given: Option<&PathBuf>) -> Result<Option<PathBuf>, Failure> {
        if let Some(path) = given {
            return Ok(Some(path.clone()));
        }
        Ok(self.devnet()?.map(|d| d.policy))
    }

    /// The policy to trust, if one is given.
    pub(crate) fn policy(&self, given: Option<&PathBuf>) -> Result<Option<Policy>, Failure> {
        self.policy_path(given)?.map(|path| read_policy(&path)).transpose()
    }

    /// The policy to trust; without one nothing can be judged.
    pub(crate) fn policy_needed(&self, given: Option<&PathBuf>) -> Result<Policy, Failure> {
        self.policy(given)?.ok_or_else(|| {
            Failure::cannot("no policy: nothing says whom to trust")
                .next("give --policy FILE (or MAIP_POLICY), or --devnet DIR")
        })
    }

    /// The key to sign with: one that the key agent holds by that name, else a key file or a name in the key directory.
    pub(crate) fn signer(&self, typed: &str) -> Result<KeyHandle, Failure> {
        if let Some(key) = self.held(typed)? {
            return Ok(key);
        }
        Ok(KeyHandle::File(keys::read_seed(&keys::locate(&self.key_directory(), typed))?))
    }

    /// A public key: one that the key agent holds, else the key itself, a file, or a name in the key directory.
    pub(crate) fn public_key(&self, typed: &str) -> Result<PublicKey, Failure> {
        match self.held(typed)? {
            Some(key) => Ok(key.public()),
            None => Ok(keys::public(&self.key_directory(), typed)?),
        }
    }

    fn held(&self, typed: &str) -> Result<Option<KeyHandle>, Failure> {
        let Some(socket) = &self.key_socket else { return Ok(None) };
        let public = Connection::open(socket)?.find(typed)?;
        Ok(public.map(|public| KeyHandle::Agent { public, socket: socket.clone() }))
    }

    /// The directory of keys.
    pub(crate) fn key_directory(&self) -> PathBuf {
        match &self.keys {
            Some(dir) => dir.clone(),
            None => env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(DEFAULT_KEYS),
        }
    }
}

/// The operator's key.
#[derive(Debug, Args)]
pub(crate) struct AdminKey {
    /// File that holds the operator's key. Default: MAIP_ADMIN_KEY (the key or its file), then the devnet's.
    #[arg(
        long,
        value_name = "FILE",
        env = "MAIP_ADMIN_KEY",
        hide_env_values = true,
        value_hint = ValueHint::FilePath
    )]
    admin_key: Option<String>,
}

impl AdminKey {
    pub(crate) fn nodes(&self, global: &Global) -> Result<Nodes, Failure> {
        global.nodes_as_operator(self.admin_key.as_deref())
    }
}

/// Reads a policy file.
pub(crate) fn read_policy(path: &std::path::Path) -> Result<Policy, Failure> {
    let unusable = |why: String| {
        Failure::cannot(format!("the policy {} cannot be used", path.display()))
            .why(why)
            .next("a policy has lines `log`, `witness`, `group` and one `quorum`: see docs/cli.md")
    };
    let text = fs::read_to_string(path).map_err(|e| unusable(e.to_string()))?;
    Policy::parse(&text).map_err(|e| unusable(e.to_string()))
}

/// An operator's key: the key itself, or the file that holds it.
pub(crate) fn read_key_text(given: &str) -> Result<String, Failure> {
    if given.starts_with("maip_live_") {
        return Ok(given.to_owned());
    }
    fs::read_to_string(given).map(|t| t.trim().to_owned()).map_err(|e| {
        Failure::cannot("the admin key cannot be read")
            .why(format!("{given}: {e}"))
            .next("give --admin-key FILE or MAIP_ADMIN_KEY")
    })
}

fn has_path(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.trim_end_matches('/').contains('/')
}

/// Runs an async command on a small runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::cannot("no runtime").why(e))?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitoring_prefix_is_told_from_a_node() {
        for (url, path) in [("https://h:1", false), ("https://h:1/", false), ("http://h/main", true)] {
            assert_eq!(has_path(url), path, "{url}");
        }
    }
}
