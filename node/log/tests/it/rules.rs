//! The rules that keep the log from forking, one by one: each test fails when its rule is taken out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ledger_format::Note;
use ledger_log::{Ack, RefusedKind};
use ledger_store::{Batch, EngineKind, Space, StoreError};

use crate::{
    harness::{Cluster, Tenant, check_proof, has_alarm, register_agents, submit, try_submit, wait_for},
    witness::Mood,
};

async fn log_some(cluster: &Cluster, tenant: &mut Tenant, count: usize) {
    for _ in 0..count / 20 {
        let leader = cluster.leader().await;
        register_agents(&cluster.node(leader), tenant, 1).await;
    }
}

/// C2: one bad line from a known witness would void the note for every verifier.
#[tokio::test(flavor = "multi_thread")]
async fn c2_a_bad_cosignature_never_reaches_the_checkpoint() {
    for mood in [Mood::WrongKey, Mood::WrongText] {
        let cluster = Cluster::prepare(1);
        cluster.witnesses.set_mood("w2", mood);
        let cluster = cluster.begin().await;
        let record = Tenant::new(7).register();
        let answer = submit(&cluster.node(1), record.clone(), Ack::Witnessed).await;
        check_proof(&cluster.policy(), answer.proof.as_deref().unwrap(), &record);
        let note = Note::parse(&cluster.node(1).reader().checkpoint().unwrap().note).unwrap();
        assert!(note.signatures().iter().all(|line| line.name != "w2" && line.name != "nobody"), "{mood:?}");
    }
}

/// C3 and V2: without a quorum entries stay sequenced, the last checkpoint is served on, nothing beyond it is.
#[tokio::test(flavor = "multi_thread")]
async fn c3_without_a_quorum_nothing_is_published() {
    let cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    let before = submit(&cluster.node(1), tenant.register(), Ack::Witnessed).await;
    let served = cluster.node(1).reader().checkpoint().unwrap();
    cluster.witnesses.set_mood("w1", Mood::Silent);
    cluster.witnesses.set_mood("w2", Mood::Silent);
    let record = tenant.agent();
    let answer = submit(&cluster.node(1), record.clone(), Ack::Sequenced).await;
    wait_for("a failed round", || {
        let text = cluster.node(1).metrics_text();
        let line = text.lines().find(|l| l.starts_with("maip_publish_failures_total"))?;
        (!line.ends_with(" 0")).then_some(())
    })
    .await;
    let reader = cluster.node(1).reader();
    // A round for the same size may have been under way still, and brought fresher cosignatures.
    assert_eq!(reader.checkpoint().unwrap().checkpoint, served.checkpoint);
    assert!(reader.entry(before.index).unwrap().is_some());
    assert!(reader.entry(answer.index).unwrap().is_none(), "V2: sequenced but not published");
    assert!(reader.proof(answer.index).unwrap().is_none());
    cluster.witnesses.set_mood("w2", Mood::Honest);
    let again = submit(&cluster.node(1), record.clone(), Ack::Witnessed).await;
    check_proof(&cluster.policy(), again.proof.as_deref().unwrap(), &record);
}

/// C1 and C5: witnesses have signed what was never published; the next leader goes on from their size.
#[tokio::test(flavor = "multi_thread")]
async fn c5_a_checkpoint_lost_with_its_leader_does_no_harm() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(leader), tenant.register(), Ack::Witnessed).await;
    for name in ["w1", "w2", "w3"] {
        cluster.witnesses.set_mood(name, Mood::SignsThenDrops);
    }
    let answer = submit(&cluster.node(leader), tenant.agent(), Ack::Sequenced).await;
    wait_for("witnesses to be ahead of what is published", || {
        let witnesses = cluster.witnesses.by_url.lock().unwrap();
        witnesses
            .values()
            .all(|w| w.last.as_ref().is_some_and(|(size, ..)| *size > answer.index))
            .then_some(())
    })
    .await;
    cluster.stop(leader).await;
    for name in ["w1", "w2", "w3"] {
        cluster.witnesses.set_mood(name, Mood::Honest);
    }
    let next = cluster.leader().await;
    let record = tenant.agent();
    let after = submit(&cluster.node(next), record.clone(), Ack::Witnessed).await;
    check_proof(&cluster.policy(), after.proof.as_deref().unwrap(), &record);
    for witness in cluster.witnesses.by_url.lock().unwrap().values() {
        for pair in witness.signed.windows(2) {
            assert!(pair[0].0 < pair[1].0 || pair[0] == pair[1], "a witness signed {pair:?}");
        }
    }
}

