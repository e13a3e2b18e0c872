//! The file that the scenes give.

use ledger_format::record::Record;
use serde_json::{Value, json};

use crate::scenes::{SCENES, Scene};
use crate::world::{START_MS, population, speak::*};

const COMMENT: &str = "Attacks that a log itself must hold off. A case is a log: first the records of `before`, then its steps, each at the log's \
                       time `at` and as an entry of its own. `refused` is the code of a record that is not logged; `flags` are those of an \
                       entry, without what trust makes of it (`trust_…`). Codes and flags: docs/record-format.md. The last steps are the attack.";

/// The text of `vectors/attacks.json`.
pub(crate) fn text() -> String {
    let world = Log::new();
    let before: Vec<Value> = population()
        .iter()
        .map(|record| json!({ "at": START_MS, "record": text_of(&record.to_bytes()) }))
        .chain(world.heard.iter().map(|heard| json!({ "at": heard.ms, "record": text_of(&heard.record) })))
        .collect();
    let cases: Vec<Value> = (1..).zip(SCENES).map(|(id, scene)| case(id, scene, world.heard.len())).collect();
    let file = json!({ "comment": COMMENT, "before": before, "cases": cases });
    serde_json::to_string_pretty(&file).expect("JSON") + "\n"
}

fn case(id: u64, (attack, comment, play): &Scene, before: usize) -> Value {
    let mut log = Log::new();
    play(&mut log);
    let step = |heard: &Heard| {
        let mut step = json!({ "at": heard.ms, "record": text_of(&heard.record) });
        match &heard.outcome {
            Ok(flags) => step["flags"] = json!(flags),
            Err(code) => step["refused"] = json!(code),
        }
        step
    };
    let steps: Vec<Value> = log.heard[before..].iter().map(step).collect();
    json!({ "id": id, "attack": attack, "comment": comment, "steps": steps })
}

fn text_of(record: &[u8]) -> String {
    Record::parse(record).expect("a record of the test's own");
    String::from_utf8(record.to_vec()).expect("JSON")
}
