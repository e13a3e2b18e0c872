//! Commands that need no server, and what is said when there is none.

use std::{fs, io::Write as _, process::Stdio};

use ledger_format::record::SigningKey;

use crate::support::{World, maip};

#[test]
fn help_shows_examples_and_exit_codes() {
    maip(["--help"]).exits(0).says("Exit codes: 0 ok").says("maip verify");
    maip(["verify", "--help"]).exits(0).says("3 valid but older").says("--registration");
    maip(["nonsense"]).exits(2);
    maip(["verify"]).exits(2).says("FILE");
    maip(["--version"]).exits(0).says("maip ");
}

#[test]
fn keys_are_made_shown_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().to_str().unwrap();
    let file = dir.path().join("a.key");
    let made = maip(["key", "new", "--out", file.to_str().unwrap(), "--json"]).exits(0).json();
    let shown = maip(["key", "show", "a", "--keys", keys, "--json"]).exits(0).json();
    assert_eq!(made["kid"], shown["kid"]);
    maip(["key", "new", "--out", file.to_str().unwrap()]).exits(2).says("exists");
    maip(["key", "new", "--name", "b", "--keys", keys]).exits(0);
    maip(["key", "show", "b", "--keys", keys]).exits(0);
    maip(["key", "show", "c", "--keys", keys]).exits(2).says("next:");
    let public = shown["public_key"].as_str().unwrap();
    maip(["key", "show", public]).exits(0).says(shown["kid"].as_str().unwrap());

    let hyphen =
        (0..=u16::MAX).map(|n| SigningKey::from_seed([n.to_be_bytes(); 16].concat().try_into().unwrap()));
    let hyphen = hyphen.map(|key| key.public()).find(|key| key.to_string().starts_with('-')).unwrap();
    let shown = maip(["key", "show", &hyphen.to_string(), "--json"]).exits(0).json();
    assert_eq!(shown["kid"], hyphen.kid().to_string());

    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("maip-ed25519-seed:"));
    assert!(
        !maip(["key", "show", file.to_str().unwrap()]).stdout.contains(text[18..].trim()),
        "the seed stays in the file"
    );
}

#[test]
fn records_are_signed_and_shown_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let key = path("t.key");
    maip(["key", "new", "--out", &key]).exits(0);
    let register = ["tenant", "register", "--name", "Example", "--key", &key, "--dry-run"];
    let record = maip(register).exits(0).stdout;
    fs::write(path("record.json"), &record).unwrap();
    maip(["record", "show", &path("record.json"), "--key", &key])
        .exits(0)
        .says("valid")
        .says("tenant.register");
    maip(["key", "new", "--out", &path("other.key")]).exits(0);
    maip(["record", "show", &path("record.json"), "--key", &path("other.key")])
        .exits(1)
        .says("does not hold");

    // Any layout goes in, the canonical form comes out.
    let mut loose: serde_json::Value = serde_json::from_str(&record).unwrap();
    loose.as_object_mut().unwrap().remove("sig");
    fs::write(path("draft.json"), serde_json::to_string_pretty(&loose).unwrap()).unwrap();
    maip(["record", "sign", &path("draft.json"), "--key", &key, "--out", &path("signed.json")]).exits(0);
    assert_eq!(fs::read_to_string(path("signed.json")).unwrap(), record.trim_end());
    loose["type"] = "tenant.unknown".into();
    fs::write(path("draft.json"), loose.to_string()).unwrap();
    maip(["record", "sign", &path("draft.json"), "--key", &key]).exits(1).says("tenant.unknown");
}