/// C6: a witness that holds another tree is an alarm, and nothing is signed any more.
#[tokio::test(flavor = "multi_thread")]
async fn c6_a_disagreeing_witness_stops_the_log() {
    let cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Witnessed).await;
    cluster.witnesses.set_mood("w3", Mood::Disagrees);
    let _ = try_submit(&cluster.node(1), tenant.agent(), Ack::Sequenced).await;
    wait_for("the alarm", || has_alarm(&cluster, 1, "witness_disagrees").then_some(())).await;
    let refused = try_submit(&cluster.node(1), tenant.agent(), Ack::Sequenced).await.unwrap_err();
    assert_eq!(refused.kind, RefusedKind::ReadOnly);
    assert!(cluster.node(1).reader().checkpoint().is_some(), "reads go on");
}

/// R2 and C4: a log that lost what witnesses have cosigned stays read-only under its origin.
#[tokio::test(flavor = "multi_thread")]
async fn r2_a_restored_or_emptied_log_does_not_pass_the_fence() {
    let mut cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Witnessed).await;
    cluster.stop(1).await;
    copy(&cluster.dirs[&1], &cluster.dirs[&1].with_extension("backup"));
    cluster.run(1).await;
    cluster.ready().await;
    submit(&cluster.node(1), tenant.agent(), Ack::Witnessed).await;
    cluster.stop(1).await;

    // An older state, guard included, as a file-system backup brings it back.
    cluster.dirs.insert(1, cluster.dirs[&1].with_extension("backup"));
    cluster.run(1).await;
    wait_for("the fork alarm", || has_alarm(&cluster, 1, "fork").then_some(())).await;
    let refused = try_submit(&cluster.node(1), tenant.agent(), Ack::Sequenced).await.unwrap_err();
    assert_eq!(refused.kind, RefusedKind::ReadOnly);
    let signed = cluster.witnesses.by_url.lock().unwrap().values().map(|w| w.signed.len()).sum::<usize>();
    assert!(cluster.node(1).reader().checkpoint().is_some(), "what was published is still served");
    assert_eq!(
        cluster.witnesses.by_url.lock().unwrap().values().map(|w| w.signed.len()).sum::<usize>(),
        signed
    );
}

/// R2: who cannot ask a quorum of witnesses does not begin to sign.
#[tokio::test(flavor = "multi_thread")]
async fn r2_the_fence_waits_for_a_quorum_of_witnesses() {
    let cluster = Cluster::prepare(1);
    cluster.witnesses.set_mood("w1", Mood::Silent);
    cluster.witnesses.set_mood("w2", Mood::Silent);
    let mut cluster = cluster;
    cluster.run(1).await;
    let refused = wait_for("the fence alarm", || {
        has_alarm(&cluster, 1, "fence").then(|| cluster.node(1).status().read_only)
    })
    .await;
    assert!(refused.unwrap().contains("fence"));
    cluster.witnesses.set_mood("w1", Mood::Honest);
    cluster.ready().await;
    submit(&cluster.node(1), Tenant::new(7).register(), Ack::Witnessed).await;
}

/// G4: a leader that was restarted leads in a new term: only then does an applied entry of its own term say that it has
/// applied everything.
#[tokio::test(flavor = "multi_thread")]
async fn g4_a_restarted_leader_leads_in_a_new_term() {
    let mut cluster = Cluster::start(1).await;
    submit(&cluster.node(1), Tenant::new(7).register(), Ack::Sequenced).await;
    let before = cluster.node(1).status().term;
    cluster.stop(1).await;
    cluster.run(1).await;
    cluster.ready().await;
    assert!(cluster.node(1).status().term > before, "it leads in the term that it had led before");
}

/// R2: where two quorums of a policy need not share a witness, those who do not answer must not be able to make one.
#[tokio::test(flavor = "multi_thread")]
async fn r2_the_fence_asks_until_the_rest_is_no_quorum() {
    let mut cluster = Cluster::prepare(1);
    cluster.policy_text = cluster.policy_text.replace("group witnesses 2 ", "group witnesses any ");
    cluster.witnesses.set_mood("w1", Mood::Silent);
    cluster.run(1).await;
    wait_for("the fence alarm", || has_alarm(&cluster, 1, "fence").then_some(())).await;
    cluster.witnesses.set_mood("w1", Mood::Honest);
    cluster.ready().await;
    submit(&cluster.node(1), Tenant::new(7).register(), Ack::Witnessed).await;
}

