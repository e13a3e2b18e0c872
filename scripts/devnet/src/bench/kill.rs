//! The kill switch: how long until every node denies, and until the first staple shows it.
//!
//! Before each kill a fresh tree of [`AGENTS_BELOW`] agents below one has [`SESSIONS`] live sessions, and everything is sealed. The
//! clock runs from before the call. Each node is asked again and again for the killed agent, for a leaf of the tree, and whether a token of
//! the leaf may be used.

use std::{
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail, ensure};
use devnet::{
    Devnet, Submitter,
    workload::{Agent, Tenant},
};
use futures::future::{select_ok, try_join_all};
use ledger_format::{Policy, Staple, StapleQuestion, record::AgentId, verify_staple};
use ledger_proto::v1::{
    Ack, CheckTokenRequest, GetStapleRequest, GetStatusRequest, SubmitBatchRequest, SubmitRequest,
    ledger_client::LedgerClient, submit_result::Result as Answer,
};
use tonic::{codegen::Bytes, transport::Channel};

use crate::{load::percentile, ours::BATCH_RECORDS};

/// Agents below the one that is killed.
const AGENTS_BELOW: usize = 1_000;
/// Agents directly below each of them.
const CHILDREN: usize = 10;
/// Live sessions in the tree.
const SESSIONS: usize = 10_000;
/// Minutes that a session would live: longer than a run.
const SESSION_MINUTES: u64 = 600;
/// Pause between two questions to a node: on a small machine, questions without a pause would take the time that the kill needs.
const POLL: Duration = Duration::from_millis(1);
/// How long anything may take before the bench gives up.
const LIMIT: Duration = Duration::from_secs(60);

type Client = LedgerClient<Channel>;

/// Times of kills, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Kills {
    denied_us: Vec<u64>,
    stapled_us: Vec<u64>,
}

impl Kills {
    /// Adds those of another run.
    pub(crate) fn merge(&mut self, other: Kills) {
        self.denied_us.extend(other.denied_us);
        self.stapled_us.extend(other.stapled_us);
    }

    /// The medians.
    pub(crate) fn note(&self, mut note: impl FnMut(&str, f64)) {
        note("kill: all nodes deny p50", at(&self.denied_us, 50));
        note("kill: first staple p50", at(&self.stapled_us, 50));
    }

    /// What only all runs together can tell.
    pub(crate) fn note_extremes(&self, mut note: impl FnMut(&str, f64)) {
        if self.denied_us.is_empty() {
            return;
        }
        for (percent, name) in [(99, "p99"), (100, "max")] {
            note(&format!("kill: all nodes deny {name}"), at(&self.denied_us, percent));
            note(&format!("kill: first staple {name}"), at(&self.stapled_us, percent));
        }
    }
}

fn at(times: &[u64], percent: usize) -> f64 {
    let mut ascending = times.to_vec();
    ascending.sort_unstable();
    percentile(&ascending, percent) as f64 / 1_000.0
}

/// Kills so many trees, one after the other, and ends the devnet.
pub(crate) async fn measure(mut devnet: Devnet, kills: usize) -> Result<Kills> {
    devnet.wait_for_leader("main", Duration::from_secs(30)).await?;
    let mut submitter = Submitter::connect(devnet.manifest(), "main")?;
    let tenant = Tenant::new("bench")?;
    submitter.submit_as_operator(tenant.register()?, Ack::Sequenced).await?;
    let mut clients = Vec::new();
    for id in devnet.node_ids() {
        clients.push(LedgerClient::new(devnet.channel(id).await?));
    }
    let policy = fs::read_to_string(&devnet.manifest().policy)?;
    let policy = Policy::parse(&policy).context("the devnet's policy does not parse")?;
    let origin = devnet.manifest().log("main")?.origin.clone();
    let mut found = Kills::default();
    for number in 0..kills {
        let tree = Tree::grow(&tenant, &mut clients[0], &origin).await?;
        tree.settle(&mut clients[0]).await?;
        // Through every node in turn: whoever is not the leader forwards it.
        clients.rotate_left(1);
        let (denied, stapled) = tree.kill(&tenant, &clients, &policy, &origin).await?;
        eprintln!("  kill {number:>2}: denied after {denied:.1?}, stapled after {stapled:.1?}");
        found.denied_us.push(u64::try_from(denied.as_micros())?);
        found.stapled_us.push(u64::try_from(stapled.as_micros())?);
    }
    drop((clients, submitter));
    tokio::task::spawn_blocking(move || devnet.shut_down()).await??;
    Ok(found)
}

/// Agents with live sessions below one of them.
struct Tree {
    top: Agent,
    leaf: AgentId,
    /// Of a session of the leaf.
    token: String,
    /// Size of the log that holds all of it.
    size: u64,
}

impl Tree {
    /// Registers the agents, level by level, and opens the sessions, the same number for each agent.
    async fn grow(tenant: &Tenant, client: &mut Client, origin: &str) -> Result<Tree> {
        let agents =
            (0..=AGENTS_BELOW).map(|_| Agent::new(tenant, "branch")).collect::<Result<Vec<Agent>>>()?;
        let parent = |number: usize| number.checked_sub(1).map(|before| agents[before / CHILDREN].id());
        let mut records = Vec::with_capacity(agents.len() + SESSIONS);
        for (number, agent) in agents.iter().enumerate() {
            records.push(tenant.register_below(agent, parent(number))?.into());
        }
        let mut last = None;
        for number in 0..SESSIONS {
            let (session, record) =
                tenant.open_session(&agents[1 + number % AGENTS_BELOW], SESSION_MINUTES)?;
            records.push(record.into());
            last = Some(session);
        }
        let mut size = 0;
        for batch in records.chunks(BATCH_RECORDS) {
            size = size.max(submit(client, batch).await?);
        }
        // The last session is the last agent's: the numbers of both are multiples.
        let request = tenant.request_token(origin, last.context("no sessions")?)?;
        let token = client.issue_token(request).await.context("no token")?.into_inner().token;
        let leaf = agents.last().context("no agents")?.id();
        Ok(Tree { top: agents.into_iter().next().context("no agents")?, leaf, token, size })
    }

