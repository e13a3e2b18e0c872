//! Files: one idea each, documented, under the same lints, free of leftovers and of any machine's paths.

use std::fs;

use checks::{expect_none, root, rust_files, tracked_files, without_tests, workspace_packages};

/// From here on the test names the file: look for its second idea.
const LINES_LONG: usize = 500;
/// More is an error, unit tests not counted.
const LINES_MAX: usize = 700;

#[test]
fn no_file_is_too_long() {
    let mut findings = Vec::new();
    for file in rust_files().iter().filter(|file| !file.is_test()) {
        let lines = without_tests(&file.text).lines().count();
        if lines > LINES_MAX {
            findings
                .push(format!("{} has {lines} lines, {LINES_MAX} are allowed: split it by idea", file.path));
        } else if lines > LINES_LONG {
            println!("long: {} has {lines} lines", file.path);
        }
    }
    expect_none(&findings);
}

#[test]
fn every_crate_is_under_the_lints_and_documented() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""), "the workspace must forbid unsafe code");
    let mut findings = Vec::new();
    for package in workspace_packages() {
        let manifest = fs::read_to_string(package.dir.join("Cargo.toml")).unwrap();
        if !manifest.contains("[lints]\nworkspace = true") {
            findings.push(format!("{} is not under the workspace's lints", package.name));
        }
        if package.license.as_deref() != Some("Apache-2.0 OR MIT") {
            findings.push(format!("{} does not state the project's licence", package.name));
        }
        for path in &package.roots {
            let text = fs::read_to_string(path).unwrap();
            if !text.starts_with("//! ") {
                findings.push(format!("{} does not begin with its documentation", path.display()));
            }
        }
    }
    expect_none(&findings);
}

#[test]
fn every_allow_names_its_reason() {
    let findings: Vec<_> = rust_files()
        .iter()
        .flat_map(|file| {
            attributes(&file.text)
                .into_iter()
                .filter(|attribute| !attribute.contains("reason"))
                .map(|attribute| format!("{}: {attribute}", file.path))
                .collect::<Vec<_>>()
        })
        .collect();
    expect_none(&findings);
}

/// Every `allow` and `expect` attribute that begins a line, inner ones too.
fn attributes(text: &str) -> Vec<&str> {
    let starts = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
    text.match_indices('#')
        .filter(|(at, _)| text[..*at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty()))
        .map(|(at, _)| &text[at..])
        .filter(|rest| starts.iter().any(|start| rest.starts_with(start)))
        .map(|rest| &rest[..rest.find(")]").map_or(rest.len(), |end| end + 2)])
        .collect()
}

#[test]
fn nothing_is_left_over_and_no_machine_is_named() {
    // Put together at run time, so that this file does not contain what it looks for.
    let markers: Vec<String> = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X:"],
        ["unimplemented", "!("],
        ["todo", "!("],
        ["dbg", "!("],
        ["/home", "/"],
        ["/root", "/"],
        ["/Users", "/"],
        ["/work", "/"],
        ["/tmp", "/"],
    ]
    .iter()
    .map(|parts| parts.concat())
    .collect();
    let mut findings = Vec::new();
    for path in tracked_files() {
        // Vectors and lock files hold arbitrary data; licences are other people's text.
        if path.ends_with(".lock") || path.contains("/vectors/") || path.starts_with("LICENSE") {
            continue;
        }
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            for marker in markers.iter().filter(|marker| line.contains(marker.as_str())) {
                // `ProtectHome` and the like in units name no machine; a path in a URL does not either.
                if !line.contains("https://") {
                    findings.push(format!("{path}:{} holds {marker:?}", number + 1));
                }
            }
        }
    }
    expect_none(&findings);
}

#[test]
fn the_licences_are_there() {
    for (file, words) in
        [("LICENSE-APACHE", "Apache License"), ("LICENSE-MIT", "Permission is hereby granted")]
    {
        let text = fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(text.contains(words), "{file} does not hold the licence");
    }
}
