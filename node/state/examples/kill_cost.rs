//! Prints what the kill of a tree costs: 1,000 agents below one, the state in memory, without the engine's commit.
//!
//! `cargo run --release -p ledger-state --example kill_cost [agents]`

#[path = "../tests/world/mod.rs"]
mod world;

use std::time::{Duration, Instant};

use ledger_format::record::{AgentId, AgentKill, AgentRegister, Body, Record, Ulid};
use ledger_state::{Applied, apply, ended_by};
use world::{START_MS, agent_body, append, by_tenant, populated};

/// Records in one command, as a busy leader batches them.
const BATCH: usize = 256;
/// Agents directly below each.
const CHILDREN: u64 = 10;
const ROUNDS: usize = 21;

fn main() {
    let agents: u64 = std::env::args().nth(1).map_or(1_000, |text| text.parse().expect("a number"));
    let mut state = populated();
    let register = |n: u64| {
        let parent = n.checked_sub(1).map(|before| id(before / CHILDREN));
        Body::AgentRegister(Box::new(AgentRegister { agent: id(n), parent, ..agent_body(1, None) }))
    };
    let records: Vec<Record> = (0..=agents).map(|n| by_tenant(1, 1_000_000 + n, register(n))).collect();
    records.chunks(BATCH).for_each(|batch| drop(state.run(&append(batch)).expect("no alarm")));
    let kill = AgentKill {
        agent: id(0),
        cascade: true,
        compromised_at: None,
        on_behalf_of: None,
        reason: "measured".into(),
    };
    let kill = append(&[by_tenant(1, 2_000_000, Body::AgentKill(kill))]);
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            drop(apply(&state, &kill));
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let Applied { writes, .. } = apply(&state, &kill);
    println!(
        "{:>8.1} ms p50, {:.1} ms max a kill of {} agents",
        ms(times[ROUNDS / 2]),
        ms(times[ROUNDS - 1]),
        agents + 1
    );
    println!("{:>8} writes", writes.len());
    let index = ledger_state::status(&state).size;
    state.run(&kill).expect("no alarm");
    let start = Instant::now();
    let (mut ended, mut pages, mut next) = (0, 0, Some(id(0)));
    while let Some(from) = next {
        let page = ended_by(&state, id(0), index, from, 1_000);
        ended += page.agents.len() as u64;
        pages += 1;
        next = page.next;
    }
    assert_eq!(ended, agents + 1);
    println!("{:>8.1} ms to list what it ended, {pages} pages", ms(start.elapsed()));
}

fn id(n: u64) -> AgentId {
    AgentId(Ulid::from_parts(START_MS, 5_000_000 + u128::from(n)))
}

fn ms(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1_000_000.0
}
