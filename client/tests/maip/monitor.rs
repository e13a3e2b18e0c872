//! `maip monitor`, `maip evidence` and `maip log fsck` against logs that keep their word and logs that do not.

use std::{fs, path::Path, path::PathBuf};

use ledger_format::{Note, TileId, record::Entry};

use crate::support::{NOW_S, Ran, World, http::DirServer, maip};

/// A served log, and a monitor of it.
struct Scene {
    dir: tempfile::TempDir,
    server: DirServer,
}

impl Scene {
    fn new(world: &World) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        fs::create_dir(&log).unwrap();
        fs::write(dir.path().join("policy.txt"), world.policy_text()).unwrap();
        Self { server: DirServer::start(&log), dir }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn monitor(&self, extra: &[&str]) -> Ran {
        let (policy, state, url) = (self.path("policy.txt"), self.path("state"), self.server.url());
        let mut args = vec!["monitor", "--url", &url, "--policy", &policy, "--state", &state, "--once"];
        args.extend(extra);
        maip(args)
    }

    fn check_evidence(&self, name: &str) -> Ran {
        maip(["evidence", "check", &self.path(name), "--policy", &self.path("policy.txt")])
    }

    fn fsck(&self, dir: &str) -> Ran {
        maip(["log", "fsck", &self.path(dir), "--policy", &self.path("policy.txt")])
    }
}

#[test]
fn an_honest_log_is_followed_and_mirrored() {
    let mut world = World::with_receipts(260);
    let scene = Scene::new(&world);
    world.publish(&scene.log(), 10);
    let first = scene.monitor(&["--json"]).exits(0).json();
    assert_eq!(
        (first["look"].as_str(), first["from"].as_u64(), first["size"].as_u64()),
        (Some("advanced"), Some(0), Some(10))
    );
    assert_eq!(scene.monitor(&["--json"]).exits(0).json()["look"], "unchanged");

    for _ in 0..260 {
        world.receipt();
    }
    let size = world.size();
    world.publish(&scene.log(), size);
    let grown = scene.monitor(&["--json"]).exits(0).json();
    assert_eq!((grown["from"].as_u64(), grown["size"].as_u64()), (Some(10), Some(size)));
    scene.fsck("state").exits(0).says(&format!("{size} entries"));

    // Only what is new is read: the past of the served log may be gone.
    fs::remove_dir_all(scene.log().join("tile/entries/000.p")).ok();
    fs::remove_file(scene.log().join("tile/entries/000")).unwrap();
    scene.monitor(&[]).exits(0).says("nothing new");
}

#[test]
fn it_reads_from_a_directory_and_ends_at_a_size() {
    let world = World::with_receipts(5);
    let scene = Scene::new(&world);
    world.publish(&scene.log(), 8);
    let (log, policy, state) = (scene.path("log"), scene.path("policy.txt"), scene.path("state"));
    maip([
        "monitor",
        "--dir",
        &log,
        "--policy",
        &policy,
        "--state",
        &state,
        "--to-size",
        "8",
        "--interval",
        "10ms",
    ])
    .exits(0)
    .says("0 to 8");
}

#[test]
fn a_fork_of_one_size_convicts_the_log() {
    let world = World::with_receipts(5);
    let scene = Scene::new(&world);
    world.publish(&scene.log(), 8);
    scene.monitor(&[]).exits(0);

    // The other log agrees up to the agent's registration. Its witnesses are not asked: the log's signature convicts.
    let other = forked(&world, 5);
    other.publish_note(&scene.log(), 8, &other.cosigned(8, &[]));
    scene.monitor(&[]).exits(1).says("two different trees of 8 entries").says("evidence-8.txt");
    scene
        .check_evidence("state/evidence-8.txt")
        .exits(0)
        .says("CONVICTED")
        .says("the log ledger.example/test")
        .says("log-fork-same-size");
}

#[test]
fn witnesses_that_signed_both_sides_are_convicted_too() {
    let world = World::with_receipts(5);
    let scene = Scene::new(&world);
    world.publish_note(&scene.log(), 8, &world.cosigned(8, &[(0, NOW_S), (1, NOW_S)]));
    scene.monitor(&[]).exits(0);
    let other = forked(&world, 5);
    other.publish_note(&scene.log(), 8, &other.cosigned(8, &[(1, NOW_S), (2, NOW_S)]));
    scene.monitor(&[]).exits(1);
    let said = scene.check_evidence("state/evidence-8.txt").exits(0).says("the witness w2");
    assert!(!said.stdout.contains("witness w1"), "w1 signed one side only: {}", said.stdout);
}

