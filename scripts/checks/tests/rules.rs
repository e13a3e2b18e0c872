//! The rules of the log's safety: each is in the table of `node/log/tests/README.md`, with tests that exist.

use std::{collections::BTreeMap, fs};

use checks::{expect_none, root, rust_files, workspace_packages};

/// Every rule there is. G6 and S6 are numbers without a rule.
const RULES: &[&str] = &[
    "L1", "L2", "L3", "L4", "S1", "S2", "S3", "S4", "S5", "G1", "G2", "G3", "G4", "G5", "G7", "C1", "C2",
    "C3", "C4", "C5", "C6", "V1", "V2", "V3", "V4", "R1", "R2", "R3", "R4", "R5", "R6",
];

/// Rule and cells of each row of the tables.
fn rows() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("node/log/tests/README.md")).expect("the table of rules");
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
        RULES
            .contains(&cells[0])
            .then(|| (cells[0].to_owned(), cells.last().map_or("", |cell| *cell).to_owned()))
    };
    text.lines().filter_map(row).collect()
}

/// Names of the tests in a file: functions below a `#[test]` or `#[tokio::test(…)]`.
fn tests_of(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("async fn ").or(line.strip_prefix("fn ")) {
            if is_test {
                names.extend(rest.split('(').next());
            }
            is_test = false;
        }
    }
    names
}

#[test]
fn every_rule_has_tests_and_every_named_test_exists() {
    let files = rust_files();
    let mut known: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for package in workspace_packages() {
        let dir = package.dir.canonicalize().expect("a crate has a directory");
        let dir = dir.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned() + "/";
        let own = files.iter().filter(|file| file.path.starts_with(&dir));
        known.insert(package.name, own.flat_map(|file| tests_of(&file.text)).collect());
    }
    let rows = rows();
    let mut findings = Vec::new();
    for rule in RULES {
        if rows.iter().filter(|(known, _)| known == rule).count() != 1 {
            findings.push(format!("{rule} has not one row in node/log/tests/README.md"));
        }
    }
    for (rule, cell) in &rows {
        let tests: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            findings.push(format!("{rule} names no test"));
        }
        for test in tests {
            let exists = test
                .split_once("::")
                .is_some_and(|(package, name)| known.get(package).is_some_and(|tests| tests.contains(&name)));
            if !exists {
                findings.push(format!("{rule}: there is no test {test}"));
            }
        }
    }
    expect_none(&findings);
}

#[test]
fn tests_are_found_by_their_attribute() {
    let text = "#[test]\nfn one() {}\nfn helper() {}\n#[tokio::test(flavor = \"multi_thread\")]\n#[ignore]\nasync fn two() {}\n";
    assert_eq!(tests_of(text), ["one", "two"]);
}
