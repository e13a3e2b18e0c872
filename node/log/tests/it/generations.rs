//! The generation of a sandbox, as a cluster agrees on it in its main log.

use std::collections::BTreeSet;

use ledger_log::{AdminError, Generation};

use crate::harness::{Cluster, wait_for};

async fn all_agree(cluster: &Cluster, sandbox: &str, number: u32) {
    wait_for("every node to know the generation", || {
        let of = |log: &ledger_log::HostedLog| log.generation_of(sandbox).unwrap().number;
        cluster.nodes().iter().all(|(_, log)| of(log) == number).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_ends_once_and_for_everybody() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    cluster.all_published(1).await;
    let main = cluster.node(leader);
    assert_eq!(main.generation_of("sandbox").unwrap(), Generation::first());

    let second = main.end_generation("sandbox", 1).await.unwrap();
    assert_eq!(second.number, 2);
    let ids: BTreeSet<u64> = second.members.iter().map(|member| member.id).collect();
    assert_eq!(ids, BTreeSet::from([1, 2, 3]), "its first voters are those of the main log");
    // Whoever asks again, or ends what has ended long ago, ends nothing.
    assert_eq!(main.end_generation("sandbox", 1).await.unwrap(), second);
    let (one, other) = tokio::join!(main.end_generation("sandbox", 2), main.end_generation("sandbox", 2));
    assert_eq!((one.unwrap().number, other.unwrap().number), (3, 3));
    assert_eq!(main.end_generation("sandbox", 1).await.unwrap().number, 3);
    // Of another sandbox nothing was said.
    assert_eq!(main.generation_of("eu-sandbox").unwrap().number, 1);

    let follower = cluster.node(if leader == 1 { 2 } else { 1 });
    let refused = follower.end_generation("sandbox", 3).await.unwrap_err();
    assert!(matches!(refused, AdminError::NotLeader { .. }), "{refused:?}");
    all_agree(&cluster, "sandbox", 3).await;

    // A node lets go of its files with its last handle.
    drop((main, follower));
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
    let leader = cluster.leader().await;
    cluster.all_published(1).await;
    let main = cluster.node(leader);
    cluster.run(4).await;
    main.add_learner(crate::harness::member(4)).await.unwrap();
    let refused = main.end_generation("sandbox", 1).await.unwrap_err();
    assert!(
        matches!(&refused, AdminError::Refused(why) if why.contains("node 4 is a learner")),
        "{refused:?}"
    );
    main.promote(4).await.unwrap();
    assert_eq!(main.end_generation("sandbox", 1).await.unwrap().members.len(), 4);
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
