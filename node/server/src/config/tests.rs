//! Tables of configurations that load and that do not.

use std::path::Path;

use super::{Config, ConfigError, Engine, parse};

pub(crate) const GOOD: &str = r#"
node_id = 1
data_dir = "data"
listen = "127.0.0.1:7443"
peer_listen = "127.0.0.1:7444"
http_listen = "127.0.0.1:7080"
admin_key_file = "keys/admin.key"
engine = "fjall"
[tls]
cert = "tls/node.pem"
key = "tls/node.key"
[peer_tls]
ca = "tls/ca.pem"
cert = "tls/node.pem"
key = "tls/node.key"
[cluster]
bootstrap = true
[[cluster.members]]
id = 1
peer = "127.0.0.1:7444"
api = "https://127.0.0.1:7443"
[[logs]]
name = "main"
origin = "maip.devnet/main"
log_key = "keys/main.log.key"
operator_key = "keys/main.operator.key"
policy = "policy-main.txt"
fail_open = false
[logs.publish]
interval_ms = 1000
min_interval_ms = 10
republish_s = 600
witness_timeout_ms = 1000
"#;

fn load(text: &str) -> Result<Config, ConfigError> {
    parse(Path::new("/etc/maip/maip-node.toml"), text, [])
}

#[test]
fn the_documented_file_loads_and_paths_are_relative_to_it() {
    let config = load(GOOD).unwrap();
    assert_eq!(config.data_dir, Path::new("/etc/maip/data"));
    assert_eq!(config.logs[0].log_key, Path::new("/etc/maip/keys/main.log.key"));
    assert_eq!(config.log_dir("main"), Path::new("/etc/maip/data/logs/main"));
    assert_eq!(config.bootstrap_members().unwrap().len(), 1);
}

#[test]
fn every_mistake_is_named_by_its_field() {
    let cases = [
        ("node_id = 1", "node_id = 0", "node_id"),
        ("node_id = 1", "node_id = 2", "cluster.members"),
        ("peer_listen = \"127.0.0.1:7444\"", "peer_listen = \"127.0.0.1:7443\"", "peer_listen"),
        ("listen = \"127.0.0.1:7443\"", "listen = \"localhost\"", "listen"),
        ("engine = \"fjall\"", "engine = \"rocks\"", "engine"),
        ("engine = \"fjall\"", "enigne = \"fjall\"", "enigne"),
        ("data_dir = \"data\"\n", "", "data_dir"),
        ("name = \"main\"", "name = \"tile\"", "logs[0].name"),
        ("name = \"main\"", "name = \"Main\"", "logs[0].name"),
        ("maip.devnet/main", "maip devnet", "logs[0].origin"),
        ("peer = \"127.0.0.1:7444\"", "peer = \"127.0.0.1\"", "cluster.members[0].peer"),
        ("api = \"https:", "api = \"http:", "cluster.members[0].api"),
        ("min_interval_ms = 10", "min_interval_ms = 1001", "logs[0].publish.min_interval_ms"),
        ("republish_s", "republish_ms", "republish_ms"),
        ("[logs.publish]", "[logs.seal]\npause_ms = 1001\n[logs.publish]", "logs[0].seal.pause_ms"),
        ("[tls]", "[limits]\nconnections = 0\n[tls]", "limits.connections"),
        ("[tls]", "[limits]\nconections = 1\n[tls]", "conections"),
        ("[tls]", "[limits]\nrequests = 9223372036854775807\n[tls]", "limits.requests"),
        ("[tls]", "[limits]\nqueue_bytes = 1099511627777\n[tls]", "limits.queue_bytes"),
        ("[tls]", "[raft]\nelection_min_ms = 10\n[tls]", "raft.election_min_ms"),
        ("[tls]", "[raft]\nelection_max_ms = 300\n[tls]", "raft.election_max_ms"),
    ];
    for (from, to, field) in cases {
        assert!(GOOD.contains(from), "{from}");
        let error = load(&GOOD.replace(from, to)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(field), "{to}: {error}");
    }
}

