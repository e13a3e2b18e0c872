//! The gRPC side: fail-over, retries, and nodes that lie.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use ledger_proto::v1::ledger_server::LedgerServer;
use tonic::transport::server::TcpIncoming;

use crate::support::{
    Ran, World, agent_key, maip,
    node::{Manner, Node},
};

/// Nodes on loopback over one log, stopped when dropped.
pub(crate) struct Cluster {
    pub(crate) world: Arc<Mutex<World>>,
    addresses: Vec<SocketAddr>,
    calls: Vec<Arc<AtomicUsize>>,
    dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Cluster {
    pub(crate) fn start(world: World, manners: &[Manner]) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("policy.txt"), world.policy_text()).unwrap();
        let world = Arc::new(Mutex::new(world));
        let (mut addresses, mut all_calls) = (Vec::new(), Vec::new());
        for &manner in manners {
            let calls = Arc::new(AtomicUsize::new(0));
            let node = Node { world: world.clone(), manner, calls: calls.clone() };
            let incoming =
                runtime.block_on(async { TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap() });
            addresses.push(incoming.local_addr().unwrap());
            all_calls.push(calls);
            runtime.spawn(
                tonic::transport::Server::builder()
                    .add_service(LedgerServer::new(node))
                    .serve_with_incoming(incoming),
            );
        }
        Self { world, addresses, calls: all_calls, dir, _runtime: runtime }
    }

    pub(crate) fn urls(&self) -> String {
        self.addresses.iter().map(|a| format!("http://{a}")).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs a command against all nodes, with the policy.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let (urls, policy) = (self.urls(), self.path("policy.txt"));
        let policy =
            if args[0] == "entry" || args[0] == "submit" { vec![] } else { vec!["--policy", &policy] };
        maip(args.iter().copied().chain(["--url", &urls]).chain(policy))
    }

    pub(crate) fn seed_file(&self, name: &str, key: &ledger_format::record::SigningKey) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, key.to_seed_text()).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Calls that a node has had.
    pub(crate) fn calls(&self, node: usize) -> &AtomicUsize {
        &self.calls[node]
    }

    /// Logs one receipt of the world's agent.
    fn log_receipt(&self, extra: &[&str]) -> Ran {
        let (tenant, agent) = {
            let world = self.world.lock().unwrap();
            (world.tenant.to_string(), world.agent.to_string())
        };
        let key = self.seed_file("agent.key", &agent_key());
        let mut args = vec!["receipt", "log", "--tenant", &tenant, "--agent", &agent, "--key", &key];
        args.extend(["--action", "invoice:read"]);
        args.extend(extra);
        self.run(&args)
    }
}

/// Whoever heard no answer asks again: the record's id makes it the same record, at any time.
#[test]
fn a_receipt_that_is_logged_again_under_its_id_is_the_same() {
    let cluster = Cluster::start(World::new(), &[Manner::Honest]);
    let id = ["--id", "01JABCDEFGHJKMNPQRSTVWXYZ0", "--json"];
    let first = cluster.log_receipt(&id).exits(0).json();
    let ms = || std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let then = ms();
    while ms() == then {}
    let again = cluster.log_receipt(&id).exits(0).json();
    assert_eq!((&first["duplicate"], &again["duplicate"]), (&false.into(), &true.into()));
    for member in ["index", "leaf", "record_hash"] {
        assert_eq!(first[member], again[member], "{member}");
    }
    let other = cluster.log_receipt(&[&id[..], &["--outcome", "failure"]].concat()).exits(1).json();
    assert!(other["error"]["why"].as_str().unwrap().contains("ID_CONFLICT"), "{other}");
    assert!(!other["error"]["next"].as_str().unwrap().contains("--id"), "that would not help: {other}");
}

