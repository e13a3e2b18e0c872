//! Every case in `vectors/*.json`, which the SDKs in other languages read too.

mod run;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use run::{FORMATS, Input};
use serde_json::Value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn check_file(format: &str, run: impl Fn(&Input<'_>) -> run::Outcome) {
    let file = read(&directory().join(format!("{format}.json")));
    assert_eq!(file["format"], format);
    let cases = file["cases"].as_array().expect("cases is a list");
    assert!(cases.len() >= 2, "{format}: a file has a good and a bad case at least");
    let mut failures = Vec::new();
    for (id, case) in (1u64..).zip(cases) {
        assert_eq!(case["id"], id, "{format}: ids count from 1");
        let valid = case["valid"].as_bool().expect("valid is a bool");
        let want = if valid { Ok(()) } else { Err(case["reason"].as_str().expect("a reason").to_owned()) };
        let got = run(&Input(&case["input"]));
        if got != want {
            failures.push(format!("{format} {id} ({}): want {want:?}, got {got:?}", case["comment"]));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_case_of_every_format() {
    for &(format, run) in FORMATS {
        if format == "cosignature-ml-dsa" && cfg!(not(feature = "ml-dsa")) {
            continue;
        }
        check_file(format, run);
    }
}

/// A build without ML-DSA reads such keys and lines, and says that it cannot tell.
#[cfg(not(feature = "ml-dsa"))]
#[test]
fn without_ml_dsa_nothing_is_claimed() {
    let (_, run) = FORMATS.iter().find(|(format, _)| *format == "cosignature-ml-dsa").expect("listed");
    let file = read(&directory().join("cosignature-ml-dsa.json"));
    for case in file["cases"].as_array().expect("cases is a list") {
        let valid = case["valid"].as_bool().expect("valid is a bool");
        if valid {
            assert_eq!(run(&Input(&case["input"])), Err("Unsupported".to_owned()), "{}", case["comment"]);
        }
    }
}

/// Vectors of formats of this file; those of records have tests of their own.
#[test]
fn no_file_is_forgotten() {
    let listed: BTreeSet<String> = FORMATS.iter().map(|(format, _)| format!("{format}.json")).collect();
    for name in &listed {
        assert!(directory().join(name).exists(), "{name} is listed but not there");
    }
}
