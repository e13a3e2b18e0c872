//! `maip payload` and `maip erase`: values stay out of the log, can be opened, and are gone when they are erased.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    nodes::Cluster,
    support::{Ran, World, agent_key, maip, node::Manner, tenant_key},
};

const NAME: &str = "Ada Lovelace";
const VALUE: &str = "the patient's blood group is AB negative";

/// A tenant with a vault and a log.
struct Desk {
    cluster: Cluster,
    tenant: String,
    agent: String,
    tenant_key: String,
    agent_key: String,
}

impl Desk {
    fn new() -> Self {
        let world = World::new();
        let (tenant, agent) = (world.tenant.to_string(), world.agent.to_string());
        let cluster = Cluster::start(world, &[Manner::Honest]);
        let tenant_key = cluster.seed_file("t.key", &tenant_key());
        let agent_key = cluster.seed_file("a.key", &agent_key());
        Self { cluster, tenant, agent, tenant_key, agent_key }
    }

    fn vault(&self) -> String {
        self.cluster.path("vault")
    }

    fn payload(&self, args: &[&str]) -> Ran {
        maip([&["payload"], args, &["--vault", &self.vault()]].concat())
    }

    fn put(&self, subject: &str, value: &str) -> Value {
        let file = self.cluster.path("value.txt");
        fs::write(&file, value).unwrap();
        let put = self.payload(&["put", &file, "--subject", subject, "--media", "text/plain", "--json"]);
        fs::remove_file(file).unwrap();
        put.exits(0).json()
    }

    fn by_tenant(&self) -> [&str; 4] {
        ["--tenant", &self.tenant, "--tenant-key", &self.tenant_key]
    }

    fn erase(&self, subject: &str, extra: &[&str]) -> Ran {
        let vault = self.vault();
        let erase = ["erase", subject, "--vault", &vault, "--reason", "requested"];
        self.cluster.run(&[&erase[..], &self.by_tenant(), extra].concat())
    }

    /// A receipt that names a payload; its proof file.
    fn receipt(&self, commitment: &str) -> String {
        let proof = self.cluster.path("r.tlog-proof");
        let log = ["receipt", "log", "--tenant", &self.tenant, "--agent", &self.agent, "--key"];
        let what = ["--action", "invoice:read", "--input-digest", commitment, "--out", &proof];
        self.cluster.run(&[&log[..], &[&self.agent_key], &what].concat()).exits(0);
        proof
    }

    fn verify(&self, proof: &str) {
        maip(["verify", proof, "--policy", &self.cluster.path("policy.txt")]).exits(0);
    }

    /// Every byte that the log publishes and the vault keeps, names of files included.
    fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let log = self.cluster.path("log");
        let world = self.cluster.world.lock().unwrap();
        world.publish(Path::new(&log), world.size());
        let mut found = Vec::new();
        read_all(Path::new(&log), &mut found);
        read_all(Path::new(&self.vault()), &mut found);
        found
    }

    fn size(&self) -> u64 {
        self.cluster.world.lock().unwrap().size()
    }
}

fn read_all(dir: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, found);
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
}

/// Fails when a secret is in a file or in the name of one.
fn nowhere(found: &[(PathBuf, Vec<u8>)], secrets: &[&[u8]]) {
    assert!(found.len() > 3, "the directories were not read");
    for (path, bytes) in found {
        for secret in secrets {
            let inside = |all: &[u8]| all.windows(secret.len()).any(|window| window == *secret);
            let named = inside(path.to_string_lossy().as_bytes());
            assert!(!inside(bytes) && !named, "{:?} in {}", String::from_utf8_lossy(secret), path.display());
        }
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member].as_str().unwrap_or_else(|| panic!("no {member} in {answer}"))
}

#[test]
fn a_payload_is_committed_to_opened_erased_and_the_proof_stays() {
    let desk = Desk::new();
    let (put, other) = (desk.put(NAME, VALUE), desk.put("Charles Babbage", "another value"));
    let (commitment, others) = (text(&put, "commitment"), text(&other, "commitment"));
    let proof = desk.receipt(commitment);
    desk.verify(&proof);

    // Whoever has the value and the salt can check the commitment; others cannot guess.
    let file = desk.cluster.path("opened.txt");
    let got = desk.payload(&["get", commitment, "--with-salt", "--out", &file, "--json"]).exits(0).json();
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), text(&got, "media")), (VALUE, "text/plain"));
    let salt = text(&got, "salt").to_owned();
    maip(["payload", "check", commitment, &file, "--salt", &salt]).exits(0).says("yes:");
    maip(["payload", "check", commitment, &file, "--salt", &"00".repeat(32)]).exits(1);
    maip(["payload", "check", commitment, &file, "--salt", "0g"]).exits(2).says("hex digits");
    assert_eq!(desk.payload(&["get", commitment]).exits(0).stdout, VALUE);
    fs::remove_file(&file).unwrap();

    let raw = bytes_of(&salt);
    let secrets = [VALUE.as_bytes(), NAME.as_bytes(), &raw, salt.as_bytes(), b"blood group", b"Lovelace"];
    nowhere(&desk.everything(), &secrets);
    let key = desk.everything().into_iter().filter(|(path, _)| path.ends_with("key")).collect::<Vec<_>>();
    assert_eq!(key.len(), 2, "a key each");

    let erased = desk.erase(NAME, &["--json"]).exits(0).json();
    assert_eq!((&erased["subject"], &erased["destroyed"]), (&put["subject"], &json!({ "payloads": 1 })));
    assert_eq!(erased["proof_verified"], true);
    desk.verify(&proof);
    desk.payload(&["get", commitment]).exits(1).says("is erased");
    assert_eq!(desk.payload(&["get", others]).exits(0).stdout, "another value");
    let left = desk.everything();
    nowhere(&left, &secrets);
    let gone = |bytes: &[u8]| !left.iter().any(|(_, all)| all.windows(bytes.len()).any(|w| w == bytes));
    assert_eq!(key.iter().filter(|(_, bytes)| gone(bytes)).count(), 1, "one key is destroyed, one is there");

    // A second time there is nothing to do, and nothing is logged.
    let size = desk.size();
    desk.erase(NAME, &[]).exits(1).says("is erased");
    desk.erase("nobody", &[]).exits(2).says("no subject of this name");
    let again = desk.cluster.path("again.txt");
    fs::write(&again, "x").unwrap();
    desk.payload(&["put", &again, "--subject", NAME]).exits(1).says("is erased");
    assert_eq!(desk.size(), size);
}

