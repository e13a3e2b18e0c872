//! `maip-bench api` in miniature: whether it measures everything and says so, not how fast anything is.

use std::process::Command;

use serde_json::Value;

/// Requests of each load.
const REQUESTS: &str = "40";

#[test]
fn each_load_of_the_api_gives_its_figures() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("bench.json");
    let output = Command::new(env!("CARGO_BIN_EXE_maip-bench"))
        .args(["api", "--runs", "1", "--requests", REQUESTS, "--data"])
        .arg(dir.path().join("data"))
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    let (table, progress) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{progress}");
    assert!(progress.contains("run 1 of 1"), "{progress}");

    let report: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert!(report["machine"]["cpu"].is_string() && report["machine"]["cores"].is_u64(), "{report}");
    for load in ["receipts", "keyed receipts", "decisions", "evaluations", "token checks", "trust reads"] {
        for clients in ["1 client", "32 clients", "256 clients"] {
            for part in ["", " p50", " p99"] {
                let name = format!("api: {load} {clients}{part}");
                let runs = report["runs"][&name].as_array().unwrap_or_else(|| panic!("no {name}: {report}"));
                assert_eq!(runs.len(), 1, "{name}");
                assert_eq!(report["medians"][&name], runs[0], "{name}");
                assert!(runs[0].as_f64().unwrap() > 0.0, "{name}: {runs:?}");
                assert!(table.contains(&name), "{name} is not in the table:\n{table}");
            }
            for part in ["leader", "followers", "witnesses", "load generator"] {
                let name = format!("api: {load} {clients} cores {part}");
                assert!(report["medians"][&name].is_number(), "no {name}: {report}");
            }
        }
    }
    let aims = report["aims"].as_array().unwrap();
    let aimed: Vec<&str> = aims.iter().filter_map(|aim| aim["figure"].as_str()).collect();
    let expected = [
        "api: receipts 256 clients",
        "api: decisions 256 clients",
        "api: evaluations 256 clients",
        "api: token checks 1 client p99",
    ];
    assert_eq!(aimed, expected);
    for aim in aims {
        assert!(aim["reached"].is_boolean() && aim["distance"].is_number(), "{aim}");
        assert!(table.contains(aim["aim"].as_str().unwrap()), "{aim} is not in the table:\n{table}");
    }
    assert!(!dir.path().join("data").exists(), "the cluster's files are removed");
}
