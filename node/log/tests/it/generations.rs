//! The generation of a sandbox, as a cluster agrees on it in its main log.

use std::collections::BTreeSet;

use ledger_log::{AdminError, Generation};

use crate::harness::{Cluster, member, wait_for};

async fn all_agree(cluster: &Cluster, sandbox: &str, number: u32) {
    wait_for("every node to know the generation", || {
        let of = |log: &ledger_log::HostedLog| log.generation_of(sandbox).unwrap().number;
        cluster.nodes().iter().all(|(_, log)| of(log) == number).then_some(())
    })
    .await;
}

/// A node that does not lead ends nothing, and says so.
async fn refused_by_a_follower(cluster: &Cluster) {
    for _ in 0..10 {
        let leader = cluster.leader().await;
        // It may lead by now: what has ended long ago is asked for.
        match cluster.node(cluster.others(leader)[0]).end_generation("sandbox", 1).await {
            Ok(known) => assert_eq!(known.number, 3),
            Err(refused) => {
                assert!(matches!(refused, AdminError::NotLeader { .. }), "{refused:?}");
                return;
            }
        }
    }
    panic!("ten times a node took over in the same moment, or followers end generations");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_ends_once_and_for_everybody() {
    let mut cluster = Cluster::start(3).await;
    cluster.all_published(1).await;
    assert_eq!(cluster.node(1).generation_of("sandbox").unwrap(), Generation::first());

    let end =
        async |ended| cluster.led(async |main| main.end_generation("sandbox", ended).await).await.unwrap();
    let second = end(1).await;
    assert_eq!(second.number, 2);
    let ids: BTreeSet<u64> = second.members.iter().map(|member| member.id).collect();
    assert_eq!(ids, BTreeSet::from([1, 2, 3]), "its first voters are those of the main log");
    // Whoever asks again, or ends what has ended long ago, ends nothing.
    assert_eq!(end(1).await, second);
    let (one, other) = tokio::join!(end(2), end(2));
    assert_eq!((one.number, other.number), (3, 3));
    assert_eq!(end(1).await.number, 3);
    all_agree(&cluster, "sandbox", 3).await;
    // Of another sandbox nothing was said.
    assert_eq!(cluster.node(1).generation_of("eu-sandbox").unwrap().number, 1);
    refused_by_a_follower(&cluster).await;

    for id in 1..=3 {
        cluster.stop(id).await;
    }
    for id in 1..=3 {
        cluster.run(id).await;
    }
    all_agree(&cluster, "sandbox", 3).await;
}

/// A learner would be in the main log and never in the generation that begins without it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_ends_while_a_node_is_on_its_way_in() {
    let mut cluster = Cluster::start(3).await;
    cluster.all_published(1).await;
    cluster.run(4).await;
    cluster.led(async |main| main.add_learner(member(4)).await).await.unwrap();
    let end = async || cluster.led(async |main| main.end_generation("sandbox", 1).await).await;
    let refused = end().await.unwrap_err();
    assert!(
        matches!(&refused, AdminError::Refused(why) if why.contains("node 4 is a learner")),
        "{refused:?}"
    );
    cluster.led(async |main| main.promote(4).await).await.unwrap();
    assert_eq!(end().await.unwrap().members.len(), 4);
    all_agree(&cluster, "sandbox", 2).await;
}

/// The lowest has the others' votes and goes away before they have its first entry. A node that has given a vote can begin a Raft group
/// no more, so each had to begin before.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_generation_begins_though_its_first_leader_goes_at_once() {
    let mut cluster = Cluster::prepare(3);
    cluster.generation = Some(2);
    cluster.net.mute(1);
    for id in 1..=3 {
        cluster.run(id).await;
    }
    wait_for("a leader that nobody may hear", || {
        cluster.nodes().iter().any(|(_, log)| log.status().raft_state == "leader").then_some(())
    })
    .await;
    cluster.stop(1).await;
    wait_for("the others to begin without it", || {
        cluster.nodes().iter().all(|(_, log)| log.status().size > 0).then_some(())
    })
    .await;
}
