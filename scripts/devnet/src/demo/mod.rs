//! `maip-devnet demo`: the whole story on a fresh devnet.
//!
//! Every sentence that claims something is printed after it was checked; the first untrue one ends the demo.

mod cost;
mod delegation;
mod failover;
pub(crate) mod maip;
mod offline;
mod standing;
mod story;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use ledger_proto::v1::{Ack, SubmitResponse};
use serde::Serialize;

use self::story::Story;
use crate::{
    Devnet, Manifest, Options,
    submit::Submitter,
    workload::{Agent, Tenant},
};

/// How long the demo waits for any single thing to come true.
const LIMIT: Duration = Duration::from_secs(60);
/// Receipts logged before anything bad happens.
const RECEIPTS: usize = 24;

/// What happens around the story.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Leave the devnet running.
    pub keep: bool,
    /// Print the summary as JSON on stdout and the story on stderr.
    pub json: bool,
    /// Remove the directory at the end (unless kept or failed).
    pub remove: bool,
}

/// What was seen, in numbers.
#[derive(Debug, Default, Serialize)]
struct Summary {
    nodes: usize,
    witnesses: usize,
    start_ms: u64,
    records_acknowledged: usize,
    records_lost: usize,
    witnessed_ms: u64,
    proof_bytes: usize,
    verified_without_network: bool,
    forgery_refused: bool,
    score_before_violation: Option<u64>,
    score_after_violation: Option<u64>,
    cost_proven_offline: bool,
    kill_to_last_denial_ms: u64,
    organisations: usize,
    staple_bytes: u64,
    failover_pause_ms: u64,
    catch_up_ms: u64,
    log_size: u64,
}

/// Records that were acknowledged, by index: what must never be lost.
type Acknowledged = BTreeMap<u64, SubmitResponse>;

/// A directory for one demo, not created yet.
pub fn fresh_directory() -> PathBuf {
    std::env::temp_dir().join(format!("maip-demo-{}", std::process::id()))
}

/// Runs the demo; `Ok(false)` when something it claims is not so.
pub fn run(mut options: Options, settings: Settings) -> Result<bool> {
    let mut story = Story::new(settings.json);
    // Kept processes must outlive a Ctrl-C at this terminal; others must not.
    options.detached = settings.keep;
    ensure!(options.nodes >= 3, "the demo kills a node and goes on: it needs at least three");
    ensure!(options.binaries.path("maip").is_file(), "no maip in {}", options.binaries.dir.display());
    let data = options.data.clone();
    ensure!(!Manifest::path(&data).exists(), "there is a devnet in {} already", data.display());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let told = runtime.block_on(tell(&mut story, options));
    drop(runtime);
    let (devnet, summary) = match told {
        Ok(told) => told,
        Err(error) => {
            story.failed(&format!("{error:#}"));
            story.say(&format!("Logs and data are in {}.", data.display()));
            return Ok(false);
        }
    };
    if settings.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    }
    print_summary(&story, &summary);
    if settings.keep {
        attach_help(&story, &devnet);
        devnet.leave_running();
    } else {
        let mut devnet = devnet;
        devnet.shut_down().context("a process did not end well")?;
        drop(devnet);
        if settings.remove {
            fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
        }
    }
    Ok(true)
}

async fn tell(story: &mut Story, options: Options) -> Result<(Devnet, Summary)> {
    let mut summary = Summary::default();
    let mut devnet = begin(story, options, &mut summary)?;
    let manifest = devnet.manifest().clone();
    let mut submitter = Submitter::connect(&manifest, "main")?;
    let mut acknowledged = Acknowledged::new();

    let (tenant, mut agents) = register(story, &mut submitter, &devnet, &mut acknowledged).await?;
    receipts(story, &mut submitter, &mut agents, &mut acknowledged).await?;
    let proof =
        witnessed_proof(story, &mut submitter, &mut agents[0], &devnet, &mut summary, &mut acknowledged)
            .await?;
    offline::verify(story, &devnet, &proof, &mut summary)?;
    offline::forge(story, &devnet, &proof, &mut summary)?;
    standing::violation_and_kill(story, &mut submitter, &tenant, &devnet, &mut acknowledged, &mut summary)
        .await?;
    delegation::two_organisations(
        story,
        &mut submitter,
        (&tenant, &agents[0]),
        &devnet,
        &mut acknowledged,
        &mut summary,
    )
    .await?;
    failover::kill_and_go_on(story, &mut devnet, &mut agents[1], &mut acknowledged, &mut summary).await?;
    failover::nothing_lost(story, &mut submitter, &acknowledged, &mut summary).await?;
    monitor(story, &devnet, &mut summary)?;
    Ok((devnet, summary))
}