#[test]
fn two_logs_may_not_share_a_name_or_an_origin() {
    let log = &GOOD[GOOD.find("[[logs]]").unwrap()..];
    let twice = format!("{GOOD}{log}");
    assert!(load(&twice).map(|_| ()).unwrap_err().to_string().contains("logs[1].name"));
    let other = format!("{GOOD}{}", log.replace("\"main\"", "\"sandbox\""));
    assert!(load(&other).map(|_| ()).unwrap_err().to_string().contains("logs[1].origin"));
}

#[test]
fn a_sandbox_is_no_main_log_and_its_later_origins_are_its_own() {
    let log = &GOOD[GOOD.find("[[logs]]").unwrap()..];
    let another = |name: &str, origin: &str, more: &str| {
        log.replace("\"main\"", &format!("{name:?}"))
            .replace("maip.devnet/main", origin)
            .replace("fail_open = false", &format!("fail_open = false\n{more}"))
    };
    let sandbox = another("sandbox", "maip.devnet/sandbox", "sandbox = true");
    let config = load(&format!("{GOOD}{sandbox}")).unwrap();
    assert!(config.logs[1].sandbox && !config.logs[0].sandbox);
    assert_eq!(config.generation_dir("sandbox", 1), Path::new("/etc/maip/data/logs/sandbox"));
    assert_eq!(config.generation_dir("sandbox", 3), Path::new("/etc/maip/data/logs/sandbox.3"));
    let main = GOOD.replace("fail_open = false", "fail_open = false\nsandbox = true");
    let long = "o".repeat(251);
    for (text, field) in [
        (main, "logs[0].sandbox"),
        (format!("{GOOD}{sandbox}{}", another("eu", "maip.devnet/sandbox/2", "")), "logs[1].origin"),
        (format!("{GOOD}{}", another("sandbox", &long, "sandbox = true")), "logs[1].origin"),
    ] {
        let error = load(&text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
    // Below a production log, or beside the numbers, every name is free.
    load(&format!("{GOOD}{sandbox}{}", another("eu", "maip.devnet/main/2", ""))).unwrap();
    load(&format!("{GOOD}{sandbox}{}", another("eu", "maip.devnet/sandbox/eu", ""))).unwrap();
}

#[test]
fn overrides_replace_the_file_and_are_typed() {
    let with = |field, value: &str| {
        parse(
            Path::new("/etc/maip/maip-node.toml"),
            GOOD,
            [(field, format!("MAIP_NODE_{field}"), value.to_owned())],
        )
    };
    assert_eq!(with("listen", "0.0.0.0:1").unwrap().listen.port(), 1);
    assert_eq!(with("engine", "sled").unwrap().engine, Engine::Sled);
    assert_eq!(with("data_dir", "/var/lib/maip").unwrap().data_dir, Path::new("/var/lib/maip"));
    assert!(with("serve_unpublished", "true").unwrap().serve_unpublished);
    for (field, value) in [("node_id", "one"), ("serve_unpublished", "yes"), ("listen", "nowhere")] {
        let error = with(field, value).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
}

/// A file that nobody lists is a file whose damage nobody finds.
#[test]
fn every_field_that_is_a_path_is_listed_with_the_files() {
    let declared = include_str!("mod.rs")
        .lines()
        .chain(include_str!("api.rs").lines())
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "))
        .filter(|(_, kind)| ["PathBuf,", "Option<PathBuf>,"].contains(kind))
        .map(|(field, _)| field)
        .filter(|field| *field != "data_dir");
    let mut declared: Vec<&str> = declared.collect();
    let text = GOOD.replace(
        "policy = \"policy-main.txt\"\n",
        "policy = \"policy-main.txt\"\nnext_log_key = \"next\"\npredecessor = \"last\"\n",
    );
    let config = load(&(text + "[api]\nclient_ca = \"clients\"\n[outbound]\nca = \"witnesses\"\n")).unwrap();
    let files = config.files();
    let mut listed: Vec<&str> = files.iter().filter_map(|(field, _)| field.rsplit('.').next()).collect();
    declared.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, declared);
}
