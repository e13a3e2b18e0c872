//! What can be done to a running devnet: kill, stop, wipe, grow, cut.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, anyhow, ensure};
use ledger_proto::v1::{AddLearnerRequest, NodeRequest};

use super::{Devnet, build};
use crate::{
    binaries::Binaries, grpc, manifest::NodeInfo, process::Process, proxy::Links, wait::wait_until_async,
};

/// How long a change of membership may take: a learner first copies the log.
const MEMBERSHIP_LIMIT: Duration = Duration::from_secs(60);

impl Devnet {
    /// SIGKILL to a node; returns when it is gone.
    pub fn kill(&mut self, id: u64) -> Result<()> {
        self.node_process(id)?.kill()?;
        self.record_pids()
    }

    /// SIGTERM to a node; returns when it has ended, with an error when it did not end well.
    pub fn terminate(&mut self, id: u64) -> Result<()> {
        let ended = self.node_process(id)?.terminate();
        self.record_pids()?;
        ended
    }

    /// Starts a node that does not run and waits until it is ready.
    pub fn restart(&mut self, id: u64) -> Result<()> {
        self.start_node(id)?;
        self.record_pids()?;
        self.wait_ready(id)
    }

    /// Starts a node that does not run and does not wait.
    pub fn restart_without_waiting(&mut self, id: u64) -> Result<()> {
        self.start_node(id)?;
        self.record_pids()
    }

    /// Waits until a node ends by itself, e.g. because it halted on an alarm; gives the end of its log.
    pub fn wait_ended(&mut self, id: u64, limit: Duration) -> Result<String> {
        let process = self.node_process(id)?;
        crate::wait_until(&format!("{} to end by itself", process.name), limit, || {
            ensure!(!process.is_running(), "it runs");
            Ok(())
        })?;
        let tail = process.log_tail();
        self.record_pids()?;
        Ok(tail)
    }

    /// From its next start on a node runs the program of another build.
    pub fn use_programs(&mut self, id: u64, programs: &Binaries) -> Result<()> {
        self.node_process(id)?.set_program(programs.path("maip-node"));
        Ok(())
    }

    /// Stops witness `number` (from 1) and starts the one of another build in its place.
    pub fn replace_witness(&mut self, number: usize, programs: &Binaries) -> Result<()> {
        let process = self.witness_process(number)?;
        process.terminate()?;
        process.set_program(programs.path("maip-witness"));
        self.restart_witness(number)
    }

    /// SIGSTOP to a node: it keeps its connections and answers nothing.
    pub fn stop(&mut self, id: u64) -> Result<()> {
        self.node_process(id)?.stop()
    }

    /// SIGCONT to a node.
    pub fn cont(&mut self, id: u64) -> Result<()> {
        self.node_process(id)?.cont()
    }

    /// SIGKILL to a node, and its disk is gone. It must not come back under its id: see [`Devnet::add_node`].
    pub fn wipe(&mut self, id: u64) -> Result<()> {
        self.kill(id)?;
        let data = self.data.join(format!("node-{id}/data"));
        fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))
    }

    /// Kills witness `number` (from 1).
    pub fn kill_witness(&mut self, number: usize) -> Result<()> {
        self.witness_process(number)?.kill()?;
        self.record_pids()
    }

    /// SIGSTOP to witness `number` (from 1).
    pub fn stop_witness(&mut self, number: usize) -> Result<()> {
        self.witness_process(number)?.stop()
    }

    /// SIGCONT to witness `number`.
    pub fn cont_witness(&mut self, number: usize) -> Result<()> {
        self.witness_process(number)?.cont()
    }

    /// Starts witness `number` again and waits until it is ready.
    pub fn restart_witness(&mut self, number: usize) -> Result<()> {
        let url = self.manifest.witnesses.get(number.wrapping_sub(1)).context("no such witness")?.url.clone();
        let limit = self.options.ready_limit;
        let process = self.witness_process(number)?;
        process.start()?;
        super::wait_ready(process, &url, limit)?;
        self.record_pids()
    }

    /// Starts a node with a fresh id, adds it as a learner and promotes it; gives its id.
    pub async fn add_node(&mut self) -> Result<u64> {
        let NodeInfo { id, peer, grpc_url: api, .. } = self.prepare_node()?;
        let learner = AddLearnerRequest { id, peer, api };
        self.as_leader("the new node as a learner", async |mut admin| {
            Ok(admin.add_learner(learner.clone()).await.map(drop)?)
        })
        .await?;
        self.as_leader("the new node's promotion", async |mut admin| {
            Ok(admin.promote(NodeRequest { id }).await.map(drop)?)
        })
        .await?;
        self.wait_ready(id)?;
        Ok(id)
    }

    /// Starts a node with a fresh id that is in no cluster yet: it waits until somebody adds it as a learner.
    pub fn prepare_node(&mut self) -> Result<NodeInfo> {
        let id = self.nodes.keys().max().copied().unwrap_or(0) + 1;
        let own = build::node_ports(&self.options, &mut self.ports, &self.links, id)?;
        build::write_node(&self.options, &self.data, &own, &[])?;
        let info = build::node_info(&self.data, &own);
        self.nodes.insert(id, build::node_process(&self.options, &info));
        self.manifest.nodes.push(info.clone());
        self.restart_without_waiting(id)?;
        Ok(info)
    }

    /// Takes a node out of the cluster for good.
    pub async fn remove_node(&mut self, id: u64) -> Result<()> {
        self.as_leader("a node's removal", async |mut admin| {
            Ok(admin.remove(NodeRequest { id }).await.map(drop)?)
        })
        .await?;
        if let Some(mut process) = self.nodes.remove(&id) {
            process.kill()?;
        }
        self.manifest.nodes.retain(|node| node.id != id);
        self.record_pids()
    }

    /// The links between the nodes, when they are proxied.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Asks the leaders of the logs to do something until one of them has it done in every log: each log may have another leader.
    async fn as_leader(
        &self,
        what: &str,
        mut call: impl AsyncFnMut(grpc::Admin) -> Result<()>,
    ) -> Result<()> {
        wait_until_async(what, MEMBERSHIP_LIMIT, async || {
            let mut outcome = Err(anyhow!("no log"));
            for log in &self.manifest.logs {
                let leader = self.leader(&log.name).await?;
                let channel = self.channel(leader).await?;
                outcome = call(grpc::admin(channel, &self.manifest.admin_key)?).await;
                if outcome.is_ok() {
                    break;
                }
            }
            outcome
        })
        .await
    }

    fn node_process(&mut self, id: u64) -> Result<&mut Process> {
        self.nodes.get_mut(&id).with_context(|| format!("no node {id} in this devnet"))
    }

    fn witness_process(&mut self, number: usize) -> Result<&mut Process> {
        self.witnesses.get_mut(number.wrapping_sub(1)).with_context(|| format!("no witness {number}"))
    }
}