fn begin(story: &mut Story, options: Options, summary: &mut Summary) -> Result<Devnet> {
    story.chapter("A cluster and its witnesses");
    story.say(&format!(
        "{} nodes keep one log between them; {} witnesses, independent programs with keys and disks of",
        options.nodes, options.witnesses
    ));
    story.say(&format!(
        "their own, cosign what it publishes. A proof needs {} of them. Everything is a real process here.",
        options.quorum()
    ));
    let clock = Instant::now();
    let devnet = Devnet::start(options)?;
    summary.start_ms = millis(clock.elapsed());
    let manifest = devnet.manifest();
    summary.nodes = manifest.nodes.len();
    summary.witnesses = manifest.witnesses.len();
    for node in &manifest.nodes {
        story.say(&format!("node {}      pid {:<8} {}", node.id, node.pid, node.url));
    }
    for witness in &manifest.witnesses {
        story.say(&format!("witness     pid {:<8} {}  {}", witness.pid, witness.url, witness.name));
    }
    story.checked(&format!("all of them said that they are ready, after {} ms", summary.start_ms));
    Ok(devnet)
}

async fn register(
    story: &mut Story,
    submitter: &mut Submitter,
    devnet: &Devnet,
    acknowledged: &mut Acknowledged,
) -> Result<(Tenant, Vec<Agent>)> {
    story.chapter("Who is who");
    let tenant = Tenant::new("Orchard Logistics")?;
    let answer = submitter.submit_as_operator(tenant.register()?, Ack::Witnessed).await?;
    story.checked(&format!("the operator admitted tenant {}: entry {}", tenant.id(), answer.index));
    save(devnet, offline::TENANT_PROOF, &answer)?;
    acknowledged.insert(answer.index, answer);
    let mut agents = Vec::new();
    for name in [offline::AGENT_NAME, "bookkeeper"] {
        let agent = Agent::new(&tenant, name)?;
        let answer = submitter.submit(tenant.register_agent(&agent)?, Ack::Witnessed).await?;
        story.checked(&format!("agent {} ({name}) is registered: entry {}", agent.id(), answer.index));
        save(devnet, &format!("{name}.tlog-proof"), &answer)?;
        acknowledged.insert(answer.index, answer);
        agents.push(agent);
    }
    story.say("Each agent signs with a key that only it holds; the nodes never see it.");
    Ok((tenant, agents))
}

async fn receipts(
    story: &mut Story,
    submitter: &mut Submitter,
    agents: &mut [Agent],
    acknowledged: &mut Acknowledged,
) -> Result<()> {
    story.chapter("What the agents did");
    let mut last = None;
    for number in 0..RECEIPTS {
        let agent = &mut agents[number % 2];
        let record = agent.receipt("crate:move", &format!("crate {number} moved to bay {}", number % 4))?;
        // A different node takes each one; whoever is not the leader forwards it.
        submitter.turn();
        let answer = submitter.submit(record.clone(), Ack::Sequenced).await?;
        last = Some((record, answer.clone()));
        acknowledged.insert(answer.index, answer);
    }
    let (record, first) = last.context("no receipt")?;
    story.checked(&format!(
        "{RECEIPTS} receipts logged, through every node in turn, the last as entry {}",
        first.index
    ));
    submitter.turn();
    let again = submitter.submit(record, Ack::Sequenced).await?;
    ensure!(
        again.duplicate && again.index == first.index && again.leaf_hash == first.leaf_hash,
        "the same receipt sent again was logged as entry {} instead of {}",
        again.index,
        first.index
    );
    story.checked(&format!(
        "the same receipt sent to another node again: still entry {}, nothing was added",
        again.index
    ));
    Ok(())
}

async fn witnessed_proof(
    story: &mut Story,
    submitter: &mut Submitter,
    agent: &mut Agent,
    devnet: &Devnet,
    summary: &mut Summary,
    acknowledged: &mut Acknowledged,
) -> Result<PathBuf> {
    story.chapter("A proof that needs nobody");
    let record = agent.receipt("crate:deliver", "crate 7 delivered to its owner")?;
    let clock = Instant::now();
    let answer = submitter.submit(record, Ack::Witnessed).await?;
    summary.witnessed_ms = millis(clock.elapsed());
    summary.proof_bytes = answer.proof.len();
    story.checked(&format!(
        "receipt logged, published and cosigned in {} ms: entry {}",
        summary.witnessed_ms, answer.index
    ));
    let path = save(devnet, "receipt.tlog-proof", &answer)?;
    story.say(&format!("The proof file, {} bytes, complete:", answer.proof.len()));
    story.quote(&shorten(&String::from_utf8_lossy(&answer.proof)));
    acknowledged.insert(answer.index, answer);
    Ok(path)
}

