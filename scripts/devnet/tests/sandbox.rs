//! A sandbox is reset, on clusters of real processes: under load, with nodes away, with kill -9 in the middle, after the
//! cluster has changed. Every node ends in the same new log, and production notices nothing.

mod common;

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use common::{LIMIT, World};
use devnet::{
    Devnet, Grade, Submitter, grpc, http, wait_until_async,
    workload::{Agent, Tenant},
};
use ledger_proto::v1::{Ack, LogStatus, ResetLogRequest, ResetLogResponse};
use tonic::Code;

const SANDBOX: &str = "sandbox";
const ORIGIN: &str = "maip.devnet/sandbox";

/// Asks the main log's leader to end a generation until it has.
async fn reset(devnet: &Devnet, generation: u32) -> Result<ResetLogResponse> {
    wait_until_async("the sandbox to be reset", LIMIT, async || {
        let leader = devnet.leader("main").await?;
        ask(devnet, leader, SANDBOX, generation).await.map_err(Into::into)
    })
    .await
}

/// Ends the present generation, whichever that is. Said once: whoever gets no answer does not know what it has ended, and asks for the
/// end of the first one from then on.
async fn reset_present(devnet: &Devnet) -> Result<ResetLogResponse> {
    let leader = devnet.wait_for_leader("main", LIMIT).await?;
    match ask(devnet, leader, SANDBOX, 0).await {
        Ok(begun) => Ok(begun),
        Err(_) => reset(devnet, 1).await,
    }
}

async fn ask(
    devnet: &Devnet,
    node: u64,
    log: &str,
    generation: u32,
) -> Result<ResetLogResponse, tonic::Status> {
    let unreachable = |error: anyhow::Error| tonic::Status::unavailable(format!("{error:#}"));
    let channel = devnet.channel(node).await.map_err(unreachable)?;
    let mut admin = grpc::admin(channel, &devnet.manifest().admin_key).map_err(unreachable)?;
    let request = ResetLogRequest { log: log.into(), generation };
    admin.reset_log(request).await.map(tonic::Response::into_inner)
}

async fn sandbox_status(devnet: &Devnet, node: u64) -> Result<LogStatus> {
    grpc::log_status(devnet.manifest(), devnet.node(node)?, SANDBOX).await
}

/// The directories of the sandbox on a node.
fn directories(devnet: &Devnet, node: u64) -> Result<BTreeSet<String>> {
    let logs: PathBuf = devnet.data().join(format!("node-{node}/data/logs"));
    let names = fs::read_dir(&logs)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Result<BTreeSet<String>> = names.collect();
    Ok(names?.into_iter().filter(|name| name.starts_with(SANDBOX)).collect())
}

/// Waits until every node is in this generation, with equal logs that are published, and has no other on disk.
async fn everywhere(devnet: &Devnet, generation: u32) -> Result<()> {
    let (origin, directory) = match generation {
        1 => (ORIGIN.to_owned(), SANDBOX.to_owned()),
        number => (format!("{ORIGIN}/{number}"), format!("{SANDBOX}.{number}")),
    };
    wait_until_async("one generation on every node", LIMIT, async || {
        let mut seen = BTreeSet::new();
        for node in devnet.node_ids() {
            let status = sandbox_status(devnet, node).await?;
            ensure!(status.generation == generation, "node {node} is in generation {}", status.generation);
            ensure!(status.origin == origin, "node {node} has the origin {}", status.origin);
            ensure!(status.alarms.is_empty(), "node {node} is alarmed: {:?}", status.alarms);
            ensure!(status.size > 0 && status.published_size == status.size, "node {node} has not published");
            seen.insert((status.size, status.root));
            let here = directories(devnet, node)?;
            ensure!(here == BTreeSet::from([directory.clone()]), "node {node} has {here:?}");
        }
        ensure!(seen.len() == 1, "the nodes differ: {seen:?}");
        Ok(())
    })
    .await
}

/// Registers a tenant and an agent in the sandbox and logs a receipt; gives the receipt's proof.
async fn use_it(devnet: &Devnet, nodes: &[u64]) -> Result<(u64, Vec<u8>)> {
    let mut manifest = devnet.manifest().clone();
    manifest.nodes.retain(|node| nodes.contains(&node.id));
    let mut submitter = Submitter::connect(&manifest, SANDBOX)?;
    let tenant = Tenant::new("sandbox tests")?;
    let mut agent = Agent::new(&tenant, "agent")?;
    submitter.submit_as_operator(tenant.register()?, Ack::Sequenced).await?;
    submitter.submit(tenant.register_agent(&agent)?, Ack::Sequenced).await?;
    let receipt = submitter.submit(agent.receipt("ledger:post", "a try")?, Ack::Witnessed).await?;
    Ok((receipt.index, receipt.proof.to_vec()))
}

/// `maip verify` of a proof with a policy, and nothing else.
fn verify(devnet: &Devnet, name: &str, proof: &[u8], policy: &str) -> Result<String> {
    let (file, policy_file) =
        (devnet.data().join(format!("{name}.tlog-proof")), devnet.data().join(format!("{name}.policy.txt")));
    fs::write(&file, proof)?;
    fs::write(&policy_file, policy)?;
    devnet
        .binaries()
        .run("maip", &["verify".as_ref(), file.as_os_str(), "--policy".as_ref(), policy_file.as_os_str()])
}

