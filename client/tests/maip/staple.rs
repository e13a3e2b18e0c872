//! `maip proof status`, and what `maip verify` says of staples.

use std::{fs, path::PathBuf, sync::Arc};

use ledger_client::offline::{Bindings, Question, Verdict, verify_file};
use ledger_format::{Note, Policy, Standing, record::AgentId, record::Ulid};
use ledger_state::Subject;

use crate::{
    nodes::Cluster,
    support::{NOW_S, World, http::DirServer, maip, node::Manner, world::ORIGIN},
    verify::{Files, question},
};

/// An agent with receipts, killed; its end is sealed.
fn killed() -> World {
    let mut world = World::with_receipts(3);
    world.seal();
    world.kill();
    world.seal();
    world
}

fn subject(world: &World) -> Subject {
    Subject::Agent(world.agent)
}

fn nobody() -> Subject {
    Subject::Agent(AgentId(Ulid(0xdead)))
}

/// Writes the staple of a subject.
fn staple(files: &Files, world: &World, subject: Subject, note: Note) -> PathBuf {
    files.put("x.staple", &world.staple(subject, note).unwrap().to_bytes())
}

#[test]
fn a_status_is_said_in_words_and_in_json() {
    let world = killed();
    let files = Files::new(&world);
    let name = subject(&world).to_string();
    let file = staple(&files, &world, subject(&world), world.checkpoint(world.size()));
    files
        .verify(&file, &["--subject", &name])
        .exits(0)
        .says("VALID")
        .says(&format!("subject      {name}"))
        .says("status       killed, since entry 7")
        .says("3 receipts, 0 of them flagged")
        .says("as of        the first 8 entries, sealed by entry 8 at 2026-01-21 12:53:20 UTC")
        .says("witnessed by w1 at 2026-01-21 12:53:20 UTC")
        .says("known to hold until 2026-01-21 12:53:20 UTC");
    let json = files.verify(&file, &["--subject", &name, "--json"]).exits(0).json();
    assert_eq!((&json["verdict"], &json["finding"]["format"]), (&"valid".into(), &"staple".into()));
    let status = &json["finding"]["status"];
    assert_eq!(
        (&status["subject"], &status["known"], &status["complete"]),
        (&name.into(), &true.into(), &true.into())
    );
    assert_eq!((&status["value"]["status"], &status["as_of_size"]), (&"killed".into(), &8.into()));
    files.verify(&file, &[]).exits(0).says("the file says so");
}

#[test]
fn absence_is_said_as_such() {
    let world = killed();
    let files = Files::new(&world);
    let file = staple(&files, &world, nobody(), world.checkpoint(world.size()));
    let name = nobody().to_string();
    files.verify(&file, &["--subject", &name]).exits(0).says("none: the log knows no such subject");
    let json = files.verify(&file, &["--subject", &name, "--json"]).exits(0).json();
    assert!(json["finding"]["status"]["value"].is_null() && json["finding"]["status"]["known"] == false);
}

#[test]
fn a_swapped_staple_is_refused_with_its_reason() {
    let world = killed();
    let files = Files::new(&world);
    let file = staple(&files, &world, nobody(), world.checkpoint(world.size()));
    let name = subject(&world).to_string();
    files
        .verify(&file, &["--subject", &name])
        .exits(1)
        .says("INVALID")
        .says("the staple is about maip-agent:");
    // Another kind of file says nothing about a status, however valid it is.
    let proof = files.dir.path().join("r.tlog-proof");
    fs::write(&proof, world.proof(3).to_bytes()).unwrap();
    files.verify(&proof, &["--subject", &name]).exits(2).says("maip proof status");
    // Another log's subject.
    files.verify(&file, &["--subject", &name, "--origin", "other.example/log"]).exits(1);
    let found = staple(&files, &world, subject(&world), world.checkpoint(world.size()));
    files
        .verify(&found, &["--subject", &name, "--origin", "other.example/log"])
        .exits(1)
        .says("the staple is from the log");
    files.verify(&found, &["--subject", &name, "--origin", ORIGIN]).exits(0);
    files.verify(&found, &["--subject", "bot"]).exits(2).says("not a subject");
    // Too few witnesses.
    let thin = staple(&files, &world, subject(&world), world.cosigned(world.size(), &[(2, NOW_S)]));
    files.verify(&thin, &["--subject", &name]).exits(1).says("quorum");
}

