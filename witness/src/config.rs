//! The configuration file and its defaults. `init` writes it: see [`Init`].
//!
//! What safety depends on has no default; everything else has one, here. A misspelt key is an error. Paths
//! are relative to the file.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ledger_format::{NoteSigner, SignatureType};
use serde::Deserialize;

use crate::logs::{Log, LogSet, LogsError, parse_list};
use crate::persist::MemoryError;

mod init;

pub use init::{Init, init};

/// The configuration of a witness.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on, plain HTTP. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Directory of the memory. It must exist: `init` makes it.
    pub state_dir: PathBuf,
    /// File with the private key line; the witness's name is in it.
    pub key: PathBuf,
    /// File with a second private key, ML-DSA-44, if this build has it. Its cosignature is added to each
    /// answer, and it signs subtrees.
    #[serde(default)]
    pub ml_dsa_key: Option<PathBuf>,
    /// What is checked before a checkpoint is cosigned.
    pub grade: Grade,
    /// Logs.
    #[serde(default)]
    pub logs: Vec<LogConfig>,
    /// Directory of further files `*.toml` that hold `[[logs]]` only. Read again on SIGHUP.
    #[serde(default)]
    pub logs_dir: Option<PathBuf>,
    /// Files in the list format `logs/v0` of the public witness network. Read again on SIGHUP.
    #[serde(default)]
    pub log_lists: Vec<PathBuf>,
    /// Limits on what strangers may cost us.
    #[serde(default)]
    pub limits: Limits,
    /// Only for the verifying grade.
    #[serde(default)]
    pub verify: VerifyConfig,
}

/// What a cosignature of this witness stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Every checkpoint extends the one before.
    Consistency,
    /// And the log's entries were fetched and replayed: every signature and rule holds.
    Verifying,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// The log's verifier key.
    pub vkey: String,
    /// First line of its checkpoints; the name in the key if absent.
    pub origin: Option<String>,
    /// Monitoring prefix, or several with the same content: where checkpoint and tiles are read. Needed by
    /// the verifying grade.
    #[serde(default)]
    pub url: OneOrMore,
    /// Prefix, or several, that serves tiles of entries not yet published, if the log offers it.
    #[serde(default)]
    pub entries_url: OneOrMore,
    /// New checkpoints a day; unlimited if absent. To have the one cosigned last refreshed does not count.
    pub qpd: Option<u64>,
    /// A sandbox, which is reset from time to time: the logs that follow it under this key are cosigned, too.
    #[serde(default)]
    pub sandbox: bool,
}

/// A text, or a list of texts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// `"a"`
    One(String),
    /// `["a", "b"]`
    More(Vec<String>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

/// Limits, each with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest request body: 63 proof lines and a checkpoint with dozens of signatures fit.
    pub body_bytes_max: usize,
    /// Requests answered at once; more get 503.
    pub requests_max: usize,
    /// Connections open at once; more are closed.
    pub connections_max: usize,
    /// How long a connection may take to send a request head, or stay idle, in milliseconds.
    pub header_ms_max: u64,
    /// How long a request body may take to arrive, in milliseconds.
    pub body_ms_max: u64,
    /// How long the requests under way may take when the program is asked to stop, in milliseconds.
    pub shutdown_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 128 * 1024,
            requests_max: 256,
            connections_max: 1024,
            header_ms_max: 30_000,
            body_ms_max: 5_000,
            shutdown_ms_max: 5_000,
        }
    }
}

/// Settings of the verifying grade.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerifyConfig {
    /// PEM file of the authorities that `https` prefixes are checked against; the public ones if absent.
    pub ca: Option<PathBuf>,
    /// Entries of a checkpoint that may be cosigned before they were replayed, because the log
    /// publishes them only afterwards.
    pub max_unverified: u64,
    /// Entries that one request waits for, and that are held in memory while their hashes are checked; a
    /// longer replay is done in the background.
    pub inline_max: u64,
    /// How long one file of a log may take to arrive, in milliseconds.
    pub fetch_ms_max: u64,
    /// How often a log is looked at when it does not call, in milliseconds.
    pub follow_interval_ms: u64,
}

impl Default for VerifyConfig {
    fn default() -> Self {
        Self {
            ca: None,
            max_unverified: 65_536,
            inline_max: 16_384,
            fetch_ms_max: 5_000,
            follow_interval_ms: 1_000,
        }
    }
}

