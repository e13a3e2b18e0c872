//! When checkpoints are made, and what keeps one from being made for a while only.

use std::{fs, time::Duration};

use ledger_log::Ack;

use crate::{
    harness::{Cluster, LIMIT, Tenant, has_alarm, submit, wait_for},
    limits::counter,
    witness::Mood,
};

/// G3: a guard that cannot be written signs nothing, and is no guard that refuses: when it can be written again, the log goes on.
#[tokio::test(flavor = "multi_thread")]
async fn g3_a_guard_that_cannot_be_written_for_a_while_stops_nothing_for_good() {
    let cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    let node = cluster.node(1);
    let before = submit(&node, tenant.register(), Ack::Witnessed).await;
    // A file does not take the place of a directory.
    let (guard, away) = (cluster.dirs[&1].join("sign-guard"), cluster.dirs[&1].join("away"));
    fs::rename(&guard, &away).unwrap();
    fs::create_dir(&guard).unwrap();
    let failures = counter(&cluster, 1, "maip_publish_failures_total");
    submit(&node, tenant.agent(), Ack::Sequenced).await;
    wait_for("rounds that fail", || {
        (counter(&cluster, 1, "maip_publish_failures_total") > failures + 1).then_some(())
    })
    .await;
    assert_eq!(node.status().published_size, before.index + 1, "nothing is signed without the guard");
    assert!(!has_alarm(&cluster, 1, "sign_guard"), "{:?}", node.status().alarms);

    fs::remove_dir(&guard).unwrap();
    fs::rename(&away, &guard).unwrap();
    submit(&node, tenant.agent(), Ack::Witnessed).await;
    assert!(node.ready().is_ok());
}

/// G7: anybody may wait for any size. One that the log has not is nobody's record, and does not hurry all that come after it.
#[tokio::test(flavor = "multi_thread")]
async fn g7_who_waits_for_what_does_not_exist_hurries_nothing() {
    let mut cluster = Cluster::prepare(3);
    cluster.publish.interval_ms = 24 * 3_600_000;
    cluster.publish.republish_s = u64::MAX;
    let cluster = cluster.begin().await;
    let leader = cluster.leader().await;
    let follower = cluster.others(leader)[0];
    let mut tenant = Tenant::new(7);
    let first = submit(&cluster.node(leader), tenant.register(), Ack::Witnessed).await;
    cluster.all_published(first.index + 1).await;
    for id in [leader, follower] {
        let waited = cluster.node(id).reader().wait_published(u64::MAX, Duration::from_millis(1)).await;
        assert_eq!(waited, None);
    }
    let before = counter(&cluster, leader, "maip_checkpoints_total");
    for _ in 0..20 {
        submit(&cluster.node(leader), tenant.agent(), Ack::Sequenced).await;
    }
    // Whoever waits for a record that there is gets it at once, also from another node than the leader.
    let last = submit(&cluster.node(follower), tenant.agent(), Ack::Sequenced).await;
    let waited = cluster.node(follower).reader().wait_published(last.index + 1, LIMIT).await.unwrap();
    assert_eq!(waited.checkpoint.size, last.index + 1);
    // The counter moves when the checkpoint is applied on the leader, which may be a moment later.
    wait_for("the round", || (counter(&cluster, leader, "maip_checkpoints_total") > before).then_some(()))
        .await;
    assert_eq!(counter(&cluster, leader, "maip_checkpoints_total"), before + 1);
}

/// Three ticks of any log: the witnesses of this one live in the past, so that every tick is due there.
async fn three_ticks(other: &Cluster) {
    let before = counter(other, 1, "maip_checkpoints_total");
    wait_for("ticks", || (counter(other, 1, "maip_checkpoints_total") >= before + 4).then_some(())).await;
}

/// G7: without a witness a checkpoint says no time, and is published again only after it has been served for long.
#[tokio::test(flavor = "multi_thread")]
async fn g7_an_idle_log_without_witnesses_commits_nothing() {
    let mut cluster = Cluster::prepare(1);
    let (log, _) = cluster.policy_text.split_once('\n').unwrap();
    cluster.policy_text = format!("{log}\nquorum none\n");
    cluster.publish.republish_s = 3_600;
    let cluster = cluster.begin().await;
    let other = Cluster::start(1).await;
    submit(&cluster.node(1), Tenant::new(7).register(), Ack::Witnessed).await;
    let before = cluster.node(1).status().raft_applied_index;
    three_ticks(&other).await;
    assert_eq!(cluster.node(1).status().raft_applied_index, before);
}

/// C3, fail-open: while the witnesses are away nothing is committed again and again, and they are asked as long as they are.
#[tokio::test(flavor = "multi_thread")]
async fn c3_a_checkpoint_published_fail_open_is_witnessed_as_soon_as_witnesses_are_back() {
    let mut cluster = Cluster::prepare(1);
    cluster.fail_open = true;
    cluster.publish.republish_s = 3_600;
    cluster.publish.witness_timeout_ms = 50;
    let cluster = cluster.begin().await;
    let other = Cluster::start(1).await;
    for name in ["w1", "w2", "w3"] {
        cluster.witnesses.set_mood(name, Mood::Silent);
    }
    let node = cluster.node(1);
    let record = submit(&node, Tenant::new(7).register(), Ack::Published).await;
    let bare = node.reader().checkpoint().unwrap();
    assert_eq!((bare.checkpoint.size, bare.at_ms), (record.index + 1, 0));
    let before = node.status().raft_applied_index;
    three_ticks(&other).await;
    assert_eq!(node.status().raft_applied_index, before);

    for name in ["w1", "w2", "w3"] {
        cluster.witnesses.set_mood(name, Mood::Honest);
    }
    wait_for("cosignatures", || {
        node.reader().checkpoint().filter(|now| cluster.policy().check(&now.parsed).is_ok())
    })
    .await;
}
