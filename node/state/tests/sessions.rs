//! Sessions from opening to end, and what suspensions and kills do to them.

mod world;

use ledger_format::record::{ActionVerdict, AgentId, AgentUpdate, Body, SessionEnd};
use ledger_state::{AgentStatus, Flags, MemoryState, SessionStanding};
use world::*;

const MINUTE: u64 = 60_000;

fn standing(state: &MemoryState, number: u8) -> SessionStanding {
    ledger_state::session(state, session(number)).unwrap().standing
}

#[test]
fn what_a_session_may_be() {
    let mut state = populated();
    index(&one(&mut state, &open(10, 1, 1, 5, "invoice:pay")));
    let cases = [
        (open(11, 1, 1, 5, "invoice:pay"), "session_exists"),
        (open(12, 2, 1, 5, "order:read"), "scope_exceeds_agent"),
        (open(13, 2, 9, 5, "invoice:pay"), "agent_unknown"),
        (refresh(14, 9, 1, 5), "session_unknown"),
        (refresh(15, 1, 2, 5), "session_of_other_agent"),
        (close(16, 1, 2, SessionEnd::Clean), "session_of_other_agent"),
        (hand_off(17, 1, 1, 9), "agent_unknown"),
    ];
    for (record, want) in cases {
        let before = state.clone();
        assert_eq!(code(&one(&mut state, &record)), want);
        assert_eq!(state, before, "{want}: a refused record changes nothing");
    }
}

#[test]
fn a_session_ends_by_the_time_of_the_log() {
    let mut state = populated();
    index(&one_at(&mut state, START_MS, &open(10, 1, 1, 5, "invoice:*")));
    index(&one_at(&mut state, START_MS, &open(11, 2, 1, 10, "invoice:*")));
    index(&one_at(&mut state, START_MS + 4 * MINUTE, &refresh(12, 1, 1, 20)));
    // At its last moment it is used, at its end no longer.
    let last = judged(13, 1, "invoice:pay", None, Some(2));
    let at = index(&one_at(&mut state, START_MS + 10 * MINUTE - 1, &last));
    assert_eq!(ledger_state::flags(&state, at), Flags::NONE);
    let late = judged(14, 1, "invoice:pay", None, Some(2));
    let at = index(&one_at(&mut state, START_MS + 10 * MINUTE, &late));
    assert_eq!(ledger_state::flags(&state, at), Flags::SESSION_ENDED);
    assert_eq!(
        [1, 2].map(|number| standing(&state, number)),
        [SessionStanding::Open, SessionStanding::Expired]
    );
    let refresh_late = refresh(15, 2, 1, 5);
    assert_eq!(code(&one_at(&mut state, START_MS + 10 * MINUTE, &refresh_late)), "session_ended");
    index(&one_at(&mut state, START_MS + 11 * MINUTE, &close(16, 1, 1, SessionEnd::Clean)));
    assert_eq!(standing(&state, 1), SessionStanding::Closed);
}

/// A refused record is no entry, so the replay never hears of its time: what it would have ended stays open until an entry comes.
#[test]
fn a_refused_record_ends_no_session() {
    let mut state = populated();
    index(&one_at(&mut state, START_MS, &open(10, 1, 1, 5, "invoice:*")));
    let refused = open(11, 2, 1, 5, "order:read");
    assert_eq!(code(&one_at(&mut state, START_MS + 9 * MINUTE, &refused)), "scope_exceeds_agent");
    assert_eq!(standing(&state, 1), SessionStanding::Open);
    assert_eq!(
        code(&one_at(&mut state, START_MS, &refresh(12, 1, 1, 5))),
        "session_ended",
        "its time is over"
    );
    index(&one_at(&mut state, START_MS, &open(13, 3, 1, 5, "invoice:*")));
    assert_eq!(standing(&state, 1), SessionStanding::Expired);
}

#[test]
fn a_session_is_handed_to_an_agent_that_may_do_as_much() {
    let mut state = populated();
    let narrow = AgentUpdate {
        agent: agent(2),
        critical: None,
        denies: None,
        name: None,
        on_behalf_of: None,
        runtime_type: None,
        scopes: Some(scopes(&["invoice:pay"])),
    };
    index(&one(&mut state, &by_tenant(1, 9, Body::AgentUpdate(Box::new(narrow)))));
    index(&one(&mut state, &open(10, 1, 1, 5, "invoice:*")));
    index(&one(&mut state, &open(11, 2, 1, 5, "invoice:pay")));
    assert_eq!(code(&one(&mut state, &hand_off(12, 1, 1, 2))), "scope_exceeds_agent");
    index(&one(&mut state, &hand_off(13, 2, 1, 2)));
    // The former owner is a stranger to it now.
    let at = index(&one(&mut state, &judged(14, 1, "invoice:pay", None, Some(2))));
    assert_eq!(ledger_state::flags(&state, at), Flags::SESSION_UNKNOWN);
    let at = index(&one(&mut state, &judged(15, 2, "invoice:pay", None, Some(2))));
    assert_eq!(ledger_state::flags(&state, at), Flags::NONE);
}

