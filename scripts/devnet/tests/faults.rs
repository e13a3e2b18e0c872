//! Whole clusters of real processes through bad days. No acknowledged record is ever lost, and service comes back by
//! itself where a majority lives.

mod common;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use common::{LIMIT, World, metric};
use devnet::{grpc, wait_until_async};
use ledger_proto::v1::Ack;

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_dies_under_load_and_comes_back() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    world.receipts(&[1, 2, 3], 12).await?;
    let leader = world.leader().await?;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    world.devnet.kill(leader)?;
    world.receipts(&others, 12).await?;
    ensure!(world.leader().await? != leader, "a dead node leads");
    world.devnet.restart(leader)?;
    world.receipts(&[leader], 4).await?;
    world.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_die_at_once() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    world.receipts(&[1, 2, 3], 20).await?;
    for id in [1, 2, 3] {
        world.devnet.kill(id)?;
    }
    for id in [1, 2, 3] {
        world.devnet.restart_without_waiting(id)?;
    }
    for id in [1, 2, 3] {
        world.devnet.wait_ready(id)?;
    }
    world.receipts(&[1, 2, 3], 6).await?;
    world.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_acknowledges_nothing() -> Result<()> {
    let mut world = World::start(|options| options.proxied_links = true).await?;
    world.receipts(&[1, 2, 3], 6).await?;
    let old = world.leader().await?;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != old).collect();
    world.devnet.links().partition(&[&[old], &others]);

    world.receipts(&others, 10).await?;
    // The old leader still takes connections from clients, but has nobody to agree with.
    let record = world.agent.receipt("ledger:post", "said to the one that is cut off")?;
    let mut alone = world.submitter(&[old])?;
    let refused = alone.submit_once(record.clone(), Ack::Sequenced).await;
    ensure!(refused.is_err(), "a node without a majority acknowledged entry {:?}", refused.map(|a| a.index));

    world.devnet.links().heal();
    // The same record again: it is logged once, wherever the first attempt got to.
    let answer = alone.submit(record, Ack::Sequenced).await?;
    ensure!(!world.acknowledged.contains_key(&answer.index), "entry {} was given twice", answer.index);
    world.acknowledged.insert(answer.index, answer);
    world.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_disk_is_replaced_by_a_node_with_a_new_id() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    world.receipts(&[1, 2, 3], 300).await?;
    let leader = world.leader().await?;
    let lost = if leader == 1 { 2 } else { 1 };
    world.devnet.wipe(lost)?;
    let fresh = world.devnet.add_node().await?;
    ensure!(fresh == 4, "node ids are never reused, this one got {fresh}");
    world.devnet.remove_node(lost).await?;
    world.receipts(&world.devnet.node_ids(), 8).await?;
    world.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_follower_catches_up() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    let leader = world.leader().await?;
    let follower = if leader == 3 { 2 } else { 3 };
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != follower).collect();
    world.devnet.stop(follower)?;
    world.receipts(&others, 10).await?;
    world.devnet.cont(follower)?;
    world.check().await
}

/// Logs receipts; gives what stays published while there is no quorum. A round that has had its cosignatures before the witnesses died
/// ends after that, of a seal for instance: the next one of the leader fails, and by then what came of the last is everywhere.
async fn published_without_a_quorum(world: &mut World) -> Result<u64> {
    const FAILURES: &str = "maip_publish_failures_total";
    let mut failed = BTreeMap::new();
    for id in [1, 2, 3] {
        failed.insert(id, metric(world, id, FAILURES)?);
    }
    world.receipts(&[1, 2, 3], 3).await?;
    let manifest = world.devnet.manifest();
    wait_until_async("a round without a quorum", LIMIT, async || {
        let leader = world.devnet.leader("main").await?;
        ensure!(metric(world, leader, FAILURES)? > failed[&leader], "no round of node {leader} has failed");
        let leads = grpc::log_status(manifest, manifest.node(leader)?, "main").await?;
        let own = grpc::log_status(manifest, manifest.node(1)?, "main").await?;
        ensure!(own.published_size == leads.published_size, "node 1 has published {}", own.published_size);
        ensure!(own.published_size < leads.size, "nothing is left to publish");
        Ok(own.published_size)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_of_witnesses_nothing_is_published_and_nothing_is_lost() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    world.receipts(&[1, 2, 3], 3).await?;
    world.check().await?;
    for number in [1, 2] {
        world.devnet.kill_witness(number)?;
    }
    let before = published_without_a_quorum(&mut world).await?;
    let manifest = world.devnet.manifest().clone();
    let record = world.agent.receipt("ledger:post", "nobody cosigns this yet")?;
    let mut submitter = world.submitter(&[1])?;
    // Either the caller gives up first, or the node answers in time that the record is only sequenced.
    if let Ok(answer) = submitter.submit_once(record.clone(), Ack::Witnessed).await {
        ensure!(answer.ack() == Ack::Sequenced, "one witness of three was enough for a quorum of two");
    }
    let published = grpc::log_status(&manifest, manifest.node(1)?, "main").await?.published_size;
    ensure!(published == before, "a checkpoint of size {published} was published without a quorum");

    for number in [1, 2] {
        world.devnet.restart_witness(number)?;
    }
    let answer = wait_until_async("a witnessed answer", LIMIT, async || {
        let answer = submitter.submit_once(record.clone(), Ack::Witnessed).await?;
        ensure!(answer.ack() == Ack::Witnessed, "only {:?} so far", answer.ack());
        Ok(answer)
    })
    .await?;
    ensure!(!answer.proof.is_empty(), "a witnessed answer without its proof");
    world.acknowledged.insert(answer.index, answer);
    world.check().await
}
