//! Vectors of chains: two logs with tenants that have agreed, a chain of three grants across them, and every attack on it.
//!
//! All records, good and bad, stand in the same two logs: what a log would refuse, a verifier must refuse as well. A case picks parts.

mod attacks;
mod cast;
mod forms;
mod logs;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::chain_run as run;

/// The file in the making.
pub(crate) struct ChainFile {
    policy: String,
    pool: BTreeMap<String, String>,
    used: std::collections::BTreeSet<String>,
    cases: Vec<Value>,
    wrong: Vec<String>,
}

/// A case before its id.
#[derive(Clone)]
struct Case {
    parts: Vec<String>,
    fields: Value,
}

impl Case {
    /// With another part in the place of one.
    fn swap(mut self, from: &str, to: &str) -> Case {
        let place =
            self.parts.iter().position(|part| part == from).unwrap_or_else(|| panic!("no part {from}"));
        self.parts[place] = to.to_owned();
        self
    }

    fn without(mut self, part: &str) -> Case {
        let before = self.parts.len();
        self.parts.retain(|other| other != part);
        assert!(self.parts.len() < before, "no part {part}");
        self
    }

    /// With one part more, behind the others of its kind.
    fn with(mut self, part: &str) -> Case {
        let kind = |part: &str| part.split(' ').next().unwrap_or_default().to_owned();
        let order = ["receipt", "offer", "accept", "agreement", "identity", "staple"];
        let rank = |part: &str| order.iter().position(|word| *word == kind(part));
        let place = self.parts.iter().filter(|other| rank(other) <= rank(part)).count();
        self.parts.insert(place, part.to_owned());
        self
    }

    fn field(mut self, name: &str, value: impl Into<Value>) -> Case {
        self.fields[name] = value.into();
        self
    }
}

impl ChainFile {
    fn case(&mut self, verdict: &str, class: &str, comment: &str, case: Case) {
        let mut value = case.fields;
        if value.get("file").is_none() {
            value["parts"] = json!(case.parts);
            self.used.extend(case.parts.iter().filter_map(|part| Some(part.split_once(' ')?.1.to_owned())));
        }
        value["id"] = json!(self.cases.len() + 1);
        value["class"] = json!(class);
        value["comment"] = json!(comment);
        value["verdict"] = json!(verdict);
        let (got, found) = run::outcome(&value, &json!(self.pool), &self.policy);
        if got != verdict {
            self.wrong.push(format!("{comment}: want {verdict}, got {got}"));
        }
        if let (Some(want), Some(found)) = (value.get("operator_vouches"), found) {
            assert_eq!(*want, json!(found.operator_vouches), "chain: {comment}");
        }
        self.cases.push(value);
    }

    fn write(mut self) {
        assert!(self.wrong.is_empty(), "chain: {:#?}", self.wrong);
        self.pool.retain(|name, _| self.used.contains(name));
        let file = json!({
            "format": "chain",
            "spec": "ledger-format/src/chain/mod.rs",
            "comment": "A case's file is its `file`, or else the header line and then each of `parts`: kind, a space, the length in bytes, a newline, the text in `parts` of the file under that name, a newline. `at` says as of when: now, or with `receipt` when the receipt was logged. `verdict` is what must come out: holds, held (then, and not now), stale, age_unknown, the code of a fault, or parse and the error.",
            "policy": self.policy,
            "parts": self.pool,
            "cases": self.cases,
        });
        let text = serde_json::to_string_pretty(&file).expect("plain values") + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/chain.json");
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!("{}: {} cases", path.display(), file["cases"].as_array().map_or(0, Vec::len));
    }
}

pub(crate) fn write() {
    let (policy, pool) = cast::play();
    let mut file = ChainFile { policy, pool, used: Default::default(), cases: Vec::new(), wrong: Vec::new() };
    attacks::write(&mut file);
    forms::write(&mut file);
    file.write();
}
