//! Rules about what must not happen even once, each forced: other members, an id that comes back, roots that differ, a witness
//! that knows more, budgets, peers with bad memory.

use std::fs;

use ledger_format::{Note, SignatureType, leaf_hash};
use ledger_log::{Ack, Credential, Kind, PublishOptions, RefusedKind};

use crate::{
    harness::{
        Cluster, FIRST_LOG_KEY, Tenant, has_alarm, log_signer, member, register_agents, submit, try_submit,
        wait_for,
    },
    witness::Mood,
};

pub(crate) fn counter(cluster: &Cluster, id: u64, name: &str) -> u64 {
    let text = cluster.node(id).metrics_text();
    let line = text.lines().find(|line| line.split('{').next() == Some(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no counter {name}"))
}

/// How many signatures a witness has given.
fn signed(cluster: &Cluster, name: &str) -> usize {
    cluster.witnesses.by_url.lock().unwrap()[&format!("http://{name}")].signed.len()
}

/// L3: a node whose disk is empty has forgotten its votes. Whatever it does under its old id, nothing that was acknowledged with
/// its help is lost, and its id belongs to nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn l3_an_id_whose_disk_is_gone_is_given_to_nobody() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    let record = tenant.register();
    let first = submit(&cluster.node(leader), record.clone(), Ack::Sequenced).await;
    let lost = cluster.others(leader)[0];
    cluster.stop(lost).await;
    fs::remove_dir_all(&cluster.dirs[&lost]).unwrap();

    cluster.led(async |log| log.remove(lost).await).await.unwrap();
    let elsewhere = ledger_log::Member { peer: "elsewhere:1".into(), ..member(lost) };
    for again in [member(lost), elsewhere] {
        let refused = cluster.led(async |log| log.add_learner(again.clone()).await).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(&lost.to_string()), "{refused}");
    }
    cluster.run(4).await;
    cluster.led(async |log| log.add_learner(member(4)).await).await.unwrap();
    cluster.led(async |log| log.promote(4).await).await.unwrap();
    wait_for("the new node to catch up", || {
        (cluster.node(4).status().published_size > first.index).then_some(())
    })
    .await;
    assert_eq!(submit(&cluster.node(4), record, Ack::Sequenced).await.index, first.index);
}

/// L4: members change by joint consensus only. Another list in a configuration changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn l4_another_list_of_first_members_changes_nothing() {
    let mut cluster = Cluster::start(3).await;
    cluster.leader().await;
    submit(&cluster.node(1), Tenant::new(7).register(), Ack::Sequenced).await;
    let before: Vec<u64> = cluster.node(1).members().iter().map(|known| known.member.id).collect();
    for id in 1..=3 {
        cluster.stop(id).await;
    }
    cluster.members = vec![member(1)];
    cluster.run(1).await;
    // Alone it is no majority of three, whatever its configuration says.
    let after: Vec<u64> = cluster.node(1).members().iter().map(|known| known.member.id).collect();
    assert_eq!(after, before);
    let (record, limit) = (Tenant::new(8).register(), std::time::Duration::from_secs(1));
    let alone = cluster.node(1).submit(vec![record], Ack::Sequenced, limit, Credential::Admin).await;
    assert!(alone[0].is_err(), "one of three voters took a record");
    cluster.run(2).await;
    wait_for("a leader of two", || (cluster.node(1).status().leader_id != 0).then_some(())).await;
    submit(&cluster.node(1), Tenant::new(9).register(), Ack::Sequenced).await;
}

/// G2: one against one is no majority: a disputed root is not signed.
#[tokio::test(flavor = "multi_thread")]
async fn g2_a_disputed_root_is_not_signed() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(leader), tenant.register(), Ack::Witnessed).await;
    let [odd, other] = cluster.others(leader)[..] else { panic!("three nodes") };
    cluster.net.lie(odd, Kind::RootVote);
    // Without the third voter the vote is one against one: nothing is signed.
    cluster.net.cut(leader, other);
    // A vote on what is published already may raise the alarm first: then the record is refused.
    let index = match try_submit(&cluster.node(leader), tenant.agent(), Ack::Sequenced).await {
        Ok(answer) => answer.index,
        Err(refused) => {
            assert_eq!(refused.kind, RefusedKind::ReadOnly);
            cluster.node(leader).reader().applied_size()
        }
    };
    wait_for("the alarm", || has_alarm(&cluster, leader, "root_vote").then_some(())).await;
    assert!(cluster.node(leader).status().published_size <= index, "a disputed root was signed");
    let refused = try_submit(&cluster.node(leader), tenant.agent(), Ack::Sequenced).await.unwrap_err();
    assert_eq!(refused.kind, RefusedKind::ReadOnly);
}

