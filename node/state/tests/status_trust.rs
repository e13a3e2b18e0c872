//! What the status map says of an agent's trust and keys, and of its tenant's.

mod world;

use ledger_format::record::json;
use ledger_format::record::{ActionVerdict, AgentKill, Body, SessionEnd};
use ledger_format::status_proof::Standing;
use ledger_state::trust::DAY_MS;
use ledger_state::{Command, MemoryState, Subject, map_status, staple_parts, trust_reading};
use world::*;

const HOUR_MS: u64 = DAY_MS / 24;

/// Seals at that time until nothing waits.
fn seal(state: &mut MemoryState, log_ms: u64) {
    while map_status(state).waits_since.is_some() {
        assert_eq!(state.apply(&Command::Seal { log_ms }).alarm, None);
    }
}

/// The sealed status.
fn sealed(state: &MemoryState, subject: Subject) -> serde_json::Value {
    let parts = staple_parts(state, subject, u64::MAX).unwrap().expect("something is sealed");
    let Standing::Present(bytes) = parts.standing else { panic!("{subject} is not sealed") };
    // Staples carry canonical JSON only.
    assert_eq!(json::parse(&bytes).unwrap().to_bytes(), bytes);
    serde_json::from_slice(&bytes).unwrap()
}

fn waits(state: &MemoryState) -> bool {
    map_status(state).waits_since.is_some()
}

fn judge(state: &mut MemoryState, log_ms: u64, record: u64, number: u8, verdict: ActionVerdict) {
    index(&one_at(state, log_ms, &judged(record, number, "invoice:pay", Some(verdict), None)));
}

#[test]
fn a_status_says_the_trust_at_its_sealing() {
    let mut state = populated();
    for n in 0..40 {
        judge(&mut state, START_MS + n * HOUR_MS, 500 + n, 1, ActionVerdict::Ok);
    }
    let at = START_MS + 3 * DAY_MS;
    seal(&mut state, at);
    let trust = &sealed(&state, Subject::Agent(agent(1)))["trust"];
    let reading = trust_reading(&state, agent(1), at).unwrap();
    assert_eq!((trust["alg"].as_str(), trust["as_of"].as_u64()), (Some("maip-trust/1"), Some(at)));
    assert!(reading.score.is_some());
    assert_eq!(trust["score_bp"].as_u64(), reading.score);
    assert_eq!(trust["cap_bp"]["newcomer"].as_u64(), Some(reading.caps.newcomer));
    let behaviour = reading.factors.behaviour.unwrap();
    let factor = &trust["factors"]["behaviour"];
    assert_eq!(factor["bp"].as_u64(), Some(behaviour.bp));
    assert_eq!(factor["numerator"].as_i64(), Some(behaviour.numerator));
    assert_eq!(factor["denominator"].as_u64(), Some(behaviour.denominator));
    assert!(trust["factors"].get("peers").is_none(), "no data, no factor");
}

