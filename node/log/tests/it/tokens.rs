//! Session tokens in a cluster: given by one node, checked by all, dead everywhere with their agent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ledger_format::http_signature::{Call, CallProof, content_digest};
use ledger_format::record::{Actor, AgentId, Scope, SessionId, SigningKey};
use ledger_format::token::{Token, TokenRequest};
use ledger_log::{Ack, HostedLog, TokenCall, TokenCheck, TokenFault, TokenReason};
use ledger_state::Subject;

use crate::harness::{Cluster, LIMIT, ORIGIN, Tenant, submit, wait_for};
use crate::seal::agent_of;

/// The tool that is called in these tests.
const TOOL: &str = "billing";
/// How long a node that is cut off may look for a leader.
const SOON: Duration = Duration::from_millis(300);

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// An agent with a live session, and its tenant.
struct Actors {
    tenant: Tenant,
    agent: AgentId,
    key: SigningKey,
    session: SessionId,
}

impl Actors {
    async fn begin(log: &HostedLog) -> Self {
        let mut tenant = Tenant::new(7);
        submit(log, tenant.register(), Ack::Sequenced).await;
        let (key, record) = tenant.agent_with_key();
        submit(log, record.clone(), Ack::Sequenced).await;
        let agent = agent_of(&record);
        let (session, record) = tenant.session(agent);
        submit(log, record, Ack::Sequenced).await;
        Self { tenant, agent, key, session }
    }

    fn request(&self, nonce: &str, bind: bool) -> (TokenRequest, [u8; 64]) {
        let request = TokenRequest {
            origin: ORIGIN.into(),
            session: self.session,
            actor: Actor::Agent(self.agent),
            at_ms: now_ms(),
            nonce: nonce.into(),
            scopes: Vec::new(),
            bind,
        };
        let signature = self.key.sign(&request.signed_bytes());
        (request, signature)
    }

    async fn token(&self, log: &HostedLog, nonce: &str, bind: bool) -> Token {
        let (request, signature) = self.request(nonce, bind);
        log.issue_token(&request, &signature, LIMIT).await.unwrap()
    }

    /// A call that shows the token, signed by the agent.
    fn call(&self, token: &Token, nonce: &str) -> TokenCheck {
        let (text, digest) = (token.to_string(), content_digest(b"{}"));
        let call = Call {
            method: "POST",
            target_uri: "https://billing.example/pay",
            token: &text,
            content_digest: &digest,
            audience: TOOL,
            grant: None,
        };
        let proof = CallProof::sign(&call, now_ms() / 1_000, nonce, &self.key).unwrap();
        TokenCheck {
            token: text.clone(),
            scope: Scope::parse("invoice:read"),
            audience: Some(TOOL.into()),
            call: Some(TokenCall {
                method: call.method.into(),
                target_uri: call.target_uri.into(),
                content_digest: digest.clone(),
                grant: None,
                signature_input: proof.signature_input(),
                signature: proof.signature_field(),
            }),
            fresh: false,
        }
    }
}

fn plain(token: &Token) -> TokenCheck {
    TokenCheck { token: token.to_string(), scope: Scope::parse("invoice:read"), ..TokenCheck::default() }
}

#[track_caller]
fn reason<T: std::fmt::Debug>(answer: Result<T, TokenFault>) -> TokenReason {
    match answer {
        Err(TokenFault::Refused(refused)) => refused.reason,
        other => panic!("not refused: {other:?}"),
    }
}

/// One node gives it, all take it; from the moment at which a node has applied the kill, it is dead there.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_lives_and_dies_on_every_node() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let log = cluster.node(leader);
    let mut actors = Actors::begin(&log).await;
    // A follower gives it, though it may not have heard of the session yet.
    let token = actors.token(&cluster.node(cluster.others(leader)[0]), "nonce-of-a-request-1", false).await;
    for (id, node) in cluster.nodes() {
        assert_eq!(node.token_keys().unwrap().len(), 1);
        token.verify(&node.token_keys().unwrap()[0]).unwrap();
        let checked = node.check_token(&plain(&token), LIMIT).await.unwrap();
        assert_eq!((checked.live.claims.agent, checked.live.nonce), (actors.agent, None), "node {id}");
        let wide = TokenCheck { scope: Scope::parse("invoice:pay"), ..plain(&token) };
        assert_eq!(reason(node.check_token(&wide, LIMIT).await), TokenReason::Scope);
    }
    let killed = submit(&log, actors.tenant.kill(actors.agent), Ack::Sequenced).await.index;
    for (_, node) in cluster.nodes() {
        assert!(node.reader().wait_applied(killed + 1, LIMIT).await);
        assert_eq!(reason(node.check_token(&plain(&token), LIMIT).await), TokenReason::AgentEnded);
        let (request, signature) = actors.request("nonce-of-a-request-2", false);
        assert_eq!(reason(node.issue_token(&request, &signature, LIMIT).await), TokenReason::AgentEnded);
    }
}

