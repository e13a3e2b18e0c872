//! Alarms that go by themselves when their cause is gone, and not before.

use std::fs;

use ledger_log::Ack;

use crate::harness::{Cluster, Tenant, has_alarm, register_agents, submit, wait_for};

/// R3: nobody can repair a file of a log with one node. When the file is whole again, the scrub says so.
#[tokio::test(flavor = "multi_thread")]
async fn r3_what_the_scrub_could_not_read_for_a_while_leaves_no_alarm() {
    let cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Sequenced).await;
    register_agents(&cluster.node(1), &mut tenant, 15).await;
    cluster.all_published(302).await;
    let bundle = cluster.dirs[&1].join("tiles/tile/entries/000");
    wait_for("a bundle", || bundle.exists().then_some(())).await;
    // As a file that the disk gives back wrong for a while.
    let good = fs::read(&bundle).unwrap();
    let put = |bytes: &[u8]| {
        let beside = bundle.with_extension("beside");
        fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, &bundle)).unwrap();
    };
    put(&good[..good.len() - 1]);
    wait_for("a reader", || cluster.node(1).reader().entry(3).is_err().then_some(())).await;
    wait_for("the alarm", || {
        let alarms = cluster.node(1).status().alarms;
        alarms.iter().any(|alarm| alarm.contains("cannot be repaired")).then_some(())
    })
    .await;

    put(&good);
    wait_for("the alarm to go", || (!has_alarm(&cluster, 1, "corruption")).then_some(())).await;
    assert!(cluster.node(1).reader().entry(3).unwrap().is_some());
}
