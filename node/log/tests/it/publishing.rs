//! When checkpoints are made, and what keeps one from being made for a while only.

use std::fs;

use ledger_log::Ack;

use crate::{
    harness::{Cluster, Tenant, has_alarm, submit, wait_for},
    limits::counter,
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