/// The attack "token for A shown to B": whoever has only seen the token cannot use it, nor for another tool, nor another call.
#[tokio::test(flavor = "multi_thread")]
async fn a_bound_token_is_no_good_to_whoever_has_only_seen_it() {
    let cluster = Cluster::start(1).await;
    let log = cluster.node(1);
    let mut actors = Actors::begin(&log).await;
    let token = actors.token(&log, "nonce-of-a-request-1", true).await;
    let check = async |check: &TokenCheck| reason(log.check_token(check, LIMIT).await);
    assert_eq!(check(&plain(&token)).await, TokenReason::PopMissing);
    let good = actors.call(&token, "nonce-of-a-call-0001");
    let elsewhere = TokenCheck { audience: Some("shipping".into()), ..good.clone() };
    assert_eq!(check(&elsewhere).await, TokenReason::PopWrong);
    let unnamed = TokenCheck { audience: None, ..good.clone() };
    assert_eq!(check(&unnamed).await, TokenReason::Audience);
    let mut other_body = good.clone();
    other_body.call.as_mut().unwrap().content_digest = content_digest(b"{\"amount\":1000000}");
    assert_eq!(check(&other_body).await, TokenReason::PopWrong);
    let mut under_grant = good.clone();
    under_grant.call.as_mut().unwrap().grant = Some("maip-deleg:01KC2G2V3T3XJ6W1B0D9QH8Y7S".into());
    assert_eq!(check(&under_grant).await, TokenReason::PopWrong);
    // Another agent of the tenant, with its own key.
    let (key, record) = actors.tenant.agent_with_key();
    submit(&log, record.clone(), Ack::Sequenced).await;
    let own = std::mem::replace(&mut actors.key, key);
    assert_eq!(check(&actors.call(&token, "nonce-of-a-call-0002")).await, TokenReason::PopWrong);
    let (request, signature) = actors.request("nonce-of-a-request-2", false);
    let of_another_session = log.issue_token(&request, &signature, LIMIT).await;
    assert_eq!(reason(of_another_session), TokenReason::Signature);
    actors.key = own;
    // None of that has used up the nonce.
    let checked = log.check_token(&good, LIMIT).await.unwrap();
    assert_eq!(checked.live.claims.agent, actors.agent);
    assert_eq!(check(&good).await, TokenReason::NonceUsed);
}

/// The same signed call on all nodes at once comes through on one.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_call_comes_through_on_one_node_only() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.node(cluster.leader().await);
    let actors = Actors::begin(&leader).await;
    let token = actors.token(&leader, "nonce-of-a-request-1", true).await;
    for round in 0..5 {
        let call = actors.call(&token, &format!("nonce-of-a-call-{round:04}"));
        let asked = cluster.nodes().into_iter().map(|(_, node)| {
            let call = call.clone();
            tokio::spawn(async move { node.check_token(&call, LIMIT).await })
        });
        let answers = futures::future::join_all(asked).await;
        let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().map(Result::unwrap).partition(Result::is_ok);
        assert_eq!(good.len(), 1, "round {round}: {good:?}");
        assert!(bad.into_iter().all(|answer| reason(answer) == TokenReason::NonceUsed));
    }
    // So does a request for a token.
    let (request, signature) = actors.request("nonce-of-a-request-2", false);
    leader.issue_token(&request, &signature, LIMIT).await.unwrap();
    for (_, node) in cluster.nodes() {
        let again = node.issue_token(&request, &signature, LIMIT).await;
        assert_eq!(reason(again), TokenReason::NonceUsed);
    }
}

