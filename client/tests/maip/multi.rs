//! Commands that read a log's published files: `proof batch`, `consistency`, `checkpoint` of a monitoring prefix.

use std::fs;

use crate::support::{World, http::DirServer, maip};

struct Scene {
    dir: tempfile::TempDir,
    world: World,
}

impl Scene {
    fn new(receipts: usize) -> Self {
        let (dir, world) = (tempfile::tempdir().unwrap(), World::with_receipts(receipts));
        world.publish(&dir.path().join("log"), world.size());
        fs::write(dir.path().join("policy.txt"), world.policy_text()).unwrap();
        Self { dir, world }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn a_batch_proof_is_made_and_verifies() {
    let scene = Scene::new(600);
    let (log, policy, out) = (scene.path("log"), scene.path("policy.txt"), scene.path("m.multi-proof"));
    let batch = ["proof", "batch", "--dir", &log, "--policy", &policy, "--out", &out, "--json"];
    let json = maip(batch.iter().copied().chain(["600", "3", "3", "255"])).exits(0).json();
    assert_eq!((json["entries"].as_u64(), json["size"].as_u64()), (Some(3), Some(603)));
    maip(["verify", &out, "--policy", &policy]).exits(0).says("entry        600");

    maip(batch.iter().copied().chain(["--from", "250", "--to", "260"])).exits(0);
    let json = maip(["verify", &out, "--policy", &policy, "--json"]).exits(0).json();
    assert_eq!(json["finding"]["entries"].as_array().unwrap().len(), 10);

    maip(batch.iter().copied().chain(["603"])).exits(2).says("not published");
    maip(batch.iter().copied().chain(["--from", "5", "--to", "5"])).exits(2).says("empty");
    maip(batch.iter().copied().chain(["--from", "0", "--to", "99999"])).exits(2).says("too many");
}

#[test]
fn consistency_is_proven_from_tiles() {
    let scene = Scene::new(600);
    let server = DirServer::start(&scene.dir.path().join("log"));
    let (url, policy) = (server.url(), scene.path("policy.txt"));
    let run =
        |old: &str, new: &str| maip(["consistency", old, new, "--url", &url, "--policy", &policy, "--json"]);
    for (old, new) in [("0", "1"), ("1", "603"), ("256", "512"), ("300", "latest"), ("603", "603")] {
        assert_eq!(run(old, new).exits(0).json()["ok"], true, "{old} {new}");
    }
    run("5", "4").exits(2).says("larger than");
    run("5", "604").exits(2).says("603 entries");

    // A proof file names the tree it was made under; one of a fork is caught.
    let old = scene.path("old.tlog-proof");
    fs::write(&old, scene.world.proof_under(3, scene.world.checkpoint(100)).to_bytes()).unwrap();
    assert_eq!(run(&old, "latest").exits(0).json()["old"]["size"], 100);
    let mut other = World::new();
    other.receipt_on_behalf_of("somebody");
    for _ in 0..96 {
        other.receipt();
    }
    fs::write(&old, other.proof_under(3, other.checkpoint(100)).to_bytes()).unwrap();
    run(&old, "latest").exits(1).says("forked");
}

#[test]
fn a_checkpoint_of_a_monitoring_prefix_is_verified() {
    let scene = Scene::new(20);
    let server = DirServer::start(&scene.dir.path().join("log"));
    let (url, policy) = (server.url(), scene.path("policy.txt"));
    let json = maip(["checkpoint", "--url", &url, "--verify", "--policy", &policy, "--json"]).exits(0).json();
    assert_eq!((json["size"].as_u64(), json["verified"].as_bool()), (Some(23), Some(true)));
    scene.world.publish_note(&scene.dir.path().join("log"), 23, &scene.world.cosigned(23, &[]));
    maip(["checkpoint", "--url", &url, "--verify", "--policy", &policy]).exits(1).says("does not satisfy");
    maip(["checkpoint", "--url", &url]).exits(0);
}