#[test]
fn a_session_narrows_what_its_agent_may_do() {
    let mut state = populated();
    index(&one(&mut state, &open(10, 1, 1, 5, "invoice:read")));
    let at = index(&one(&mut state, &judged(11, 1, "invoice:pay", None, Some(1))));
    assert!(ledger_state::flags(&state, at).contains(Flags::OUT_OF_SCOPE));
}

#[test]
fn suspension_ends_sessions_and_reactivation_does_not_bring_them_back() {
    let mut state = populated();
    index(&one(&mut state, &open(10, 1, 1, 5, "invoice:*")));
    index(&one(&mut state, &suspend(11, 1)));
    assert_eq!(code(&one(&mut state, &suspend(12, 1))), "agent_suspended");
    assert_eq!(code(&one(&mut state, &open(13, 2, 1, 5, "invoice:*"))), "agent_suspended");
    // Evidence is never refused: what a suspended agent does is logged and flagged.
    let at = index(&one(&mut state, &receipt(1, 14, 1, "invoice:pay")));
    assert_eq!(ledger_state::flags(&state, at), Flags::SUSPENDED);
    index(&one(&mut state, &reactivate(15, 1)));
    assert_eq!(code(&one(&mut state, &reactivate(16, 1))), "agent_not_suspended");
    assert_eq!(code(&one(&mut state, &refresh(17, 1, 1, 5))), "session_ended");
    index(&one(&mut state, &open(18, 2, 1, 5, "invoice:*")));
    // When its time comes, it counts neither for nor against the agent.
    index(&one(&mut state, &close(19, 2, 1, SessionEnd::Clean)));
    let before = ledger_state::trust_reading(&state, agent(1), START_MS + MINUTE).unwrap();
    index(&one_at(&mut state, START_MS + 5 * MINUTE, &receipt(1, 20, 1, "invoice:pay")));
    assert_eq!(standing(&state, 1), SessionStanding::Ended);
    assert_eq!(ledger_state::trust_reading(&state, agent(1), START_MS + 5 * MINUTE).unwrap(), before);
}

#[test]
fn a_kill_ends_what_is_below_and_is_above_a_revocation() {
    let mut state = populated();
    index(&one(&mut state, &open(10, 1, 2, 5, "invoice:*")));
    index(&one(&mut state, &revoke(1, 11, 1, false)));
    let killed = index(&one(&mut state, &kill(12, 1, true)));
    for number in [1, 2] {
        let found = ledger_state::agent(&state, agent(number)).unwrap();
        let AgentStatus::Revoked { killed: true, index, cause, .. } = found.status else {
            panic!("{found:?}")
        };
        assert_eq!((index, cause), (killed, agent(1)));
        let reading = ledger_state::trust_reading(&state, agent(number), START_MS).unwrap();
        assert_eq!(reading.score, Some(0), "for ever");
    }
    assert_eq!(code(&one(&mut state, &refresh(13, 1, 2, 5))), "session_ended");
    assert_eq!(code(&one(&mut state, &kill(14, 2, true))), "agent_revoked");
    assert_eq!(code(&one(&mut state, &revoke(1, 15, 2, true))), "agent_revoked");
    // The key of the revoked agent ended with the revocation, not with the kill.
    let span = ledger_state::agent_key(&state, agent(1), key(1).kid()).unwrap();
    assert_eq!(span.until, Some(killed - 1));
}

