//! The files that a node is given: one that rots is found at a start, by `check`, and while the node runs.

use std::{
    fs::{self, File},
    path::Path,
    process::Output,
    time::{Duration, Instant, SystemTime},
};

use ledger_node::{
    config::{self, Overrides},
    given::Given,
    node::{self, Sockets},
};
use ledger_proto::v1::{StatusRequest, admin_client::AdminClient};

use crate::{
    ledger::{admin, connect},
    node::{Node, run},
};

/// Bound for what must happen soon.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes other bytes and puts the file's time back: what a disk does.
fn rot(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
    set_modified(path, time);
}

fn set_modified(path: &Path, time: SystemTime) {
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Flips a bit of the last character of a key, which stays a letter or a digit.
fn flip(bytes: &mut [u8]) {
    let place = bytes.len() - 2;
    let mask = (0..7).map(|bit| 1 << bit).find(|mask| (bytes[place] ^ mask).is_ascii_alphanumeric());
    bytes[place] ^= mask.unwrap();
}

fn replace(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains(from), "no {from:?}");
    *bytes = text.replacen(from, to, 1).into_bytes();
}

/// Starts the node, which ends by itself.
fn refused(node: &Node) -> String {
    let Output { status, stderr, .. } = run(&["--config", node.config().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(2), "{said}");
    said
}

/// The lines of `check` about the files, and its exit code.
fn checked(node: &Node) -> (Option<i32>, Vec<String>) {
    let output = run(&["check", "--config", node.config().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = said.lines().filter(|line| line.contains("given files")).map(str::to_owned).collect();
    (output.status.code(), lines)
}

#[test]
fn a_node_does_not_start_with_files_that_nobody_wrote() {
    let mut node = Node::init("[limits]\nconnections = 500\n");
    assert_eq!(checked(&node), (Some(0), vec!["ok     given files".to_owned()]));
    assert!(!node.file("data/given").exists(), "`check` writes no record");
    node.start();
    assert_eq!(node.stop(), Some(0));
    let record = fs::read(node.file("data/given")).unwrap();

    let (admin_key, config) = (node.file("keys/admin.key"), node.config());
    let good = fs::read(&admin_key).unwrap();
    rot(&admin_key, |bytes| flip(bytes));
    let said = refused(&node);
    assert!(said.contains("keys/admin.key is not what this node was started with"), "{said}");
    assert!(said.contains("`touch ") && said.starts_with("maip-node: "), "{said}");
    let (code, lines) = checked(&node);
    assert!(code == Some(1) && lines[0].starts_with("wrong  given files: "), "{lines:?}");
    rot(&admin_key, |bytes| *bytes = good);

    rot(&config, |bytes| replace(bytes, "connections = 500", "connections = 400"));
    let said = refused(&node);
    assert!(said.contains("(`limits.connections`: 500, now 400)"), "{said}");
    let (code, lines) = checked(&node);
    assert!(code == Some(1) && lines[0].contains("(`limits.connections`: 500, now 400)"), "{lines:?}");
    assert_eq!(fs::read(node.file("data/given")).unwrap(), record, "a refusal writes no record");

    // It is meant.
    set_modified(&config, SystemTime::now());
    let changed = "has changed since the last start (`limits.connections`: 500, now 400)";
    let (code, lines) = checked(&node);
    assert!(code == Some(0) && lines.len() == 1 && lines[0].contains(changed), "{lines:?}");
    node.start();
    let said = node.said();
    assert_eq!(said.matches(changed).count(), 1, "{said}");
    assert_eq!(node.stop(), Some(0));
    assert_eq!(checked(&node), (Some(0), vec!["ok     given files".to_owned()]));
}

/// Asks until the alarm of the main log is as it should be.
async fn wait_for_alarm(node: &Node, key: &str, what: &str, is: impl Fn(Option<&str>) -> bool) {
    let mut client = AdminClient::new(connect(node).await);
    let start = Instant::now();
    loop {
        let request = crate::ledger::with_key(StatusRequest::default(), key);
        let status = client.status(request).await.unwrap().into_inner();
        let alarms: Vec<Option<&str>> = status
            .logs
            .iter()
            .map(|log| log.alarms.iter().find_map(|alarm| alarm.strip_prefix("given: ")))
            .collect();
        assert!(!alarms.is_empty());
        // Every log has it, or none.
        if alarms.iter().all(|alarm| is(*alarm)) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}: {alarms:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_node_has_an_alarm_while_a_file_is_not_what_it_runs_with() {
    let files = Node::init("");
    let config = config::load(&files.config(), &Overrides::default()).unwrap();
    let given = Given::compare(&files.config(), &config).unwrap().look_every(Duration::from_millis(50));
    let running = node::Node::start(&config, given, Sockets::bind(&config).unwrap()).await.unwrap();
    let credential = admin(&files, ()).metadata().get("authorization").unwrap().to_str().unwrap().to_owned();
    let wait = async |what: &str, is: &dyn Fn(Option<&str>) -> bool| {
        wait_for_alarm(&files, &credential, what, is).await;
    };
    wait("a quiet start", &|alarm| alarm.is_none()).await;

    let admin_key = files.file("keys/admin.key");
    let good = fs::read(&admin_key).unwrap();
    rot(&admin_key, |bytes| flip(bytes));
    let names =
        |alarm: Option<&str>| alarm.is_some_and(|text| text.contains("keys/admin.key is no longer what"));
    wait("the alarm", &names).await;
    assert!(files.get("/metrics").unwrap().text().contains("kind=\"given\"} 1"));
    rot(&admin_key, |bytes| *bytes = good);
    wait("the alarm to go", &|alarm| alarm.is_none()).await;

    // Another certificate is an alarm until it is reloaded; then also the next start expects it.
    let cert = files.file("tls/node.pem");
    let pem = fs::read_to_string(&cert).unwrap();
    fs::write(&cert, format!("{pem}\n")).unwrap();
    wait("the alarm", &|alarm| alarm.is_some_and(|text| text.contains("tls/node.pem"))).await;
    running.reload_certificates();
    wait("the alarm to go", &|alarm| alarm.is_none()).await;
    // Nothing is taken that nobody wrote.
    rot(&cert, |bytes| *bytes.last_mut().unwrap() = b' ');
    running.reload_certificates();
    wait("the alarm", &|alarm| alarm.is_some_and(|text| text.contains("tls/node.pem"))).await;
    rot(&cert, |bytes| *bytes.last_mut().unwrap() = b'\n');
    wait("the alarm to go", &|alarm| alarm.is_none()).await;

    running.stop().await;
    assert!(Given::compare(&files.config(), &config).unwrap().changes().is_empty());
}
