//! What a session token is worth, reason by reason.

mod world;

use ledger_format::http_signature::{Call, CallProof, content_digest};
use ledger_format::record::{
    Actor, AgentUpdate, Body, PublicKey, Scope, SessionEnd, SessionOpen, SigningKey, TenantId, TenantSuspend,
    Ulid,
};
use ledger_format::token::{Token, TokenRequest, signing_key};
use ledger_state::{
    MemoryState, SIGNED_WITHIN_MS, ShownCall, TokenLive, TokenQuestion, TokenReason, TokenRefused,
    check_token, grant_token,
};
use world::speak::*;
use world::*;

const MINUTE: u64 = 60_000;

fn request(actor: Actor) -> TokenRequest {
    TokenRequest {
        origin: ORIGIN.into(),
        session: session(1),
        actor,
        at_ms: START_MS,
        nonce: "a-nonce-of-a-test".into(),
        scopes: Vec::new(),
        bind: false,
    }
}

/// Asks as agent 1 would, with a change to the request.
fn ask(
    state: &MemoryState,
    key: &SigningKey,
    change: impl FnOnce(&mut TokenRequest),
) -> Result<Token, TokenRefused> {
    let mut wanted = request(Actor::Agent(agent(1)));
    change(&mut wanted);
    let signature = key.sign(&wanted.signed_bytes());
    let (claims, nonce) = grant_token(state, &wanted, &signature, START_MS, Ulid(7))?;
    assert!(nonce.text == wanted.nonce && nonce.until_ms > START_MS + SIGNED_WITHIN_MS);
    Ok(Token::sign(claims, &signing_key(&operator())).unwrap())
}

fn keys() -> Vec<PublicKey> {
    vec![signing_key(&operator()).public()]
}

fn look(
    state: &MemoryState,
    token: &Token,
    now_ms: u64,
    wanted: Option<&str>,
) -> Result<TokenLive, TokenReason> {
    let (text, keys, wanted) = (token.to_string(), keys(), wanted.map(scope));
    let question = TokenQuestion {
        token: &text,
        keys: &keys,
        now_ms,
        scope: wanted.as_ref(),
        audience: None,
        call: None,
    };
    check_token(state, &question).map_err(|refused| refused.reason)
}

/// Agent 1 with a session of ten minutes in which it may do everything with invoices.
fn with_session() -> MemoryState {
    let mut state = populated();
    index(&one_at(&mut state, START_MS, &open(10, 1, 1, 10, "invoice:*")));
    state
}

#[test]
fn who_gets_a_token() {
    let state = with_session();
    let token = ask(&state, &key(1), |_| {}).unwrap();
    assert_eq!(token.claims.scopes, scopes(&["invoice:*"]));
    assert_eq!(token.claims.expires_at_s, (START_MS + 10 * MINUTE) / 1_000);
    assert!(token.claims.proof_key.is_none());
    assert!(ask(&state, &key(1), |r| r.bind = true).unwrap().claims.proof_key.is_some());
    let narrow = ask(&state, &key(1), |r| r.scopes = scopes(&["invoice:read"])).unwrap();
    assert_eq!(narrow.claims.scopes, scopes(&["invoice:read"]));
    ask(&state, &tenant(1).1, |r| r.actor = Actor::Tenant).unwrap();
    let refused = |key: &SigningKey, change: &dyn Fn(&mut TokenRequest)| {
        ask(&state, key, |request| change(request)).unwrap_err().reason
    };
    assert_eq!(refused(&key(2), &|_| {}), TokenReason::Signature);
    assert_eq!(refused(&key(2), &|r| r.actor = Actor::Agent(agent(2))), TokenReason::Signature);
    assert_eq!(refused(&tenant(2).1, &|r| r.actor = Actor::Tenant), TokenReason::Signature);
    assert_eq!(refused(&operator(), &|r| r.actor = Actor::Operator), TokenReason::Signature);
    assert_eq!(refused(&key(1), &|r| r.origin = "other.example/log".into()), TokenReason::Log);
    assert_eq!(refused(&key(1), &|r| r.nonce = "short".into()), TokenReason::Malformed);
    assert_eq!(refused(&key(1), &|r| r.session = session(9)), TokenReason::SessionUnknown);
    assert_eq!(refused(&key(1), &|r| r.scopes = scopes(&["order:read"])), TokenReason::Scope);
    for at_ms in [START_MS - SIGNED_WITHIN_MS - 1, START_MS + SIGNED_WITHIN_MS + 1] {
        assert_eq!(refused(&key(1), &|r| r.at_ms = at_ms), TokenReason::PopOld);
    }
    // Signed, then changed on the way.
    let wanted = request(Actor::Agent(agent(1)));
    let signature = key(1).sign(&wanted.signed_bytes());
    let wider = TokenRequest { bind: true, ..wanted };
    let refused = grant_token(&state, &wider, &signature, START_MS, Ulid(7)).unwrap_err();
    assert_eq!(refused.reason, TokenReason::Signature);
}