#[test]
fn trust_follows_from_verdicts_denials_of_scope_and_sessions() {
    let mut state = populated();
    let score = |state: &MemoryState| ledger_state::trust_reading(state, agent(1), START_MS + 60 * MINUTE);
    // What an agent says of itself gives nothing.
    index(&one(&mut state, &receipt(1, 10, 1, "invoice:pay")));
    let unscored = score(&state).unwrap();
    assert_eq!(unscored.score, None);
    for record in 11..20 {
        index(&one(&mut state, &judged(record, 1, "invoice:pay", Some(ActionVerdict::Ok), None)));
    }
    let good = score(&state).unwrap();
    assert_eq!(good.score, Some(5_250), "as the reference gives a clean agent on its first day");
    // The log sees by itself that an action was out of scope, whoever signs and whatever the verdict.
    index(&one(&mut state, &judged(30, 1, "order:read", Some(ActionVerdict::Ok), None)));
    let flagged = score(&state).unwrap();
    assert!(flagged.combined < good.combined, "{flagged:?}");
    assert_eq!(flagged.caps.severity, 5_900, "a major violation");
    // Sessions: one closed, one run out.
    index(&one(&mut state, &open(40, 1, 1, 5, "invoice:*")));
    index(&one(&mut state, &close(41, 1, 1, SessionEnd::Clean)));
    let closed = score(&state).unwrap();
    assert!(closed.factors.sessions.is_some() && flagged.factors.sessions.is_none());
    index(&one(&mut state, &open(42, 2, 1, 5, "invoice:*")));
    index(&one_at(&mut state, START_MS + 5 * MINUTE, &receipt(1, 43, 1, "invoice:pay")));
    let value = |factor: Option<ledger_state::trust::Factor>| factor.expect("there is evidence").bp;
    assert!(value(score(&state).unwrap().factors.sessions) < value(closed.factors.sessions));
}

/// Open sessions are counted as they come and go; what ended them for an agent stays counted, once.
#[test]
fn open_sessions_are_counted_until_the_agents_end() {
    let mut state = populated();
    let open_now = |state: &MemoryState, number| ledger_state::open_sessions(state, agent(number));
    for number in 1..=4 {
        index(&one_at(&mut state, START_MS, &open(10 + u64::from(number), number, 1, 10, "invoice:pay")));
    }
    assert_eq!(open_now(&state, 1), 4);
    index(&one_at(&mut state, START_MS, &close(20, 1, 1, SessionEnd::Clean)));
    index(&one_at(&mut state, START_MS, &refresh(21, 2, 1, 60)));
    index(&one_at(&mut state, START_MS, &hand_off(22, 3, 1, 2)));
    assert_eq!((open_now(&state, 1), open_now(&state, 2)), (2, 1));
    // The fourth runs out, and the one that was handed on.
    index(&one_at(&mut state, START_MS + 10 * MINUTE, &receipt(1, 23, 1, "invoice:pay")));
    assert_eq!((open_now(&state, 1), open_now(&state, 2)), (1, 0));
    // A suspension ends them, and what it ended is not ended again.
    index(&one_at(&mut state, START_MS + 10 * MINUTE, &suspend(24, 1)));
    index(&one_at(&mut state, START_MS + 10 * MINUTE, &reactivate(25, 1)));
    index(&one_at(&mut state, START_MS + 10 * MINUTE, &open(26, 5, 1, 5, "invoice:pay")));
    assert_eq!(open_now(&state, 1), 1);
    index(&one_at(&mut state, START_MS + 10 * MINUTE, &open(27, 6, 2, 60, "invoice:pay")));
    let killed = index(&one_at(&mut state, START_MS + 11 * MINUTE, &kill(28, 1, true)));
    let ended = ended_at(&state, killed);
    assert_eq!(ended, [agent(1), agent(2)]);
    assert_eq!((open_now(&state, 1), open_now(&state, 2)), (1, 1));
    assert_eq!(ended_at(&state, killed - 1), []);
}

/// What the record at `index` ended below agent 1.
fn ended_at(state: &MemoryState, index: u64) -> Vec<AgentId> {
    ledger_state::ended_by(state, agent(1), index, agent(1), 100).agents
}

/// When their time comes later, the count stays: it says what the kill has ended.
#[test]
fn the_count_of_a_kill_outlives_its_sessions() {
    let mut state = populated();
    index(&one_at(&mut state, START_MS, &open(10, 1, 2, 5, "invoice:pay")));
    index(&one_at(&mut state, START_MS, &revoke(1, 11, 2, false)));
    assert_eq!(ledger_state::open_sessions(&state, agent(2)), 1);
    index(&one_at(&mut state, START_MS + 6 * MINUTE, &receipt(1, 12, 1, "invoice:pay")));
    assert_eq!(standing(&state, 1), SessionStanding::Ended);
    assert_eq!(ledger_state::open_sessions(&state, agent(2)), 1);
    // A kill on top of the revocation finds nothing left to end.
    let killed = index(&one_at(&mut state, START_MS + 6 * MINUTE, &kill(13, 1, true)));
    assert_eq!(ended_at(&state, killed), [agent(1), agent(2)]);
    assert_eq!(ledger_state::open_sessions(&state, agent(2)), 0);
}