/// A status that somebody wrote over it, and every flipped byte.
#[test]
fn a_wrong_staple_is_refused() {
    let world = killed();
    let policy = world.policy();
    let good = world.staple(subject(&world), world.checkpoint(world.size())).unwrap();
    let judge = |bytes: &[u8]| verify_file(bytes, &question(&policy, &Bindings::default(), None));
    assert!(matches!(judge(&good.to_bytes()), Verdict::Valid(_)));
    let mut made_up = good.clone();
    made_up.standing = Standing::Present(br#"{"since":2,"status":"active"}"#.to_vec());
    assert!(matches!(judge(&made_up.to_bytes()), Verdict::Invalid(why) if why.contains("another root")));
    let bytes = good.to_bytes();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        match judge(&bad) {
            Verdict::Invalid(why) => assert!(!why.is_empty()),
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

/// What of the age, `--max-age`, and the exit code.
#[test]
fn an_old_status_is_stale_under_a_fresh_checkpoint() {
    let mut world = killed();
    let policy = world.policy();
    let judge = |world: &World, policy: &Policy, max_age_s, now_s| {
        let note = world.cosigned(world.size(), &[(0, now_s), (1, now_s)]);
        let staple = world.staple(subject(world), note).unwrap().to_bytes();
        let bindings = Bindings::default();
        verify_file(&staple, &Question { now_s, ..question(policy, &bindings, max_age_s) })
    };
    // The log's last entry is the state.root: the witnesses' time counts, however much later it is.
    assert!(matches!(judge(&world, &policy, Some(5), NOW_S + 900), Verdict::Valid(_)));
    // Something follows it: only the log's time in it counts.
    world.other_tenant();
    assert!(matches!(judge(&world, &policy, Some(600), NOW_S + 900), Verdict::Stale(_)));
    assert!(matches!(judge(&world, &policy, Some(600), NOW_S + 500), Verdict::Valid(_)));
    assert!(matches!(judge(&world, &policy, None, NOW_S + 900), Verdict::Valid(_)));
    let files = Files::new(&world);
    let file = staple(&files, &world, subject(&world), world.checkpoint(world.size()));
    files.verify(&file, &["--max-age", "1s"]).exits(3).says("VALID BUT OLD");
    assert_eq!(files.verify(&file, &["--max-age", "1s", "--json"]).exits(3).json()["verdict"], "stale");
    // A clock that is behind the witnesses' is not old knowledge, it is none.
    let bindings = Bindings::default();
    let early = Question { now_s: NOW_S - 9_000, ..question(&policy, &bindings, Some(5)) };
    assert!(matches!(verify_file(&fs::read(&file).unwrap(), &early), Verdict::CannotJudge(_)));
}

#[test]
fn a_policy_with_several_logs_needs_the_origin() {
    let world = killed();
    let files = Files::new(&world);
    let file = staple(&files, &world, subject(&world), world.checkpoint(world.size()));
    let other =
        ledger_format::NoteSigner::new("other.example/log", ledger_format::SignatureType::Ed25519, [9; 32]);
    let text = world.policy_text() + &format!("log {}\n", other.unwrap().vkey());
    fs::write(files.dir.path().join("policy.txt"), text).unwrap();
    let name = subject(&world).to_string();
    files.verify(&file, &["--subject", &name]).exits(2).says("--origin");
    files.verify(&file, &["--subject", &name, "--origin", ORIGIN]).exits(0);
}

#[test]
fn staples_are_fetched_verified_and_written() {
    let cluster = Cluster::start(killed(), &[Manner::Honest]);
    let (name, out) = (subject(&cluster.world.lock().unwrap()).to_string(), cluster.path("a.staple"));
    cluster
        .run(&["proof", "status", &name, "--out", &out])
        .exits(0)
        .says("verified: 2 witnesses")
        .says("status       killed, since entry 7");
    let policy = cluster.path("policy.txt");
    maip(["verify", &out, "--policy", &policy, "--subject", &name]).exits(0).says("killed");
    let json = cluster.run(&["proof", "status", &name, "--out", &out, "--json"]).exits(0).json();
    assert_eq!((&json["status"]["status"], &json["as_of_size"]), (&"killed".into(), &8.into()));
    // To standard output, with the colon as in a URL.
    let printed = cluster.run(&["proof", "status", &name.replace(':', "%3A")]).exits(0).stdout;
    assert_eq!(printed, fs::read_to_string(&out).unwrap());
    cluster.run(&["proof", "status", &nobody().to_string(), "--out", &out]).exits(0).says("no such subject");
    cluster.run(&["proof", "status", "bot"]).exits(2).says("not a subject");
}

#[test]
fn a_log_that_sealed_nothing_says_so() {
    let cluster = Cluster::start(World::new(), &[Manner::Honest]);
    let name = subject(&cluster.world.lock().unwrap()).to_string();
    cluster.run(&["proof", "status", &name]).exits(2).says("nothing is sealed");
}

#[test]
fn staples_that_lie_are_not_written() {
    for (manner, words) in [(Manner::WrongProof, "when asked for"), (Manner::WrongStatus, "another root")] {
        let cluster = Cluster::start(killed(), &[manner]);
        let name = subject(&cluster.world.lock().unwrap()).to_string();
        let out = cluster.path("a.staple");
        cluster.run(&["proof", "status", &name, "--out", &out]).exits(1).says(words);
        assert!(!std::path::Path::new(&out).exists(), "{manner:?}");
    }
}

/// The monitoring prefix: a file below `status/`.
#[test]
fn a_monitoring_prefix_has_staples_too() {
    let world = Arc::new(killed());
    let files = Files::new(&world);
    let staple = world.staple(subject(&world), world.checkpoint(world.size())).unwrap();
    fs::create_dir_all(files.dir.path().join("main/status")).unwrap();
    let name = subject(&world).to_string();
    fs::write(files.dir.path().join("main/status").join(&name), staple.to_bytes()).unwrap();
    let server = DirServer::start(files.dir.path());
    let (url, policy) = (format!("{}/main", server.url()), files.dir.path().join("policy.txt"));
    let ask =
        |name: &str| maip(["proof", "status", name, "--url", &url, "--policy", policy.to_str().unwrap()]);
    assert_eq!(ask(&name).exits(0).stdout, staple.to_string());
    let other = nobody().to_string();
    fs::write(files.dir.path().join("main/status").join(&other), staple.to_bytes()).unwrap();
    ask(&other).exits(1).says("when asked for");
}

/// A log that shows one history to whoever revokes and another to whoever asks later.
#[test]
fn a_staple_that_denies_a_kill_convicts_the_log() {
    let mut honest = World::with_receipts(3);
    let mut cheating = honest.copy();
    let index = honest.kill();
    honest.seal();
    for _ in 0..3 {
        cheating.receipt();
    }
    cheating.seal();
    let files = Files::new(&honest);
    let path = |name: &str| files.dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("kill.tlog-proof"), honest.proof(index).to_bytes()).unwrap();
    let write = |world: &World, of: Subject| {
        let staple = world.staple(of, world.checkpoint(world.size())).unwrap();
        fs::write(path("later.staple"), staple.to_bytes()).unwrap();
    };
    let make = || {
        maip([
            "evidence",
            "status",
            "--ending",
            &path("kill.tlog-proof"),
            "--staple",
            &path("later.staple"),
            "--policy",
            &path("policy.txt"),
            "--out",
            &path("evidence.txt"),
        ])
    };
    write(&honest, subject(&honest));
    make().exits(1).says("do not contradict");
    write(&cheating, nobody());
    make().exits(1).says("the entry ends");
    assert!(!std::path::Path::new(&path("evidence.txt")).exists());
    write(&cheating, subject(&cheating));
    make().exits(0).says("sealed a later status by which it goes on");
    let check = maip(["evidence", "check", &path("evidence.txt"), "--policy", &path("policy.txt")]);
    check.exits(0).says("CONVICTED").says(ORIGIN);
}
