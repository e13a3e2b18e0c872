//! The leader dies while receipts go on.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use ledger_proto::v1::Ack;

use super::{Acknowledged, LIMIT, Summary, millis, story::Story};
use crate::{Devnet, grpc, submit::Submitter, wait_until_async, workload::Agent};

/// Receipts logged before the leader dies, so that "before" is not a guess.
const BEFORE: usize = 20;
/// Receipts logged after writes have resumed.
const AFTER: usize = 20;

/// Kills the leader with SIGKILL under load, measures the pause, restarts it and waits until it has everything.
pub(super) async fn kill_and_go_on(
    story: &mut Story,
    devnet: &mut Devnet,
    agent: &mut Agent,
    acknowledged: &mut Acknowledged,
    summary: &mut Summary,
) -> Result<()> {
    story.chapter("The leader dies");
    let leader = devnet.leader("main").await?;
    let mut manifest = devnet.manifest().clone();
    manifest.nodes.retain(|node| node.id != leader);
    let submitter = Submitter::connect(&manifest, "main")?;
    let logged = Cell::new(0);
    let stop = Cell::new(false);
    // Receipts keep coming, one after the other, to the nodes that will survive, while this one dies.
    let (load, killed) = tokio::join!(load(submitter, agent, acknowledged, &logged, &stop), async {
        let killed = kill_under_load(devnet, leader, &logged).await;
        stop.set(true);
        killed
    });
    // When writes did not resume, why they failed says more than that they did.
    let pause = load?;
    killed?;
    ensure!(!devnet.is_running(leader), "the killed node still runs");
    let next = devnet.leader("main").await?;
    ensure!(next != leader, "the dead node is still called leader");
    summary.failover_pause_ms = millis(pause);
    story.checked(&format!("kill -9 to node {leader}, the leader, while receipts were coming in"));
    story.checked(&format!(
        "writes paused for {} ms, then node {next} led; {} receipts were logged meanwhile and after",
        summary.failover_pause_ms,
        logged.get()
    ));
    come_back(story, devnet, leader, next, summary).await
}

/// Logs receipts until told to stop; gives the longest pause between two answers.
async fn load(
    mut submitter: Submitter,
    agent: &mut Agent,
    acknowledged: &mut Acknowledged,
    logged: &Cell<usize>,
    stop: &Cell<bool>,
) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    let mut last = Instant::now();
    while !stop.get() {
        let record = agent.receipt("ledger:post", &format!("posting {}", logged.get()))?;
        let answer = submitter.submit(record, Ack::Sequenced).await.context("writes did not resume")?;
        acknowledged.insert(answer.index, answer);
        longest = longest.max(last.elapsed());
        last = Instant::now();
        logged.set(logged.get() + 1);
    }
    Ok(longest)
}

async fn kill_under_load(devnet: &mut Devnet, leader: u64, logged: &Cell<usize>) -> Result<()> {
    wait_for_receipts(logged, BEFORE).await?;
    devnet.kill(leader)?;
    // One answer may have been on its way when the leader died; those after it needed a new leader.
    wait_for_receipts(logged, logged.get() + 1 + AFTER).await
}

async fn wait_for_receipts(logged: &Cell<usize>, count: usize) -> Result<()> {
    wait_until_async("receipts to be logged", LIMIT, async || {
        ensure!(logged.get() >= count, "{} of {count} are logged", logged.get());
        Ok(())
    })
    .await
}

async fn come_back(
    story: &mut Story,
    devnet: &mut Devnet,
    killed: u64,
    leader: u64,
    summary: &mut Summary,
) -> Result<()> {
    let target = grpc::log_status(devnet.manifest(), devnet.node(leader)?, "main").await?.size;
    let clock = Instant::now();
    devnet.restart(killed)?;
    let manifest = devnet.manifest().clone();
    let size = wait_until_async("the restarted node to catch up", LIMIT, async || {
        let size = grpc::log_status(&manifest, manifest.node(killed)?, "main").await?.size;
        ensure!(size >= target, "it has {size} of {target} entries");
        Ok(size)
    })
    .await?;
    summary.catch_up_ms = millis(clock.elapsed());
    story.checked(&format!(
        "node {killed} started again and has all {size} entries, {} ms later",
        summary.catch_up_ms
    ));
    Ok(())
}

/// Reads every acknowledged entry back and compares it with what was promised.
pub(super) async fn nothing_lost(
    story: &mut Story,
    submitter: &mut Submitter,
    acknowledged: &Acknowledged,
    summary: &mut Summary,
) -> Result<()> {
    story.chapter("Nothing was lost");
    let last = acknowledged.keys().max().copied().context("nothing was acknowledged")?;
    submitter.wait_published(last + 1, LIMIT).await?;
    for (index, promised) in acknowledged {
        // Each from the next node: all of them must hold the same bytes.
        submitter.turn();
        let entry = submitter.entry(*index, Duration::from_secs(10)).await?;
        let leaf = ledger_format::leaf_hash(&entry);
        ensure!(leaf.0[..] == promised.leaf_hash[..], "entry {index} is not the one that was acknowledged");
    }
    summary.records_acknowledged = acknowledged.len();
    story.checked(&format!(
        "all {} acknowledged records are where they were promised, read from every node in turn",
        acknowledged.len()
    ));
    Ok(())
}
