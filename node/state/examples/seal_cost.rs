//! Prints what sealing costs: 10,000 subjects that changed, in a status map of 100,000, in steps as the leader proposes them. State
//! in memory, without the engine: for what a record waits on a node see `ledger-log` example `pauses`.
//!
//! `cargo run --release -p ledger-state --example seal_cost [subjects] [changed] [subjects a step]`

#[path = "../tests/world/mod.rs"]
mod world;

use std::time::{Duration, Instant};

use ledger_format::record::{AgentId, AgentRegister, Body, ReceiptAction, Record, SealStep, Ulid};
use ledger_state::{Command, MemoryState, Subject, apply, map_status, staple_parts};
use world::{START_MS, action_body, agent_body, append, by_tenant, populated};

/// Records in one command, as a busy leader batches them.
const BATCH: usize = 256;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let (subjects, changed) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(10_000));
    let a_step = numbers.next().unwrap_or(32);
    let mut state = populated();
    let register = |n| Body::AgentRegister(Box::new(AgentRegister { agent: id(n), ..agent_body(1, None) }));
    let records: Vec<Record> = (0..subjects).map(|n| by_tenant(1, 1_000_000 + n, register(n))).collect();
    records.chunks(BATCH).for_each(|batch| drop(state.run(&append(batch)).expect("no alarm")));
    let steps = seal(&mut state, a_step);
    report(&format!("{subjects} new subjects, from an empty map"), steps);

    let act = |n| Body::ReceiptAction(ReceiptAction { agent: id(n), ..action_body(1, "invoice:pay") });
    let step = (subjects / changed.max(1)).max(1) as usize;
    let agents = (0..subjects).step_by(step).take(changed as usize);
    let receipts: Vec<Record> = agents.map(|n| by_tenant(1, 9_000_000 + n, act(n))).collect();
    let start = Instant::now();
    receipts.chunks(BATCH).for_each(|batch| drop(state.run(&append(batch)).expect("no alarm")));
    let each = start.elapsed() / receipts.len().max(1) as u32;
    println!("{:>8.1} µs a receipt, logged meanwhile without sealing", micros(each));
    let steps = seal(&mut state, a_step);
    report(&format!("{changed} changed subjects of {subjects}"), steps);

    let size = ledger_state::status(&state).size;
    let start = Instant::now();
    let proofs = 1_000.min(subjects);
    (0..proofs).for_each(|n| assert!(staple_parts(&state, Subject::Agent(id(n)), size).is_ok()));
    println!("{:>8.1} µs a proof from the map", micros(start.elapsed() / proofs as u32));
}

fn id(n: u64) -> AgentId {
    AgentId(Ulid::from_parts(START_MS, 5_000_000 + u128::from(n)))
}

/// One step.
struct Step {
    apply: Duration,
    writes: usize,
    bytes: usize,
}

/// Seals until no subject waits.
fn seal(state: &mut MemoryState, subjects: u64) -> Vec<Step> {
    let mut steps = Vec::new();
    while map_status(state).waits_since.is_some() {
        let start = Instant::now();
        let step = SealStep { from: 0, subjects };
        let applied = apply(state, &Command::SealStep { log_ms: START_MS, step });
        let apply = start.elapsed();
        let bytes =
            applied.writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        steps.push(Step { apply, writes: applied.writes.len(), bytes });
        state.store(&applied);
    }
    steps
}

fn report(what: &str, mut steps: Vec<Step>) {
    let total: Duration = steps.iter().map(|step| step.apply).sum();
    let (writes, bytes) = steps.iter().fold((0, 0), |sum, step| (sum.0 + step.writes, sum.1 + step.bytes));
    steps.sort_by_key(|step| step.apply);
    let (Some(half), Some(most)) = (steps.get(steps.len() / 2), steps.last()) else { return };
    println!("{what}: {} steps, {:.1} ms together", steps.len(), micros(total) / 1_000.0);
    println!(
        "{:>8.1} ms p50, {:.1} ms max a step",
        micros(half.apply) / 1_000.0,
        micros(most.apply) / 1_000.0
    );
    println!("{:>8} writes, {} KiB a step", writes / steps.len(), bytes / steps.len() / 1_024);
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1_000.0
}
