//! Replaces the programs of a cluster one by one, from an older commit's to today's, while it works: `scripts/upgrade-test`.
//!
//! Each node is stopped in good order, misses records until they are in a snapshot only, and comes back as the new program: so a snapshot of the
//! one version is installed by the other, an old leader is followed by new nodes and a new leader by old ones. Then nothing that was
//! acknowledged may be missing or elsewhere, all states are equal and every proof verifies.

mod load;

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use devnet::{
    Binaries, Devnet, Options, Submitter, grpc, http, wait_until, wait_until_async, workload::Tenant,
};
use ledger_format::{Frontier, Policy, TlogProof, leaf_hash, verify};
use ledger_proto::v1::{
    Ack, GetProofRequest, LogRequest, NodeRequest, get_proof_request::Which, ledger_client::LedgerClient,
};

use load::{Load, Logged};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(90);
/// How long one HTTP question may take.
const ASK: Duration = Duration::from_secs(10);
/// Records that a node misses while it is replaced.
const MISSED: usize = 60;
/// Raft entries that are kept behind a snapshot: fewer than a node misses.
const KEPT: u64 = 8;
/// Records between two steps.
const BETWEEN: usize = 30;

/// Upgrades a cluster under load.
#[derive(Parser)]
struct Cli {
    /// Directory with the programs to begin with; those to end with are in MAIP_BIN or beside this one.
    #[arg(long)]
    old: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let (old, new) = (Binaries::in_dir(&Cli::parse().old)?, Binaries::find()?);
    ensure!(old.dir != new.dir, "old and new programs are the same");
    let dir = tempfile::tempdir()?;
    let mut options = Options::new(dir.path().join("devnet"))?;
    options.binaries = old;
    options.ready_limit = LIMIT;
    options.node_config_extra = format!("[raft]\nkeep_entries = {KEPT}\n");
    let mut devnet = Devnet::start(options)?;
    let tenant = Tenant::new("Upgrade")?;
    let mut submitter = Submitter::connect(devnet.manifest(), "main")?;
    submitter.submit_as_operator(tenant.register()?, Ack::Sequenced).await?;

    let load = Load::start(&devnet, &tenant).await?;
    load.wait_more(BETWEEN)?;
    let usual = leader_change(&mut devnet, &load).await?;
    println!("old programs: a record took {} ms at most while the leader changed", usual.as_millis());
    let mut story = Story { load: &load, longest: Duration::ZERO };

    let leader = devnet.wait_for_leader("main", LIMIT).await?;
    let mut ids = devnet.node_ids();
    ids.sort_by_key(|id| *id == leader);
    for (step, id) in ids.iter().enumerate() {
        replace(&mut devnet, *id, &new, &mut story).await?;
        mixed_works(&devnet, &mut submitter, &load).await?;
        story.tell(&devnet, &format!("{} of {} nodes are new", step + 1, ids.len())).await?;
        if step == 0 {
            // The other way round: the new one leads, the old ones follow.
            transfer(&devnet, *id).await?;
            mixed_works(&devnet, &mut submitter, &load).await?;
            story.tell(&devnet, &format!("node {id} has led the old ones")).await?;
        }
    }
    for number in 1..=devnet.manifest().witnesses.len() {
        devnet.replace_witness(number, &new)?;
        mixed_works(&devnet, &mut submitter, &load).await?;
    }
    story.tell(&devnet, "every witness is new").await?;
    let longest = story.longest;
    let logged = load.end()?;
    check(&devnet, &new, &logged).await?;
    println!(
        "{} records acknowledged, none lost or moved; one took {} ms at most, {} ms in a leader change before",
        logged.len(),
        longest.as_millis(),
        usual.as_millis()
    );
    devnet.shut_down()
}

/// What is told on the way.
struct Story<'a> {
    load: &'a Load,
    longest: Duration,
}

