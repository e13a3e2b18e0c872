//! The status map in a cluster: sealed without anybody asking, proven by every node, at once where it must be.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ledger_format::record::{AgentId, Body, Record};
use ledger_format::{StapleFailure, StapleQuestion, StapleVerdict, verify_staple};
use ledger_log::{Ack, Credential, HostedLog, SealOptions};
use ledger_state::Subject;

use crate::harness::{Cluster, LIMIT, ORIGIN, Tenant, submit, wait_for};

/// Longer than any test: what is sealed, is sealed at once.
const NEVER_MS: u64 = 86_400_000;

async fn cluster(nodes: u64, interval_ms: u64) -> Cluster {
    let mut cluster = Cluster::prepare(nodes);
    cluster.seal = SealOptions { interval_ms, pause_ms: 1 };
    let cluster = cluster.begin().await;
    cluster.leader().await;
    cluster.all_published(1).await;
    cluster
}

/// What a node's staple proves to a stranger; `None` while it has none.
fn ask(cluster: &Cluster, log: &HostedLog, subject: Subject) -> Option<Result<StapleVerdict, StapleFailure>> {
    let staple = log.reader().staple(subject).unwrap()?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let subject = subject.to_string();
    let question = StapleQuestion { origin: ORIGIN, subject: &subject, now_s, max_age_s: None };
    Some(verify_staple(&staple, &cluster.policy(), &question))
}

/// The status that a node proves.
fn status(cluster: &Cluster, log: &HostedLog, subject: Subject) -> Option<String> {
    let verdict = ask(cluster, log, subject)?.unwrap();
    verdict.value.map(|json| String::from_utf8(json).unwrap())
}

pub(crate) fn agent_of(record: &Bytes) -> AgentId {
    match Record::parse(record).unwrap().body {
        Body::AgentRegister(body) => body.agent,
        other => panic!("{other:?}"),
    }
}

/// All nodes prove a status in which this stands.
async fn all_prove(cluster: &Cluster, subject: Subject, part: &str) {
    wait_for("every node to prove the status", || {
        let proves = |log| status(cluster, log, subject).is_some_and(|status| status.contains(part));
        cluster.nodes().iter().all(|(_, log)| proves(log)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_sealed_and_every_node_proves_it() {
    let cluster = cluster(3, 20).await;
    let mut tenant = Tenant::new(7);
    let registration = tenant.register();
    submit(&cluster.node(1), registration, Ack::Sequenced).await;
    let record = tenant.agent();
    submit(&cluster.node(2), record.clone(), Ack::Sequenced).await;
    let subject = Subject::Agent(agent_of(&record));
    all_prove(&cluster, subject, r#""status":"active""#).await;

    let nobody = Subject::Agent(AgentId::default());
    for (_, log) in cluster.nodes() {
        let verdict = ask(&cluster, &log, nobody).unwrap().unwrap();
        assert_eq!(verdict.value, None, "nobody has that id");
        assert!(verdict.witnessed_s.is_some());
    }
    // The map goes on under another leader.
    let leader = cluster.leader().await;
    cluster.stop(leader).await;
    let next = cluster.leader().await;
    let record = tenant.agent();
    submit(&cluster.node(next), record.clone(), Ack::Sequenced).await;
    all_prove(&cluster, Subject::Agent(agent_of(&record)), r#""status":"active""#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_is_sealed_at_once_and_nothing_else_is() {
    let cluster = cluster(3, NEVER_MS).await;
    let leader = cluster.node(cluster.leader().await);
    let mut tenant = Tenant::new(7);
    submit(&leader, tenant.register(), Ack::Sequenced).await;
    let record = tenant.agent();
    let registered = submit(&leader, record.clone(), Ack::Witnessed).await;
    let agent = agent_of(&record);
    assert!(leader.reader().staple(Subject::Agent(agent)).unwrap().is_none(), "nothing is sealed yet");
    let killed = submit(&leader, tenant.kill(agent), Ack::Sequenced).await;
    assert_eq!(killed.index, registered.index + 1, "no state.root came between");
    all_prove(&cluster, Subject::Agent(agent), &format!(r#""since":{},"status":"killed""#, killed.index))
        .await;
}

/// The map is part of what a node without a disk is given.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_proves_what_was_sealed_before() {
    let mut cluster = cluster(1, 5).await;
    let mut tenant = Tenant::new(7);
    let log = cluster.node(1);
    submit(&log, tenant.register(), Ack::Sequenced).await;
    let records: Vec<Bytes> = (0..300).map(|_| tenant.agent()).collect();
    for chunk in records.chunks(30) {
        log.submit(chunk.to_vec(), Ack::Witnessed, LIMIT, Credential::Admin).await;
    }
    let first = Subject::Agent(agent_of(&records[0]));
    all_prove(&cluster, first, "active").await;
    log.snapshot().await.unwrap();
    cluster.run(2).await;
    log.add_learner(crate::harness::member(2)).await.unwrap();
    all_prove(&cluster, first, "active").await;
    let last = Subject::Agent(agent_of(records.last().unwrap()));
    all_prove(&cluster, last, "active").await;
}