/// The example in the document: an agent of one good call.
#[test]
fn the_documented_example_is_what_comes_out() {
    const DOCUMENT: &str = include_str!("../../../docs/record-format.md");
    let begin = DOCUMENT.find(r#"{"alg":"maip-trust/1""#).unwrap();
    let example = DOCUMENT[begin..].split("```").next().unwrap();
    let example = example.replace("<log time>", &START_MS.to_string());
    let mut state = populated();
    judge(&mut state, START_MS, 500, 1, ActionVerdict::Ok);
    seal(&mut state, START_MS);
    let want: serde_json::Value = serde_json::from_str(&example).unwrap();
    assert_eq!(sealed(&state, Subject::Agent(agent(1)))["trust"], want);
}

/// Whatever changes trust lets the status wait to be sealed, also what no record of the agent's own says.
#[test]
fn trust_that_changes_is_sealed_again() {
    let mut state = populated();
    index(&one(&mut state, &open(400, 1, 1, 5, "invoice:*")));
    index(&one(&mut state, &open(401, 2, 1, 600, "invoice:*")));
    seal(&mut state, START_MS);
    assert!(!waits(&state));
    // Somebody else's record ends the session by time.
    let later = START_MS + 10 * 60_000;
    index(&one_at(&mut state, later, &receipt(1, 402, 2, "invoice:pay")));
    seal(&mut state, later);
    let sessions = |state: &MemoryState| {
        sealed(state, Subject::Agent(agent(1)))["trust"]["factors"]["sessions"]["numerator"].as_u64()
    };
    let expired = sessions(&state);
    assert!(expired.is_some());
    index(&one_at(&mut state, later, &close(403, 2, 1, SessionEnd::Clean)));
    seal(&mut state, later);
    assert!(sessions(&state) > expired);
}

#[test]
fn a_harmful_agent_leaves_its_mark_on_the_tenant() {
    let mut state = populated();
    seal(&mut state, START_MS);
    let tenant_1 = Subject::Tenant(ledger_format::record::TenantId(tenant(1).0));
    let tenant_2 = Subject::Tenant(ledger_format::record::TenantId(tenant(2).0));
    let cap = |state: &MemoryState, subject| sealed(state, subject)["trust"]["cap_bp"].as_u64();
    assert_eq!((cap(&state, tenant_1), cap(&state, tenant_2)), (Some(10_000), Some(10_000)));
    judge(&mut state, START_MS, 500, 1, ActionVerdict::Minor);
    seal(&mut state, START_MS);
    assert_eq!(cap(&state, tenant_1), Some(10_000), "a minor one sets no cap");
    judge(&mut state, START_MS, 501, 1, ActionVerdict::Major);
    seal(&mut state, START_MS);
    assert_eq!(cap(&state, tenant_1), Some(5_900));
    judge(&mut state, START_MS + DAY_MS, 502, 1, ActionVerdict::Critical);
    index(&one_at(&mut state, START_MS + 2 * DAY_MS, &kill(503, 1, false)));
    // A fresh one of the same tenant, long after.
    let later = START_MS + 40 * DAY_MS;
    index(&one_at(&mut state, later, &register_agent(1, 504, 5, None)));
    seal(&mut state, later);
    let fresh = sealed(&state, Subject::Agent(agent(5)));
    assert_eq!(fresh["trust"]["cap_bp"]["severity"], 10_000);
    assert_eq!(fresh["trust"]["tenant_cap_bp"], 2_900);
    assert_eq!(cap(&state, tenant_2), Some(10_000), "another tenant's affair");
}

#[test]
fn the_history_of_keys_is_told_and_bounded() {
    let mut state = populated();
    let mut indexes = vec![ledger_state::agent(&state, agent(1)).unwrap().registered];
    let rotations = 20;
    for n in 0..rotations {
        let from = if n == 0 { 1 } else { 20 + n - 1 };
        let record = rotate(600 + u64::from(n), 1, from, 20 + n).sign(&key(from));
        indexes.push(index(&one(&mut state, &record)) + 1);
        if n == 0 {
            seal(&mut state, START_MS);
            let status = sealed(&state, Subject::Agent(agent(1)));
            let (old, new) = (key(1).public().kid().to_string(), key(20).public().kid().to_string());
            let want = serde_json::json!([
                { "from": indexes[0], "kid": old, "until": indexes[1] },
                { "from": indexes[1], "kid": new },
            ]);
            assert_eq!(status["keys"], want);
        }
    }
    seal(&mut state, START_MS);
    let status = sealed(&state, Subject::Agent(agent(1)));
    assert_eq!(status["key_count"], u64::from(rotations) + 1);
    let keys = status["keys"].as_array().unwrap();
    let from: Vec<_> = keys.iter().map(|key| key["from"].as_u64().unwrap()).collect();
    assert_eq!(from, indexes[indexes.len() - 16..], "the newest sixteen, oldest first");
    for pair in keys.windows(2) {
        assert_eq!(pair[0]["until"], pair[1]["from"]);
    }
    assert_eq!(keys[15]["kid"], status["key"]);

    // A revocation ends the key; a kill after it does not end it again.
    let revoked = index(&one(&mut state, &revoke(1, 700, 1, false)));
    index(&one(&mut state, &kill(701, 1, false)));
    seal(&mut state, START_MS);
    let status = sealed(&state, Subject::Agent(agent(1)));
    assert_eq!((&status["status"], status["keys"][15]["until"].as_u64()), (&"killed".into(), Some(revoked)));
}

#[test]
fn a_status_says_since_when_an_agent_was_in_foreign_hands() {
    let mut state = populated();
    seal(&mut state, START_MS);
    assert!(sealed(&state, Subject::Agent(agent(1)))["compromised_at"].is_null());
    let body = AgentKill {
        agent: agent(1),
        cascade: true,
        compromised_at: Some(START_MS - HOUR_MS),
        on_behalf_of: None,
        reason: "stolen".into(),
    };
    index(&one(&mut state, &by_tenant(1, 600, Body::AgentKill(body))));
    seal(&mut state, START_MS + 1);
    for number in [1, 2] {
        let status = sealed(&state, Subject::Agent(agent(number)));
        assert_eq!(status["compromised_at"], START_MS - HOUR_MS, "agent {number}");
    }
}
