//! `export`, `backup` and `restore` against a real node.

use std::fs;

use ledger_format::{Checkpoint, Note};

use crate::node::{Node, run};

fn published_size(node: &Node) -> u64 {
    let note = Note::parse(&node.get("/checkpoint").unwrap().body).unwrap();
    Checkpoint::parse(note.text()).unwrap().size
}

#[test]
fn an_export_is_a_log_that_any_web_server_can_serve() {
    let mut node = Node::init("");
    node.start();
    let to = node.dir.path().join("export");
    let (config, to_text) = (node.config(), to.to_str().unwrap().to_owned());
    let export = |further: &[&str]| {
        let mut arguments = vec!["export", "--config", config.to_str().unwrap(), "--to", &to_text];
        arguments.extend(further);
        run(&arguments)
    };
    let first = export(&[]);
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(published_size(&node), 1);
    for file in ["checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"] {
        assert_eq!(fs::read(to.join(file)).unwrap(), node.get(&format!("/{file}")).unwrap().body, "{file}");
    }
    // Again, to the same place and by URL: the same log.
    let url = format!("http://{}", node.http);
    let again = run(&["export", "--url", &url, "--log", "main", "--to", &to_text]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));

    // A destination that holds another log is not touched.
    let mut other = Node::init("");
    other.start();
    let policy = other.file("policy-main.txt");
    let other_url = format!("http://{}", other.http);
    let mixed = run(&["export", "--url", &other_url, "--policy", policy.to_str().unwrap(), "--to", &to_text]);
    assert_ne!(mixed.status.code(), Some(0));
    assert_eq!(fs::read(to.join("checkpoint")).unwrap(), node.get("/checkpoint").unwrap().body);

    // A key that did not sign is not believed.
    let stranger = other.get("/v1/log/vkey").unwrap().text();
    let fresh = node.dir.path().join("fresh");
    let unbelieved =
        run(&["export", "--url", &url, "--vkey", stranger.trim_end(), "--to", fresh.to_str().unwrap()]);
    assert_eq!(unbelieved.status.code(), Some(2));
    assert!(!fresh.join("checkpoint").exists());
}

#[test]
fn a_backup_restores_to_the_same_log() {
    let mut node = Node::init("");
    node.start();
    let before = node.get("/tile/entries/000.p/1").unwrap().body;
    let file = node.dir.path().join("main.backup");
    let config = node.config();
    let (config, file) = (config.to_str().unwrap(), file.to_str().unwrap());
    let backed_up = run(&["backup", "--config", config, "--to", file]);
    assert_eq!(backed_up.status.code(), Some(0), "{}", String::from_utf8_lossy(&backed_up.stderr));
    assert_eq!(
        run(&["backup", "--config", config, "--to", file]).status.code(),
        Some(2),
        "never over another backup"
    );
    assert_eq!(node.stop(), Some(0));

    let occupied = run(&["restore", "--config", config, "--from", file]);
    assert_eq!(occupied.status.code(), Some(2), "never over data");
    fs::remove_dir_all(node.file("data")).unwrap();
    let restored = run(&["restore", "--config", config, "--from", file]);
    assert_eq!(restored.status.code(), Some(0), "{}", String::from_utf8_lossy(&restored.stderr));
    node.start();
    assert_eq!(node.get("/tile/entries/000.p/1").unwrap().body, before);
}
