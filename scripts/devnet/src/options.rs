//! What a devnet consists of.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use clap::ValueEnum;

use crate::binaries::Binaries;

/// What a witness checks before it cosigns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Grade {
    /// The log only ever grows.
    #[default]
    Consistency,
    /// That, and every entry replays: signatures, rules, state.
    Verifying,
}

/// The storage engine of the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// fjall, a log-structured merge tree.
    #[default]
    Fjall,
    /// sled, with an fsync of its own after each flush.
    Sled,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Grade::Consistency => "consistency",
            Grade::Verifying => "verifying",
        })
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Fjall => "fjall",
            Engine::Sled => "sled",
        })
    }
}

/// How [`Devnet::start`](crate::Devnet::start) builds a devnet. Start from [`Options::new`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory that holds everything: keys, certificates, data, logs, `devnet.json`. Created when missing.
    pub data: PathBuf,
    /// First part of the logs' origins and of the witnesses' names: two devnets that speak of each other need different ones.
    pub domain: String,
    /// Number of nodes, all voters; ids from 1.
    pub nodes: u64,
    /// Number of witnesses; the policies ask for a majority of them. 0 gives `quorum none`.
    pub witnesses: u32,
    /// What the witnesses check.
    pub grade: Grade,
    /// Storage engine of the nodes.
    pub engine: Engine,
    /// Puts a TCP proxy in front of each node's peer port, so that links can be cut and healed.
    pub proxied_links: bool,
    /// Where the nodes listen for each other, by id from 1; the nodes behind the last one take free ports. Raft remembers these addresses, so
    /// a devnet that is to move keeps them.
    pub peers: Vec<SocketAddr>,
    /// How long after a checkpoint the next one is published when the log has grown, in milliseconds.
    pub publish_interval_ms: u64,
    /// Calls a minute that a node's API allows one credential; `None`: the node's default.
    pub calls_a_minute: Option<u64>,
    /// Lines appended to each node's configuration, for what has no option here.
    pub node_config_extra: String,
    /// Environment of the nodes on top of ours, e.g. `RUST_LOG`.
    pub node_env: Vec<(String, String)>,
    /// Processes get a process group of their own and outlive a Ctrl-C at the terminal.
    pub detached: bool,
    /// How long a process may take until `/health/ready` says yes.
    pub ready_limit: Duration,
    /// The programs to run.
    pub binaries: Binaries,
}

impl Options {
    /// Three nodes and three witnesses below `data`, default settings everywhere.
    pub fn new(data: impl Into<PathBuf>) -> anyhow::Result<Options> {
        Ok(Options {
            data: data.into(),
            domain: "maip.devnet".into(),
            nodes: 3,
            witnesses: 3,
            grade: Grade::default(),
            engine: Engine::default(),
            proxied_links: false,
            peers: Vec::new(),
            publish_interval_ms: 1_000,
            calls_a_minute: None,
            node_config_extra: String::new(),
            node_env: Vec::new(),
            detached: false,
            ready_limit: Duration::from_secs(60),
            binaries: Binaries::find()?,
        })
    }

    /// How many witnesses a checkpoint needs: a majority, so that one of three may be away.
    pub fn quorum(&self) -> u32 {
        if self.witnesses == 0 { 0 } else { self.witnesses / 2 + 1 }
    }
}