#[test]
fn scopes_ids_and_digests_are_checked_before_anything_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("a.key");
    let key = key.to_str().unwrap();
    maip(["key", "new", "--out", key]).exits(0);
    let id = "01JABCDEFGHJKMNPQRSTVWXYZ0";
    let log = ["receipt", "log", "--key", key, "--dry-run", "--tenant", id, "--agent", id];
    let with = |more: &[&str]| maip(log.iter().copied().chain(more.iter().copied()));
    with(&["--action", "invoice:read", "--detail", "n=7", "--outcome", "success"]).exits(0).says("\"n\":7");
    with(&["--action", "invoice:*"]).exits(2).says("without a star");
    with(&["--action", "invoice:read", "--input-digest", "sha256:00"]).exits(2).says("64 lower-case hex");
    with(&["--action", "invoice:read", "--outcome", "great"]).exits(2).says("one of success");
    maip(["receipt", "log", "--key", key, "--tenant", "x", "--agent", id, "--action", "a:b"])
        .exits(2)
        .says("not a tenant's id");
    // A child process has no terminal, so no colour.
    assert!(!with(&["--action", "invoice:*"]).stderr.contains('\u{1b}'));
}

#[test]
fn a_policy_is_shown_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.txt");
    fs::write(&file, World::new().policy_text()).unwrap();
    let file = file.to_str().unwrap();
    maip(["policy", "show", file]).exits(0).says("2 of (w1, w2, w3)");
    let json = maip(["policy", "show", file, "--json"]).exits(0).json();
    assert_eq!(json["witnesses"].as_array().unwrap().len(), 3);
    fs::write(file, "quorum nobody\n").unwrap();
    maip(["policy", "show", file]).exits(2).says("cannot be used");
    maip(["policy", "show"]).exits(2).says("no policy");
}

#[test]
fn a_missing_server_is_named_in_plain_words() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("https://127.0.0.1:{port}");
    let ran = maip(["checkpoint", "--url", &url]).exits(2).says("nothing listens").says("next:");
    assert!(!ran.stderr.contains("transport error"), "{}", ran.stderr);
    let json = maip(["checkpoint", "--url", &url, "--json"]).exits(2).json();
    assert_eq!((json["ok"].as_bool(), json["exit"].as_u64()), (Some(false), Some(2)));
    assert!(json["error"]["why"].as_str().unwrap().contains("nothing listens"));
    let http = format!("http://127.0.0.1:{port}");
    maip(["consistency", "1", "--url", &http]).exits(2).says("nothing listens");
    maip(["checkpoint"]).exits(2).says("--url");
    maip(["checkpoint", "--url", "ftp://x"]).exits(2).says("must begin with");
    maip(["checkpoint", "--devnet", "/nonexistent"]).exits(2).says("maip-devnet up");
}

/// A devnet says where everything is; a log may have a policy of its own.
#[test]
fn a_devnet_file_answers_for_options() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let world = World::new();
    world.publish(&dir.path().join("log"), world.size());
    let server = crate::support::http::DirServer::start(&dir.path().join("log"));
    put("main.txt", &world.policy_text());
    put("other.txt", &format!("log {}\nquorum none\n", world.log.vkey()));
    put("ca.pem", "");
    let devnet = serde_json::json!({
        "nodes": [{ "id": 1, "url": "https://127.0.0.1:1", "grpc_url": "https://127.0.0.1:1", "pid": 1 }],
        "witnesses": [],
        "logs": [{ "name": "main", "origin": "x", "vkey": "x", "url": server.url() }],
        "policy": "main.txt", "policy_sandbox": "other.txt", "admin_key": "maip_live_x", "ca": "ca.pem",
    });
    put("devnet.json", &devnet.to_string());
    let devnet = dir.path().to_str().unwrap();
    maip(["policy", "show", "--devnet", devnet]).exits(0).says("2 of (w1, w2, w3)");
    maip(["policy", "show", "--devnet", devnet, "--log", "sandbox"]).exits(0).says("quorum   none");
    maip(["consistency", "1", "latest", "--devnet", devnet, "--log", "sandbox"]).exits(2).says("no log");
    let proof = dir.path().join("p.tlog-proof");
    fs::write(&proof, world.proof(2).to_bytes()).unwrap();
    maip(["verify", proof.to_str().unwrap(), "--devnet", devnet]).exits(0);
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        maip(["completions", shell]).exits(0).says("maip");
    }
}

/// `maip tail | head` must not end in an error.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_maip"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    std::io::stdout().flush().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{said}");
}
