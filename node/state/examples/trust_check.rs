//! Replays vector files of `maip-trust/1` and compares every state, score and error with what the files expect.
//!
//! `cargo run --release -p ledger-state --example trust_check -- FILE...`; ends with 1 when a file differs.

#[path = "../tests/trust_world/json.rs"]
mod json;
#[path = "../tests/trust_world/vector.rs"]
mod vector;

use std::process::ExitCode;

fn main() -> ExitCode {
    let files: Vec<_> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("name at least one vector file");
        return ExitCode::from(2);
    }
    let (mut inputs, mut failed) = (0, 0);
    for path in &files {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::from(2);
            }
        };
        let checked = vector::check(&text);
        inputs += checked.inputs;
        failed += usize::from(!checked.problems.is_empty());
        let verdict = if checked.problems.is_empty() { "ok".to_owned() } else { checked.problems.join("; ") };
        println!("{path}: {} inputs, {} rejected: {verdict}", checked.inputs, checked.rejected);
    }
    println!("{inputs} inputs in {} files, {failed} differ", files.len());
    ExitCode::from(u8::from(failed > 0))
}
