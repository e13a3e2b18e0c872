//! The text of every configuration file of a devnet.

use std::{fmt::Write as _, net::SocketAddr};

use crate::options::{Grade, Options};

/// The logs of a devnet, main first.
pub(super) const LOGS: [&str; 2] = ["main", "sandbox"];

/// Whether a log of a devnet can be reset.
fn is_sandbox(log: &str) -> bool {
    log == "sandbox"
}

/// First line of a log's checkpoints.
pub(super) fn origin(options: &Options, log: &str) -> String {
    format!("{}/{log}", options.domain)
}

/// The ports of one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodePorts {
    pub(super) id: u64,
    /// TLS for clients.
    pub(super) listen: SocketAddr,
    /// Mutual TLS for nodes.
    pub(super) peer_listen: SocketAddr,
    /// Where the other nodes find `peer_listen`: itself, or the proxy in front of it.
    pub(super) peer_public: SocketAddr,
    /// Plain HTTP.
    pub(super) http: SocketAddr,
}

/// `maip-node.toml` of node `own`. `members` is empty for a node that joins later.
pub(super) fn node(options: &Options, own: &NodePorts, members: &[NodePorts]) -> String {
    let mut text = format!(
        "node_id = {}\n\
         data_dir = \"data\"\n\
         listen = \"{}\"\n\
         peer_listen = \"{}\"\n\
         http_listen = \"{}\"\n\
         admin_key_file = \"keys/admin.key\"\n\
         engine = \"{}\"\n\
         serve_unpublished = {}\n",
        own.id,
        own.listen,
        own.peer_listen,
        own.http,
        options.engine,
        // A verifying witness replays entries before they are published.
        options.grade == Grade::Verifying
    );
    text.push_str("\n[api]\nplain = true\nopen_registration = true\nprivate_targets = true\n");
    if let Some(calls) = options.calls_a_minute {
        let _ = writeln!(text, "calls_a_minute = {calls}");
    }
    text.push_str(
        "\n[tls]\ncert = \"tls/node.pem\"\nkey = \"tls/node.key\"\n\
         \n[peer_tls]\nca = \"tls/ca.pem\"\ncert = \"tls/node.pem\"\nkey = \"tls/node.key\"\n",
    );
    let _ = write!(text, "\n[cluster]\nbootstrap = {}\n", !members.is_empty());
    for member in members {
        let _ = write!(
            text,
            "\n[[cluster.members]]\nid = {}\npeer = \"{}\"\napi = \"https://{}\"\n",
            member.id, member.peer_public, member.listen
        );
    }
    for name in LOGS {
        let origin = origin(options, name);
        let _ = write!(
            text,
            "\n[[logs]]\n\
             name = \"{name}\"\n\
             origin = \"{origin}\"\n\
             log_key = \"keys/{name}.log.key\"\n\
             operator_key = \"keys/{name}.operator.key\"\n\
             policy = \"../policy-{name}.txt\"\n\
             fail_open = false\n\
             sandbox = {}\n\
             \n[logs.publish]\n\
             interval_ms = {}\n",
            is_sandbox(name),
            options.publish_interval_ms
        );
    }
    if !options.node_config_extra.is_empty() {
        let _ = write!(text, "\n{}\n", options.node_config_extra.trim());
    }
    text
}

/// A log as witnesses and policies name it.
#[derive(Clone, Debug)]
pub(super) struct LogKey {
    pub(super) name: &'static str,
    pub(super) vkey: String,
    /// Monitoring prefix.
    pub(super) url: String,
}

/// `witness.toml`.
pub(super) fn witness(options: &Options, listen: SocketAddr, logs: &[LogKey]) -> String {
    let mut text = format!(
        "listen = \"{listen}\"\nstate_dir = \"state\"\nkey = \"witness.key\"\ngrade = \"{}\"\n",
        options.grade
    );
    for log in logs {
        let _ = write!(text, "\n[[logs]]\nvkey = \"{}\"\nurl = \"{}\"\n", log.vkey, log.url);
        let _ = writeln!(text, "sandbox = {}", is_sandbox(log.name));
        if options.grade == Grade::Verifying {
            let _ = writeln!(text, "entries_url = \"{}/unpublished\"", log.url);
        }
    }
    text
}

/// A witness as policies name it.
#[derive(Clone, Debug)]
pub(super) struct WitnessKey {
    pub(super) name: String,
    pub(super) vkey: String,
    pub(super) url: String,
}

/// A C2SP policy: one log, and `quorum` of the witnesses.
pub(super) fn policy(log: &LogKey, witnesses: &[WitnessKey], quorum: u32) -> String {
    let mut text = format!("log {} {}\n", log.vkey, log.url);
    for witness in witnesses {
        let _ = writeln!(text, "witness {} {} {}", witness.name, witness.vkey, witness.url);
    }
    if witnesses.is_empty() {
        text.push_str("quorum none\n");
    } else {
        let names: Vec<_> = witnesses.iter().map(|witness| witness.name.as_str()).collect();
        let _ = write!(text, "group devnet {quorum} {}\nquorum devnet\n", names.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_asks_for_a_majority() {
        let log = LogKey {
            name: "main",
            vkey: "maip.devnet/main+01234567+AA==".into(),
            url: "http://127.0.0.1:1/main".into(),
        };
        let witness = |i: u32| WitnessKey {
            name: format!("w{i}"),
            vkey: format!("maip.devnet/w{i}+01234567+BB=="),
            url: format!("http://127.0.0.1:{i}"),
        };
        assert_eq!(
            policy(&log, &[witness(1), witness(2)], 2),
            "log maip.devnet/main+01234567+AA== http://127.0.0.1:1/main\n\
             witness w1 maip.devnet/w1+01234567+BB== http://127.0.0.1:1\n\
             witness w2 maip.devnet/w2+01234567+BB== http://127.0.0.1:2\n\
             group devnet 2 w1 w2\n\
             quorum devnet\n"
        );
        assert!(policy(&log, &[], 0).ends_with("\nquorum none\n"));
    }
}