impl Story<'_> {
    async fn tell(&mut self, devnet: &Devnet, what: &str) -> Result<()> {
        let pause = self.load.longest_pause();
        self.longest = self.longest.max(pause);
        let manifest = devnet.manifest();
        let leader = devnet.wait_for_leader("main", LIMIT).await?;
        let term = grpc::log_status(manifest, manifest.node(leader)?, "main").await?.term;
        println!(
            "{what}: a record took {} ms at most, node {leader} leads in term {term}",
            pause.as_millis()
        );
        Ok(())
    }
}

/// How long writes stand still when a leader hands over and ends: what an upgrade may cost, too.
async fn leader_change(devnet: &mut Devnet, load: &Load) -> Result<Duration> {
    load.longest_pause();
    let leader = devnet.wait_for_leader("main", LIMIT).await?;
    devnet.terminate(leader)?;
    load.wait_more(BETWEEN)?;
    devnet.restart(leader)?;
    caught_up(devnet, leader).await?;
    Ok(load.longest_pause())
}

/// Stops a node, lets it miss so much that Raft has it in a snapshot only, and starts the new program in its place.
async fn replace(devnet: &mut Devnet, id: u64, new: &Binaries, story: &mut Story<'_>) -> Result<()> {
    devnet.terminate(id)?;
    devnet.use_programs(id, new)?;
    story.load.wait_more(MISSED)?;
    story.tell(devnet, &format!("node {id} is stopped")).await?;
    snapshot(devnet).await?;
    story.load.wait_more(MISSED)?;
    story.tell(devnet, "the others have a snapshot of what it lacks").await?;
    devnet.restart(id)?;
    caught_up(devnet, id).await?;
    story.tell(devnet, &format!("node {id} has started and has everything")).await
}

/// A snapshot on every node that runs.
async fn snapshot(devnet: &mut Devnet) -> Result<()> {
    for id in devnet.node_ids() {
        if devnet.is_running(id) {
            let mut admin = grpc::admin(devnet.channel(id).await?, &devnet.manifest().admin_key)?;
            admin.snapshot(LogRequest { log: "main".into() }).await.with_context(|| format!("node {id}"))?;
        }
    }
    Ok(())
}

async fn transfer(devnet: &Devnet, id: u64) -> Result<()> {
    wait_until_async("leadership to move", LIMIT, async || {
        let leader = devnet.leader("main").await?;
        if leader == id {
            return Ok(());
        }
        let mut admin = grpc::admin(devnet.channel(leader).await?, &devnet.manifest().admin_key)?;
        admin.transfer_leadership(NodeRequest { id }).await?;
        ensure!(devnet.leader("main").await? == id, "node {leader} leads still");
        Ok(())
    })
    .await
}

/// Every node takes records, forwards them, and they become proofs.
async fn mixed_works(devnet: &Devnet, submitter: &mut Submitter, load: &Load) -> Result<()> {
    load.wait_more(BETWEEN)?;
    let policy = Policy::parse(&std::fs::read_to_string(&devnet.manifest().policy)?)?;
    for _ in devnet.node_ids() {
        submitter.turn();
        let record = Tenant::new("during the upgrade")?.register()?;
        let answer = submitter.submit_as_operator(record, Ack::Witnessed).await?;
        let proof = TlogProof::parse(&answer.proof)?;
        let entry = proof.extra.clone().context("a proof without its entry")?;
        ensure!(verify(&entry, &proof, &policy)?.index == answer.index, "a proof of another index");
    }
    private_works(devnet, &Tenant::new("nobody")?.id().to_string())
}