/// The log shrinks and grows another way: a smaller tree that is not the beginning of the head.
#[test]
fn a_log_that_shrinks_to_another_past_convicts_itself() {
    let world = World::with_receipts(20);
    let scene = Scene::new(&world);
    world.publish(&scene.log(), 20);
    scene.monitor(&[]).exits(0);
    let other = forked(&world, 9);
    other.publish(&scene.log(), 11);
    scene.monitor(&[]).exits(1).says("not the beginning").says("evidence-11.txt");
    scene.check_evidence("state/evidence-11.txt").exits(0).says("log-inconsistent").says("the log");
}

/// An older checkpoint that is consistent may come from a stale cache: no evidence, but not in order either.
#[test]
fn a_log_that_goes_back_is_reported() {
    let world = World::with_receipts(20);
    let scene = Scene::new(&world);
    world.publish(&scene.log(), 20);
    scene.monitor(&[]).exits(0);
    world.publish(&scene.log(), 15);
    let json = scene.monitor(&["--json"]).exits(1).json();
    assert_eq!(
        (json["look"].as_str(), json["size"].as_u64(), json["head"].as_u64()),
        (Some("older"), Some(15), Some(20))
    );
    world.publish(&scene.log(), 22);
    scene.monitor(&[]).exits(0);
}

#[test]
fn a_log_that_grows_from_another_past_convicts_itself() {
    let world = World::with_receipts(20);
    let scene = Scene::new(&world);
    world.publish(&scene.log(), 20);
    scene.monitor(&[]).exits(0);
    let other = forked(&world, 30);
    // Whether or not the witnesses went along.
    other.publish_note(&scene.log(), 30, &other.cosigned(30, &[]));
    scene.monitor(&[]).exits(1).says("does not begin with").says("evidence-30.txt");
    other.publish(&scene.log(), 30);
    scene.monitor(&[]).exits(1);
    scene.check_evidence("state/evidence-30.txt").exits(0).says("log-inconsistent");
}