/// What was used stays used under another leader, and on a node that knows of it from a snapshot only.
#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_stays_used_across_leaders_and_snapshots() {
    let mut cluster = Cluster::start(3).await;
    let first = cluster.leader().await;
    let log = cluster.node(first);
    let mut actors = Actors::begin(&log).await;
    let away = cluster.others(first)[0];
    // The follower misses the use of the nonce, until the others have purged it from their Raft logs.
    cluster.stop(away).await;
    let token = actors.token(&log, "nonce-of-a-request-1", true).await;
    let used = actors.call(&token, "nonce-of-a-call-0001");
    log.check_token(&used, LIMIT).await.unwrap();
    for _ in 0..80 {
        submit(&log, actors.tenant.agent(), Ack::Sequenced).await;
    }
    log.snapshot().await.unwrap();
    let size = log.reader().applied_size();
    cluster.run(away).await;
    let behind = cluster.node(away).reader();
    wait_for("the follower to have the snapshot", || (behind.applied_size() >= size).then_some(())).await;
    cluster.stop(first).await;
    let next = cluster.leader().await;
    assert_ne!(next, first);
    for id in cluster.others(first) {
        assert_eq!(reason(cluster.node(id).check_token(&used, LIMIT).await), TokenReason::NonceUsed);
    }
    let unused = actors.call(&token, "nonce-of-a-call-0002");
    cluster.node(next).check_token(&unused, LIMIT).await.unwrap();
}

/// The attack "partitioned follower answering reads": a node that is cut off does not know of a kill. Asked to be sure, it does not
/// answer; a proof of possession it cannot check at all, because it cannot spend the nonce.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_lets_nobody_pass_who_must_be_sure() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let log = cluster.node(leader);
    let mut actors = Actors::begin(&log).await;
    let bearer = actors.token(&log, "nonce-of-a-request-1", false).await;
    let bound = actors.token(&log, "nonce-of-a-request-2", true).await;
    let cut = cluster.others(leader)[0];
    let node = cluster.node(cut);
    let fresh = TokenCheck { fresh: true, ..plain(&bearer) };
    for (id, node) in cluster.nodes() {
        assert!(node.reader().is_latest(LIMIT).await, "node {id}");
        node.check_token(&fresh, LIMIT).await.unwrap();
    }
    for other in cluster.others(cut) {
        cluster.net.cut(cut, other);
    }
    let killed = submit(&log, actors.tenant.kill(actors.agent), Ack::Sequenced).await.index;
    // What it last knew is what it says, if nobody insists.
    assert!(node.reader().present(Subject::Agent(actors.agent)).unwrap().live);
    assert!(node.check_token(&plain(&bearer), SOON).await.is_ok());
    assert!(matches!(node.check_token(&fresh, SOON).await, Err(TokenFault::NotConfirmed)));
    assert!(!node.reader().is_latest(SOON).await);
    let call = actors.call(&bound, "nonce-of-a-call-0001");
    assert!(matches!(node.check_token(&call, SOON).await, Err(TokenFault::NotSpent(_))));
    for other in cluster.others(cut) {
        assert_eq!(reason(cluster.node(other).check_token(&fresh, LIMIT).await), TokenReason::AgentEnded);
    }
    cluster.net.heal();
    wait_for("the node to be back", || (node.reader().applied_size() > killed).then_some(())).await;
    assert_eq!(reason(node.check_token(&fresh, LIMIT).await), TokenReason::AgentEnded);
}

/// A cluster that begins from a backup knows what was used before it was made.
#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_stays_used_after_a_restore() {
    let mut cluster = Cluster::start(1).await;
    let log = cluster.node(1);
    let mut actors = Actors::begin(&log).await;
    let token = actors.token(&log, "nonce-of-a-request-1", true).await;
    let used = actors.call(&token, "nonce-of-a-call-0001");
    log.check_token(&used, LIMIT).await.unwrap();
    submit(&log, actors.tenant.agent(), Ack::Witnessed).await;
    let (sink, mut parts) = tokio::sync::mpsc::channel(16);
    let backup = tokio::spawn(async move { log.backup(sink).await });
    let mut file = Vec::new();
    while let Some(part) = parts.recv().await {
        file.extend_from_slice(&part.unwrap());
    }
    backup.await.unwrap().unwrap();
    cluster.stop(1).await;
    let dir = cluster.dirs[&1].with_file_name("restored");
    ledger_log::restore(&dir, cluster.engine, cluster.members.clone(), file.as_slice()).unwrap();
    cluster.dirs.insert(1, dir);
    cluster.run(1).await;
    cluster.ready().await;
    let log = cluster.node(1);
    assert_eq!(reason(log.check_token(&used, LIMIT).await), TokenReason::NonceUsed);
    log.check_token(&actors.call(&token, "nonce-of-a-call-0002"), LIMIT).await.unwrap();
}
