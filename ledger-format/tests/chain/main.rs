//! Every case of `vectors/chain.json`: chains that hold, and every attack on one, with the reason it must fail for.

mod run;

use std::collections::BTreeSet;
use std::path::Path;

use ledger_format::ChainReason;
use serde_json::Value;

fn file() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/chain.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("json")
}

fn cases(file: &Value) -> &[Value] {
    file["cases"].as_array().expect("cases is a list")
}

#[test]
fn every_case() {
    let file = file();
    let policy = file["policy"].as_str().expect("a policy");
    let mut failures = Vec::new();
    for (id, case) in (1u64..).zip(cases(&file)) {
        assert_eq!(case["id"], id, "ids count from 1");
        let (got, verdict) = run::outcome(case, &file["parts"], policy);
        if got != case["verdict"] {
            failures.push(format!("{id} ({}): want {}, got {got}", case["comment"], case["verdict"]));
        }
        if let (Some(verdict), Some(want)) = (verdict, case["operator_vouches"].as_array()) {
            assert_eq!(want.iter().filter_map(Value::as_str).collect::<Vec<_>>(), verdict.operator_vouches);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A reason that no case leads to is one that nobody has seen work.
#[test]
fn every_reason_has_a_case() {
    let file = file();
    let seen: BTreeSet<&str> = cases(&file).iter().filter_map(|case| case["verdict"].as_str()).collect();
    let missing: Vec<&str> =
        ChainReason::ALL.iter().map(|reason| reason.code()).filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no case of {missing:?}");
    assert!(seen.contains("holds") && seen.contains("stale") && seen.contains("age_unknown"));
}

/// A chain that holds does not hold any more when any byte of it is another.
#[test]
fn a_changed_byte_breaks_it() {
    let file = file();
    let case = cases(&file).iter().find(|case| case["verdict"] == "holds").expect("one holds");
    let text = run::text_of(case, &file["parts"]);
    let policy = file["policy"].as_str().expect("a policy");
    for place in (20..text.len()).step_by(211) {
        let mut bytes = text.clone().into_bytes();
        if !bytes[place].is_ascii() {
            continue;
        }
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let mut changed = case.clone();
        changed["file"] = String::from_utf8(bytes).expect("utf-8").into();
        let (got, _) = run::outcome(&changed, &Value::Null, policy);
        assert_ne!(got, "holds", "byte {place}");
    }
}
