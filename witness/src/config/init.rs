//! `maip-witness init`: key, commented configuration, empty memory.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use ledger_format::{NoteSigner, SignatureType};

use super::{ConfigError, Grade, Limits, VerifyConfig};
use crate::logs::Log;
use crate::persist;
use crate::persist::disk::write_file;

/// What `init` is told.
#[derive(Clone, Debug)]
pub struct Init {
    /// Directory to make the witness in; made if absent.
    pub dir: PathBuf,
    /// Name of the witness, a schema-less URL by custom.
    pub name: String,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Grade.
    pub grade: Grade,
    /// Logs: verifier key and monitoring prefixes.
    pub logs: Vec<(String, Vec<String>)>,
    /// Sandboxes, in the same way.
    pub sandboxes: Vec<(String, Vec<String>)>,
}

impl Init {
    /// All logs, each with whether it is a sandbox.
    fn all_logs(&self) -> impl Iterator<Item = (&String, &Vec<String>, bool)> {
        let logs = self.logs.iter().map(|(vkey, urls)| (vkey, urls, false));
        logs.chain(self.sandboxes.iter().map(|(vkey, urls)| (vkey, urls, true)))
    }
}

/// Makes a witness: key, configuration, empty memory. Changes nothing that exists. Returns the vkey line.
pub fn init(init: &Init) -> Result<String, ConfigError> {
    for (vkey, urls, _) in init.all_logs() {
        let log =
            Log::new(vkey, None).map_err(|source| ConfigError::Logs { path: init.dir.clone(), source })?;
        if init.grade == Grade::Verifying && urls.is_empty() {
            return Err(ConfigError::NoUrl { origin: log.origin });
        }
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| ConfigError::Random(error.to_string()))?;
    let key = NoteSigner::new(&init.name, SignatureType::CosignatureV1, seed)
        .map_err(|error| ConfigError::Name { name: init.name.clone(), reason: error.to_string() })?;
    let vkey = key.vkey().to_string();

    let (key_file, config_file) = (init.dir.join("witness.key"), init.dir.join("witness.toml"));
    for path in [&key_file, &config_file] {
        if path.exists() {
            return Err(ConfigError::Exists { path: path.clone() });
        }
    }
    let state_dir = init.dir.join("state");
    for dir in [&state_dir, &init.dir.join("logs.d")] {
        fs::create_dir_all(dir).map_err(|source| ConfigError::File { path: dir.clone(), source })?;
    }
    // The memory before the key: a witness that has a key has a memory.
    persist::create(&state_dir, &vkey)?;
    let write = |path: &PathBuf, text: String, mode| {
        write_file(path, text.as_bytes(), mode)
            .map_err(|source| ConfigError::File { path: path.clone(), source })
    };
    write(&key_file, format!("{}\n", key.to_private_text()), 0o600)?;
    write(&config_file, config_text(init, &vkey), 0o644)?;
    Ok(vkey)
}

/// The commented file.
fn config_text(init: &Init, vkey: &str) -> String {
    let defaults = (Limits::default(), VerifyConfig::default());
    let (limits, verify) = (&defaults.0, &defaults.1);
    let grade = match init.grade {
        Grade::Consistency => "consistency",
        Grade::Verifying => "verifying",
    };
    let mut text = format!(
        r#"# Configuration of maip-witness. Paths are relative to this file.
#
# Verifier key of this witness, for the logs and for everybody's policy:
#   {vkey}

# Address of the HTTP interface. It is made for a reverse proxy with TLS in front, or for a private network.
listen = "{listen}"

# What was cosigned so far. The witness does not start if it is missing, damaged, or another witness's.
# Never restore it from a backup and never run two witnesses with one key: both can make it sign a fork.
state_dir = "state"

# The private key, mode 0600.
key = "witness.key"
# ml_dsa_key = "witness.ml-dsa.key"   # a second one of type 0x06, for builds with ML-DSA-44

# "consistency": cosign what extends the last checkpoint. "verifying": also fetch and replay every entry.
grade = "{grade}"

# Further logs: files with [[logs]] in a directory, and lists of the public witness network (logs/v0).
# Both are read again when the process gets SIGHUP.
logs_dir = "logs.d"
# log_lists = ["log-list.1"]
"#,
        listen = init.listen,
    );
    for (vkey, urls, sandbox) in init.all_logs() {
        text.push_str(&format!("\n[[logs]]\nvkey = \"{vkey}\"\n"));
        match &urls[..] {
            [] => {}
            [url] => text.push_str(&format!("url = \"{url}\"\n")),
            urls => text.push_str(&format!("url = {urls:?}\n")),
        }
        if sandbox {
            text.push_str("sandbox = true\n");
        }
    }
    if init.all_logs().next().is_none() {
        text.push_str("\n# [[logs]]\n# vkey = \"log.example/main+...\"       # the log's verifier key\n");
    }
    text.push_str(&format!(
        r#"# origin = "log.example/main"          # first line of its checkpoints, if it is not the key's name
# url = "https://log.example/main"     # where its checkpoint and tiles are read; needed to verify. Or a list
#                                      # of prefixes that serve the same, in case one does not answer
# entries_url = "http://10.0.0.1:7080/main/unpublished"   # or a list: entries before publication
# qpd = 86400                          # new checkpoints a day; unlimited if absent
# sandbox = true                       # it is reset from time to time: cosign the logs that follow it, too

[limits]
# body_bytes_max = {body}
# requests_max = {requests}         # answered at once; more get 503
# connections_max = {connections}
# header_ms_max = {header}      # to send a request head, or to stay idle
# body_ms_max = {body_ms}
# shutdown_ms_max = {shutdown}

[verify]
# ca = "ca.pem"                # authorities for https prefixes; the public ones if absent
# max_unverified = {unverified}       # entries that may be cosigned before they can be read
# inline_max = {inline}           # entries that one request waits for
# fetch_ms_max = {fetch}
# follow_interval_ms = {follow}
"#,
        body = limits.body_bytes_max,
        requests = limits.requests_max,
        connections = limits.connections_max,
        header = limits.header_ms_max,
        body_ms = limits.body_ms_max,
        shutdown = limits.shutdown_ms_max,
        unverified = verify.max_unverified,
        inline = verify.inline_max,
        fetch = verify.fetch_ms_max,
        follow = verify.follow_interval_ms,
    ));
    text
}
