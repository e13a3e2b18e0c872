//! What the tests of whole clusters share.

#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use devnet::{
    Devnet, Options, Submitter, grpc, http, wait_until_async,
    workload::{Agent, Tenant},
};
use ledger_proto::v1::{Ack, SubmitResponse};

/// How long anything may take on a loaded machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// A cluster, one agent, and what was acknowledged.
pub(crate) struct World {
    pub(crate) devnet: Devnet,
    pub(crate) agent: Agent,
    pub(crate) acknowledged: BTreeMap<u64, SubmitResponse>,
    // Last: the directory goes after the processes that write to it.
    dir: tempfile::TempDir,
}

impl World {
    /// Starts a devnet and registers a tenant and an agent.
    pub(crate) async fn start(change: impl FnOnce(&mut Options)) -> Result<World> {
        let dir = tempfile::tempdir()?;
        let mut options = Options::new(dir.path().join("devnet"))?;
        options.ready_limit = LIMIT;
        change(&mut options);
        let devnet = Devnet::start(options)?;
        let tenant = Tenant::new("tests")?;
        let agent = Agent::new(&tenant, "agent")?;
        let mut submitter = Submitter::connect(devnet.manifest(), "main")?;
        let mut acknowledged = BTreeMap::new();
        let admitted = submitter.submit_as_operator(tenant.register()?, Ack::Sequenced).await?;
        acknowledged.insert(admitted.index, admitted);
        let registered = submitter.submit(tenant.register_agent(&agent)?, Ack::Sequenced).await?;
        acknowledged.insert(registered.index, registered);
        Ok(World { devnet, agent, acknowledged, dir })
    }

    /// Who leads the main log. At the moment that may be nobody: on a slow machine leaders change at any time.
    pub(crate) async fn leader(&self) -> Result<u64> {
        self.devnet.wait_for_leader("main", LIMIT).await
    }

    /// A submitter that knows these nodes only.
    pub(crate) fn submitter(&self, nodes: &[u64]) -> Result<Submitter> {
        let mut manifest = self.devnet.manifest().clone();
        manifest.nodes.retain(|node| nodes.contains(&node.id));
        Submitter::connect(&manifest, "main")
    }

    /// Logs receipts one by one through these nodes in turn.
    pub(crate) async fn receipts(&mut self, nodes: &[u64], count: usize) -> Result<()> {
        let mut submitter = self.submitter(nodes)?;
        for number in 0..count {
            let record = self.agent.receipt("ledger:post", &format!("posting {number}"))?;
            let answer = submitter.submit(record, Ack::Sequenced).await?;
            let index = answer.index;
            ensure!(self.acknowledged.insert(index, answer).is_none(), "index {index} was given twice");
            submitter.turn();
        }
        Ok(())
    }

    /// Every node has the same size and root, and every acknowledged entry, published, byte for byte.
    pub(crate) async fn check(&mut self) -> Result<()> {
        let nodes = self.devnet.node_ids();
        let manifest = self.devnet.manifest().clone();
        wait_until_async("equal logs", LIMIT, async || {
            let mut seen = Vec::new();
            for id in &nodes {
                let status = grpc::log_status(&manifest, manifest.node(*id)?, "main").await?;
                ensure!(status.alarms.is_empty(), "node {id} is alarmed: {:?}", status.alarms);
                ensure!(status.published_size == status.size, "node {id} has unpublished entries");
                seen.push((status.size, status.root));
            }
            seen.dedup();
            ensure!(seen.len() == 1, "the nodes differ: {seen:?}");
            Ok(())
        })
        .await?;
        for id in nodes {
            let mut submitter = self.submitter(&[id])?;
            for (index, promised) in &self.acknowledged {
                let entry = submitter.entry(*index, LIMIT).await?;
                let leaf = ledger_format::leaf_hash(&entry);
                ensure!(leaf.0[..] == promised.leaf_hash[..], "node {id} lost entry {index}");
            }
        }
        Ok(())
    }
}

pub(crate) fn log_dir(world: &World, node: u64) -> PathBuf {
    world.devnet.data().join(format!("node-{node}/data/logs/main"))
}

pub(crate) fn tiles(world: &World, node: u64) -> PathBuf {
    log_dir(world, node).join("tiles")
}

/// What a node serves under a path of the main log; `None` when it refuses.
pub(crate) fn get(world: &World, node: u64, path: &str) -> Result<Option<Vec<u8>>> {
    let answer = http::get(&format!("{}/main/{path}", world.devnet.node(node)?.http_url), LIMIT)?;
    Ok((answer.status == 200).then_some(answer.body))
}

/// A gauge or counter of the main log; 0 when it is not there.
pub(crate) fn metric(world: &World, node: u64, name: &str) -> Result<u64> {
    let answer = http::get(&format!("{}/metrics", world.devnet.node(node)?.http_url), LIMIT)?;
    let series = format!("{name}{{log=\"main\"}} ");
    let text = answer.text();
    let value = text.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or("0");
    value.parse().with_context(|| format!("{name} is {value}"))
}

pub(crate) fn repaired(world: &World, node: u64) -> Result<u64> {
    metric(world, node, "maip_repaired_files_total")
}

/// Whether `maip log fsck` finds a node's tiles fine, and what it says.
pub(crate) fn fsck(world: &World, node: u64) -> Result<(bool, String)> {
    let maip = world.devnet.binaries().path("maip");
    let output = Command::new(maip).args(["log", "fsck"]).arg(tiles(world, node)).output()?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    match output.status.code() {
        Some(0) => Ok((true, said)),
        Some(1) => Ok((false, said)),
        _ => bail!("fsck could not judge: {said}"),
    }
}

/// All files below a directory, sorted.
pub(crate) fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
