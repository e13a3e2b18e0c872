//! An agent is judged, breaks a rule, loses its score, and is killed: each claim read back from the entries alone.

use std::{ffi::OsString, fs, time::Instant};

use anyhow::{Context as _, Result, ensure};
use ledger_format::record::ActionVerdict;
use ledger_proto::v1::Ack;

use super::{
    Acknowledged, LIMIT, Summary, cost,
    maip::{self, Network},
    millis, save,
    story::Story,
};
use crate::{
    Devnet,
    submit::Submitter,
    workload::{Agent, Tenant},
};

/// Actions that the tenant judges to be in order before one is not.
const GOOD_ACTIONS: usize = 12;
/// Minutes that the agent's session would live.
const SESSION_MINUTES: u64 = 30;

/// Tells the chapter; fails at the first thing that is not so.
pub(super) async fn violation_and_kill(
    story: &mut Story,
    submitter: &mut Submitter,
    tenant: &Tenant,
    devnet: &Devnet,
    acknowledged: &mut Acknowledged,
    summary: &mut Summary,
) -> Result<()> {
    story.chapter("A violation, and the kill switch");
    let mut agent = Agent::new(tenant, "forklift")?;
    let mut records = vec![tenant.register_agent(&agent)?];
    let (session, opened) = tenant.open_session(&agent, SESSION_MINUTES)?;
    records.push(opened);
    for number in 0..GOOD_ACTIONS {
        let note = format!("crate {number} lifted");
        records.push(tenant.judge(&agent, "crate:lift", &note, ActionVerdict::Ok)?);
    }
    for record in records {
        let answer = submitter.submit(record, Ack::Sequenced).await?;
        acknowledged.insert(answer.index, answer);
    }
    story.say("A third agent opens a session and works; its tenant judges what it does. The score is nobody's word:");
    summary.score_before_violation = published_score(story, submitter, devnet, acknowledged, &agent).await?;
    ensure!(summary.score_before_violation.is_some(), "twelve good actions left the agent unscored");

    let violation =
        tenant.judge(&agent, "crate:drop", "crate 13 dropped on purpose", ActionVerdict::Critical)?;
    let answer = submitter.submit(violation, Ack::Witnessed).await?;
    let verdict = save(devnet, "violation.tlog-proof", &answer)?;
    acknowledged.insert(answer.index, answer);
    story.say("Then one critical violation:");
    summary.score_after_violation = published_score(story, submitter, devnet, acknowledged, &agent).await?;
    ensure!(
        summary.score_after_violation < summary.score_before_violation,
        "a critical violation did not cost trust"
    );
    story.checked(&format!(
        "recomputed from the entries: {} before, {} after",
        points(summary.score_before_violation),
        points(summary.score_after_violation)
    ));
    cost::proven_offline(story, devnet, &agent, &verdict, summary)?;

    let killed_at = kill(story, submitter, tenant, devnet, acknowledged, &mut agent, summary).await?;
    let status = ask(story, devnet, &format!("session {session}"))?;
    ensure!(status["live"] == false, "the killed agent's session is still live: {status}");
    story.checked("its session is over, without a record of its own");
    staple(story, devnet, &agent, killed_at, summary)
}

