//! Private state in a cluster: changed on any node, once, and read on all.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ledger_log::{Ack, Change, Credential, HostedLog, Kind, Note, Noted, RefusedKind, TransactOutcome};
use ledger_state::{Command, PRIVATE_VALUE_BYTES_MAX, Private, Transaction};

use crate::harness::{Cluster, LIMIT, Tenant, member, submit, wait_for};

async fn transact(log: &HostedLog, change: Change) -> TransactOutcome {
    log.transact(change, LIMIT).await.unwrap()
}

fn read(log: &HostedLog, key: &str) -> Option<Vec<u8>> {
    log.reader().private(key.as_bytes()).unwrap()
}

async fn all_read(cluster: &Cluster, key: &str, value: Option<&[u8]>) {
    wait_for("every node to have the private value", || {
        cluster.nodes().iter().all(|(_, log)| read(log, key).as_deref() == value).then_some(())
    })
    .await;
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_changes_private_state_and_reads_it_at_once() {
    let cluster = Cluster::start(3).await;
    for id in 1..=3 {
        let log = cluster.node(id);
        let key = format!("api-key/{id}");
        let taken = Change::new().expect_absent(key.as_str()).put(key.as_str(), "hash");
        assert_eq!(transact(&log, taken.clone()).await, TransactOutcome::Done);
        // The node that was asked has applied it.
        assert_eq!(read(&log, &key).as_deref(), Some(&b"hash"[..]));
        let conflict = TransactOutcome::Conflict { key: key.clone().into_bytes() };
        assert_eq!(transact(&log, taken).await, conflict);
    }
    all_read(&cluster, "api-key/3", Some(b"hash")).await;
    for (id, log) in cluster.nodes() {
        let range =
            |after: Option<&[u8]>, limit| log.reader().private_range(b"api-key/", after, limit).unwrap();
        let keys = |range: ledger_log::PrivateRange| -> (Vec<u8>, bool) {
            (range.pairs.iter().map(|(key, _)| key[8]).collect(), range.more)
        };
        wait_for("the range", || (keys(range(None, 9)) == (b"123".to_vec(), false)).then_some(())).await;
        assert_eq!(keys(range(None, 2)), (b"12".to_vec(), true), "node {id}");
        assert_eq!(keys(range(Some(b"api-key/2"), 2)), (b"3".to_vec(), false));
        assert_eq!(keys(range(Some(b"api-key/3"), 2)), (vec![], false));
    }
    let large = Change::new().put("k", vec![0; PRIVATE_VALUE_BYTES_MAX + 1]);
    let refused = cluster.node(1).transact(large, LIMIT).await.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (RefusedKind::Invalid, "PRIVATE_BOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_goes_with_its_record_whoever_takes_it() {
    let cluster = Cluster::start(3).await;
    let mut tenant = Tenant::new(1);
    submit(&cluster.node(1), tenant.register(), Ack::Sequenced).await;
    for id in 1..=3 {
        let log = cluster.node(id);
        let key = format!("notes/{id}");
        let noted = Noted { record: tenant.agent(), note: Note::new(key.as_str(), "said") };
        let refused = Noted { record: Bytes::from_static(b"{}"), note: Note::new("notes/none", "said") };
        let fates = log
            .submit_noted(vec![refused, noted.clone()], Ack::Sequenced, LIMIT, Credential::Anonymous)
            .await;
        assert!(fates[0].is_err() && fates[1].as_ref().is_ok_and(|done| !done.duplicate), "{fates:?}");
        all_read(&cluster, &key, Some(b"said")).await;
        let again = Noted { note: Note::new(key.as_str(), "late"), ..noted };
        let fates = log.submit_noted(vec![again], Ack::Sequenced, LIMIT, Credential::Anonymous).await;
        assert!(fates[0].as_ref().is_ok_and(|done| done.duplicate), "{fates:?}");
        assert_eq!(read(&log, &key).as_deref(), Some(&b"said"[..]));
    }
    all_read(&cluster, "notes/none", None).await;
}

/// What makes it safe to send a transaction again when the answer was lost.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_transaction_is_done_once() {
    let cluster = Cluster::start(3).await;
    let body = |id: u8| {
        let change = Transaction {
            id: [id; 16],
            good_until_ms: now_ms() + 60_000,
            expects: [(b"nonce".to_vec(), ledger_state::Expect::Absent)].into(),
            writes: [(
                b"nonce".to_vec(),
                ledger_state::PrivateWrite::Put { value: b"used".to_vec(), expires_at_ms: None },
            )]
            .into(),
        };
        Command::Private(Private::Transact { log_ms: 0, transaction: change }).encode()
    };
    let (first, other) = (body(1), body(2));
    let call = async |body: &[u8]| {
        // A new leader refuses until it knows what was committed before it.
        for _ in 0..1_000 {
            let leader = cluster.node(cluster.leader().await);
            if let Ok(answer) = leader.peer_call(Kind::Transact as u32, body.to_vec().into()).await {
                // Version, raft_index, then the fate: 0 is done, 1 a conflict.
                return answer[9];
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no leader takes it")
    };
    assert_eq!(call(&first).await, 0);
    assert_eq!(call(&first).await, 0);
    assert_eq!(call(&other).await, 1);
    // Another leader knows it, too.
    let leader = cluster.leader().await;
    cluster.stop(leader).await;
    assert_ne!(cluster.leader().await, leader);
    assert_eq!(call(&first).await, 0);
    let strange = Command::Seal { log_ms: 0 }.encode();
    for body in [strange, b"?".to_vec()] {
        let leader = cluster.node(cluster.leader().await);
        assert!(leader.peer_call(Kind::Transact as u32, body.into()).await.is_err());
    }
}

/// A counter that three nodes count up while leadership moves: each answer `Done` is one step, none is lost, none counts twice.
#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_lost_or_made_twice_while_leaders_change() {
    const STEPS: u64 = 25;
    let cluster = Cluster::start(3).await;
    let mut counting = tokio::task::JoinSet::new();
    for id in 1..=3 {
        let log = cluster.node(id);
        counting.spawn(async move {
            for _ in 0..STEPS {
                loop {
                    let before = read(&log, "counter");
                    let count = before.as_deref().map_or(0, |b| u64::from_be_bytes(b.try_into().unwrap()));
                    let change = match &before {
                        None => Change::new().expect_absent("counter"),
                        Some(value) => Change::new().expect_value("counter", value),
                    };
                    let change = change.put("counter", (count + 1).to_be_bytes());
                    match log.transact(change, LIMIT).await {
                        Ok(TransactOutcome::Done) => break,
                        Ok(TransactOutcome::Conflict { .. }) => tokio::task::yield_now().await,
                        Err(refused) => panic!("{refused}"),
                    }
                }
            }
        });
    }
    // Links break and leaders change for as long as they count.
    let mut next = 1;
    while !counting.is_empty() {
        let leader = cluster.leader().await;
        next = next % 3 + 1;
        if next == leader {
            let others = cluster.others(leader);
            others.iter().for_each(|other| cluster.net.cut(leader, *other));
            wait_for("another leader", || {
                let mut others = others.iter().map(|id| cluster.node(*id).status());
                others.any(|status| status.raft_state == "leader").then_some(())
            })
            .await;
            cluster.net.heal();
        } else {
            // It may fail: then an election is under way already.
            let _ = cluster.node(leader).transfer(next).await;
        }
        while let Some(done) = counting.try_join_next() {
            done.unwrap();
        }
    }
    all_read(&cluster, "counter", Some(&(3 * STEPS).to_be_bytes())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_expires_on_a_log_that_nobody_writes_to() {
    let cluster = Cluster::start(3).await;
    let soon = now_ms() + 1_500;
    let change = Change::new().put_until("token", "secret", soon).put("stays", "x");
    assert_eq!(transact(&cluster.node(2), change).await, TransactOutcome::Done);
    all_read(&cluster, "token", None).await;
    assert!(now_ms() >= soon, "it expired before its time");
    all_read(&cluster, "stays", Some(b"x")).await;
}

/// Private state is in Raft snapshots: a node that joins late, or comes back after everything was purged, has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_by_snapshot_has_the_private_state() {
    let mut cluster = Cluster::start(3).await;
    assert_eq!(
        transact(&cluster.node(1), Change::new().put("webhook", "secret")).await,
        TransactOutcome::Done
    );
    let leader = cluster.leader().await;
    for step in 0..120u64 {
        let change = Change::new().put("other", step.to_be_bytes());
        assert_eq!(transact(&cluster.node(leader), change).await, TransactOutcome::Done);
    }
    wait_for("the Raft log to be purged", || {
        (cluster.node(leader).status().raft_snapshot_index > 60).then_some(())
    })
    .await;
    cluster.run(4).await;
    let leader = cluster.node(cluster.leader().await);
    leader.add_learner(member(4)).await.unwrap();
    wait_for("the new node's private state", || {
        (read(&cluster.node(4), "webhook").as_deref() == Some(b"secret")).then_some(())
    })
    .await;
    tokio::time::timeout(Duration::from_secs(30), async {
        let refused = cluster.node(4).transact(Change::new().put("x", "y"), LIMIT).await;
        assert_eq!(refused, Ok(TransactOutcome::Done), "a learner forwards, too");
    })
    .await
    .unwrap();
}
