//! Raft snapshots that a new node needs: from a leader whose disk is not what it was, and over a network that loses calls.

use std::{fs, path::PathBuf};

use bytes::Bytes;
use ledger_log::{Ack, Kind};

use crate::harness::{Cluster, LIMIT, Tenant, has_alarm, member, register_agents, submit, wait_for};

/// The snapshots of a node under each name that ends so.
fn named(cluster: &Cluster, id: u64, ending: &str) -> Vec<PathBuf> {
    let listing = fs::read_dir(cluster.dirs[&id].join("snapshots")).unwrap();
    let mut paths: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths
}

/// A leader with one full bundle of entries and a snapshot, and a new node that does not know of it yet.
async fn leader_and_new_node() -> (Cluster, Tenant) {
    let mut cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Sequenced).await;
    register_agents(&cluster.node(1), &mut tenant, 15).await;
    cluster.all_published(302).await;
    cluster.node(1).snapshot().await.unwrap();
    cluster.run(2).await;
    (cluster, tenant)
}

/// What becomes of a leader whose only snapshot is spoiled when a new node needs it.
async fn bring_in_a_node_by_a_spoiled_snapshot(spoil: impl Fn(&mut Vec<u8>)) {
    let (cluster, mut tenant) = leader_and_new_node().await;
    let [path] = &named(&cluster, 1, ".snapshot")[..] else { panic!("one snapshot is kept") };
    let mut bytes = fs::read(path).unwrap();
    spoil(&mut bytes);
    fs::write(path, &bytes).unwrap();

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

/// A new node is at the entries before its snapshot, which nobody gives it yet.
async fn new_node_that_waits_for_a_bundle() -> Cluster {
    let (cluster, _) = leader_and_new_node().await;
    cluster.net.hold(Kind::FetchBundle);
    cluster.node(1).add_learner(member(2)).await.unwrap();
    wait_for("the new node to ask for a bundle", || {
        (!cluster.net.snapshot_calls(Kind::FetchBundle).is_empty()).then_some(())
    })
    .await;
    cluster
}

/// The sender does not come through any more, and is not in the middle of a call either.
async fn lose_the_sender(cluster: &Cluster) {
    let before = cluster.net.snapshot_calls(Kind::SnapshotPart).len();
    cluster.net.lose_calls(Kind::SnapshotInstall);
    cluster.net.lose_calls(Kind::SnapshotPart);
    wait_for("the sender to begin again", || {
        (cluster.net.snapshot_calls(Kind::SnapshotPart).len() > before).then_some(())
    })
    .await;
}

async fn caught_up(cluster: &Cluster) {
    wait_for("the learner to catch up", || {
        assert!(!has_alarm(cluster, 2, "consensus_stopped"), "{:?}", cluster.node(2).status().alarms);
        (cluster.node(2).status().published_size >= 302).then_some(())
    })
    .await;
    assert_eq!(cluster.node(2).status().root, cluster.node(1).status().root);
}

/// A length (u32) and what is that long, and the rest.
fn split(body: &[u8]) -> (&[u8], &[u8]) {
    let (len, rest) = body.split_first_chunk().unwrap();
    rest.split_at(u32::from_be_bytes(*len) as usize)
}

/// One question of the sender is lost, and it sends all parts again, perhaps of a newer snapshot: the installation that runs goes on, alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_begins_again_finds_the_installation_it_began() {
    let cluster = new_node_that_waits_for_a_bundle().await;
    lose_the_sender(&cluster).await;
    let asked = cluster.net.snapshot_calls(Kind::SnapshotInstall).len();
    cluster.net.lose_no_calls();
    // The first of them may be one that was lost.
    wait_for("the sender to ask again", || {
        (cluster.net.snapshot_calls(Kind::SnapshotInstall).len() > asked + 1).then_some(())
    })
    .await;
    cluster.net.let_through();
    caught_up(&cluster).await;
    assert_eq!(cluster.net.snapshot_calls(Kind::FetchBundle).len(), 1, "a second import beside the first");
}

/// What is installed is what was verified, whatever comes under its name meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn parts_that_come_during_an_installation_leave_the_file_alone() {
    let cluster = new_node_that_waits_for_a_bundle().await;
    lose_the_sender(&cluster).await;
    let part = cluster.net.snapshot_calls(Kind::SnapshotPart).remove(0);
    let half = {
        let (name, rest) = split(&part);
        let (bytes, _) = split(&rest[8..]);
        let half = &bytes[..bytes.len() / 2];
        let len = |bytes: &[u8]| (bytes.len() as u32).to_be_bytes();
        [&len(name)[..], name, &0_u64.to_be_bytes(), &len(half), half].concat()
    };
    cluster.node(2).peer_call(Kind::SnapshotPart as u32, half.into()).await.unwrap();
    cluster.net.let_through();
    wait_for("the new node to install it", || {
        assert!(!has_alarm(&cluster, 2, "consensus_stopped"), "{:?}", cluster.node(2).status().alarms);
        (cluster.node(2).status().size >= 302).then_some(())
    })
    .await;
    cluster.net.lose_no_calls();
    caught_up(&cluster).await;
}

/// Raft counts an entry as held where a leader hears that its snapshot is installed: it may not hear what was said to another.
#[tokio::test(flavor = "multi_thread")]
async fn how_an_installation_ended_is_for_the_leader_that_asked() {
    let cluster = new_node_that_waits_for_a_bundle().await;
    lose_the_sender(&cluster).await;
    let question = cluster.net.snapshot_calls(Kind::SnapshotInstall).remove(0);
    let ask = async |body: Bytes| cluster.node(2).peer_call(Kind::SnapshotInstall as u32, body).await;
    // The vote comes last: term, node, committed.
    let mut of_another = question.to_vec();
    let term = of_another.len() - 10;
    of_another[term] += 1;
    let of_another = Bytes::from(of_another);
    for body in [&question, &of_another] {
        assert_eq!(ask(body.clone()).await.unwrap()[..], [0], "it runs");
    }
    cluster.net.let_through();
    wait_for("the new node to install it", || (cluster.node(2).status().size >= 302).then_some(())).await;
    let ended = async {
        loop {
            let answer = ask(of_another.clone()).await.unwrap();
            if answer[0] != 0 {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::time::timeout(LIMIT, ended).await.unwrap();
    let (text, _) = split(&answer[1..]);
    assert_eq!(answer[0], 2, "it is not told that it failed");
    assert!(String::from_utf8_lossy(text).contains("another leader's; send it again"));
    cluster.net.lose_no_calls();
    caught_up(&cluster).await;
}