/// G2: a leader whose root no other voter computes is the one with the flipped bit: it halts.
#[tokio::test(flavor = "multi_thread")]
async fn g2_the_minority_halts() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(leader), tenant.register(), Ack::Witnessed).await;
    for other in cluster.others(leader) {
        cluster.net.lie(other, Kind::RootVote);
    }
    // It may halt before it answers: what becomes of the record is for the others to say.
    let limit = std::time::Duration::from_millis(100);
    let _ = cluster.node(leader).submit(vec![tenant.agent()], Ack::Sequenced, limit, Credential::Admin).await;
    wait_for("the minority to halt", || {
        (cluster.node(leader).status().raft_state == "stopped").then_some(())
    })
    .await;
    assert!(has_alarm(&cluster, leader, "root_vote"));
    assert!(cluster.node(leader).reader().checkpoint().is_some(), "reads go on");
}

/// G4: a leader that has been elected and could not yet commit an entry of its own term signs nothing, and no witness hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn g4_a_leader_without_an_entry_of_its_term_signs_nothing() {
    let mut cluster = Cluster::start(3).await;
    let old = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(old), tenant.register(), Ack::Witnessed).await;
    cluster.all_published(2).await;
    // Whoever wins the next election gets the votes and is not heard after that.
    for other in cluster.others(old) {
        cluster.net.mute(other);
    }
    cluster.stop(old).await;
    let before = signed(&cluster, "w1");
    // The test's witnesses live in the past, so every tick is due; a round that ends is one that was refused.
    wait_for("refused rounds of an unconfirmed leader", || {
        let nodes = cluster.nodes();
        let refused = nodes.iter().filter(|(_, log)| log.status().raft_state == "leader");
        refused.map(|(id, _)| counter(&cluster, *id, "maip_publish_failures_total")).find(|n| *n > 1)
    })
    .await;
    assert_eq!(signed(&cluster, "w1"), before, "an unconfirmed leader asked a witness");
    cluster.net.unmute();
    cluster.run(old).await;
    submit(&cluster.node(old), tenant.agent(), Ack::Witnessed).await;
}

/// G5: no extension lines, and the same bytes from whoever signs.
#[tokio::test(flavor = "multi_thread")]
async fn g5_two_signers_of_one_checkpoint_sign_the_same_bytes() {
    let cluster = Cluster::start(1).await;
    submit(&cluster.node(1), Tenant::new(7).register(), Ack::Witnessed).await;
    let note = Note::parse(&cluster.node(1).reader().checkpoint().unwrap().note).unwrap();
    assert_eq!(note.text().lines().count(), 3, "origin, size, root: {}", note.text());
    let key = log_signer(FIRST_LOG_KEY);
    assert_eq!(key.vkey().signature_type(), SignatureType::Ed25519);
    assert_eq!(note.signature_of(key.vkey()), Some(&key.sign(note.text())));
}

/// G7: who waits for a checkpoint gets one at once, however far the tick is.
#[tokio::test(flavor = "multi_thread")]
async fn g7_a_caller_that_waits_does_not_wait_for_the_tick() {
    let mut cluster = Cluster::prepare(3);
    cluster.publish.interval_ms = 24 * 3_600_000;
    let cluster = cluster.begin().await;
    let mut tenant = Tenant::new(7);
    for id in 1..=3 {
        let record = if id == 1 { tenant.register() } else { tenant.agent() };
        assert_eq!(submit(&cluster.node(id), record, Ack::Witnessed).await.ack, Ack::Witnessed);
    }
}

/// G7: a log that stands still is published again, so that its age stays bounded.
#[tokio::test(flavor = "multi_thread")]
async fn g7_an_unchanged_log_is_published_again() {
    let mut cluster = Cluster::prepare(1);
    cluster.publish.republish_s = 1;
    let cluster = cluster.begin().await;
    let first = submit(&cluster.node(1), Tenant::new(7).register(), Ack::Witnessed).await;
    let before = cluster.node(1).reader().checkpoint().unwrap();
    let after = wait_for("the same size, cosigned again", || {
        cluster.node(1).reader().checkpoint().filter(|now| now.note != before.note)
    })
    .await;
    assert_eq!((after.checkpoint.size, after.checkpoint.root), (first.index + 1, before.checkpoint.root));
}

