//! What a hosted log promises, with three nodes.

use bytes::Bytes;
use ledger_log::{Ack, AdminError, Credential, HostedLog, RefusedKind};

use crate::harness::{
    Cluster, LIMIT, Tenant, check_proof, member, register_agents, submit, try_submit, wait_for,
};
use crate::limits::counter;

#[tokio::test(flavor = "multi_thread")]
async fn a_record_becomes_a_proof_on_every_node() {
    let cluster = Cluster::start(3).await;
    cluster.leader().await;
    cluster.all_published(1).await;
    let mut tenant = Tenant::new(7);
    let record = tenant.register();
    let first = submit(&cluster.node(1), record.clone(), Ack::Witnessed).await;
    assert_eq!((first.index, first.duplicate, first.ack), (1, false, Ack::Witnessed));
    check_proof(&cluster.policy(), first.proof.as_deref().unwrap(), &record);

    for id in 1..=3 {
        let record = tenant.agent();
        let answer = submit(&cluster.node(id), record.clone(), Ack::Witnessed).await;
        check_proof(&cluster.policy(), answer.proof.as_deref().unwrap(), &record);
    }
    // V1: every replica serves the same bytes.
    cluster.all_published(5).await;
    // The harness publishes twenty times a second, and the others have each note a moment later.
    wait_for("the same note on every node", || {
        let note = |log: &HostedLog| log.reader().checkpoint().unwrap().note.clone();
        let notes: Vec<_> = cluster.nodes().iter().map(|(_, log)| note(log)).collect();
        notes.windows(2).all(|pair| pair[0] == pair[1]).then_some(())
    })
    .await;
}

/// S2, on any node, across a leader change and a restart.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_record_has_one_index_for_ever() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    let record = tenant.register();
    let first = submit(&cluster.node(leader), record.clone(), Ack::Sequenced).await;
    for id in 1..=3 {
        let again = submit(&cluster.node(id), record.clone(), Ack::Sequenced).await;
        assert_eq!(
            (again.index, again.leaf, again.log_ms, again.duplicate),
            (first.index, first.leaf, first.log_ms, true)
        );
    }
    cluster.stop(leader).await;
    let next = cluster.leader().await;
    assert_ne!(next, leader);
    assert_eq!(submit(&cluster.node(next), record.clone(), Ack::Sequenced).await.index, first.index);
    cluster.run(leader).await;
    assert_eq!(submit(&cluster.node(leader), record.clone(), Ack::Sequenced).await.index, first.index);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_acknowledged_survives_stopping_all_nodes() {
    let mut cluster = Cluster::start(3).await;
    cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Sequenced).await;
    let records: Vec<Bytes> = (0..600).map(|_| tenant.agent()).collect();
    let mut logged = Vec::new();
    for (i, chunk) in records.chunks(20).enumerate() {
        let node = cluster.node(i as u64 % 3 + 1);
        for answer in node.submit(chunk.to_vec(), Ack::Sequenced, LIMIT, Credential::Admin).await {
            logged.push(answer.unwrap());
        }
    }
    for id in 1..=3 {
        cluster.stop(id).await;
    }
    for id in 1..=3 {
        cluster.run(id).await;
    }
    cluster.leader().await;
    cluster.all_published(602).await;
    for (record, answer) in records.iter().zip(&logged).step_by(37) {
        for (_, node) in cluster.nodes() {
            let proof = node.reader().proof(answer.index).unwrap().unwrap();
            check_proof(&cluster.policy(), &proof, record);
        }
    }
    let roots: Vec<_> = cluster.nodes().iter().map(|(_, log)| log.status().root).collect();
    assert!(roots.windows(2).all(|pair| pair[0] == pair[1]), "{roots:?}");
}

