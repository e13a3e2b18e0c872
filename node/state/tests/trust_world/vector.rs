//! Vector files: a log of inputs and what must come out of it.
//!
//! `expected` holds the digest of the final state, ten digests on the way, the reading of every agent, and for each input its
//! agent's score right after it (or the error) and the first eight digits of the digest of `[state, reading]` of that agent.

use ledger_format::record::Digest;
use ledger_format::record::json::{Value, Writer};
use ledger_state::trust::{ALGORITHM_ID, Input, MemoryTrust};

use super::json::{self, items, member, text};

/// What a file's replay found.
pub(crate) struct Checked {
    /// Inputs in the file, rejected ones included.
    pub(crate) inputs: usize,
    /// Inputs that were rejected, as the file says they must be.
    pub(crate) rejected: usize,
    /// How the replay differs from the file; empty if it does not.
    pub(crate) problems: Vec<String>,
}

/// Replays a file and compares everything that it expects.
pub(crate) fn check(file: &str) -> Checked {
    let file = json::read(file);
    assert_eq!(text(member(&file, "algorithm")), ALGORITHM_ID, "a file of another algorithm");
    let (log, expected) = (items(member(&file, "events")), member(&file, "expected"));
    let (trace, digests) = (items(member(expected, "trace")), items(member(expected, "trace_digests")));
    let mut problems = Vec::new();
    if [trace.len(), digests.len()] != [log.len(); 2] {
        problems.push(format!("{} inputs, but {} and {} rows", log.len(), trace.len(), digests.len()));
    }
    let mut state = MemoryTrust::new();
    let (mut rejected, mut checkpoints) = (0, Vec::new());
    for (i, value) in log.iter().enumerate() {
        let (score, digest) = step(&mut state, value);
        rejected += usize::from(matches!(score, Value::Str(_)));
        // The first difference tells most; what follows from it tells nothing.
        if problems.is_empty() && (Some(&score) != trace.get(i) || Some(&digest) != digests.get(i)) {
            problems.push(format!(
                "input {i}: expected {:?} {:?}, found {score:?} {digest:?}",
                trace[i], digests[i]
            ));
        }
        while checkpoints.len() < 10 && log.len() * (checkpoints.len() + 1) / 10 <= i + 1 {
            checkpoints.push(Value::Str(hex(&state.digest())));
        }
    }
    if checkpoints != items(member(expected, "checkpoints")) {
        problems.push("checkpoints differ".to_owned());
    }
    if hex(&state.digest()) != text(member(expected, "state_digest")) {
        problems.push("the final state differs".to_owned());
    }
    if readings(&state) != member(expected, "scores").to_bytes() {
        problems.push("the final readings differ".to_owned());
    }
    Checked { inputs: log.len(), rejected, problems }
}

/// Applies one input: the row of the trace and that of its digests.
fn step(state: &mut MemoryTrust, value: &Value) -> (Value, Value) {
    let input = match Input::from_value(value).and_then(|input| state.apply(&input).map(|()| input)) {
        Ok(input) => input,
        Err(error) => return (Value::Str(error.code().to_owned()), Value::Null),
    };
    assert_eq!(Input::from_value(&input.to_value()).as_ref(), Ok(&input), "an input reads back");
    let Some(id) = input.what.agent() else { return (Value::Null, Value::Null) };
    let agent = &state.agents[id];
    let mut w = Writer::default();
    w.open_array();
    agent.write_json(&mut w);
    agent.reading().write_json(&mut w);
    w.close_array();
    let digest = hex(&Digest::sha256(&w.finish()).bytes);
    (agent.score().map_or(Value::Null, |bp| Value::Int(bp as i64)), Value::Str(digest[..8].to_owned()))
}

/// The readings of all agents at the time of the last accepted input.
fn readings(state: &MemoryTrust) -> Vec<u8> {
    let mut w = Writer::default();
    w.open_object();
    for id in state.agents.keys() {
        w.key(id.as_str());
        state.reading(id, state.last_ms).expect("a registered agent").write_json(&mut w);
    }
    w.close_object();
    w.finish()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