/// The id of a record that may be logged is never lost: it is what the next try needs.
#[test]
fn a_failure_after_signing_names_the_record() {
    let cluster = Cluster::start(World::new(), &[Manner::WrongLeaf]);
    let failed = cluster.log_receipt(&["--json"]).exits(1).json();
    let id = failed["error"]["record"].as_str().unwrap_or_else(|| panic!("no record in {failed}"));
    let next = failed["error"]["next"].as_str().unwrap();
    assert!(next.ends_with(&format!("run again with --id {id}: the record is logged once")), "{next}");
    cluster.log_receipt(&[]).exits(1).says("  record: ").says("run again with --id");

    // The record is logged; only its proof is not where it should be.
    let cluster = Cluster::start(World::new(), &[Manner::Honest]);
    let failed = cluster.log_receipt(&["--json", "--out", &cluster.path("no/r.tlog-proof")]).exits(2).json();
    let id = failed["error"]["record"].as_str().unwrap_or_else(|| panic!("no record in {failed}"));
    let again = cluster.log_receipt(&["--json", "--id", id]).exits(0).json();
    assert_eq!(again["duplicate"], true);

    // A command without --id.
    let key = cluster.seed_file("t.key", &crate::support::tenant_key());
    let tenant = cluster.world.lock().unwrap().tenant.to_string();
    let (define, proof) = (["scope", "define", "invoice:pay", "--tenant", &tenant], cluster.path("no/s"));
    let define = [&define[..], &["--tenant-key", &key, "--out", &proof]].concat();
    cluster.run(&define).exits(2).says("`maip entry ").says(&format!("--tenant {tenant}`"));
}

/// What cannot work is said while nothing is logged.
#[test]
fn a_proof_is_not_wanted_without_a_checkpoint() {
    let cluster = Cluster::start(World::new(), &[Manner::Honest]);
    let size = || cluster.world.lock().unwrap().size();
    let (before, proof) = (size(), cluster.path("r.tlog-proof"));
    cluster
        .log_receipt(&["--ack", "sequenced", "--out", &proof])
        .exits(2)
        .says("--ack sequenced waits for none");
    assert_eq!(size(), before);
    cluster.log_receipt(&["--ack", "sequenced"]).exits(0);
}

#[test]
fn from_key_to_verified_proof() {
    let cluster = Cluster::start(World::new(), &[Manner::Honest]);
    let path = |name: &str| cluster.path(name);
    let tenant_key = path("t.key");
    maip(["key", "new", "--out", &tenant_key]).exits(0);
    maip(["key", "new", "--out", &path("a.key")]).exits(0);
    let (t_proof, a_proof, r_proof) = (path("t.tlog-proof"), path("a.tlog-proof"), path("r.tlog-proof"));
    let tenant = cluster
        .run(&["tenant", "register", "--name", "X", "--key", &tenant_key, "--out", &t_proof, "--json"])
        .exits(0)
        .json();
    let tenant = tenant["tenant"].as_str().unwrap();
    let by_tenant = ["--tenant", tenant, "--tenant-key", &tenant_key];
    let register =
        ["agent", "register", "--name", "bot", "--key", &path("a.key"), "--scope", "mail:send", "--json"];
    let args: Vec<&str> = register.iter().chain(&by_tenant).copied().chain(["--out", &a_proof]).collect();
    let agent = cluster.run(&args).exits(0).json();
    assert_eq!(agent["proof_verified"], true);
    let agent = agent["agent"].as_str().unwrap();
    let key = path("a.key");
    let log =
        ["receipt", "log", "--tenant", tenant, "--agent", agent, "--key", &key, "--action", "mail:send"];
    let args: Vec<&str> = log.into_iter().chain(["--out", &r_proof]).collect();
    cluster.run(&args).exits(0).says("witnessed").says("(verified)");
    let policy = path("policy.txt");
    let registrations = ["--registration", &t_proof, "--registration", &a_proof];
    maip(["verify", &r_proof, "--policy", &policy].into_iter().chain(registrations))
        .exits(0)
        .says("whose signature holds too");

    maip(["key", "new", "--out", &path("next.key")]).exits(0);
    let next = path("next.key");
    cluster
        .run(&[
            "agent",
            "rotate-key",
            "--tenant",
            tenant,
            "--agent",
            agent,
            "--key",
            &key,
            "--new-key",
            &next,
        ])
        .exits(0);
    let revoke = ["agent", "revoke", "--agent", agent, "--reason", "done"];
    let args: Vec<&str> = revoke.into_iter().chain(by_tenant).collect();
    cluster.run(&args).exits(0).says("is revoked");
}

#[test]
fn a_node_without_a_leader_is_passed_over() {
    let cluster = Cluster::start(World::new(), &[Manner::NoLeader(99), Manner::Honest]);
    cluster.log_receipt(&[]).exits(0).says("logged:");
    assert_eq!(cluster.calls[0].load(Ordering::SeqCst), 1);
    assert_eq!(cluster.calls[1].load(Ordering::SeqCst), 1);
}

