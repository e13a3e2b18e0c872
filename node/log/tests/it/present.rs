//! What every node says at once of a dead agent, and of all that is logged about one.

use bytes::Bytes;
use ledger_log::{Ack, Credential};
use ledger_state::Subject;

use crate::harness::{Cluster, LIMIT, Tenant, member, submit, wait_for};
use crate::seal::agent_of;

/// From the moment a node has applied the kill it denies the agent and its sessions, published or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_is_denied_by_every_node_that_has_applied_it() {
    let cluster = Cluster::start(3).await;
    let log = cluster.node(cluster.leader().await);
    let mut tenant = Tenant::new(7);
    submit(&log, tenant.register(), Ack::Sequenced).await;
    let record = tenant.agent();
    submit(&log, record.clone(), Ack::Sequenced).await;
    let agent = agent_of(&record);
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let (session, record) = tenant.session(agent);
        let opened = submit(&log, record, Ack::Sequenced).await;
        sessions.push((session, opened.index));
    }
    let (last, opened) = sessions[2];
    for (_, node) in cluster.nodes() {
        let reader = node.reader();
        assert!(reader.wait_applied(opened + 1, LIMIT).await);
        let present = reader.present(Subject::Agent(agent)).unwrap();
        assert!(present.live && present.sessions == 3 && present.size > opened, "{present:?}");
        assert!(reader.present(Subject::Session(last)).unwrap().live);
    }
    let killed = submit(&log, tenant.kill(agent), Ack::Sequenced).await.index;
    for (_, node) in cluster.nodes() {
        let reader = node.reader();
        assert!(reader.wait_applied(killed + 1, LIMIT).await);
        let present = reader.present(Subject::Agent(agent)).unwrap();
        let status = String::from_utf8(present.status.clone().unwrap()).unwrap();
        assert!(!present.live && status.contains(r#""status":"killed""#), "{present:?}");
        let session = reader.present(Subject::Session(last)).unwrap();
        assert!(!session.live && session.status.is_some(), "nothing is written into it");
        let ended = reader.ended(agent, killed, agent, 10).unwrap();
        assert_eq!((ended.agents, ended.sessions, ended.next), (vec![agent], 3, None));
        assert!(!reader.wait_applied(u64::MAX, std::time::Duration::ZERO).await);
    }
}

/// The index of an agent's receipts is in no snapshot: a node that joins makes it from the entries that it fetches.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_knows_every_receipt() {
    let mut cluster = Cluster::start(1).await;
    let log = cluster.node(1);
    let mut tenant = Tenant::new(7);
    submit(&log, tenant.register(), Ack::Sequenced).await;
    let records = [tenant.agent(), tenant.agent()];
    for record in &records {
        submit(&log, record.clone(), Ack::Sequenced).await;
    }
    let [agent, other] = records.map(|record| agent_of(&record));
    let mut want = Vec::new();
    // More than a bundle, so that some lie in a file and some in the right edge.
    for _ in 0..20 {
        let receipts: Vec<Bytes> =
            (0..20).map(|number| tenant.receipt(if number % 4 == 3 { other } else { agent })).collect();
        let answers = log.submit(receipts, Ack::Witnessed, LIMIT, Credential::Admin).await;
        let indexes = answers.into_iter().map(|answer| answer.unwrap().index);
        want.extend((0..).zip(indexes).filter_map(|(number, index)| (number % 4 != 3).then_some(index)));
    }
    let reader = log.reader();
    assert_eq!(reader.receipts(agent, 0, usize::MAX).unwrap(), want);
    assert_eq!(reader.receipts(agent, want[7], 5).unwrap(), want[7..12]);
    assert!(reader.receipts(agent, u64::MAX, 5).unwrap().is_empty());
    log.snapshot().await.unwrap();
    cluster.run(2).await;
    log.add_learner(member(2)).await.unwrap();
    let joined = cluster.node(2);
    let size = log.reader().applied_size();
    wait_for("the learner to catch up", || (joined.status().published_size >= size).then_some(())).await;
    assert_eq!(joined.reader().receipts(agent, 0, usize::MAX).unwrap(), want);
    assert_eq!(joined.reader().receipts(other, 0, usize::MAX).unwrap().len(), 100);
}