/// Keeps the proof file of a witnessed answer.
fn save(devnet: &Devnet, name: &str, answer: &SubmitResponse) -> Result<PathBuf> {
    ensure!(answer.ack() == Ack::Witnessed, "asked for a witnessed answer, got {:?}", answer.ack());
    ensure!(!answer.proof.is_empty(), "a witnessed answer came without its proof");
    let path = devnet.data().join(name);
    fs::write(&path, &answer.proof).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn monitor(story: &mut Story, devnet: &Devnet, summary: &mut Summary) -> Result<()> {
    story.chapter("Somebody checks the whole log");
    let log = devnet.manifest().log("main")?;
    let policy = &devnet.manifest().policy;
    let state = devnet.data().join("monitor");
    let args = vec![
        "monitor".into(),
        "--once".into(),
        "--url".into(),
        log.url.clone().into(),
        "--policy".into(),
        policy.into(),
        "--state".into(),
        state.into(),
    ];
    let run = maip::run(devnet.binaries(), args, maip::Network::Here)?;
    story.say(&format!("$ {}", run.command_line));
    story.quote(&run.output);
    ensure!(run.code == 0, "the monitor ended with code {}", run.code);
    let checkpoint = crate::http::get(&format!("{}/checkpoint", log.url), LIMIT)?.text();
    summary.log_size =
        checkpoint.lines().nth(1).and_then(|l| l.parse().ok()).context("no size in the checkpoint")?;
    story
        .checked("every entry hashed again, the whole tree rebuilt: it is the one that the witnesses signed");
    Ok(())
}

fn print_summary(story: &Story, summary: &Summary) {
    story.line("");
    story.line("   Summary");
    let rows = [
        ("nodes, witnesses", format!("{}, {}", summary.nodes, summary.witnesses)),
        ("ready after", format!("{} ms", summary.start_ms)),
        ("records acknowledged", summary.records_acknowledged.to_string()),
        ("records lost", summary.records_lost.to_string()),
        ("entries in the log", summary.log_size.to_string()),
        ("submit to witnessed proof", format!("{} ms", summary.witnessed_ms)),
        ("size of the proof file", format!("{} bytes", summary.proof_bytes)),
        (
            "verified",
            if summary.verified_without_network {
                "offline, with no network at all"
            } else {
                "offline, with no URL given"
            }
            .into(),
        ),
        ("forged copy", if summary.forgery_refused { "refused" } else { "ACCEPTED" }.into()),
        ("score before a violation", standing::points(summary.score_before_violation)),
        ("score after it", standing::points(summary.score_after_violation)),
        ("what it cost", if summary.cost_proven_offline { "proven offline" } else { "NOT PROVEN" }.into()),
        ("kill switch to last denial", format!("{} ms", summary.kill_to_last_denial_ms)),
        ("size of its staple", format!("{} bytes", summary.staple_bytes)),
        ("organisations in one proof", summary.organisations.to_string()),
        ("writes paused by kill -9", format!("{} ms", summary.failover_pause_ms)),
        ("killed node caught up in", format!("{} ms", summary.catch_up_ms)),
    ];
    for (what, value) in rows {
        story.line(&format!("   {what:<28} {value}"));
    }
    story.line("");
}

fn attach_help(story: &Story, devnet: &Devnet) {
    let data = devnet.data().display();
    story.line("   The devnet is still running. Attach to it:");
    story.line(&format!("     export PATH=\"{}:$PATH\"", devnet.binaries().dir.display()));
    story.line(&format!("     maip checkpoint --devnet {data}"));
    story.line(&format!("     maip-devnet status --data {data}"));
    story.line(&format!("     cat {}", Manifest::path(devnet.data()).display()));
    story.line(&format!("   Stop it:  maip-devnet down --data {data}"));
    story.line("");
}

/// A proof file for reading: long lines (the entry, in base64) are cut.
fn shorten(text: &str) -> String {
    const WIDTH: usize = 100;
    text.lines()
        .map(|line| {
            let count = line.chars().count();
            if count <= WIDTH {
                return line.to_owned();
            }
            let start: String = line.chars().take(WIDTH - 30).collect();
            format!("{start}… ({} more characters)", count - (WIDTH - 30))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
