//! Tokens of calls in a cluster: signed by one node, read by all, spent once.

use ledger_format::record::{AgentId, Digest, ReceiptId, Scope, SigningKey, TenantId, ToolId, Ulid};
use ledger_format::token::{CallClaims, CallToken, signing_key};
use ledger_log::{CallFault, HostedLog};

use crate::harness::{Cluster, LIMIT, ORIGIN};

fn claims(log: &HostedLog, id: u128, seconds: u64) -> CallClaims {
    let issued_at_s = log.token_time_ms().unwrap() / 1_000;
    CallClaims {
        arguments: Digest::sha256(b"{}"),
        tool: ToolId(Ulid(1)),
        decision: ReceiptId(Ulid(2)),
        expires_at_s: issued_at_s + seconds,
        issued_at_s,
        index: 3,
        issuer: ORIGIN.into(),
        id: Ulid(id),
        action: Scope::parse("mail:send").unwrap(),
        session: None,
        agent: AgentId(Ulid(4)),
        tenant: TenantId(Ulid(5)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_spent_on_one_node_and_no_other() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let log = cluster.node(leader);
    let token = log.sign_call(claims(&log, 7, 600)).unwrap();
    for (id, node) in cluster.nodes() {
        // A follower may not have applied the genesis yet, which says what the token key is.
        assert!(node.reader().wait_applied(1, LIMIT).await);
        assert_eq!(node.read_call(&token.to_string()).unwrap(), token, "node {id}");
    }
    let spend = cluster.nodes().into_iter().map(|(_, node)| {
        let token = token.clone();
        tokio::spawn(async move { node.spend_call(&token, LIMIT).await })
    });
    let (mut good, mut spent) = (0, 0);
    for outcome in futures::future::join_all(spend).await {
        match outcome.unwrap() {
            Ok(()) => good += 1,
            Err(CallFault::Spent) => spent += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((good, spent), (1, 2));
    // Another call's token is another one.
    let other = log.sign_call(claims(&log, 8, 600)).unwrap();
    log.spend_call(&other, LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_key_another_log_or_another_time_is_not_read() {
    let cluster = Cluster::start(1).await;
    let log = cluster.node(1);
    assert!(log.reader().wait_applied(1, LIMIT).await);
    let read = |token: &CallToken| log.read_call(&token.to_string());
    let foreign =
        CallToken::sign(claims(&log, 7, 600), &signing_key(&SigningKey::from_seed([9; 32]))).unwrap();
    assert!(matches!(read(&foreign), Err(CallFault::Signature)));
    let elsewhere = CallClaims { issuer: "maip.example/other".into(), ..claims(&log, 7, 600) };
    assert!(matches!(read(&log.sign_call(elsewhere).unwrap()), Err(CallFault::Signature)));
    let now = claims(&log, 7, 600);
    let over = CallClaims { issued_at_s: now.issued_at_s - 60, expires_at_s: now.issued_at_s - 1, ..now };
    assert!(matches!(read(&log.sign_call(over).unwrap()), Err(CallFault::Expired(_))));
    assert!(matches!(log.read_call("x"), Err(CallFault::Malformed(_))));
}
