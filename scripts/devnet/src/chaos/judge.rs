//! After the chaos: is every promise kept?

use std::{collections::BTreeMap, ffi::OsString, fs, sync::mpsc, thread, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::try_join_all;
use ledger_proto::v1::Ack;

use super::writers::Promises;
use crate::{
    Devnet, Manifest, Submitter,
    demo::maip::{self, Network},
    grpc, http, wait_until_async,
    workload::Agent,
};

/// How long the mended cluster may take for anything.
pub(super) const LIMIT: Duration = Duration::from_secs(120);
/// How long one entry may take.
const ENTRY_LIMIT: Duration = Duration::from_secs(30);
/// Clients that read the promised entries of one node.
const READERS: usize = 8;
/// How often checkpoints are looked at during the chaos.
const LOOK: Duration = Duration::from_millis(200);
/// How long a node may take to show its checkpoint before the next one is asked.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);

/// Every node has the same size and root, all of it published, and no alarm; gives the size.
pub(super) async fn equal(devnet: &Devnet) -> Result<u64> {
    let manifest = devnet.manifest();
    wait_until_async("equal logs", LIMIT, async || {
        let mut seen = Vec::new();
        for node in &manifest.nodes {
            let status = grpc::log_status(manifest, node, "main").await?;
            ensure!(status.alarms.is_empty(), "node {} is alarmed: {:?}", node.id, status.alarms);
            ensure!(status.published_size == status.size, "node {} has unpublished entries", node.id);
            seen.push((status.size, status.root));
        }
        seen.dedup();
        ensure!(seen.len() == 1, "the nodes differ: {seen:?}");
        seen.first().map(|(size, _)| *size).context("no node")
    })
    .await
}

/// Every promised entry is at its index on every node.
pub(super) async fn kept(devnet: &Devnet, promises: &Promises) -> Result<()> {
    for id in devnet.node_ids() {
        let mut manifest = devnet.manifest().clone();
        manifest.nodes.retain(|node| node.id == id);
        let readers = (0..READERS).map(|number| read(&manifest, promises, number));
        try_join_all(readers).await.with_context(|| format!("node {id}"))?;
    }
    Ok(())
}

async fn read(manifest: &Manifest, promises: &Promises, number: usize) -> Result<()> {
    let mut submitter = Submitter::connect(manifest, "main")?;
    for (index, leaf) in promises.iter().skip(number).step_by(READERS) {
        let entry = submitter.entry(*index, ENTRY_LIMIT).await?;
        let found = ledger_format::leaf_hash(&entry);
        ensure!(found.0[..] == leaf[..], "entry {index} is not the one that was acknowledged");
    }
    Ok(())
}

/// A new record reaches a witnessed proof, and the proof verifies offline.
pub(super) async fn goes_on(devnet: &Devnet, agent: &mut Agent) -> Result<()> {
    let record = agent.receipt("ledger:post", "after the chaos")?;
    let mut submitter = Submitter::connect(devnet.manifest(), "main")?;
    let answer = wait_until_async("a witnessed answer", LIMIT, async || {
        let answer = submitter.submit_once(record.clone(), Ack::Witnessed).await?;
        ensure!(answer.ack() == Ack::Witnessed, "only {:?} so far", answer.ack());
        Ok(answer)
    })
    .await?;
    let proof = devnet.data().join("after.tlog-proof");
    fs::write(&proof, &answer.proof).with_context(|| format!("cannot write {}", proof.display()))?;
    let network = if maip::can_cut_network() { Network::Nothing } else { Network::Here };
    ask(devnet, vec!["verify".into(), proof.into()], network)
}

/// What strangers run: fsck on each node's files, a monitor and a replay over the whole log.
pub(super) fn strangers(devnet: &Devnet) -> Result<Vec<(String, Result<()>)>> {
    let mut verdicts = Vec::new();
    for id in devnet.node_ids() {
        let tiles = devnet.data().join(format!("node-{id}/data/logs/main/tiles"));
        let found = ask(devnet, vec!["log".into(), "fsck".into(), tiles.into()], Network::Here);
        verdicts.push((format!("maip log fsck on node {id}"), found));
    }
    let url = OsString::from(&devnet.manifest().log("main")?.url);
    let state = devnet.data().join("monitor");
    let mut monitor: Vec<OsString> = vec!["monitor".into(), "--once".into(), "--state".into(), state.into()];
    monitor.extend(["--url".into(), url.clone()]);
    verdicts.push(("maip monitor over the whole log".into(), ask(devnet, monitor, Network::Here)));
    let replay = vec!["replay".into(), "--check".into(), "--url".into(), url];
    verdicts.push(("maip replay --check".into(), ask(devnet, replay, Network::Here)));
    Ok(verdicts)
}

/// Runs `maip` with the devnet's policy; anything but yes is an error with what it said.
fn ask(devnet: &Devnet, mut args: Vec<OsString>, network: Network) -> Result<()> {
    // A node's tiles have no checkpoint to hold against a policy.
    if args.first().is_none_or(|command| command != "log") {
        args.extend(["--policy".into(), devnet.manifest().policy.clone().into()]);
    }
    let run = maip::run(devnet.binaries(), args, network)?;
    if run.code != 0 {
        bail!("{} ended with {}: {}", run.command_line, run.code, run.output.trim_end());
    }
    Ok(())
}

/// Looks at every node's checkpoint during the chaos: one size never has two roots, whoever serves it.
#[derive(Debug)]
pub(super) struct Watch {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<Result<usize>>,
}

impl Watch {
    /// Begins to look.
    pub(super) fn start(manifest: &Manifest) -> Result<Watch> {
        let urls: Vec<String> =
            manifest.nodes.iter().map(|node| format!("{}/main/checkpoint", node.http_url)).collect();
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("watch".into()).spawn(move || watch(&urls, &stopped))?;
        Ok(Watch { stop, thread })
    }

    /// How many sizes were seen; fails when one of them had two roots.
    pub(super) fn finish(self) -> Result<usize> {
        drop(self.stop);
        self.thread.join().map_err(|_| anyhow::anyhow!("the watch ended by itself"))?
    }
}

fn watch(urls: &[String], stopped: &mpsc::Receiver<()>) -> Result<usize> {
    let mut roots = BTreeMap::new();
    loop {
        for url in urls {
            // Nodes that are dead or stopped answer nothing.
            if let Ok(answer) = http::get(url, ANSWER_LIMIT)
                && answer.status == 200
            {
                see(&mut roots, &answer.text()).with_context(|| url.clone())?;
            }
        }
        if stopped.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Disconnected) {
            return Ok(roots.len());
        }
    }
}

fn see(roots: &mut BTreeMap<u64, String>, checkpoint: &str) -> Result<()> {
    let mut lines = checkpoint.lines().skip(1);
    let (Some(size), Some(root)) = (lines.next().and_then(|line| line.parse().ok()), lines.next()) else {
        bail!("no checkpoint: {checkpoint:?}")
    };
    let known = roots.entry(size).or_insert_with(|| root.to_owned());
    ensure!(known == root, "size {size} has two roots: {known} and {root}");
    Ok(())
}

#[test]
fn a_size_has_one_root() {
    let mut roots = BTreeMap::new();
    see(&mut roots, "log\n5\nAAAA\n\n").unwrap();
    see(&mut roots, "log\n6\nBBBB\n\n").unwrap();
    see(&mut roots, "log\n5\nAAAA\n\n").unwrap();
    let error = see(&mut roots, "log\n5\nCCCC\n\n").unwrap_err().to_string();
    assert!(error.contains("two roots"), "{error}");
    assert!(see(&mut roots, "log\n").is_err());
}