/// Writes to a log through all nodes until told to stop; counts what was acknowledged.
fn load(
    devnet: &Devnet,
    log: &'static str,
    stop: tokio::sync::watch::Receiver<bool>,
) -> tokio::task::JoinHandle<Result<u32>> {
    let manifest = devnet.manifest().clone();
    let writing = async move || {
        let mut submitter = Submitter::connect(&manifest, log)?;
        let tenant = Tenant::new("load")?;
        let mut agent = Agent::new(&tenant, "loader")?;
        let mut acknowledged = 0;
        for number in 0.. {
            if *stop.borrow() {
                break;
            }
            // A new log knows nobody: whoever goes on begins with a registration.
            let record = agent.receipt("ledger:post", &format!("load {number}"))?;
            match submitter.submit_once(record, Ack::Sequenced).await {
                Ok(_) => acknowledged += 1,
                Err(_) => {
                    submitter.turn();
                    let _ = submitter.submit_as_operator(tenant.register()?, Ack::Sequenced).await;
                    let _ = submitter.submit_once(tenant.register_agent(&agent)?, Ack::Sequenced).await;
                }
            }
        }
        Ok(acknowledged)
    };
    tokio::task::spawn_blocking(move || tokio::runtime::Handle::current().block_on(writing()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_under_load_begins_an_empty_log_and_old_proofs_stay_good() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    let old_policy = fs::read_to_string(&world.devnet.manifest().policy_sandbox)?;
    let (_, old_proof) = use_it(&world.devnet, &[1, 2, 3]).await?;
    let before = sandbox_status(&world.devnet, 1).await?;
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let in_sandbox = load(&world.devnet, SANDBOX, stopping.clone());
    let in_main = load(&world.devnet, "main", stopping);

    let begun = reset(&world.devnet, 1).await?;
    ensure!(begun.generation == 2 && begun.origin == format!("{ORIGIN}/2"), "{begun:?}");
    ensure!(begun.vkey != before.vkey, "another log has another key");
    // The same call again ends nothing.
    ensure!(reset(&world.devnet, 1).await? == begun, "a repeated call is one call");
    world.receipts(&[1, 2, 3], 10).await?;
    stop.send(true)?;
    ensure!(in_sandbox.await?? > 0 && in_main.await?? > 0, "nothing was written meanwhile");
    everywhere(&world.devnet, 2).await?;

    let (_, new_proof) = use_it(&world.devnet, &[1, 2, 3]).await?;
    verify(&world.devnet, "old", &old_proof, &old_policy).context("a proof of the log that is over")?;
    verify(&world.devnet, "new", &new_proof, &begun.policy).context("a proof of the new log")?;
    ensure!(
        verify(&world.devnet, "crossed", &new_proof, &old_policy).is_err(),
        "the policies are of two logs"
    );
    for id in [1, 2, 3] {
        let url = &world.devnet.node(id)?.http_url;
        let logs = http::get(&format!("{url}/v1/logs"), LIMIT)?.text();
        let facts: serde_json::Value = serde_json::from_str(&logs)?;
        let (main, sandbox) = (&facts["logs"][0], &facts["logs"][1]);
        ensure!(main["environment"] == "production" && main.get("generation").is_none(), "{logs}");
        ensure!(sandbox["environment"] == "sandbox" && sandbox["generation"] == 2, "{logs}");
        ensure!(sandbox["origin"] == format!("{ORIGIN}/2"), "{logs}");
        let checkpoint = http::get(&format!("{url}/{SANDBOX}/checkpoint"), LIMIT)?.text();
        ensure!(checkpoint.starts_with(&format!("{ORIGIN}/2\n")), "{checkpoint}");
        let policy = http::get(&format!("{url}/v1/log/policy?log={SANDBOX}"), LIMIT)?.text();
        ensure!(policy == begun.policy, "{policy}");
    }
    world.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_ends_in_the_same_log() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    use_it(&world.devnet, &[1, 2, 3]).await?;
    // The one that would have begun the new log's Raft group.
    world.devnet.kill(1)?;
    reset(&world.devnet, 1).await?;
    use_it(&world.devnet, &[2, 3]).await?;
    world.devnet.restart(1)?;
    everywhere(&world.devnet, 2).await?;

    world.devnet.kill(3)?;
    reset(&world.devnet, 2).await?;
    use_it(&world.devnet, &[1, 2]).await?;
    reset(&world.devnet, 3).await?;
    use_it(&world.devnet, &[1, 2]).await?;
    world.devnet.restart(3)?;
    everywhere(&world.devnet, 4).await?;
    use_it(&world.devnet, &[3]).await?;
    world.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_in_the_middle_of_a_reset_finishes_it() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    let mut generation = 1;
    // Whatever the reset has come to when the kill comes, the outcome is the same.
    for (round, pause_ms) in [0, 15, 60, 150].into_iter().enumerate() {
        let leader = world.leader().await?;
        let follower = if leader == 1 { 2 } else { 1 };
        let victims = if round % 2 == 0 { vec![leader] } else { vec![follower] };
        let asked = tokio::time::timeout(
            Duration::from_millis(pause_ms),
            ask(&world.devnet, leader, SANDBOX, generation),
        )
        .await;
        for victim in &victims {
            world.devnet.kill(*victim)?;
        }
        let begun = reset(&world.devnet, generation).await?;
        ensure!(begun.generation == generation + 1, "asked for one, then {begun:?}; first {asked:?}");
        generation = begun.generation;
        for victim in victims {
            world.devnet.restart(victim)?;
        }
        everywhere(&world.devnet, generation).await?;
    }
    // All at once: what was agreed on is agreed on.
    let leader = world.leader().await?;
    let limit = Duration::from_millis(100);
    let _ = tokio::time::timeout(limit, ask(&world.devnet, leader, SANDBOX, generation)).await;
    for id in [1, 2, 3] {
        world.devnet.kill(id)?;
    }
    for id in [1, 2, 3] {
        world.devnet.restart_without_waiting(id)?;
    }
    for id in [1, 2, 3] {
        world.devnet.wait_ready(id)?;
    }
    let begun = reset(&world.devnet, generation).await?;
    everywhere(&world.devnet, begun.generation).await?;
    use_it(&world.devnet, &[1, 2, 3]).await?;
    world.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_resets_at_once_are_one_or_two() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    let (one, other) = tokio::join!(reset_present(&world.devnet), reset_present(&world.devnet));
    let (one, other) = (one?.generation, other?.generation);
    let last = one.max(other);
    ensure!((2..=3).contains(&last) && one.min(other) >= 2, "generations {one} and {other}");
    everywhere(&world.devnet, last).await?;
    use_it(&world.devnet, &[1, 2, 3]).await?;
    world.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_cluster_begins_the_new_log_with_its_present_members() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    let lost = if world.leader().await? == 1 { 2 } else { 1 };
    world.devnet.wipe(lost)?;
    let fresh = world.devnet.add_node().await?;
    world.devnet.remove_node(lost).await?;
    // Its id is in every configuration file still.
    reset(&world.devnet, 1).await?;
    everywhere(&world.devnet, 2).await?;
    let members = sandbox_status(&world.devnet, fresh).await?.members;
    let ids: BTreeSet<u64> = members.iter().filter(|member| member.voter).map(|member| member.id).collect();
    ensure!(ids == world.devnet.node_ids().into_iter().collect(), "{ids:?}");
    // And who comes after a reset joins the log that is there.
    let later = world.devnet.add_node().await?;
    everywhere(&world.devnet, 2).await?;
    use_it(&world.devnet, &[later]).await?;
    world.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_witnesses_follow_a_sandbox() -> Result<()> {
    let mut world = World::start(|options| {
        options.grade = Grade::Verifying;
        (options.nodes, options.witnesses) = (1, 1);
    })
    .await?;
    use_it(&world.devnet, &[1]).await?;
    reset(&world.devnet, 1).await?;
    use_it(&world.devnet, &[1]).await?;
    // It replays the log that is there, not the one that is gone.
    world.devnet.kill_witness(1)?;
    world.devnet.restart_witness(1)?;
    use_it(&world.devnet, &[1]).await?;
    everywhere(&world.devnet, 2).await?;
    world.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn production_and_strangers_are_refused() -> Result<()> {
    let mut world = World::start(|options| options.nodes = 1).await?;
    let refused = async |log: &str, generation| -> Result<tonic::Status> {
        match ask(&world.devnet, 1, log, generation).await {
            Err(status) => Ok(status),
            Ok(begun) => bail!("{log:?} was reset: {begun:?}"),
        }
    };
    let production = refused("main", 0).await?;
    ensure!(production.code() == Code::FailedPrecondition, "{production}");
    ensure!(production.message().contains("production"), "{production}");
    ensure!(refused("", 0).await?.code() == Code::InvalidArgument, "what cannot be undone has no default");
    ensure!(refused("other", 0).await?.code() == Code::NotFound, "no such log");
    ensure!(refused(SANDBOX, 7).await?.code() == Code::InvalidArgument, "a generation that has not begun");

    let channel = world.devnet.channel(1).await?;
    let mut stranger = ledger_proto::v1::admin_client::AdminClient::new(channel);
    let request = ResetLogRequest { log: SANDBOX.into(), generation: 0 };
    let answer = stranger.reset_log(request).await.map_err(|status| status.code());
    ensure!(answer.is_err_and(|code| code == Code::Unauthenticated), "a stranger has reset the sandbox");

    let data = world.devnet.data().to_string_lossy().into_owned();
    let said = world.devnet.binaries().run("maip", &["admin", "reset-log", "main", "--devnet", &data]);
    let said = said.map_err(|error| format!("{error:#}")).expect_err("the command has reset production");
    ensure!(said.contains("production log") && said.contains("sandbox"), "{said}");
    everywhere(&world.devnet, 1).await?;
    world.check().await
}