/// Why the configuration cannot be used. Each names the file and what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A file is there that `init` would write.
    #[error("{path} exists already; nothing was changed")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Not TOML, or a key that is unknown or missing.
    #[error("{path}: {source}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// Not a key file.
    #[error("{path} does not hold a private key line: {reason}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong; never the content.
        reason: String,
    },
    /// A log that cannot be used.
    #[error("{path}: {source}")]
    Logs {
        /// The file that names it.
        path: PathBuf,
        /// What is wrong.
        source: LogsError,
    },
    /// The verifying grade needs somewhere to read entries from.
    #[error("the log {origin:?} needs a `url`, because the grade is \"verifying\"")]
    NoUrl {
        /// The log.
        origin: String,
    },
    /// A number or address that cannot work.
    #[error("{path}: {field} {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        field: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The memory cannot be made.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A name that a key cannot carry.
    #[error("{name:?} cannot be the name of a witness: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The machine gives no random bytes.
    #[error("no random bytes for a new key: {0}")]
    Random(String),
}

/// The configuration with everything it refers to read.
#[derive(Debug)]
pub struct Loaded {
    /// The file's content, paths made absolute or relative to the working directory.
    pub config: Config,
    /// Logs of all places.
    pub logs: LogSet,
}

/// Most that a bound on a number may say: far below what counters cannot hold.
const BOUND_MAX: usize = 1 << 32;

/// Reads a configuration file and the logs it refers to.
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let mut config: Config = read_toml(path)?;
    let base = path.parent().unwrap_or_else(|| Path::new(""));
    for file in [&mut config.state_dir, &mut config.key]
        .into_iter()
        .chain(&mut config.ml_dsa_key)
        .chain(&mut config.logs_dir)
        .chain(&mut config.log_lists)
        .chain(&mut config.verify.ca)
    {
        *file = base.join(&*file);
    }
    let value = |field, reason| Err(ConfigError::Value { path: path.into(), field, reason });
    if config.limits.requests_max == 0 || config.limits.connections_max == 0 {
        return value("limits.requests_max and limits.connections_max", "must be at least 1");
    }
    if config.limits.requests_max > BOUND_MAX || config.limits.connections_max > BOUND_MAX {
        return value("limits.requests_max and limits.connections_max", "is more than any machine serves");
    }
    if config.limits.header_ms_max == 0 || config.limits.body_ms_max == 0 || config.verify.fetch_ms_max == 0 {
        return value("a time limit", "must be at least 1 ms");
    }
    if config.verify.follow_interval_ms == 0 || config.verify.inline_max == 0 {
        return value("verify.follow_interval_ms and verify.inline_max", "must be at least 1");
    }
    let logs = read_logs(path, &config)?;
    Ok(Loaded { config, logs })
}

/// Reads a private key line, which must be of the given type.
pub fn read_key(path: &Path, ty: SignatureType) -> Result<NoteSigner, ConfigError> {
    let wrong = |reason: String| ConfigError::Key { path: path.into(), reason };
    let key = NoteSigner::parse(&read(path)?).map_err(|error| wrong(error.to_string()))?;
    let found = key.vkey().signature_type();
    if found != ty {
        let (found, want) = (found.byte(), ty.byte());
        return Err(wrong(format!("the key is of type {found:#04x} and must be of type {want:#04x}")));
    }
    Ok(key)
}

fn read_logs(path: &Path, config: &Config) -> Result<LogSet, ConfigError> {
    /// A file in `logs_dir`.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct LogsFile {
        logs: Vec<LogConfig>,
    }
    let in_file = |path: &Path| {
        let path = path.to_owned();
        move |source| ConfigError::Logs { path: path.clone(), source }
    };
    let mut logs = Vec::new();
    for log in &config.logs {
        logs.push(log_of(log).map_err(in_file(path))?);
    }
    if let Some(dir) = &config.logs_dir {
        let failed = |source| ConfigError::File { path: dir.clone(), source };
        let mut files = fs::read_dir(dir)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>())
            .map_err(failed)?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        for file in files {
            for log in &read_toml::<LogsFile>(&file)?.logs {
                logs.push(log_of(log).map_err(in_file(&file))?);
            }
        }
    }
    for file in &config.log_lists {
        logs.extend(parse_list(&read(file)?).map_err(in_file(file))?);
    }
    let logs = LogSet::new(logs).map_err(in_file(path))?;
    if config.grade == Grade::Verifying
        && let Some(log) = logs.iter().find(|log| log.urls.is_empty())
    {
        return Err(ConfigError::NoUrl { origin: log.origin.clone() });
    }
    Ok(logs)
}

fn log_of(config: &LogConfig) -> Result<Log, LogsError> {
    let mut log = Log::new(&config.vkey, config.origin.as_deref())?;
    let prefixes = |urls: &OneOrMore| {
        let urls = match urls {
            OneOrMore::One(url) => std::slice::from_ref(url),
            OneOrMore::More(urls) => urls,
        };
        urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect()
    };
    log.urls = prefixes(&config.url);
    log.entries_urls = prefixes(&config.entries_url);
    log.qpd = config.qpd;
    log.sandbox = config.sandbox;
    Ok(log)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.into(), source })
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    toml::from_str(&read(path)?)
        .map_err(|source| ConfigError::Toml { path: path.into(), source: Box::new(source) })
}

#[cfg(test)]
mod tests;