#[test]
fn a_token_is_worth_what_its_session_is_now() {
    let state = with_session();
    let token = ask(&state, &key(1), |r| r.scopes = scopes(&["invoice:pay", "invoice:read"])).unwrap();
    assert!(look(&state, &token, START_MS, None).is_ok());
    assert!(look(&state, &token, START_MS, Some("invoice:pay")).is_ok());
    assert_eq!(look(&state, &token, START_MS, Some("invoice:list")), Err(TokenReason::Scope));
    assert_eq!(look(&state, &token, START_MS, Some("invoice:*")), Err(TokenReason::Scope));
    assert_eq!(look(&state, &token, START_MS + 10 * MINUTE, None), Err(TokenReason::Expired));
    let after = |record: ledger_format::record::Record, want| {
        let mut state = with_session();
        index(&one_at(&mut state, START_MS, &record));
        assert_eq!(look(&state, &token, START_MS, Some("invoice:pay")).map(|_| ()), want, "{record:?}");
    };
    after(close(20, 1, 1, SessionEnd::Clean), Err(TokenReason::SessionEnded));
    after(hand_off(20, 1, 1, 2), Err(TokenReason::SessionMoved));
    after(suspend(20, 1), Err(TokenReason::AgentSuspended));
    after(kill(20, 1, true), Err(TokenReason::AgentEnded));
    after(revoke(1, 20, 1, false), Err(TokenReason::AgentEnded));
    after(kill(20, 2, true), Ok(()));
    let update = |scopes, denies| {
        let (critical, name, on_behalf_of, runtime_type) = (None, None, None, None);
        let body =
            AgentUpdate { agent: agent(1), critical, denies, name, on_behalf_of, runtime_type, scopes };
        by_tenant(1, 20, Body::AgentUpdate(Box::new(body)))
    };
    after(update(Some(scopes(&["invoice:read"])), None), Err(TokenReason::Scope));
    after(update(None, Some(scopes(&["invoice:pay"]))), Err(TokenReason::Scope));
    let body = TenantSuspend { on_behalf_of: None, reason: "audit".into() };
    after(by_tenant(1, 20, Body::TenantSuspend(Box::new(body))), Err(TokenReason::TenantSuspended));
    // A suspension that is over has ended the session all the same.
    let mut state = with_session();
    index(&one_at(&mut state, START_MS, &suspend(20, 1)));
    index(&one_at(&mut state, START_MS, &reactivate(21, 1)));
    assert_eq!(look(&state, &token, START_MS, None), Err(TokenReason::SessionEnded));
}

#[test]
fn a_token_of_somebody_else_is_none() {
    let state = with_session();
    let token = ask(&state, &key(1), |_| {}).unwrap();
    let forged = Token::sign(token.claims.clone(), &key(1)).unwrap();
    assert_eq!(look(&state, &forged, START_MS, None), Err(TokenReason::Signature));
    let mut claims = token.claims.clone();
    claims.issuer = "other.example/log".into();
    let foreign = Token::sign(claims, &signing_key(&operator())).unwrap();
    assert_eq!(look(&state, &foreign, START_MS, None), Err(TokenReason::Log));
    let text = "a.b.c";
    let question = TokenQuestion {
        token: text,
        keys: &keys(),
        now_ms: START_MS,
        scope: None,
        audience: None,
        call: None,
    };
    assert_eq!(check_token(&state, &question).unwrap_err().reason, TokenReason::Malformed);
}