    /// Waits until all of it is sealed and published, so that the kill finds nothing in its way.
    async fn settle(&self, client: &mut Client) -> Result<()> {
        staple(client, self.leaf, self.size).await.context("the tree was not sealed")?;
        Ok(())
    }

    /// Kills the tree through the first node: time until the last node denies, and until the first staple.
    async fn kill(
        &self,
        tenant: &Tenant,
        clients: &[Client],
        policy: &Policy,
        origin: &str,
    ) -> Result<(Duration, Duration)> {
        let record = tenant.kill(&self.top, "bench")?.into();
        let request = SubmitRequest {
            log: "main".into(),
            record,
            ack: Ack::Sequenced.into(),
            timeout_ms: u32::try_from(LIMIT.as_millis())?,
        };
        let start = Instant::now();
        let denials = clients.iter().map(|client| self.denied(client.clone(), start));
        let stapled = async {
            let mut first = clients[0].clone();
            let size = first.submit(request).await.context("the kill was refused")?.into_inner().index + 1;
            let asked = clients.iter().map(|client| {
                Box::pin(async move {
                    let bytes = staple(&mut client.clone(), self.top.id(), size).await?;
                    anyhow::Ok((bytes, start.elapsed()))
                })
            });
            anyhow::Ok(select_ok(asked).await?.0)
        };
        let (denied, (file, stapled)) = futures::try_join!(try_join_all(denials), stapled)?;
        check(&file, self.top.id(), policy, origin)?;
        Ok((denied.into_iter().max().context("no nodes")?, stapled))
    }

    /// When a node denies the killed agent, a leaf of its tree, and a token of the leaf.
    async fn denied(&self, mut client: Client, start: Instant) -> Result<Duration> {
        for subject in [self.top.id(), self.leaf] {
            let request = GetStatusRequest {
                log: "main".into(),
                subject: subject.to_string(),
                min_index: None,
                timeout_ms: 0,
                fresh: false,
            };
            while client.get_status(request.clone()).await?.into_inner().live {
                ensure!(start.elapsed() < LIMIT, "{subject} is still let pass");
                tokio::time::sleep(POLL).await;
            }
        }
        let request = CheckTokenRequest { token: self.token.clone(), ..CheckTokenRequest::default() };
        loop {
            let checked = client.check_token(request.clone()).await?.into_inner();
            if !checked.live {
                ensure!(checked.reason == "agent_ended", "the token is denied for {}", checked.reason);
                return Ok(start.elapsed());
            }
            ensure!(start.elapsed() < LIMIT, "a token of {} is still let pass", self.leaf);
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Logs a batch; the size of the log that holds it.
async fn submit(client: &mut Client, records: &[Bytes]) -> Result<u64> {
    let request = SubmitBatchRequest {
        log: "main".into(),
        records: records.to_vec(),
        ack: Ack::Sequenced.into(),
        timeout_ms: u32::try_from(LIMIT.as_millis())?,
    };
    let mut size = 0;
    for result in client.submit_batch(request).await?.into_inner().results {
        match result.result {
            Some(Answer::Ok(ok)) => size = size.max(ok.index + 1),
            Some(Answer::Refused(refusal)) => bail!("{}: {}", refusal.code, refusal.message),
            None => bail!("an empty result"),
        }
    }
    Ok(size)
}

/// The first staple of a node that holds every change below a size.
async fn staple(client: &mut Client, subject: AgentId, min_size: u64) -> Result<Bytes> {
    let timeout_ms = u32::try_from(LIMIT.as_millis())?;
    let request = GetStapleRequest { log: "main".into(), subject: subject.to_string(), min_size, timeout_ms };
    Ok(client.get_staple(request).await?.into_inner().staple)
}

/// The staple proves to anybody that the agent is dead.
fn check(file: &[u8], subject: AgentId, policy: &Policy, origin: &str) -> Result<()> {
    let staple = Staple::parse(file).context("not a staple")?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let subject = subject.to_string();
    let question = StapleQuestion { origin, subject: &subject, now_s, max_age_s: Some(60) };
    let status = verify_staple(&staple, policy, &question).context("the staple proves nothing")?.value;
    let status = String::from_utf8(status.context("the log does not know the agent")?)?;
    ensure!(status.contains(r#""status":"killed""#), "the staple says {status}");
    Ok(())
}

#[test]
fn medians_are_a_runs_and_extremes_are_everybodys() {
    let mut all = Kills { denied_us: vec![3_000, 1_000, 2_000], stapled_us: vec![5_000] };
    let mut seen = Vec::new();
    all.note(|name, value| seen.push((name.to_owned(), value)));
    assert_eq!(seen[0], ("kill: all nodes deny p50".to_owned(), 2.0));
    all.merge(Kills { denied_us: vec![9_000], stapled_us: vec![4_000] });
    seen.clear();
    all.note_extremes(|name, value| seen.push((name.to_owned(), value)));
    assert_eq!(seen[2], ("kill: all nodes deny max".to_owned(), 9.0));
    assert_eq!(seen.len(), 4);
}
