//! What a kill ended, page by page: all of it, in bounded pages, at a bounded cost each, also in the largest tree that a log allows.

mod world;

use std::cell::Cell;

use ledger_format::Hash;
use ledger_format::record::{AgentId, Ulid};
use ledger_state::{
    Agent, AgentStatus, Applied, ENDED_LOOKS_MAX, MemoryState, Value as _, View, ended_by, keys,
};
use world::*;

/// The most agents that a log allows below one.
const BELOW: u64 = 100_000;
/// Where the kill is.
const KILLED: u64 = 1_000_000;
const LIMIT: usize = 1_000;

fn id(number: u64) -> AgentId {
    AgentId(Ulid::from_parts(START_MS, 5_000_000 + u128::from(number)))
}

/// A tree in which agent n is below agent (n - 1) / fan; every `every`-th agent was ended by the kill.
fn tree(fan: u64, every: u64) -> MemoryState {
    let mut state = populated();
    let any = ledger_state::agent(&state, agent(1)).expect("it is registered");
    let mut writes = Vec::new();
    for number in 0..=BELOW {
        let first = number * fan + 1;
        let children = (first + fan).min(BELOW + 1).saturating_sub(first);
        let status = AgentStatus::Revoked {
            killed: true,
            index: if number % every == 0 { KILLED } else { KILLED - 1 },
            at: START_MS,
            cause: id(0),
            reason: "measured".into(),
            compromised_at: None,
        };
        let parent = number.checked_sub(1).map(|before| id(before / fan));
        let value = Agent { parent, children, registered: 100 + number, status, ..any.clone() };
        writes.push((keys::agent(id(number)), Some(value.encode())));
        for place in 0..children {
            let child = id(first + place).0.to_bytes().to_vec();
            writes.push((keys::child(id(number), place), Some(child)));
        }
    }
    state.store(&Applied { writes, ..Applied::default() });
    state
}

/// All of it, by the definition.
fn plain(fan: u64, every: u64) -> Vec<AgentId> {
    let (mut found, mut stack) = (Vec::new(), vec![0]);
    while let Some(number) = stack.pop() {
        if number % every == 0 {
            found.push(id(number));
        }
        let first: u64 = number * fan + 1;
        stack.extend((first..(first + fan).min(BELOW + 1)).rev());
    }
    found
}

/// Counts what is read.
struct Counting<'a>(&'a MemoryState, Cell<usize>);

impl View for Counting<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.1.set(self.1.get() + 1);
        self.0.get(key)
    }

    fn next_key(&self, from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
        self.1.set(self.1.get() + 1);
        self.0.next_key(from, to)
    }

    fn subtree(&self, level: u8, index: u64) -> Option<Hash> {
        self.0.subtree(level, index)
    }
}

#[test]
fn pages_are_bounded_and_together_they_are_all() {
    // (children of each, every how many ended): all below one; a deep tree; pages that find little.
    for (fan, every) in [(BELOW, 1), (10, 1), (10, 7), (BELOW, 50_000)] {
        let state = tree(fan, every);
        let (mut all, mut next, mut pages) = (Vec::new(), Some(id(0)), 0);
        while let Some(from) = next {
            let view = Counting(&state, Cell::new(0));
            let page = ended_by(&view, id(0), KILLED, from, LIMIT);
            assert!(page.agents.len() <= LIMIT);
            // An agent, its place, its sessions, now and then a way up; and once, to find the place again.
            let reads = view.1.get();
            assert!(reads <= ENDED_LOOKS_MAX * 4 + 200, "{reads} reads");
            all.extend(page.agents);
            next = page.next;
            pages += 1;
            assert!(pages <= BELOW as usize / LIMIT + 2, "it comes to an end");
        }
        assert_eq!(all, plain(fan, every), "fan {fan}, every {every}");
    }
}

#[test]
fn a_page_begins_anywhere_and_ends_below_the_top() {
    let state = tree(10, 1);
    // Agent 7 has 71 to 80 below it, and those have 711 to 810, and so on.
    let first = ended_by(&state, id(7), KILLED, id(7), 3);
    assert_eq!((first.agents, first.next), (vec![id(7), id(71), id(711)], Some(id(7_111))));
    let last = ended_by(&state, id(80), KILLED, id(810), LIMIT);
    assert_eq!(last.agents.first(), Some(&id(810)));
    assert_eq!((last.agents.len(), last.next), (111, None), "it does not leave the tree of agent 80");
    let nobody = ended_by(&state, id(BELOW + 1), KILLED, id(BELOW + 1), LIMIT);
    assert_eq!((nobody.agents, nobody.next), (vec![], None));
}