#[test]
fn a_session_for_somebody_with_a_key_of_its_own() {
    let mut state = populated();
    let body = SessionOpen {
        agent: agent(1),
        audience: Some("billing".into()),
        on_behalf_of: None,
        proof_key: Some(key(77).public()),
        scopes: vec![Scope::parse("invoice:pay").unwrap()],
        session: session(1),
        ttl_min: 10,
    };
    index(&one(&mut state, &by_tenant(1, 10, Body::SessionOpen(Box::new(body)))));
    let token = ask(&state, &key(1), |_| {}).unwrap();
    let (text, keys) = (token.to_string(), keys());
    let check = |audience| {
        let question =
            TokenQuestion { token: &text, keys: &keys, now_ms: START_MS, scope: None, audience, call: None };
        check_token(&state, &question).unwrap_err().reason
    };
    assert_eq!(check(None), TokenReason::Audience);
    assert_eq!(check(Some("shipping")), TokenReason::Audience);
    assert_eq!(check(Some("billing")), TokenReason::PopMissing);
}

/// Whoever registers an agent chooses its id: an agent of this log may be called like one of another log, to which a grant was given.
#[test]
fn a_grant_to_an_agent_of_another_log_is_nobodys_here() {
    let other = "ledger.example/other";
    let mut log = Log::new();
    let mut agreed = agreement(1, 9, 0, &["invoice:*"], START_MS + HOUR);
    agreed.origin = Some(other.into());
    agreed.sign_as_peer(tenant(1).0, &tenant(9).1);
    let agreed = log.must(By::Tenant(1), Body::FederationAgree(Box::new(agreed))).hash;
    let mut there = offer(1, None, (1, 7), &["invoice:pay"]);
    (there.agreement, there.to.origin, there.to.tenant) =
        (Some(agreed), Some(other.into()), TenantId(tenant(9).0));
    log.must(By::Tenant(1), Body::DelegationOffer(Box::new(there)));
    log.must(By::Tenant(1), Body::AgentRegister(Box::new(agent_body(7, None))));
    let here = offer(2, None, (1, 7), &["invoice:pay"]);
    log.must(By::Tenant(1), Body::DelegationOffer(Box::new(here)));
    let mut state = log.state;
    index(&one_at(&mut state, START_MS, &open(900, 1, 7, 10, "invoice:*")));
    let token = ask(&state, &key(7), |r| (r.actor, r.bind) = (Actor::Agent(agent(7)), true)).unwrap();

    let check = |number: u8| {
        let (text, grant) = (token.to_string(), deleg(number).to_string());
        let digest = content_digest(b"{}");
        let call = Call {
            method: "POST",
            target_uri: "https://billing.example/pay",
            token: &text,
            content_digest: &digest,
            audience: "billing",
            grant: Some(&grant),
        };
        let proof = CallProof::sign(&call, START_MS / 1_000, "a-nonce-of-a-test", &key(7)).unwrap();
        let (input, signature) = (proof.signature_input(), proof.signature_field());
        let shown = ShownCall {
            method: call.method,
            target_uri: call.target_uri,
            content_digest: call.content_digest,
            grant: call.grant,
            signature_input: &input,
            signature: &signature,
        };
        let question = TokenQuestion {
            token: &text,
            keys: &keys(),
            now_ms: START_MS,
            scope: Some(&scope("invoice:pay")),
            audience: Some("billing"),
            call: Some(shown),
        };
        check_token(&state, &question).map(drop).map_err(|refused| refused.reason)
    };
    assert_eq!(check(2), Ok(()));
    assert_eq!(check(1), Err(TokenReason::Grant));
}

/// A token that is bound to the agent's key dies with that key; one that is bound to none does not.
#[test]
fn a_replaced_key() {
    let mut state = with_session();
    let [free, bound] = [false, true].map(|bind| ask(&state, &key(1), |r| r.bind = bind).unwrap());
    index(&one(&mut state, &rotate(20, 1, 1, 50).sign(&key(1))));
    assert!(look(&state, &free, START_MS, None).is_ok());
    assert_eq!(look(&state, &bound, START_MS, None), Err(TokenReason::KeyReplaced));
}
