//! The attacks in `vectors/attacks.json`, read as anybody reads them, and held against the scenes that they were written from.

mod file;
mod scenes;
#[path = "../world/mod.rs"]
mod world;

use ledger_format::record::Record;
use ledger_state::{Command, MemoryState, Outcome, check_signature, flags};
use serde_json::Value;

const FILE: &str = include_str!("../../vectors/attacks.json");

#[test]
fn the_file_is_what_the_scenes_give() {
    assert_eq!(file::text(), FILE, "run the example make_attacks");
}

/// Takes a record at its time: the flags of its entry, or the code of the refusal.
fn take(state: &mut MemoryState, step: &Value) -> Result<Vec<&'static str>, &'static str> {
    let text = step["record"].as_str().expect("a record");
    let record = Record::parse(text.as_bytes()).expect("a record");
    let log_ms = step["at"].as_u64().expect("a time");
    let signed = check_signature(state, &record);
    let command = Command::Append { log_ms, records: vec![text.as_bytes().to_vec()] };
    match state.run(&command).expect("no alarm").pop().expect("one outcome") {
        Outcome::Sequenced { index, .. } => {
            assert_eq!(signed, Ok(()), "what is logged is signed by who it says: {text}");
            Ok(flags(state, index).names().filter(|name| !name.starts_with("trust_")).collect())
        }
        Outcome::Rejected(rejection) => Err(rejection.code.as_str()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_attack_fails_for_the_stated_reason() {
    let file: Value = serde_json::from_str(FILE).expect("JSON");
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let mut cases = 0;
    for case in list(&file["cases"]) {
        let mut state = MemoryState::new();
        for step in list(&file["before"]) {
            assert_eq!(take(&mut state, &step), Ok(Vec::new()), "{step}");
        }
        let what = format!("{} {}", case["attack"], case["comment"]);
        let mut fended = false;
        for (number, step) in (1..).zip(list(&case["steps"])) {
            let expected = match step["refused"].as_str() {
                Some(code) => Err(code.to_owned()),
                None => Ok(list(&step["flags"])
                    .iter()
                    .map(|flag| flag.as_str().expect("a flag").to_owned())
                    .collect()),
            };
            let found = take(&mut state, &step)
                .map(|flags| flags.into_iter().map(str::to_owned).collect::<Vec<_>>())
                .map_err(str::to_owned);
            fended |= found != Ok(Vec::new());
            assert_eq!(found, expected, "{what}, step {number}");
        }
        assert!(fended, "{what}: nothing was refused or flagged");
        cases += 1;
    }
    assert!(cases >= 24, "only {cases} cases: the file was cut");
}
