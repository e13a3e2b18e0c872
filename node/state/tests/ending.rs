//! Who hears early that agents end, sees what the state says afterwards: all of it, and nothing else.

mod world;

use std::cell::RefCell;

use ledger_format::Hash;
use ledger_format::record::{AgentId, AgentKill, AgentRegister, AgentRevoke, AgentSuspend, Body, Ulid};
use ledger_state::{Ending, MemoryState, Outcome, View, agent, apply, ended_early};
use world::*;

/// A state that keeps what it is told.
struct Listening<'a>(&'a MemoryState, RefCell<Vec<Ending>>);

impl View for Listening<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key)
    }

    fn next_key(&self, from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
        self.0.next_key(from, to)
    }

    fn subtree(&self, level: u8, index: u64) -> Option<Hash> {
        self.0.subtree(level, index)
    }

    fn ending(&self, ending: &Ending) {
        self.1.borrow_mut().push(ending.clone());
    }
}

const AGENTS: u64 = 13;

fn id(number: u64) -> AgentId {
    AgentId(Ulid::from_parts(START_MS, 7_000_000 + u128::from(number)))
}

/// Agent n is below agent (n - 1) / 3; agent 5 is suspended.
fn tree() -> MemoryState {
    let mut state = populated();
    let register = |number: u64| {
        let parent = number.checked_sub(1).map(|before| id(before / 3));
        Body::AgentRegister(Box::new(AgentRegister { agent: id(number), parent, ..agent_body(1, None) }))
    };
    let mut records: Vec<_> =
        (0..AGENTS).map(|number| by_tenant(1, 1_000_000 + number, register(number))).collect();
    let suspend = AgentSuspend { agent: id(5), on_behalf_of: None, reason: "waiting".into() };
    records.push(by_tenant(1, 1_500_000, Body::AgentSuspend(suspend)));
    for outcome in state.run(&append(&records)).expect("no alarm") {
        assert!(matches!(outcome, Outcome::Sequenced { .. }), "{outcome:?}");
    }
    state
}

fn kill(number: u64, cascade: bool) -> Body {
    Body::AgentKill(AgentKill {
        agent: id(number),
        cascade,
        compromised_at: Some(START_MS - 1),
        on_behalf_of: None,
        reason: format!("kill-{number}"),
    })
}

fn revoke(number: u64, cascade: bool) -> Body {
    Body::AgentRevoke(AgentRevoke {
        agent: id(number),
        cascade,
        compromised_at: None,
        on_behalf_of: None,
        reason: format!("revoke-{number}"),
    })
}

#[test]
fn what_is_heard_early_is_what_the_state_says_afterwards() {
    // What was before, what one command brings, and how many endings it announces.
    let cases: [(&str, Vec<Body>, Vec<Body>, usize); 9] = [
        ("a whole tree", vec![], vec![kill(0, true)], 1),
        ("a branch", vec![], vec![kill(1, true)], 1),
        ("one agent", vec![], vec![kill(1, false)], 1),
        ("a suspended one", vec![], vec![revoke(5, true)], 1),
        ("a revocation", vec![], vec![revoke(0, true)], 1),
        ("a kill above a revocation", vec![revoke(1, true)], vec![kill(0, true)], 1),
        ("below an agent that has ended alone", vec![kill(0, false)], vec![kill(0, true)], 1),
        ("several in one command", vec![], vec![revoke(4, true), kill(1, true), kill(2, false)], 3),
        ("what is refused", vec![kill(0, true)], vec![kill(1, true), revoke(0, true)], 0),
    ];
    for (name, before, now, announced) in cases {
        let mut state = tree();
        let mut number = 2_000_000;
        let mut records = |bodies: Vec<Body>| {
            let next = |body| {
                number += 1;
                by_tenant(1, number, body)
            };
            append(&bodies.into_iter().map(next).collect::<Vec<_>>())
        };
        state.run(&records(before)).expect("no alarm");
        let view = Listening(&state, RefCell::default());
        let applied = apply(&view, &records(now));
        let endings = view.1.into_inner();
        assert_eq!(endings.len(), announced, "{name}");
        let mut after = state.clone();
        after.store(&applied);
        for number in 0..AGENTS {
            let found = agent(&state, id(number)).expect("it is registered");
            let early = ended_early(&endings, &state, id(number), &found);
            assert_eq!(early.unwrap_or(found), agent(&after, id(number)).unwrap(), "{name}: agent {number}");
        }
    }
}
