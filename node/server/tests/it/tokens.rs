//! Session tokens over gRPC, and the keys that check them over HTTP.

use ledger_format::record::{
    Actor, AgentId, AgentRegister, AgentType, Body, Draft, Record, Scope, SessionId, SessionOpen, SigningKey,
    Ulid,
};
use ledger_format::token::{Token, TokenRequest, jwks, signing_key};
use ledger_node::keys;
use ledger_proto::v1::{
    Ack, CheckTokenRequest, GetStatusRequest, IssueTokenRequest, SignedCall, ledger_client::LedgerClient,
};
use tonic::Code;

use crate::ledger::{admin, connect, now_ms, refusal, submission, tenant};
use crate::node::Node;

/// What `maip-node init` calls its log.
const ORIGIN: &str = "maip.localhost/main";
const AGENT: AgentId = AgentId(Ulid(7));
const SESSION: SessionId = SessionId(Ulid(8));

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_given_checked_and_verified_elsewhere() {
    let mut node = Node::init("");
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);
    let operator = keys::read_secret(&node.file("keys/main.operator.key")).unwrap();
    let operator = SigningKey::parse_seed_text(&operator).unwrap();
    let record = tenant(&node, "acme");
    let tenant_id = Record::parse(&record).unwrap().tenant;
    ledger.submit(admin(&node, submission(&record, Ack::Sequenced))).await.unwrap();
    let (key, on_behalf_of) = (SigningKey::from_seed([9; 32]), Some("operations".to_owned()));
    let scopes = vec![Scope::parse("invoice:read").unwrap()];
    let register = AgentRegister {
        agent: AGENT,
        denies: vec![],
        key: key.public(),
        name: "bot".into(),
        on_behalf_of: on_behalf_of.clone(),
        parent: None,
        runtime_type: None,
        scopes: scopes.clone(),
        agent_type: AgentType::Autonomous,
    };
    let open = SessionOpen {
        agent: AGENT,
        audience: None,
        on_behalf_of,
        proof_key: None,
        scopes,
        session: SESSION,
        ttl_min: 60,
    };
    for (id, body) in
        [Body::AgentRegister(Box::new(register)), Body::SessionOpen(Box::new(open))].into_iter().enumerate()
    {
        let id = Ulid(1 + id as u128);
        let record = Draft::new(tenant_id, id, Actor::Operator, now_ms(), body).sign(&operator).to_bytes();
        ledger.submit(admin(&node, submission(&record, Ack::Sequenced))).await.unwrap();
    }

    let wanted = TokenRequest {
        origin: ORIGIN.into(),
        session: SESSION,
        actor: Actor::Agent(AGENT),
        at_ms: now_ms(),
        nonce: "a-nonce-of-a-test".into(),
        scopes: vec![],
        bind: false,
    };
    let ask = IssueTokenRequest {
        session: SESSION.to_string(),
        actor: AGENT.to_string(),
        at_ms: wanted.at_ms,
        nonce: wanted.nonce.clone(),
        signature: key.sign(&wanted.signed_bytes()).to_vec().into(),
        ..Default::default()
    };
    let text = ledger.issue_token(ask.clone()).await.unwrap().into_inner().token;
    for (request, code, field) in [
        (ask.clone(), Code::AlreadyExists, "nonce"),
        (IssueTokenRequest { bind: true, ..ask.clone() }, Code::Unauthenticated, "signature"),
        (IssueTokenRequest { signature: vec![1].into(), ..ask.clone() }, Code::InvalidArgument, "signature"),
        (IssueTokenRequest { actor: "operator".into(), ..ask.clone() }, Code::InvalidArgument, "actor"),
        (IssueTokenRequest { session: "s".into(), ..ask.clone() }, Code::InvalidArgument, "session"),
        (IssueTokenRequest { at_ms: 1, ..ask.clone() }, Code::Unauthenticated, "at_ms"),
    ] {
        let refused = ledger.issue_token(request).await.unwrap_err();
        assert_eq!((refused.code(), refusal(&refused).field.as_str()), (code, field));
    }

    let set = node.get("/.well-known/jwks.json").unwrap();
    assert_eq!(set.header("content-type"), Some("application/jwk-set+json"));
    let token_key = signing_key(&operator).public();
    assert_eq!(set.body, jwks(&[token_key]));
    assert_eq!(node.get("/main/.well-known/jwks.json").unwrap().body, set.body);
    assert_eq!(node.get("/nolog/.well-known/jwks.json").unwrap().status, 404);
    Token::parse(&text).unwrap().verify(&token_key).unwrap();

    let check = CheckTokenRequest { token: text, scope: "invoice:read".into(), ..Default::default() };
    let good = ledger.check_token(check.clone()).await.unwrap().into_inner();
    assert!(good.live && !good.bound && good.reason.is_empty(), "{good:?}");
    assert_eq!((good.agent, good.session), (AGENT.to_string(), SESSION.to_string()));
    let fresh = CheckTokenRequest { fresh: true, ..check.clone() };
    assert!(ledger.check_token(fresh).await.unwrap().into_inner().live, "a majority of one confirms it");
    for (request, reason) in [
        (CheckTokenRequest { token: "a.b.c".into(), ..check.clone() }, "malformed"),
        (CheckTokenRequest { scope: "invoice:pay".into(), ..check.clone() }, "scope"),
        (CheckTokenRequest { call: Some(SignedCall::default()), ..check.clone() }, "pop_wrong"),
    ] {
        let denied = ledger.check_token(request).await.unwrap().into_inner();
        assert!(!denied.live && denied.agent.is_empty() && !denied.message.is_empty(), "{denied:?}");
        assert_eq!(denied.reason, reason);
    }
    let status = GetStatusRequest { subject: SESSION.to_string(), fresh: true, ..Default::default() };
    assert!(ledger.get_status(status).await.unwrap().into_inner().live);
}