/// R3: what rots on one disk is found, never served, and replaced by a peer's proven copy.
#[tokio::test(flavor = "multi_thread")]
async fn r3_a_flipped_bit_is_found_not_served_and_repaired() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(leader), tenant.register(), Ack::Sequenced).await;
    log_some(&cluster, &mut tenant, 560).await;
    cluster.all_published(562).await;
    let victim = (1..=3).find(|id| *id != leader).unwrap();
    wait_for("tile files", || cluster.dirs[&victim].join("tiles/tile/entries/001").exists().then_some(()))
        .await;
    cluster.stop(victim).await;
    flip(&cluster.dirs[&victim].join("tiles/tile/entries/000"), 5_000);
    cluster.run(victim).await;
    let good = cluster.node(leader).reader().entry(3).unwrap().unwrap();
    wait_for("the repair", || match cluster.node(victim).reader().entry(3) {
        Ok(Some(entry)) => {
            assert_eq!(entry, good, "a damaged bundle was served");
            let repaired = cluster.node(victim).metrics_text();
            repaired
                .lines()
                .any(|l| l.starts_with("maip_repaired_files_total") && !l.ends_with(" 0"))
                .then_some(())
        }
        _ => None,
    })
    .await;
    assert!(!has_alarm(&cluster, victim, "corruption"));
}

/// R3: what rots in a file of the state engine is found by the scrub, at rest and under a running node, though nobody reads it.
/// The alarm goes when the file is whole again.
#[tokio::test(flavor = "multi_thread")]
async fn r3_rot_in_the_engine_is_found_by_the_scrub() {
    let mut cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Witnessed).await;
    cluster.stop(1).await;
    let tables = write_tables(&cluster.dirs[&1].join("engine")).await;
    let [first, second, ..] = &tables[..] else { panic!("too few: {tables:?}") };
    let told = |cluster: &Cluster, file: &Path| {
        let alarms = cluster.node(1).status().alarms;
        alarms.iter().any(|a| a.starts_with("corruption") && a.contains(&*file.to_string_lossy()))
    };
    // In the middle lie values that no open needs.
    let middle = |file: &Path| usize::try_from(fs::metadata(file).unwrap().len() / 2).unwrap();
    flip(first, middle(first));
    cluster.run(1).await;
    wait_for("the alarm", || told(&cluster, first).then_some(())).await;

    flip(second, middle(second));
    flip(first, middle(first));
    wait_for("the alarm of what rots meanwhile", || told(&cluster, second).then_some(())).await;
    submit(&cluster.node(1), tenant.agent(), Ack::Witnessed).await;

    flip(second, middle(second));
    wait_for("the alarm to go", || (!has_alarm(&cluster, 1, "corruption")).then_some(())).await;
}

/// Fills two spaces of an engine with keys that nobody asks for, until it writes tables. Gives those.
async fn write_tables(engine: &Path) -> Vec<PathBuf> {
    let options = ledger_store::EngineOptions { cache_bytes: 1 << 20 };
    // A node that was stopped lets go of its files with its last task.
    let open = async || {
        wait_for("the engine to be let go", || {
            match ledger_store::open(EngineKind::Fjall, engine, &options) {
                Err(StoreError::Locked(_)) => None,
                opened => Some(opened.unwrap()),
            }
        })
        .await
    };
    let engine = open().await;
    for number in 0..2_000_u64 {
        let mut batch = Batch::new();
        let value = vec![number as u8; 6_400];
        for space in [Space::Meta, Space::Index] {
            batch.put(space, [[0xff; 8], number.to_be_bytes()].concat(), value.clone());
        }
        engine.commit(batch).unwrap();
    }
    engine.sync().unwrap();
    drop(engine);
    open().await.files_at_rest()
}

/// S5 and G1: a node whose tree has rotted does not sign, and does not follow a checkpoint that contradicts its own tree.
#[tokio::test(flavor = "multi_thread")]
async fn s5_a_damaged_tree_does_not_open() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(leader), tenant.register(), Ack::Sequenced).await;
    log_some(&cluster, &mut tenant, 300).await;
    let victim = (1..=3).find(|id| *id != leader).unwrap();
    wait_for("tile files", || cluster.dirs[&victim].join("tiles/tile/0/000").exists().then_some(())).await;
    cluster.stop(victim).await;
    flip(&cluster.dirs[&victim].join("tiles/tile/0/000"), 100);
    let error = cluster.try_run(victim).await.unwrap_err();
    assert!(error.contains("tile/0/000 is damaged"), "{error}");
}