/// Whoever meets the agent later needs no server to know: its staple, fetched here, verified with no network.
fn staple(
    story: &mut Story,
    devnet: &Devnet,
    agent: &Agent,
    killed_at: u64,
    summary: &mut Summary,
) -> Result<()> {
    story.chapter("Its end in a file");
    let manifest = devnet.manifest();
    let subject = agent.id().to_string();
    let file = devnet.data().join("killed.staple");
    let mut fetch: Vec<OsString> = vec!["proof".into(), "status".into(), subject.clone().into()];
    fetch.extend(["--min-index".into(), killed_at.to_string().into()]);
    fetch.extend(["--out".into(), file.clone().into(), "--devnet".into(), devnet.data().into()]);
    let run = maip::run(devnet.binaries(), fetch, Network::Here)?;
    story.say(&format!("$ {}", run.command_line));
    ensure!(run.code == 0, "no staple of the killed agent: exit code {}: {}", run.code, run.output);
    summary.staple_bytes = fs::metadata(&file)?.len();

    let network = if maip::can_cut_network() { Network::Nothing } else { Network::Here };
    let mut verify: Vec<OsString> = vec!["verify".into(), file.into(), "--subject".into(), subject.into()];
    verify.extend(["--max-age".into(), "10m".into(), "--policy".into(), manifest.policy.clone().into()]);
    let run = maip::run(devnet.binaries(), verify, network)?;
    story.say(&format!("$ {}", run.command_line));
    story.quote(&run.output);
    ensure!(run.code == 0, "the killed agent's staple was not accepted: exit code {}", run.code);
    ensure!(
        run.output.contains(&format!("killed, since entry {killed_at}")),
        "the staple does not say that the agent was killed by entry {killed_at}"
    );
    story.checked(
        "anybody who holds the file and the policy knows that this agent was killed, and by which entry",
    );
    Ok(())
}

/// Kills the agent and counts until every node refuses what it signs; the entry that did it.
async fn kill(
    story: &mut Story,
    submitter: &mut Submitter,
    tenant: &Tenant,
    devnet: &Devnet,
    acknowledged: &mut Acknowledged,
    agent: &mut Agent,
    summary: &mut Summary,
) -> Result<u64> {
    let clock = Instant::now();
    let answer = submitter.submit(tenant.kill(agent, "violation")?, Ack::Sequenced).await?;
    let index = answer.index;
    acknowledged.insert(index, answer);
    for _ in &devnet.manifest().nodes {
        submitter.turn();
        let refused =
            submitter.submit_once(agent.receipt("crate:lift", "after the end")?, Ack::Sequenced).await;
        let why = refused.err().map(|error| format!("{error:#}"));
        ensure!(
            why.as_ref().is_some_and(|why| why.contains("revoked")),
            "a node did not refuse a receipt of the killed agent as it should: {why:?}"
        );
    }
    summary.kill_to_last_denial_ms = millis(clock.elapsed());
    story.checked(&format!(
        "killed by entry {index}; {} ms after the call every node has refused a receipt that it signed",
        summary.kill_to_last_denial_ms
    ));
    submitter.wait_published(index + 1, LIMIT).await?;
    Ok(index)
}

/// The score as a reader of the published entries computes it, once they hold what was acknowledged.
async fn published_score(
    story: &mut Story,
    submitter: &mut Submitter,
    devnet: &Devnet,
    acknowledged: &Acknowledged,
    agent: &Agent,
) -> Result<Option<u64>> {
    let size = acknowledged.keys().next_back().map_or(0, |index| index + 1);
    submitter.wait_published(size, LIMIT).await?;
    Ok(ask(story, devnet, &format!("trust {}", agent.id()))?["score"].as_u64())
}

/// Asks a replay of the published entries.
pub(super) fn ask(story: &mut Story, devnet: &Devnet, question: &str) -> Result<serde_json::Value> {
    let log = devnet.manifest().log("main")?;
    let mut args: Vec<OsString> = vec!["replay".into(), "--json".into(), "--query".into(), question.into()];
    args.extend([
        "--url".into(),
        log.url.clone().into(),
        "--policy".into(),
        devnet.manifest().policy.clone().into(),
    ]);
    let run = maip::run(devnet.binaries(), args, Network::Here)?;
    story.say(&format!("$ {}", run.command_line));
    ensure!(run.code == 0, "the replay ended with code {}: {}", run.code, run.output);
    let answer: serde_json::Value = serde_json::from_str(&run.output).context("the answer is no JSON")?;
    Ok(answer["answers"][0].clone())
}

/// A score for people.
pub(super) fn points(score: Option<u64>) -> String {
    score.map_or_else(|| "none".into(), |bp| format!("{}.{:02}", bp / 100, bp % 100))
}
