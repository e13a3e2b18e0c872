//! Configurations with mistakes that follow from a seed: each is refused with the name of the field or the line, or it works.

#[path = "../../../../ledger-format/fuzz/src/damage.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "public in the fuzz crate, whose file it is; this crate uses its part"
)]
mod damage;

use std::path::Path;

use ledger_api::is_log_name;
use ledger_log::LogLimits;
use tokio::sync::Semaphore;

use super::{Config, ConfigError, Overrides, parse, tests::GOOD};
use damage::Dice;

const PATH: &str = "/etc/maip/maip-node.toml";

/// The tables that a short file leaves out.
const REST: &str = r#"
[[logs]]
name = "sandbox"
origin = "maip.devnet/sandbox"
sandbox = true
log_key = "keys/sandbox.log.key"
next_log_key = "keys/sandbox.next.log.key"
operator_key = "keys/sandbox.operator.key"
policy = "policy-sandbox.txt"
predecessor = "last-checkpoint"
[logs.seal]
interval_ms = 1000
pause_ms = 10
[api]
enabled = true
plain = false
calls_a_minute = 600
[limits]
connections = 4096
streams_per_connection = 1024
requests = 8192
long_streams = 256
body_bytes_in_flight = 268435456
header_bytes = 16384
idle_ms = 90000
submit_ms = 10000
stream_window = 256
queue_records = 65536
queue_bytes = 67108864
batch_records = 4096
batch_bytes = 4194304
batches_in_flight = 4
reserve_bytes = 1073741824
raft_log_bytes = 268435456
scrub_pause_ms = 0
[raft]
heartbeat_ms = 100
election_min_ms = 500
election_max_ms = 1000
snapshot_after = 10000
keep_entries = 1000
[outbound]
ca = "tls/witnesses.pem"
proxy = "http://proxy:3128"
[telemetry]
log = "info"
format = "json"
otlp = "http://127.0.0.1:4318"
otlp_metrics_ms = 10000
"#;

/// What people write by mistake, and what machines do.
const WORDS: &[&str] = &[
    "0",
    "1",
    "-1",
    "7",
    "300",
    "9223372036854775807",
    "9223372036854775808",
    "1e3",
    "true",
    "\"\"",
    "\"main\"",
    "\"tile\"",
    "\"maip.devnet/main\"",
    "\"maip.devnet/sandbox/2\"",
    "\"127.0.0.1:7443\"",
    "\"https://127.0.0.1\"",
    "\"sled\"",
    "\"\\u0000\"",
    "'''",
    "[]",
    "{}",
    "[[logs]]",
    "[limits]",
    "[cluster]",
    "\u{fb01}",
];

/// Fields that environment and flags replace.
const REPLACED: [&str; 9] = [
    "node_id",
    "data_dir",
    "listen",
    "peer_listen",
    "http_listen",
    "admin_key_file",
    "engine",
    "engine_cache_bytes",
    "serve_unpublished",
];

/// Says where the mistake is and what to do.
fn helps(error: &ConfigError) {
    match error {
        ConfigError::Syntax { path, message } => {
            assert!(path == Path::new(PATH) && !message.is_empty(), "{error:?}");
        }
        ConfigError::Field { field, problem, fix } => {
            let table = field.split(['.', '[']).next().unwrap_or_default();
            let tables = [
                "node_id",
                "peer_listen",
                "limits",
                "telemetry",
                "raft",
                "cluster",
                "logs",
                "api",
                "outbound",
            ];
            assert!(tables.contains(&table), "no field of the file: {error}");
            assert!(!problem.is_empty() && !fix.is_empty(), "{error:?}");
        }
        ConfigError::Override { field, .. } => assert!(REPLACED.contains(field), "{error}"),
        ConfigError::Read { .. } => panic!("nothing was to be read: {error}"),
    }
}

/// What is taken can be started with: counters hold the bounds, and names are names.
fn works(config: &Config) {
    let LogLimits { queue_records, queue_bytes, batches_in_flight, .. } = config.log_limits();
    let limits = &config.limits;
    for bound in [
        limits.connections,
        limits.requests,
        limits.long_streams,
        limits.body_bytes_in_flight,
        queue_records,
        queue_bytes,
        batches_in_flight,
    ] {
        assert_eq!(Semaphore::new(bound).available_permits(), bound);
    }
    assert!(config.node_id > 0 && config.data_dir.is_absolute());
    assert!(config.log("").is_some_and(|main| !main.sandbox));
    for log in &config.logs {
        assert!(is_log_name(&log.name) && log.policy.is_absolute() && !log.origin.is_empty());
        assert!(config.generation_dir(&log.name, 2).starts_with(config.logs_dir()));
    }
    if let Some(members) = config.bootstrap_members() {
        assert!(members.iter().any(|member| member.id == config.node_id));
    }
}

#[test]
fn a_configuration_with_mistakes_is_refused_by_name_or_works() {
    let whole = format!("{GOOD}{REST}");
    works(&parse(Path::new(PATH), &whole, []).expect("the file without mistakes"));
    let (mut dice, mut taken, mut refused) = (Dice::seeded(), 0, 0);
    for _ in 0..damage::cases(6_000) {
        let good = if dice.below(4) == 0 { GOOD } else { &whole };
        let text = dice.misspell(good, WORDS);
        let mut replaced = Vec::new();
        if dice.below(4) == 0 {
            let (field, word) = (REPLACED[dice.below(9)], WORDS[dice.below(WORDS.len())]);
            replaced.push((field, format!("MAIP_NODE_{field}"), word.trim_matches('"').to_owned()));
        }
        match parse(Path::new(PATH), &text, replaced) {
            Ok(config) => {
                works(&config);
                taken += 1;
            }
            Err(error) => {
                helps(&error);
                refused += 1;
            }
        }
    }
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
}

#[test]
fn a_file_of_other_bytes_is_refused_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("maip-node.toml");
    let mut dice = Dice::seeded();
    for _ in 0..damage::cases(200) {
        let noise: Vec<u8> = (0..dice.below(300)).map(|_| dice.number() as u8).collect();
        std::fs::write(&path, noise).expect("written");
        let error = super::load(&path, &Overrides::default()).map(drop).expect_err("noise");
        assert!(error.to_string().contains("maip-node.toml"), "{error}");
    }
}