/// L3 and R1: a node without a disk joins under a new id, fetches bundles from a peer and checks them.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_fetches_the_log_and_becomes_a_voter() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(leader), tenant.register(), Ack::Sequenced).await;
    register_agents(&cluster.node(leader), &mut tenant, 30).await;
    cluster.node(leader).snapshot().await.unwrap();
    let gone = (1..=3).find(|id| *id != leader).unwrap();
    cluster.stop(gone).await;

    let used = cluster.led(async |log| log.add_learner(member(gone)).await).await;
    assert!(used.is_ok(), "the same node again is no change: {used:?}");
    cluster.run(4).await;
    cluster.led(async |log| log.add_learner(member(4)).await).await.unwrap();
    wait_for("the learner to catch up", || (cluster.node(4).status().published_size >= 602).then_some(()))
        .await;
    cluster.led(async |log| log.promote(4).await).await.unwrap();
    cluster.led(async |log| log.remove(gone).await).await.unwrap();
    let elsewhere = ledger_log::Member { peer: "elsewhere:1".into(), ..member(gone) };
    let reused = cluster.led(async |log| log.add_learner(elsewhere.clone()).await).await;
    assert!(
        matches!(reused, Err(AdminError::Refused(_))),
        "a removed id must not come back as another node: {reused:?}"
    );
    assert_eq!(cluster.node(4).status().root, cluster.node(leader).status().root);
    let record = tenant.agent();
    let answer = submit(&cluster.node(4), record.clone(), Ack::Witnessed).await;
    check_proof(&cluster.policy(), answer.proof.as_deref().unwrap(), &record);
}

/// The snapshot that a new node was fed with is older than its membership, and does not name it. It must feed the next one all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_came_later_brings_another_node_in() {
    let mut cluster = Cluster::start(3).await;
    let first = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(first), tenant.register(), Ack::Sequenced).await;
    register_agents(&cluster.node(first), &mut tenant, 15).await;
    cluster.node(first).snapshot().await.unwrap();
    // Nothing that comes later makes a newer one.
    cluster.snapshot_after = 100_000;
    cluster.run(4).await;
    cluster.led(async |log| log.add_learner(member(4)).await).await.unwrap();
    cluster.led(async |log| log.promote(4).await).await.unwrap();
    let gone = cluster.others(first)[0];
    cluster.led(async |log| log.remove(gone).await).await.unwrap();
    cluster.led(async |log| log.transfer(4).await).await.unwrap();
    cluster.stop(first).await;

    cluster.run(5).await;
    cluster.led(async |log| log.add_learner(member(5)).await).await.unwrap();
    cluster.led(async |log| log.promote(5).await).await.unwrap();
    cluster.led(async |log| log.remove(first).await).await.unwrap();
    let record = tenant.agent();
    let answer = submit(&cluster.node(5), record.clone(), Ack::Witnessed).await;
    check_proof(&cluster.policy(), answer.proof.as_deref().unwrap(), &record);
}

