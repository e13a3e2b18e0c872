//! Raft snapshots that a new node needs, on a leader whose disk is not what it was.

use std::{fs, path::PathBuf};

use ledger_log::Ack;

use crate::harness::{Cluster, Tenant, has_alarm, member, register_agents, submit, wait_for};

/// The snapshots of a node under each name that ends so.
fn named(cluster: &Cluster, id: u64, ending: &str) -> Vec<PathBuf> {
    let listing = fs::read_dir(cluster.dirs[&id].join("snapshots")).unwrap();
    let mut paths: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths
}

/// What becomes of a leader whose only snapshot is spoiled when a new node needs it.
async fn bring_in_a_node_by_a_spoiled_snapshot(spoil: impl Fn(&mut Vec<u8>)) {
    let mut cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Sequenced).await;
    register_agents(&cluster.node(1), &mut tenant, 15).await;
    cluster.all_published(302).await;
    cluster.node(1).snapshot().await.unwrap();
    let [path] = &named(&cluster, 1, ".snapshot")[..] else { panic!("one snapshot is kept") };
    let mut bytes = fs::read(path).unwrap();
    spoil(&mut bytes);
    fs::write(path, &bytes).unwrap();

    cluster.run(2).await;
    cluster.node(1).add_learner(member(2)).await.unwrap();
    wait_for("the learner to catch up", || (cluster.node(2).status().published_size >= 302).then_some(()))
        .await;
    assert!(has_alarm(&cluster, 1, "corruption"));
    assert!(!has_alarm(&cluster, 1, "consensus_stopped"));
    assert_eq!(fs::read(&named(&cluster, 1, ".damaged")[0]).unwrap(), bytes, "kept for a person to look at");
    assert_eq!(cluster.node(2).status().root, cluster.node(1).status().root);
    // It still leads, and the new node follows.
    let answer = submit(&cluster.node(2), tenant.agent(), Ack::Witnessed).await;
    assert_eq!(answer.index, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_snapshot_is_damaged_sends_a_new_one() {
    bring_in_a_node_by_a_spoiled_snapshot(|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    })
    .await;
}

/// In its manifest is what Raft believes of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_manifest_is_not_believed() {
    // Its first letter, its version, and what follows the first line: the manifest's length, and what is in it.
    for at in [0, 14, 18, 24] {
        bring_in_a_node_by_a_spoiled_snapshot(|bytes| bytes[at] ^= 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_cut_off_is_not_sent() {
    bring_in_a_node_by_a_spoiled_snapshot(|bytes| bytes.truncate(30)).await;
}
