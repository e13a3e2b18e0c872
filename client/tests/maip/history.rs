//! `maip history`: complete, or caught.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use ledger_client::history::{History, HistoryFault, Stated};
use ledger_format::record::{AgentId, Ulid};
use ledger_state::Subject;

use crate::{
    nodes::Cluster,
    support::{NOW_S, World, http::DirServer, maip, node::Manner},
    verify::Files,
};

/// An agent with so many receipts, sealed.
fn sealed(receipts: usize) -> World {
    let mut world = World::with_receipts(receipts);
    world.seal();
    world
}

fn ask(cluster: &Cluster, extra: &[&str]) -> crate::support::Ran {
    let agent = cluster.world.lock().unwrap().agent.to_string();
    cluster.run(&[&["history", &agent][..], extra].concat())
}

#[test]
fn all_receipts_are_proven_to_be_all() {
    let cluster = Cluster::start(sealed(11), &[Manner::Honest]);
    ask(&cluster, &["--verify"])
        .exits(0)
        .says("complete: these 11 receipts are all")
        .says("in its first 14 entries")
        .says("witnessed by w1, w2");
    let json = ask(&cluster, &["--verify", "--json"]).exits(0).json();
    assert_eq!(
        (&json["verified"], &json["count"], &json["as_of_size"]),
        (&true.into(), &11.into(), &14.into())
    );
    let indexes: Vec<u64> =
        json["receipts"].as_array().unwrap().iter().map(|e| e["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, (3..14).collect::<Vec<_>>());
    assert_eq!(json["receipts"][0]["entry"]["record"]["type"], "receipt.action");
    // Without the flag nothing is promised.
    let ran = ask(&cluster, &[]).exits(0).says("11 receipts").says("is not checked");
    assert!(!ran.stdout.contains("complete"));
}

/// What came after the status was sealed is not covered by it, and not shown as if it were.
#[test]
fn newer_receipts_do_not_disturb() {
    let mut world = sealed(5);
    world.receipt();
    let cluster = Cluster::start(world, &[Manner::Honest]);
    let json = ask(&cluster, &["--verify", "--json"]).exits(0).json();
    assert_eq!((&json["count"], json["receipts"].as_array().unwrap().len()), (&5.into(), 5));
    assert_eq!(ask(&cluster, &["--json"]).exits(0).json()["receipts"].as_array().unwrap().len(), 6);
}

#[test]
fn a_node_that_cheats_is_caught() {
    for (manner, words) in [
        (Manner::LeavesOut, "some were left out"),
        (Manner::LeavesOutLast, "some were left out"),
        (Manner::Reorders, "in another place"),
        (Manner::AddsOne, "is one more than the 11 receipts"),
        (Manner::WrongProof, "when asked for"),
        (Manner::WrongStatus, "another root"),
    ] {
        let mut world = sealed(11);
        if manner == Manner::AddsOne {
            // The log goes on, and is sealed as far as that.
            world.other_tenant();
            world.seal();
        }
        let cluster = Cluster::start(world, &[manner]);
        let ran = ask(&cluster, &["--verify"]).exits(1).says(words);
        assert!(!ran.stdout.contains("complete"), "{manner:?}: {}", ran.stdout);
    }
}

/// With a staple from elsewhere the node that lists the receipts has no say in what is complete.
#[test]
fn a_staple_at_hand_decides() {
    let world = sealed(6);
    let note = world.checkpoint(world.size());
    let (agent, tenant) =
        (Subject::Agent(world.agent), Subject::Tenant(ledger_format::record::TenantId(world.tenant)));
    let [good, other, thin] = [
        world.staple(agent, note.clone()),
        world.staple(tenant, note),
        world.staple(agent, world.cosigned(world.size(), &[(0, NOW_S)])),
    ]
    .map(|staple| staple.unwrap().to_bytes());
    let cluster = Cluster::start(world, &[Manner::Honest]);
    let put = |name: &str, bytes: &[u8]| {
        fs::write(cluster.path(name), bytes).unwrap();
        cluster.path(name)
    };
    ask(&cluster, &["--verify", "--staple", &put("a.staple", &good)]).exits(0).says("complete: these 6");
    ask(&cluster, &["--verify", "--staple", &put("t.staple", &other)]).exits(1).says("the staple is about");
    ask(&cluster, &["--verify", "--staple", &put("w.staple", &thin)]).exits(1).says("quorum");
    ask(&cluster, &["--staple", &put("a.staple", &good)]).exits(2).says("--verify");
    let nobody = AgentId(Ulid(0xdead)).to_string();
    cluster.run(&["history", &nobody, "--verify"]).exits(1).says("the log knows no agent");
    let without = maip(["history", &nobody, "--verify", "--url", &cluster.urls()]);
    without.exits(2).says("no policy");
}

/// An agent that was registered a moment ago, which no seal knows yet, is not "unknown": the next seal is waited for.
#[test]
fn an_agent_since_the_last_seal_is_known() {
    let mut world = sealed(3);
    let young = world.agents_below(1)[0].to_string();
    let cluster = Cluster::start(world, &[Manner::Honest]);
    cluster.run(&["history", &young, "--verify"]).exits(0).says("complete: these 0 receipts are all");
}

/// The same of published files, whose staples are a seal behind.
#[test]
fn published_staples_that_are_behind_are_waited_for() {
    let mut world = sealed(3);
    let young = world.agents_below(1)[0];
    let staple = |world: &World| {
        world.staple(Subject::Agent(young), world.checkpoint(world.size())).unwrap().to_bytes()
    };
    let before = staple(&world);
    world.seal();
    let (after, files) = (staple(&world), Files::new(&world));
    world.publish(&files.dir.path().join("main"), world.size());
    let statuses = files.dir.path().join("main/status");
    let (file, next) = (statuses.join(young.to_string()), statuses.join("next"));
    fs::create_dir_all(&statuses).unwrap();
    fs::write(&file, before).unwrap();
    let server = DirServer::start(files.dir.path());
    let (url, policy) = (format!("{}/main", server.url()), files.dir.path().join("policy.txt"));
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // The checkpoint and the old staple have been read.
            while server.requests() < 2 && !ended.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
            fs::write(&next, after).unwrap();
            fs::rename(&next, &file).unwrap();
        });
        let young = young.to_string();
        let args = ["history", &young, "--verify", "--url", &url, "--policy", policy.to_str().unwrap()];
        let ran = maip(args);
        ended.store(true, Ordering::SeqCst);
        ran.exits(0).says("complete: these 0");
    });
}