/// With a vote it would have to be waited for, and where another voter is dead nothing could be logged any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_learner_that_has_nothing_gets_no_vote() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(leader), tenant.register(), Ack::Sequenced).await;
    // Nobody runs under this id.
    cluster.led(async |log| log.add_learner(member(4)).await).await.unwrap();
    let refused = cluster.led(async |log| log.promote(4).await).await.unwrap_err();
    assert!(matches!(&refused, AdminError::Refused(why) if why.contains("node 4 has 0 of")), "{refused}");
    assert_eq!(cluster.node(leader).members().iter().filter(|known| known.voter).count(), 3);
    cluster.stop(cluster.others(leader)[0]).await;
    submit(&cluster.node(leader), tenant.agent(), Ack::Sequenced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_leader_loses_nothing_and_heals() {
    let cluster = Cluster::start(3).await;
    let old = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(old), tenant.register(), Ack::Sequenced).await;
    for other in (1..=3).filter(|id| *id != old) {
        cluster.net.cut(old, other);
    }
    let new = wait_for("another leader", || {
        cluster
            .nodes()
            .iter()
            .find(|(id, log)| *id != old && log.status().raft_state == "leader")
            .map(|(id, _)| *id)
    })
    .await;
    let record = tenant.agent();
    let answer = submit(&cluster.node(new), record.clone(), Ack::Witnessed).await;
    cluster.net.heal();
    cluster.all_published(answer.index + 1).await;
    assert_eq!(submit(&cluster.node(old), record, Ack::Sequenced).await.index, answer.index);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_records_are_refused_with_field_and_fix_and_do_not_stop_the_good() {
    let cluster = Cluster::start(1).await;
    cluster.leader().await;
    let mut tenant = Tenant::new(7);
    let mut stranger = Tenant::new(8);
    let good = tenant.register();
    let mut flipped = tenant.agent().to_vec();
    let at = flipped.windows(7).position(|w| w == b"\"name\":").unwrap() + 8;
    flipped[at] ^= 1;
    let records = vec![
        good,
        Bytes::from(flipped),
        stranger.agent(),
        Bytes::from_static(b"{}"),
        Bytes::from(vec![b'x'; 70_000]),
    ];
    let answers = cluster.node(1).submit(records, Ack::Sequenced, LIMIT, Credential::Admin).await;
    assert_eq!(answers[0].as_ref().unwrap().index, 1);
    for answer in &answers[1..] {
        let refused = answer.as_ref().unwrap_err();
        assert!(!refused.fix.is_empty() && !refused.message.is_empty(), "{refused:?}");
    }
    let anonymous = cluster
        .node(1)
        .submit(vec![Tenant::new(9).register()], Ack::Sequenced, LIMIT, Credential::Anonymous)
        .await;
    assert_eq!(anonymous[0].as_ref().unwrap_err().kind, RefusedKind::Unauthenticated);
    assert_eq!(cluster.node(1).status().size, 2);
    let conflict = try_submit(&cluster.node(1), Tenant::new(7).register(), Ack::Sequenced).await.unwrap();
    assert!(conflict.duplicate);
}

/// A follower that has not yet applied a registration must not refuse what depends on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lags_catches_up_before_it_refuses() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    for seed in 10..40 {
        let mut tenant = Tenant::new(seed);
        submit(&cluster.node(leader), tenant.register(), Ack::Sequenced).await;
        let follower = leader % 3 + 1;
        submit(&cluster.node(follower), tenant.agent(), Ack::Sequenced).await;
    }
    // One batch may register a tenant and go on with it.
    let mut tenant = Tenant::new(50);
    let records = vec![tenant.register(), tenant.agent(), tenant.agent()];
    for answer in cluster.node(leader).submit(records, Ack::Sequenced, LIMIT, Credential::Admin).await {
        answer.unwrap();
    }
}

/// A new leader has in its log what was committed before, but has not applied it before it commits something of its own term. It
/// must not refuse a record for what it lacks until then.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_catches_up_with_its_own_log_before_it_refuses() {
    let mut cluster = Cluster::prepare(3);
    // Nobody waits for a checkpoint: nothing but the registration comes into the Raft log.
    cluster.publish.interval_ms = 24 * 3_600_000;
    let cluster = cluster.begin().await;
    let old = cluster.leader().await;
    let [next, third] = cluster.others(old)[..] else { unreachable!() };
    let before = wait_for("everybody to have the beginning", || {
        let statuses = cluster.nodes().into_iter().map(|(_, log)| log.status());
        let marks: Vec<_> = statuses.map(|s| (s.raft_last_index, s.raft_applied_index, s.size)).collect();
        let (last, applied, _) = marks[0];
        (last == applied && marks.iter().all(|mark| *mark == marks[0])).then_some(last)
    })
    .await;
    // The registration reaches `next`, and nobody hears that it did: it is in its log and not applied.
    cluster.net.cut(old, third);
    cluster.net.lose_answers(next);
    let mut tenant = Tenant::new(7);
    let (registration, agent) = (tenant.register(), tenant.agent());
    let log = cluster.node(old);
    let registering = tokio::spawn(async move { try_submit(&log, registration, Ack::Sequenced).await });
    wait_for("the registration to arrive", || {
        (cluster.node(next).status().raft_last_index > before).then_some(())
    })
    .await;
    // It wins the election, for its log is longer than the third's, and then nobody hears what it appends.
    cluster.net.mute(next);
    cluster.net.cut(old, next);
    cluster.net.lose_nothing();
    wait_for("another leader", || (cluster.node(next).status().raft_state == "leader").then_some(())).await;
    let log = cluster.node(next);
    assert_eq!(log.status().size, 1, "it has not applied the registration");
    let submitted = tokio::spawn(async move { try_submit(&log, agent, Ack::Sequenced).await });
    wait_for("the record to be checked", || {
        (counter(&cluster, next, "maip_submitted_records_total") > 0).then_some(())
    })
    .await;
    cluster.net.unmute();
    cluster.net.heal();
    submitted.await.unwrap().expect("the tenant is registered");
    let _ = registering.await.unwrap();
}