#[test]
fn bytes_that_are_no_entry_convict_the_log() {
    let mut world = World::with_receipts(3);
    let scene = Scene::new(&world);
    world.entries.push(br#"{"at":1769000000000,"record":{"b":1,"a":2}}"#.to_vec());
    world.publish(&scene.log(), 7);
    scene.monitor(&[]).exits(1).says("entry 6 does not replay").says("evidence-7.txt");
    scene.check_evidence("state/evidence-7.txt").exits(0).says("bad-entry").says("the log");
    assert!(
        !Path::new(&scene.path("state/checkpoint")).exists(),
        "what does not replay never becomes the head"
    );
}

/// A record twice is canonical, so the file alone cannot convict; it proves what the log holds.
#[test]
fn an_entry_that_the_rules_forbid_is_proven_to_be_in_the_log() {
    let mut world = World::with_receipts(3);
    let scene = Scene::new(&world);
    let again = Entry::parse(&world.entries[4]).unwrap().record.to_vec();
    world.entries.push(Entry::encode(NOW_S * 1_000, &again));
    world.publish(&scene.log(), 7);
    scene
        .monitor(&[])
        .exits(1)
        .says("entry 6 does not replay")
        .says("already")
        .says("forbidden-6.tlog-proof");
    let proof = scene.path("state/forbidden-6.tlog-proof");
    maip(["verify", &proof, "--policy", &scene.path("policy.txt")]).exits(0);
}

/// A signature that is not good is what `apply` leaves to the receiving node, and the monitor does not.
#[test]
fn a_forged_signature_is_found() {
    let mut world = World::with_receipts(1);
    let scene = Scene::new(&world);
    let mut record = world.unlogged_receipt();
    record.sig.value[9] ^= 1;
    world.submit(&record.to_bytes());
    world.publish(&scene.log(), world.size());
    scene.monitor(&[]).exits(1).says("entry 4 does not replay").says("signature");
}

/// What is served is not signed: a changed file convicts nobody, but it is named.
#[test]
fn an_entry_changed_on_the_way_is_named_and_convicts_nobody() {
    let world = World::with_receipts(20);
    let scene = Scene::new(&world);
    world.publish(&scene.log(), 20);
    let bundle = scene.log().join("tile/entries/000.p/20");
    let mut bytes = fs::read(&bundle).unwrap();
    let receipt = Entry::parse(&world.entries[8]).unwrap().record;
    let at = bytes.windows(receipt.len()).position(|w| w == receipt).unwrap();
    bytes[at + receipt.len() / 2] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    scene.monitor(&[]).exits(1).says("another entry 8").says("convicts nobody");
    let found: Vec<_> = fs::read_dir(scene.path("state")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(found.iter().all(|name| !name.to_str().unwrap().starts_with("evidence")), "{found:?}");
}

#[test]
fn what_is_not_the_logs_or_not_witnessed_is_not_judged() {
    let world = World::with_receipts(5);
    let scene = Scene::new(&world);
    scene.monitor(&[]).exits(2).says("has no checkpoint");
    world.publish_note(&scene.log(), 8, &world.cosigned(8, &[(0, NOW_S)]));
    assert_eq!(scene.monitor(&["--json"]).exits(2).json()["look"], "unwitnessed");

    let good = world.checkpoint(8);
    let mut unsigned = Note::new(good.text());
    good.signatures().iter().skip(1).for_each(|line| unsigned.push(line.clone()));
    world.publish_note(&scene.log(), 8, &unsigned);
    scene.monitor(&[]).exits(2).says("not signed by");
}

/// A run that broke off between writing tiles and the checkpoint leaves files that the next run overwrites.
#[test]
fn leftovers_of_a_broken_run_do_no_harm() {
    let world = World::with_receipts(300);
    let scene = Scene::new(&world);
    world.publish(&scene.log(), 100);
    scene.monitor(&[]).exits(0);
    let tile = Path::new(&scene.path("state")).join(TileId { level: 0, index: 0, width: 256 }.path());
    fs::write(&tile, b"half a tile").unwrap();
    world.publish(&scene.log(), 300);
    scene.monitor(&[]).exits(0);
    scene.fsck("state").exits(0);
}

#[test]
fn a_damaged_memory_is_said_to_be_the_monitors_own() {
    let world = World::with_receipts(20);
    let scene = Scene::new(&world);
    world.publish(&scene.log(), 20);
    scene.monitor(&[]).exits(0);
    let bundle = scene.path("state/tile/entries/000.p/20");
    let mut bytes = fs::read(&bundle).unwrap();
    let last = bytes.len() - 5;
    bytes[last] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    scene.monitor(&[]).exits(2).says("the monitor's own memory");
}

#[test]
fn evidence_without_a_contradiction_convicts_nobody() {
    let world = World::with_receipts(20);
    let scene = Scene::new(&world);
    let (first, second) = (world.checkpoint(9), world.checkpoint(9));
    let same = ledger_format::Evidence::LogForkSameSize { first, second };
    fs::write(scene.path("same.txt"), same.to_bytes()).unwrap();
    scene.check_evidence("same.txt").exits(1).says("convicts nobody");
    fs::write(scene.path("junk.txt"), "junk").unwrap();
    scene.check_evidence("junk.txt").exits(1).says("not evidence");
    scene.check_evidence("nothing.txt").exits(2);
}

#[test]
fn fsck_names_the_first_wrong_file() {
    let world = World::with_receipts(700);
    let scene = Scene::new(&world);
    let flip = |path: &str, at: usize| {
        world.publish(&scene.log(), 700);
        let file = scene.log().join(path);
        let mut bytes = fs::read(&file).unwrap();
        bytes[at] ^= 1;
        fs::write(file, bytes).unwrap();
    };
    world.publish(&scene.log(), 700);
    scene.fsck("log").exits(0).says("700 entries and 4 tiles");

    flip("tile/entries/001", 40);
    scene.fsck("log").exits(1).says("tile/entries/001 is damaged: entry 256");
    flip("tile/0/001", 33);
    scene.fsck("log").exits(1).says("tile/0/001 is damaged").says("hash 1 of tile/1/000.p/2");
    flip("tile/0/002.p/188", 7);
    scene.fsck("log").exits(1).says("the checkpoint says").says("tile/0/002.p/188");
    world.publish(&scene.log(), 700);
    fs::remove_file(scene.log().join("tile/entries/002.p/188")).unwrap();
    scene.fsck("log").exits(1).says("has no tile/entries/002.p/188");

    // A node's own directory has full tiles and no checkpoint.
    world.publish(&scene.log(), 700);
    fs::remove_file(scene.log().join("checkpoint")).unwrap();
    fs::remove_dir_all(scene.log().join("tile/1")).unwrap();
    maip(["log", "fsck", &scene.path("log")])
        .exits(0)
        .says("512 entries and 2 tiles")
        .says("the root is not checked");
    let bundle = scene.log().join("tile/entries/001");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[9] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    maip(["log", "fsck", &scene.path("log")]).exits(1).says("entry 256");
    maip(["log", "fsck", "/nonexistent"]).exits(2);
}

/// The same keys and the same first three entries, then `receipts` others.
fn forked(_world: &World, receipts: usize) -> World {
    let mut other = World::new();
    other.receipt_on_behalf_of("somebody");
    for _ in 0..receipts {
        other.receipt();
    }
    other
}
