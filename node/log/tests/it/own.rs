//! Records that a node signs itself: nobody verifies them on their way in, so whoever reads them must be able to.

use ledger_format::record::{Actor, Body, Draft, Entry, Record, SigningKey, TenantRegister, Ulid};
use ledger_log::{Ack, Note};

use crate::harness::{Cluster, LIMIT, OPERATOR_SEED, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_signs_verifies_in_the_log_whichever_node_it_is() {
    let cluster = Cluster::start(3).await;
    cluster.leader().await;
    let operator = SigningKey::from_seed(OPERATOR_SEED).public();
    for id in 1..=3 {
        let log = cluster.node(id);
        let tenant = Ulid::from_parts(1, u128::from(id));
        let body = TenantRegister {
            key: None,
            name: "Tenant".into(),
            on_behalf_of: Some("admin-key".into()),
            plan: None,
        };
        let body = Body::TenantRegister(body);
        let draft = Draft::new(tenant, Ulid::from_parts(2, 1), Actor::Operator, 1_700_000_000_000, body);
        let key = format!("notes/{id}");
        let record = log.sign_record(draft, Note::new(key.as_str(), "said"));
        let first = log.submit_own(vec![record.clone()], Ack::Sequenced, LIMIT).await.remove(0).unwrap();
        let again = log.submit_own(vec![record], Ack::Sequenced, LIMIT).await.remove(0).unwrap();
        assert_eq!((again.index, first.duplicate, again.duplicate), (first.index, false, true));
        for (at, node) in cluster.nodes() {
            let reader = node.reader();
            let applied = || reader.applied_entry(first.index).unwrap();
            let entry = wait_for("the entry on every node", applied).await;
            let record = Record::parse(Entry::parse(&entry).unwrap().record).unwrap();
            assert!(record.verify_signature(&operator).is_ok(), "node {at}");
            wait_for("the note on every node", || reader.private(key.as_bytes()).unwrap()).await;
        }
    }
}