#[test]
fn an_election_is_waited_for_and_a_longer_one_reported() {
    let cluster = Cluster::start(World::new(), &[Manner::NoLeader(3)]);
    cluster.log_receipt(&[]).exits(0);
    assert_eq!(cluster.calls[0].load(Ordering::SeqCst), 4);
    let cluster = Cluster::start(World::new(), &[Manner::NoLeader(99)]);
    cluster.log_receipt(&[]).exits(2).says("NO_LEADER");
    assert_eq!(cluster.calls[0].load(Ordering::SeqCst), ledger_client::transport::ATTEMPTS_MAX);
}

#[test]
fn the_same_record_twice_has_one_index() {
    let cluster = Cluster::start(World::new(), &[Manner::Honest]);
    let record = cluster.log_receipt(&["--dry-run"]).exits(0).stdout;
    fs::write(cluster.path("r.json"), record).unwrap();
    let submit = |dup: bool| {
        let ran = cluster.run(&["submit", &cluster.path("r.json"), "--json"]).exits(0);
        let first: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
        assert_eq!((first["index"].as_u64(), first["duplicate"].as_bool()), (Some(3), Some(dup)));
    };
    submit(false);
    submit(true);
}

#[test]
fn lies_are_refused() {
    for (manner, words) in [(Manner::WrongLeaf, "the leaf hash"), (Manner::WrongProof, "another entry")] {
        let cluster = Cluster::start(World::new(), &[manner]);
        let out = cluster.path("r.tlog-proof");
        cluster.log_receipt(&["--out", &out]).exits(1).says(words);
        assert!(!std::path::Path::new(&out).exists(), "{manner:?}: nothing unproven is written");
    }
    let cluster = Cluster::start(World::with_receipts(3), &[Manner::WrongProof]);
    cluster.run(&["proof", "get", "4"]).exits(1).says("when asked for 4");
    let cluster = Cluster::start(World::with_receipts(3), &[Manner::WrongTail]);
    cluster.run(&["tail"]).exits(1).says("not those of the checkpoint");
}

#[test]
fn proofs_entries_and_tails_are_read() {
    let cluster = Cluster::start(World::with_receipts(30), &[Manner::Honest]);
    let out = cluster.path("p.tlog-proof");
    let json = cluster.run(&["proof", "get", "7", "--out", &out, "--json"]).exits(0).json();
    assert_eq!((json["index"].as_u64(), json["verified"].as_bool()), (Some(7), Some(true)));
    maip(["verify", &out, "--policy", &cluster.path("policy.txt")]).exits(0);
    assert_eq!(cluster.run(&["entry", "7", "--json"]).exits(0).json()["index"], 7);
    let raw = cluster.run(&["entry", "7", "--raw"]).exits(0).stdout;
    assert_eq!(raw.as_bytes(), cluster.world.lock().unwrap().entries[7]);
    cluster.run(&["entry", "99"]).exits(1).says("no such entry");
    // From the start, and from the middle, where the frontier comes out of a proof.
    for from in [0usize, 1, 13, 32] {
        let ran = cluster.run(&["tail", "--from", &from.to_string()]).exits(0).says("checked up to size 33");
        assert_eq!(ran.stdout.lines().count(), 33 - from);
    }
}

/// Lines that are no record are reported with their number and do not stop the rest.
#[test]
fn a_stream_of_records_reports_each_line() {
    let cluster = Cluster::start(World::new(), &[Manner::NoLeader(1), Manner::Honest]);
    let records: Vec<String> = {
        let mut world = cluster.world.lock().unwrap();
        (0..300).map(|_| String::from_utf8(world.unlogged_receipt().to_bytes()).unwrap()).collect()
    };
    let input = format!("{}\nnonsense\n\n{}\n", records[..2].join("\n"), records[2..].join("\n"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_maip"))
        .env_clear()
        .args(["submit", "-", "--json", "--url", &cluster.urls()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "one line was refused");
    let lines: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 302);
    assert_eq!((lines[0]["record"].as_str(), lines[0]["index"].as_u64()), (Some("1"), Some(3)));
    assert_eq!(
        (lines[2]["record"].as_str(), lines[2]["refused"]["code"].as_str()),
        (Some("3"), Some("MALFORMED"))
    );
    assert_eq!((lines[3]["record"].as_str(), lines[3]["index"].as_u64()), (Some("5"), Some(5)));
    assert_eq!((lines[301]["logged"].as_u64(), lines[301]["refused"].as_u64()), (Some(300), Some(1)));
}