/// G7: a witness is asked no more often than it has agreed to, even while a caller waits.
#[tokio::test(flavor = "multi_thread")]
async fn g7_the_budget_of_a_witness_is_kept() {
    let mut cluster = Cluster::prepare(1);
    // One request an hour.
    cluster.publish = PublishOptions { witness_requests_per_day: 24, ..cluster.publish };
    let cluster = cluster.begin().await;
    cluster.all_published(1).await;
    submit(&cluster.node(1), Tenant::new(7).register(), Ack::Sequenced).await;
    let failures = counter(&cluster, 1, "maip_publish_failures_total");
    wait_for("rounds without the witnesses", || {
        (counter(&cluster, 1, "maip_publish_failures_total") > failures).then_some(())
    })
    .await;
    for name in ["w1", "w2", "w3"] {
        assert_eq!(signed(&cluster, name), 1, "{name} was asked beyond its budget");
    }
}

/// C1: a witness that knows another size than the leader thought is led on from there in the same round. With one request an
/// hour a second round would never come.
#[tokio::test(flavor = "multi_thread")]
async fn c1_a_conflict_is_answered_in_the_same_round() {
    let mut cluster = Cluster::prepare(1);
    cluster.publish.witness_requests_per_day = 24;
    let mut cluster = cluster.begin().await;
    cluster.all_published(1).await;
    wait_for("every witness", || {
        ["w1", "w2", "w3"].iter().all(|name| signed(&cluster, name) == 1).then_some(())
    })
    .await;
    cluster.stop(1).await;
    // A node that has just started does not know what witnesses have cosigned: it begins at 0 and hears 409.
    cluster.run(1).await;
    wait_for("every witness again", || {
        ["w1", "w2", "w3"].iter().all(|name| signed(&cluster, name) == 2).then_some(())
    })
    .await;
}

/// C2: the bad line of one witness costs no round: it is dropped, not merged and found out later.
#[tokio::test(flavor = "multi_thread")]
async fn c2_a_bad_line_costs_no_round() {
    let cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Witnessed).await;
    cluster.witnesses.set_mood("w1", Mood::WrongText);
    let failures = counter(&cluster, 1, "maip_publish_failures_total");
    for _ in 0..30 {
        submit(&cluster.node(1), tenant.agent(), Ack::Witnessed).await;
    }
    assert_eq!(counter(&cluster, 1, "maip_publish_failures_total"), failures);
}

/// C4: a witness that has cosigned more than a confirmed leader holds: entries are lost. Signing stops, the evidence is kept.
#[tokio::test(flavor = "multi_thread")]
async fn c4_a_witness_ahead_of_a_confirmed_leader_is_the_fork_alarm() {
    let cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Witnessed).await;
    if let Some(witness) = cluster.witnesses.by_url.lock().unwrap().get_mut("http://w1") {
        let (_, _, note) = witness.last.take().unwrap();
        witness.last = Some((1_000, leaf_hash(b"entries that this log does not have"), note));
    }
    let _ = try_submit(&cluster.node(1), tenant.agent(), Ack::Sequenced).await;
    wait_for("the fork alarm", || has_alarm(&cluster, 1, "fork").then_some(())).await;
    let refused = try_submit(&cluster.node(1), tenant.agent(), Ack::Sequenced).await.unwrap_err();
    assert_eq!(refused.kind, RefusedKind::ReadOnly);
    let evidence = cluster.dirs[&1].join("evidence");
    wait_for("the evidence", || fs::read_dir(&evidence).ok()?.next().map(drop)).await;
}

/// R1: bundles from a peer are checked against the snapshot's root before anything is installed.
#[tokio::test(flavor = "multi_thread")]
async fn r1_a_damaged_bundle_of_a_peer_is_not_installed() {
    let mut cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Sequenced).await;
    register_agents(&cluster.node(1), &mut tenant, 15).await;
    cluster.all_published(302).await;
    cluster.node(1).snapshot().await.unwrap();
    cluster.net.lie(1, Kind::FetchBundle);
    cluster.run(2).await;
    let adding = tokio::spawn({
        let log = cluster.node(1);
        async move { log.add_learner(member(2)).await }
    });
    wait_for("a bundle to be asked for", || cluster.net.has_lied().then_some(())).await;
    assert_eq!(cluster.node(2).status().size, 0, "something unproven was installed");
    cluster.net.tell_the_truth();
    adding.await.unwrap().unwrap();
    wait_for("the learner to catch up", || (cluster.node(2).status().published_size >= 302).then_some(()))
        .await;
    assert_eq!(cluster.node(2).status().root, cluster.node(1).status().root);
}