/// A decrypted value is its reader's only, whatever was at its place.
#[cfg(unix)]
#[test]
fn an_opened_payload_replaces_what_others_can_read() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let desk = Desk::new();
    let put = desk.put(NAME, VALUE);
    let [open, link, theirs] = ["open.txt", "link.txt", "theirs.txt"].map(|name| desk.cluster.path(name));
    for file in [&open, &theirs] {
        fs::write(file, "before").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    symlink(&theirs, &link).unwrap();
    let get = |file: &str| desk.payload(&["get", text(&put, "commitment"), "--out", file]);
    get(&open).exits(0);
    assert_eq!(fs::metadata(&open).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&open).unwrap(), VALUE);
    get(&link).exits(2).says("it is a link");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "before");
}

/// The record is logged, and the program died: the next run finds the record there and finishes.
#[test]
fn an_erasure_that_stopped_after_its_record_is_finished() {
    let desk = Desk::new();
    let put = desk.put(NAME, VALUE);
    let body = json!({ "reason": "requested", "subject": put["subject"] }).to_string();
    let log = ["record", "log", "--type", "erasure", "--body", &body];
    desk.cluster.run(&[&log[..], &desk.by_tenant()].concat()).exits(0);
    let commitment = text(&put, "commitment");
    assert_eq!(desk.payload(&["get", commitment]).exits(0).stdout, VALUE, "nothing is destroyed yet");
    let size = desk.size();
    desk.erase(NAME, &[]).exits(0).says("the log has already").says("1 payload removed");
    assert_eq!(desk.size(), size);
    desk.payload(&["get", commitment]).exits(1).says("is erased");
}

/// The program died while it destroyed: the next run needs no node, and `--dry-run` still changes nothing.
#[test]
fn an_erasure_that_stopped_while_it_destroyed_is_finished() {
    let desk = Desk::new();
    let put = desk.put(NAME, VALUE);
    let vault = PathBuf::from(desk.vault());
    let subject = fs::read_dir(vault.join("subjects")).unwrap().next().unwrap().unwrap();
    fs::create_dir_all(vault.join("erased/subjects")).unwrap();
    fs::write(vault.join("erased/subjects").join(subject.file_name()), text(&put, "subject")).unwrap();
    let size = desk.size();
    desk.erase(NAME, &["--dry-run"]).exits(2).says("--dry-run");
    assert!(subject.path().join("key").exists());
    let finished = desk.erase(NAME, &["--json"]).exits(0).json();
    assert_eq!((&finished["resumed"], &finished["destroyed"]["payloads"]), (&json!(true), &json!(1)));
    assert_eq!(desk.size(), size);
    assert!(!subject.path().exists());
    desk.payload(&["get", text(&put, "commitment")]).exits(1).says("is erased");
}

/// Nothing is destroyed while the log does not know.
#[test]
fn what_is_not_logged_is_not_erased() {
    let desk = Desk::new();
    let put = desk.put(NAME, VALUE);
    let vault = desk.vault();
    let erase = ["erase", NAME, "--vault", &vault, "--reason", "requested", "--tenant", &desk.tenant];
    let wrong = [&erase[..], &["--tenant-key", &desk.agent_key]].concat();
    desk.cluster.run(&wrong).exits(1);
    let nobody = ["--tenant-key", &desk.tenant_key, "--url", "http://127.0.0.1:9"];
    maip([&erase[..], &nobody].concat()).exits(2).says("no node could be reached");
    desk.erase(NAME, &["--dry-run"]).exits(0).says("\"type\":\"erasure\"");
    assert_eq!(desk.payload(&["get", text(&put, "commitment")]).exits(0).stdout, VALUE);
}

#[test]
fn what_is_wrong_with_a_vault_is_said() {
    let desk = Desk::new();
    let put = desk.put(NAME, VALUE);
    let commitment = text(&put, "commitment");
    let unknown = format!("sha256:{}", "0".repeat(64));
    desk.payload(&["get", &unknown]).exits(2).says("no payload");
    desk.payload(&["get", &unknown.replace("sha256", "blake3")]).exits(2).says("begin with sha256:");
    desk.payload(&["get", "sha256:12"]).exits(2).says("64 lower-case hex");
    let elsewhere = desk.cluster.path("");
    maip(["payload", "get", commitment, "--vault", &elsewhere]).exits(2).says("is not a vault");
    let long = "n".repeat(257);
    let key = &desk.tenant_key;
    desk.payload(&["put", key, "--subject", &long]).exits(2).says("1 to 256 bytes");

    let (path, mut bytes) =
        desk.everything().into_iter().find(|(path, _)| path.ends_with(&commitment[7..])).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
    desk.payload(&["get", commitment]).exits(1).says("does not open").says("backup");
    // What is damaged can be erased all the same.
    desk.erase(NAME, &[]).exits(0);
}