/// A dead agent's history is still all there.
#[test]
fn an_ended_agent_has_a_history() {
    let mut world = World::with_receipts(4);
    world.kill();
    world.seal();
    let cluster = Cluster::start(world, &[Manner::Honest]);
    ask(&cluster, &["--verify"]).exits(0).says("complete: these 4");
}

/// Every way to get a list wrong, without a node: one out, two swapped, one twice, one of another kind, one changed.
#[test]
fn only_the_whole_list_gives_the_head() {
    let world = sealed(5);
    let status = ledger_state::public_status(world.state(), Subject::Agent(world.agent)).unwrap().unwrap();
    let stated = Stated::of_status(&status, 8).unwrap();
    let all: Vec<(u64, Vec<u8>)> = (3..8).map(|i| (i as u64, world.entries[i].clone())).collect();
    let judge = |list: &[(u64, Vec<u8>)]| {
        let mut history = History::new(world.agent);
        list.iter().try_for_each(|(index, entry)| history.push(*index, entry))?;
        history.finish(&stated)
    };
    assert_eq!(judge(&all), Ok(()));
    for out in 0..5 {
        let mut list = all.clone();
        list.remove(out);
        assert_eq!(judge(&list), Err(HistoryFault::TooFew { got: 4, count: 5 }));
        // Another one in its place.
        list.insert(4, (20, all[(out + 1) % 5].1.clone()));
        assert!(matches!(judge(&list), Err(HistoryFault::Head { .. })), "{out}");
    }
    for first in 0..5 {
        for second in 0..first {
            let mut list = all.clone();
            let (a, b) = (all[first].1.clone(), all[second].1.clone());
            (list[first].1, list[second].1) = (b, a);
            assert!(matches!(judge(&list), Err(HistoryFault::Head { .. })), "{first} {second}");
        }
    }
    let mut list = all.clone();
    list.swap(0, 1);
    assert_eq!(judge(&list), Err(HistoryFault::Order { index: 3, before: 4 }));
    let mut list = all.clone();
    list.push((9, all[0].1.clone()));
    assert!(matches!(judge(&list), Err(HistoryFault::Head { .. })));
    let mut list = all.clone();
    list[2].1 = world.entries[2].clone();
    assert!(matches!(judge(&list), Err(HistoryFault::NoReceipt { index: 5, .. })));
    let mut history = History::new(AgentId(Ulid(5)));
    assert!(matches!(history.push(3, &all[0].1), Err(HistoryFault::NoReceipt { .. })), "about somebody else");
    for at in 0..all[4].1.len() {
        let mut list = all.clone();
        list[4].1[at] ^= 1;
        let verdict = judge(&list);
        // The log's time around the record is not in the chain; a proof of the entry is what proves it.
        let time = at >= 6 && at < all[4].1.iter().position(|&b| b == b',').unwrap();
        assert!(time || verdict.is_err(), "byte {at}");
    }
    assert_eq!(Stated::of_status(br#"{"plan":"free"}"#, 8), None);
}
