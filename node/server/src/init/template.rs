//! The files that people edit: the configuration and the witness policy.

use std::fmt::Write as _;

use super::{Init, NewLog};
use crate::config::{Api, Limits, MemberEntry, Publish, Raft, Seal};

/// The configuration, each field with its reason.
pub(super) fn configuration(args: &Init, logs: &[NewLog]) -> String {
    let mut text = format!(
        r#"# A node of a MAIP ledger. Paths are relative to this file.
# `maip-node check --config THIS` looks for mistakes; environment (MAIP_NODE_<FIELD>) and flags replace the
# scalars at the top.

# Never reused, not even for a machine that lost its disk.
node_id = {node_id}
# Everything the node writes.
data_dir = "data"
# Clients: gRPC, gRPC-web and HTTP, with TLS.
listen = "{listen}"
# The other nodes: mutual TLS.
peer_listen = "{peer}"
# Plain HTTP, reads only: checkpoint, tiles, /metrics, /health/live, /health/ready. Optional.
http_listen = "{http}"
# Who holds this key administers the node.
admin_key_file = "keys/admin.key"
# Storage engine: "fjall" or "sled".
engine = "fjall"
# Entries that are not published yet, on the plain and the peer listener: for witnesses that replay them first.
serve_unpublished = false

[tls]
cert = "tls/node.pem"
key = "tls/node.key"

# Whoever holds a certificate of this authority is a node of the cluster: keep tls/ca.key off-line once all nodes exist.
[peer_tls]
ca = "tls/ca.pem"
cert = "tls/node.pem"
key = "tls/node.key"

"#,
        node_id = args.node_id,
        listen = args.listen,
        peer = args.peer_listen,
        http = args.http_listen,
    );
    // Writing to a string cannot fail, here and below.
    let _ = write!(text, "{}", cluster(args));
    for log in logs {
        let _ = write!(text, "{}", hosted(log));
    }
    let _ = write!(text, "{}", defaults());
    text
}

fn cluster(args: &Init) -> String {
    if args.join {
        return "# This node is added to a living cluster by its operator.\n[cluster]\nbootstrap = false\n\n"
            .to_owned();
    }
    let alone = [MemberEntry {
        id: args.node_id,
        peer: args.peer_listen.to_string(),
        api: format!("https://{}", args.listen),
    }];
    let members = if args.member.is_empty() { &alone[..] } else { &args.member };
    let mut text = String::from(
        "# The first voters of a new cluster, the same list on each of them. Harmless later; members change by Admin calls.\n\
         [cluster]\nbootstrap = true\n",
    );
    for MemberEntry { id, peer, api } in members {
        let _ = write!(text, "[[cluster.members]]\nid = {id}\npeer = \"{peer}\"\napi = \"{api}\"\n");
    }
    text.push('\n');
    text
}

fn hosted(log: &NewLog) -> String {
    let NewLog { name, origin, vkey, .. } = log;
    let predecessor = match &log.predecessor {
        Some(file) => format!(
            "# The last good checkpoint of the log that this one follows.\npredecessor = \"{file}\"\n"
        ),
        None => String::new(),
    };
    let sandbox = if log.sandbox {
        "# It can be reset (`maip admin reset-log`), and begins anew under the origin with a number behind it.\nsandbox = true\n"
    } else {
        ""
    };
    let Publish { interval_ms, min_interval_ms, republish_s, witness_timeout_ms, witness_requests_per_day } =
        Publish::default();
    let Seal { interval_ms: seal_ms, pause_ms } = Seal::default();
    format!(
        r#"# vkey {vkey}
[[logs]]
name = "{name}"
origin = "{origin}"
{sandbox}# The same two keys on every node.
log_key = "keys/{name}.log.key"
operator_key = "keys/{name}.operator.key"
# A second log key, while one takes over from the other.
#next_log_key = "keys/{name}.next.log.key"
# Which witnesses must cosign.
policy = "policy-{name}.txt"
{predecessor}# true: publish although witnesses are missing. Verifiers see it.
fail_open = false
[logs.publish]
# A growing log is published at least this often; at once while somebody waits, but not more often than the minimum.
interval_ms = {interval_ms}
min_interval_ms = {min_interval_ms}
# An unchanged log is published again after this long.
republish_s = {republish_s}
witness_timeout_ms = {witness_timeout_ms}
# What each witness has agreed to.
witness_requests_per_day = {witness_requests_per_day}
[logs.seal]
# Statuses that have changed go into the status map at least this often; 0: never. Revocations and kills go at once.
interval_ms = {seal_ms}
# Pause between two steps of it while many wait.
pause_ms = {pause_ms}

"#
    )
}

fn defaults() -> String {
    let (api, limits, raft) = (Api::default(), Limits::default(), Raft::default());
    format!(
        r#"# The rest are defaults.
#[api]
#enabled = {}
#plain = {}
#open_registration = {}
#calls_a_minute = {}
#private_targets = {}
#client_ca = "tls/tenants.pem"   # none
#[limits]
#connections = {}
#streams_per_connection = {}
#requests = {}
#body_bytes_in_flight = {}
#submit_ms = {}
#drain_ms = {}
#queue_records = {}
#reserve_bytes = {}
#[raft]
#heartbeat_ms = {}
#election_min_ms = {}
#election_max_ms = {}
#snapshot_after = {}
#[telemetry]
#log = "info,openraft=error"
#format = "text"        # or "json"
"#,
        api.enabled,
        api.plain,
        api.open_registration,
        api.calls_a_minute,
        api.private_targets,
        limits.connections,
        limits.streams_per_connection,
        limits.requests,
        limits.body_bytes_in_flight,
        limits.submit_ms,
        limits.drain_ms,
        limits.queue_records,
        limits.reserve_bytes,
        raft.heartbeat_ms,
        raft.election_min_ms,
        raft.election_max_ms,
        raft.snapshot_after,
    )
}

/// A policy without witnesses, to be filled in.
pub(super) fn policy(log: &NewLog) -> String {
    format!(
        "# Whom a verifier of this log believes (c2sp.org/tlog-policy).\n\
         log {}\n\
         # witness <name> <vkey> <url>\n\
         # group <name> <how many> <member> <member> …\n\
         quorum none\n",
        log.vkey
    )
}
