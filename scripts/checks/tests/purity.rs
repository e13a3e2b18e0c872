//! Formats and state are functions of their arguments. What they must not name, so that every replica, every
//! verifier and every replay gets the same answer.

use checks::{expect_none, rust_files, without_tests};

/// Never in formats or state: disk, network, clock, environment, threads.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "thread_rng",
    "getrandom",
    "async fn",
];

/// Never in state, on top: what may differ between two replicas.
const NONDETERMINISTIC: &[&str] =
    &["HashMap", "HashSet", "RandomState", ": f32", ": f64", "as f32", "as f64"];

#[test]
fn formats_and_state_are_pure() {
    let mut findings = Vec::new();
    let mut seen = 0;
    for file in rust_files() {
        let state = file.path.starts_with("node/state/src/");
        if !(state || file.path.starts_with("ledger-format/src/")) || file.is_test() {
            continue;
        }
        seen += 1;
        let banned = IMPURE.iter().chain(if state { NONDETERMINISTIC } else { &[] });
        for word in banned {
            for (number, line) in code_lines(&file.text) {
                if line.contains(word) {
                    findings.push(format!("{}:{number} names {word}", file.path));
                }
            }
        }
    }
    assert!(seen > 10, "the sources were not read");
    expect_none(&findings);
}

/// Lines of code above the unit tests, with their numbers; comments are free to say what is absent.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    without_tests(text)
        .lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or(line)))
}

#[test]
fn a_comment_is_not_code() {
    let text = "//! no SystemTime here\nlet x = 1; // std::fs\n\n#[cfg(test)]\nmod t { use std::fs; }\n";
    assert!(code_lines(text).all(|(_, line)| !line.contains("SystemTime") && !line.contains("std::fs")));
}
