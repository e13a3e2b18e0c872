//! `init` and `check`: what was written is right, and every mistake is named.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::node::{Node, edit, program, run};

#[test]
fn init_writes_what_check_accepts() {
    let node = Node::init("");
    let checked = run(&["check", "--config", node.config().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    for key in [
        "keys/main.log.key",
        "keys/main.operator.key",
        "keys/sandbox.log.key",
        "keys/sandbox.operator.key",
        "keys/admin.key",
        "tls/node.key",
        "tls/ca.key",
    ] {
        let mode = fs::metadata(node.file(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let admin = fs::read_to_string(node.file("keys/admin.key")).unwrap();
    assert!(admin.starts_with("maip_live_"), "the form that clients expect");
}

#[test]
fn init_never_writes_into_a_used_directory() {
    let node = Node::init("");
    let before = fs::read(node.file("keys/main.log.key")).unwrap();
    let again = run(&["init", "--dir", node.home().to_str().unwrap(), "--node-id", "1"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("not empty"));
    assert_eq!(fs::read(node.file("keys/main.log.key")).unwrap(), before);
}

#[test]
fn a_second_node_takes_over_keys_and_authority() {
    let (first, second) = (Node::init(""), tempfile::tempdir().unwrap());
    let dir = second.path().join("node");
    let taken =
        |log: &str, name: &str| format!("{log}={}", first.file(&format!("keys/{log}.{name}.key")).display());
    let (main, main_operator) = (taken("main", "log"), taken("main", "operator"));
    let (sandbox, sandbox_operator) = (taken("sandbox", "log"), taken("sandbox", "operator"));
    let (admin, ca) = (first.file("keys/admin.key"), first.file("tls"));
    let mut arguments = vec!["init", "--dir", dir.to_str().unwrap(), "--node-id", "2", "--join"];
    arguments.extend(["--admin-key", admin.to_str().unwrap(), "--ca", ca.to_str().unwrap()]);
    arguments.extend(["--log-key", &main, "--operator-key", &main_operator]);
    // Of one log only would make a cluster whose sandbox never agrees.
    let half = run(&arguments);
    let said = String::from_utf8_lossy(&half.stderr);
    assert!(half.status.code() == Some(2) && said.contains("--log-key sandbox="), "{said}");
    arguments.extend(["--log-key", &sandbox, "--operator-key", &sandbox_operator]);
    let output = run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for same in [
        "keys/main.log.key",
        "keys/main.operator.key",
        "keys/sandbox.log.key",
        "keys/sandbox.operator.key",
        "keys/admin.key",
        "tls/ca.pem",
    ] {
        assert_eq!(fs::read(dir.join(same)).unwrap(), fs::read(first.file(same)).unwrap(), "{same}");
    }
    // Its certificate is valid under the first node's authority, for its own id.
    let checked = run(&["check", "--config", dir.join("maip-node.toml").to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn check_names_each_mistake() {
    /// Breaks one thing in a fresh directory.
    type Break = fn(&Node);
    let cases: [(&str, Break); 7] = [
        ("has mode 0644", |node| {
            fs::set_permissions(node.file("keys/main.log.key"), fs::Permissions::from_mode(0o644)).unwrap();
        }),
        ("admin.key", |node| fs::remove_file(node.file("keys/admin.key")).unwrap()),
        ("does not list this log", |node| fs::write(node.file("policy-main.txt"), "quorum none\n").unwrap()),
        ("policy-main.txt", |node| fs::write(node.file("policy-main.txt"), "quorum\n").unwrap()),
        ("maip-node-7", |node| {
            edit(&node.config(), "node_id = 1", "node_id = 7");
            edit(&node.config(), "\nid = 1\n", "\nid = 7\n");
        }),
        ("they must be the same", |node| {
            edit(&node.config(), "origin = \"maip.localhost/main\"", "origin = \"other/main\"");
        }),
        ("ca.pem", |node| fs::write(node.file("tls/ca.pem"), "nothing").unwrap()),
    ];
    for (said, break_it) in cases {
        let node = Node::init("");
        break_it(&node);
        let checked = run(&["check", "--config", node.config().to_str().unwrap()]);
        let output = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(1), "{said}: {output}");
        assert!(
            output.lines().any(|line| line.starts_with("wrong") && line.contains(said)),
            "{said}: {output}"
        );
    }
}

#[test]
fn a_missing_configuration_is_a_usage_error() {
    let output = run(&["--config", "/nonexistent/maip-node.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("maip-node init"), "the fix is named: {said}");
}

#[test]
fn the_environment_replaces_fields_and_flags_replace_both() {
    let node = Node::init("");
    let config = node.config();
    let run = |variable: (&str, &str), flags: &[&str]| {
        let mut command = program();
        command.env(variable.0, variable.1).arg("--config").arg(&config).args(flags);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = run(("MAIP_NODE_NODE_ID", "seven"), &[]);
    assert!(said.contains("MAIP_NODE_NODE_ID") && said.contains("node_id"), "{said}");
    let said = run(("MAIP_NODE_NODE_ID", "7"), &[]);
    assert!(said.contains("node 7 (this one) is not among the first members"), "{said}");
    let said = run(("MAIP_NODE_NODE_ID", "7"), &["--node-id", "8"]);
    assert!(said.contains("node 8 (this one)"), "{said}");
    let said = run(("MAIP_NODE_ENGINE", "rocks"), &[]);
    assert!(said.contains("engine") && said.contains("fjall"), "{said}");
}
