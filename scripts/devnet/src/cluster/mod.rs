//! A devnet that this process runs.

mod build;
mod config;
mod faults;

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    grpc, http,
    manifest::{Manifest, NodeInfo},
    options::Options,
    ports::Ports,
    process::{self, Process},
    proxy::Links,
    wait::{wait_until, wait_until_async},
};

/// How long one health question may take.
const HEALTH_LIMIT: Duration = Duration::from_secs(2);

/// A running devnet. Dropping it kills its processes; the files stay.
#[derive(Debug)]
pub struct Devnet {
    options: Options,
    data: PathBuf,
    manifest: Manifest,
    ports: Ports,
    links: Links,
    nodes: BTreeMap<u64, Process>,
    witnesses: Vec<Process>,
}

impl Devnet {
    /// Makes keys, certificates and configurations in `options.data`, starts every process and waits until all
    /// are ready. Fails when a devnet is there already, see [`Devnet::resume`].
    pub fn start(options: Options) -> Result<Devnet> {
        ensure!(options.nodes > 0, "a devnet needs at least one node");
        fs::create_dir_all(&options.data)
            .with_context(|| format!("cannot create {}", options.data.display()))?;
        let data = options.data.canonicalize()?;
        if Manifest::path(&data).exists() {
            bail!("there is a devnet in {} already", data.display());
        }
        let mut devnet = build::build(options, data)?;
        devnet.start_all()?;
        Ok(devnet)
    }

    /// Starts the processes of a devnet that was made earlier, except those that still run.
    pub fn resume(options: Options) -> Result<Devnet> {
        let data = options.data.canonicalize().with_context(|| format!("no {}", options.data.display()))?;
        let mut devnet = build::reopen(options, data)?;
        devnet.start_all()?;
        Ok(devnet)
    }

    /// What `devnet.json` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The directory that holds everything.
    pub fn data(&self) -> &std::path::Path {
        &self.data
    }

    /// The programs that run.
    pub fn binaries(&self) -> &crate::Binaries {
        &self.options.binaries
    }

    /// Ids of the nodes that this devnet has, running or not.
    pub fn node_ids(&self) -> Vec<u64> {
        self.nodes.keys().copied().collect()
    }

    /// Where a node is.
    pub fn node(&self, id: u64) -> Result<&NodeInfo> {
        self.manifest.node(id)
    }

    /// Whether a node's process runs.
    pub fn is_running(&mut self, id: u64) -> bool {
        self.nodes.get_mut(&id).is_some_and(Process::is_running)
    }

    /// A gRPC channel to a node.
    pub async fn channel(&self, id: u64) -> Result<tonic::transport::Channel> {
        grpc::connect(self.node(id)?, &self.manifest.ca).await
    }

    /// The node that leads the named log, as it says itself, or an error that lists what each node said.
    pub async fn leader(&self, log: &str) -> Result<u64> {
        grpc::leader(&self.manifest, log).await
    }

    /// Waits until some node leads the named log.
    pub async fn wait_for_leader(&self, log: &str, limit: Duration) -> Result<u64> {
        wait_until_async("a leader", limit, async || self.leader(log).await).await
    }

    /// Ends every process in order (nodes first), leaving the files.
    pub fn shut_down(&mut self) -> Result<()> {
        let mut first_error = Ok(());
        for process in self.nodes.values_mut().chain(&mut self.witnesses) {
            let ended = process.terminate();
            if first_error.is_ok() {
                first_error = ended;
            }
        }
        self.record_pids()?;
        first_error
    }

    /// Lets the processes outlive this one.
    pub fn leave_running(mut self) {
        for process in self.nodes.values_mut().chain(&mut self.witnesses) {
            process.leave_running();
        }
    }

    fn start_all(&mut self) -> Result<()> {
        for (info, process) in self.manifest.witnesses.iter().zip(&mut self.witnesses) {
            if !process::is_ours(info.pid, &info.config) {
                process.start()?;
            }
        }
        for (info, process) in self.manifest.witnesses.iter().zip(&mut self.witnesses) {
            wait_ready(process, &info.url, self.options.ready_limit)?;
        }
        for id in self.node_ids() {
            let info = self.manifest.node(id)?;
            if !process::is_ours(info.pid, &info.config) {
                self.start_node(id)?;
            }
        }
        self.record_pids()?;
        for id in self.node_ids() {
            self.wait_ready(id)?;
        }
        Ok(())
    }

    fn start_node(&mut self, id: u64) -> Result<()> {
        let process = self.nodes.get_mut(&id).with_context(|| format!("no node {id}"))?;
        process.start()?;
        if let Some(pid) = process.pid() {
            self.links.register(pid, id);
        }
        Ok(())
    }

    /// Waits until a node says that it is ready; fails at once, with its log, when it ends instead.
    pub fn wait_ready(&mut self, id: u64) -> Result<()> {
        let url = self.manifest.node(id)?.http_url.clone();
        let process = self.nodes.get_mut(&id).with_context(|| format!("no node {id}"))?;
        wait_ready(process, &url, self.options.ready_limit)
    }

    /// Writes the present process ids into `devnet.json`.
    fn record_pids(&mut self) -> Result<()> {
        for info in &mut self.manifest.nodes {
            if let Some(process) = self.nodes.get_mut(&info.id)
                && (process.pid().is_some() || !process::is_ours(info.pid, &info.config))
            {
                info.pid = if process.is_running() { process.pid().unwrap_or(0) } else { 0 };
            }
        }
        for (info, process) in self.manifest.witnesses.iter_mut().zip(&mut self.witnesses) {
            if process.pid().is_some() || !process::is_ours(info.pid, &info.config) {
                info.pid = if process.is_running() { process.pid().unwrap_or(0) } else { 0 };
            }
        }
        self.manifest.write(&self.data)
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        for process in self.nodes.values_mut().chain(&mut self.witnesses) {
            // Nothing can be done about a failure here; the next start on this directory would report it.
            let _ = process.kill();
        }
        self.links.close();
    }
}

fn wait_ready(process: &mut Process, url: &str, limit: Duration) -> Result<()> {
    let mut ended = None;
    let ready = wait_until(&format!("{} to be ready", process.name), limit, || {
        if let Err(error) = process.check_running() {
            ended = Some(error);
            return Ok(());
        }
        let answer = http::get(&format!("{url}/health/ready"), HEALTH_LIMIT)?;
        // A node is ready although its sandbox is not; whoever starts a devnet wants both.
        let text = answer.text();
        let ready = answer.status == 200 && !text.contains("\"ready\":false");
        ensure!(ready, "{} {}", answer.status, text.trim_end());
        Ok(())
    });
    match ended {
        Some(error) => Err(error),
        None => ready.with_context(|| process.log_tail()),
    }
}