/// R3: a seed with a flipped bit is another key. The log says which one is its own.
#[tokio::test(flavor = "multi_thread")]
async fn r3_another_operator_key_than_the_logs_does_not_open() {
    let mut cluster = Cluster::start(1).await;
    submit(&cluster.node(1), Tenant::new(7).register(), Ack::Sequenced).await;
    cluster.stop(1).await;
    cluster.operator_seed[9] ^= 4;
    let error = cluster.try_run(1).await.unwrap_err();
    assert!(error.contains("operator_key"), "{error}");
    cluster.operator_seed[9] ^= 4;
    cluster.run(1).await;
}

/// R6: below the reserve no records are taken, and reads go on.
#[tokio::test(flavor = "multi_thread")]
async fn r6_a_nearly_full_disk_refuses_writes_and_serves_reads() {
    let mut cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    let first = submit(&cluster.node(1), tenant.register(), Ack::Witnessed).await;
    cluster.stop(1).await;
    cluster.reserve_bytes = u64::MAX / 2;
    cluster.run(1).await;
    wait_for("the disk alarm", || has_alarm(&cluster, 1, "disk_full").then_some(())).await;
    let refused = try_submit(&cluster.node(1), tenant.agent(), Ack::Sequenced).await.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (RefusedKind::ReadOnly, "READ_ONLY"));
    assert!(refused.retry_after_ms > 0);
    assert!(cluster.node(1).reader().entry(first.index).unwrap().is_some());
}

/// R6: a leader without room hands leadership over: it refuses records, its cluster does not.
#[tokio::test(flavor = "multi_thread")]
async fn r6_a_leader_without_room_hands_leadership_over() {
    let mut cluster = Cluster::start(3).await;
    let mut tenant = Tenant::new(7);
    let full = cluster.leader().await;
    submit(&cluster.node(full), tenant.register(), Ack::Sequenced).await;
    cluster.stop(full).await;
    let reserve = std::mem::replace(&mut cluster.reserve_bytes, u64::MAX / 2);
    cluster.run(full).await;
    cluster.reserve_bytes = reserve;
    wait_for("the disk alarm", || has_alarm(&cluster, full, "disk_full").then_some(())).await;
    // It is given leadership, as an operator may do by mistake, and passes it on.
    let leader = cluster.leader().await;
    let term = cluster.node(leader).status().term;
    if leader != full {
        let _ = cluster.node(leader).transfer(full).await;
    }
    wait_for("another leader", || {
        let full = cluster.node(full).status();
        (full.term > term && full.raft_state == "follower" && full.leader_id != 0).then_some(())
    })
    .await;
    let other = cluster.others(full)[0];
    submit(&cluster.node(other), tenant.agent(), Ack::Witnessed).await;
    let refused = try_submit(&cluster.node(full), tenant.agent(), Ack::Sequenced).await.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (RefusedKind::ReadOnly, "READ_ONLY"));
}

/// G4: a leader that has not applied an entry of its own term signs nothing; with three nodes and leaders taking turns every
/// witness sees one growing tree.
#[tokio::test(flavor = "multi_thread")]
async fn g4_leaders_taking_turns_sign_one_tree() {
    let cluster = Cluster::start(3).await;
    let mut tenant = Tenant::new(7);
    let first = cluster.leader().await;
    submit(&cluster.node(first), tenant.register(), Ack::Witnessed).await;
    for turn in 0..6 {
        let leader = cluster.leader().await;
        let next = leader % 3 + 1;
        cluster.led(async |log| log.transfer(next).await).await.unwrap();
        let record = tenant.agent();
        let node = cluster.node(turn % 3 + 1);
        let answer = submit(&node, record.clone(), Ack::Witnessed).await;
        check_proof(&cluster.policy(), answer.proof.as_deref().unwrap(), &record);
    }
    let mut roots = std::collections::BTreeMap::new();
    for witness in cluster.witnesses.by_url.lock().unwrap().values() {
        for (size, root) in &witness.signed {
            assert_eq!(*roots.entry(*size).or_insert(*root), *root, "two roots for {size}");
        }
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