/// Private state, too, is changed through every node, and each answers the same to who asks again.
fn private_works(devnet: &Devnet, once: &str) -> Result<()> {
    let manifest = devnet.manifest();
    for turn in 0..manifest.nodes.len() {
        let once = format!("{once}-{turn}");
        let headers = [
            ("x-api-key", manifest.admin_key.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", once.as_str()),
        ];
        let mut answers = Vec::new();
        for node in manifest.nodes.iter().cycle().skip(turn).take(manifest.nodes.len()) {
            let url = format!("{}/v1/tenants", node.http_url);
            let body = br#"{"name":"Over the API","plan":"business"}"#;
            let answer = wait_until("a tenant", LIMIT, || {
                let answer = http::send("POST", &url, &headers, body, ASK)?;
                ensure!(answer.status == 201, "{} {}", answer.status, answer.text());
                Ok(answer.text())
            })?;
            answers.push(answer);
        }
        answers.dedup();
        ensure!(answers.len() == 1, "one call, several answers: {answers:?}");
    }
    Ok(())
}

async fn caught_up(devnet: &Devnet, id: u64) -> Result<()> {
    let manifest = devnet.manifest();
    let leader = devnet.wait_for_leader("main", LIMIT).await?;
    let goal = grpc::log_status(manifest, manifest.node(leader)?, "main").await?.raft_applied_index;
    wait_until_async("the node to catch up", LIMIT, async || {
        let applied = grpc::log_status(manifest, manifest.node(id)?, "main").await?.raft_applied_index;
        ensure!(applied >= goal, "at {applied} of {goal}");
        Ok(())
    })
    .await
}

/// All nodes have one state, in which everything that was acknowledged stands where it was said to be.
async fn check(devnet: &Devnet, new: &Binaries, logged: &[Logged]) -> Result<()> {
    let begin = Instant::now();
    let manifest = devnet.manifest();
    let (size, root) = wait_until_async("equal states", LIMIT, async || {
        let mut seen = Vec::new();
        for node in &manifest.nodes {
            let status = grpc::log_status(manifest, node, "main").await?;
            ensure!(status.alarms.is_empty(), "node {} is alarmed: {:?}", node.id, status.alarms);
            ensure!(status.published_size == status.size, "node {} has unpublished entries", node.id);
            seen.push((status.size, status.root));
        }
        seen.dedup();
        ensure!(seen.len() == 1, "the nodes differ: {seen:?}");
        seen.pop().context("no node")
    })
    .await?;
    let policy = Policy::parse(&std::fs::read_to_string(&manifest.policy)?)?;
    for id in devnet.node_ids() {
        let mut only = manifest.clone();
        only.nodes.retain(|node| node.id == id);
        let (mut node, mut tree, mut leaves) =
            (Submitter::connect(&only, "main")?, Frontier::default(), Vec::new());
        for index in 0..size {
            let leaf = leaf_hash(&node.entry(index, LIMIT).await?);
            tree.push(leaf);
            leaves.push(leaf);
        }
        ensure!(tree.root().to_hex() == root, "node {id}: its entries are not its tree");
        for one in logged {
            let leaf = usize::try_from(one.index).ok().and_then(|at| leaves.get(at));
            ensure!(leaf == Some(&one.leaf), "node {id}: entry {} is missing or another one", one.index);
        }
        let mut client = LedgerClient::new(devnet.channel(id).await?);
        for one in logged.iter().filter(|one| one.index % 3 == id % 3) {
            let which = Some(Which::Index(one.index));
            let request =
                GetProofRequest { log: "main".into(), which, wait: true, ..GetProofRequest::default() };
            let proof = TlogProof::parse(&client.get_proof(request).await?.into_inner().proof)?;
            verify(proof.extra.as_deref().context("no entry")?, &proof, &policy)?;
        }
    }
    let replayed = Command::new(new.path("maip"))
        .args(["replay", "--check"])
        .env("MAIP_DEVNET", devnet.data())
        .output()?;
    ensure!(replayed.status.success(), "maip replay: {}", String::from_utf8_lossy(&replayed.stderr));
    println!("{size} entries were read on each node and replayed, in {} s", begin.elapsed().as_secs());
    Ok(())
}
