//! Prints how fast inputs are applied to the trust state of a thousand agents, in memory and with each agent as bytes.
//!
//! `cargo run --release -p ledger-state --example trust_speed`

#[path = "../tests/trust_world/lives.rs"]
mod lives;

use std::hint::black_box;
use std::time::Instant;

use ledger_state::Value;
use ledger_state::trust::{ActionOutcome, AgentState, Input, MemoryTrust, Verdict, What};
use lives::{DAY, HOUR, World, action, clean_session, denial, id, ok, word};

const AGENTS: u64 = 1_000;
const INPUTS: u64 = 3_000_000;
/// Between two inputs: three million cover 17 days.
const STEP_MS: u64 = 500;

fn main() {
    let tenants = 10;
    let names: Vec<_> = (0..AGENTS).map(|n| format!("maip-agent:{n:026}")).collect();
    let mut world = World::default();
    for n in 0..tenants {
        world.weight(&tenant(n), 4096, 0);
    }
    for (n, name) in (0..).zip(&names) {
        world.register(name, &tenant(n % tenants), 0);
    }
    let inputs: Vec<_> =
        (0..INPUTS).map(|n| Input { ms: HOUR + n * STEP_MS, what: what(n, &names) }).collect();

    let mut state = world.state;
    let start = Instant::now();
    for input in &inputs {
        state.apply(input).expect("an input of the benchmark");
    }
    line("apply", start.elapsed().as_nanos(), INPUTS);

    let agents: Vec<_> = state.agents.values().collect();
    let start = Instant::now();
    let bytes: Vec<_> = agents.iter().map(|agent| agent.encode()).collect();
    line("encode an agent", start.elapsed().as_nanos(), AGENTS);
    let start = Instant::now();
    bytes.iter().for_each(|bytes| drop(black_box(AgentState::decode(bytes))));
    line("decode an agent", start.elapsed().as_nanos(), AGENTS);
    let sizes: usize = bytes.iter().map(Vec::len).sum();
    println!("{:10} bytes an agent", sizes as u64 / AGENTS);

    read(&state, &names);
}

fn read(state: &MemoryTrust, names: &[String]) {
    let ids: Vec<_> = names.iter().map(|name| id(name)).collect();
    let later = state.last_ms + 3 * DAY;
    let start = Instant::now();
    ids.iter().for_each(|id| drop(black_box(state.reading(id, later))));
    line("read, three days later", start.elapsed().as_nanos(), AGENTS);
}

/// Mostly good actions; a little of everything else.
fn what(n: u64, names: &[String]) -> What {
    // A large odd factor visits the agents out of order.
    let name = |n: u64| names[(n.wrapping_mul(2_654_435_761) % AGENTS) as usize].as_str();
    let agent = name(n);
    match n % 100 {
        0 => clean_session(agent),
        1 => denial(agent),
        2 => action(agent, ActionOutcome::Minor),
        3 | 4 => word(name(n + 1), agent, Verdict::Good, n, HOUR + n * STEP_MS),
        _ => ok(agent),
    }
}

fn tenant(n: u64) -> String {
    format!("maip-tenant:{n:026}")
}

fn line(what: &str, nanoseconds: u128, count: u64) {
    let each = nanoseconds as f64 / count as f64;
    println!("{each:10.0} ns  {what} ({:.2} million a second)", 1_000.0 / each);
}