/// S4: the Raft log is purged for its size too, only behind a durable snapshot, and nothing is lost by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_raft_log_that_has_grown_large_is_purged_behind_a_snapshot() {
    let mut cluster = Cluster::prepare(1);
    cluster.raft_log_bytes = 1;
    cluster.snapshot_after = 1_000_000;
    let mut cluster = cluster.begin().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Sequenced).await;
    for _ in 0..400 {
        submit(&cluster.node(1), tenant.agent(), Ack::Sequenced).await;
    }
    wait_for("a snapshot for the sake of size", || {
        (cluster.node(1).status().raft_snapshot_index > 300).then_some(())
    })
    .await;
    cluster.stop(1).await;
    cluster.run(1).await;
    cluster.all_published(402).await;
    let record = tenant.agent();
    let answer = submit(&cluster.node(1), record.clone(), Ack::Witnessed).await;
    check_proof(&cluster.policy(), answer.proof.as_deref().unwrap(), &record);
}

/// A node that leads no longer gives the records of other nodes back to them. When it passed them on, to a node that leads now and waits for
/// their answer, the two waited for each other until they gave up, and every caller with them.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_forwarded_is_not_forwarded_again() {
    let cluster = Cluster::start(3).await;
    let mut tenant = Tenant::new(7);
    let first = cluster.leader().await;
    submit(&cluster.node(first), tenant.register(), Ack::Sequenced).await;
    let homes: Vec<Vec<Bytes>> = (0..3).map(|_| (0..300).map(|_| tenant.agent()).collect()).collect();
    let logged = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let writers: Vec<_> = (1..)
        .zip(homes.clone())
        .map(|(id, records)| {
            let (node, logged) = (cluster.node(id), logged.clone());
            tokio::spawn(async move {
                for record in records {
                    submit(&node, record, Ack::Sequenced).await;
                    logged.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            })
        })
        .collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let leader = cluster.leader().await;
        // It may lead no longer.
        let _ = cluster.node(leader).transfer(leader % 3 + 1).await;
        // Under way again before the next one, or leaders do nothing but change.
        let before = logged.load(std::sync::atomic::Ordering::SeqCst);
        wait_for("the next leader to take records", || {
            let more = logged.load(std::sync::atomic::Ordering::SeqCst) > before + 10;
            (more || writers.iter().all(tokio::task::JoinHandle::is_finished)).then_some(())
        })
        .await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let forwarded = cluster.net.forwarded();
    assert!(!forwarded.is_empty(), "nobody forwarded anything");
    for (id, records) in (1..).zip(&homes) {
        for record in records {
            let passed_on = forwarded
                .iter()
                .find(|(from, body)| *from != id && body.windows(record.len()).any(|bytes| bytes == record));
            assert!(passed_on.is_none(), "node {} passed on a record of node {id}", passed_on.unwrap().0);
        }
    }
}

/// A leader that hands over stops leading first: it does not for somebody who will not hear of it.
#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_not_handed_to_a_node_that_cannot_be_reached() {
    let cluster = Cluster::start(3).await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Sequenced).await;
    for _ in 0..5 {
        let leader = cluster.leader().await;
        let (log, away) = (cluster.node(leader), cluster.others(leader)[0]);
        let term = log.status().term;
        cluster.net.cut(leader, away);
        match log.transfer(away).await.unwrap_err() {
            // Another one was elected before it was asked.
            AdminError::NotLeader { .. } => {}
            refused => {
                assert!(refused.to_string().contains("cannot be reached"), "{refused}");
                submit(&log, tenant.agent(), Ack::Sequenced).await;
                if log.status().term == term {
                    return;
                }
                // A machine that stands still for a moment has an election too: then, not every time.
            }
        }
        cluster.net.heal();
    }
    panic!("each time there was an election: a leader stops leading for a node that cannot be reached");
}
