//! What we build on: known licences, registries only, one TLS provider. `cargo deny` does more where it is installed;
//! this runs everywhere.

use std::collections::BTreeMap;

use checks::{all_packages, expect_none};

/// Licences that may be in a build. deny.toml holds the same list.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages that must never come in: other TLS providers, and engines that take an hour to build.
const UNWANTED: &[&str] =
    &["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls", "librocksdb-sys"];

/// Packages of which two versions would mean two truths about the same bytes.
const ONE_VERSION: &[&str] = &["rustls", "ring", "tokio", "tonic", "prost", "hyper", "rs_merkle"];

#[test]
fn every_licence_is_allowed() {
    let mut findings = Vec::new();
    for package in all_packages().iter().filter(|package| package.source.is_some()) {
        match package.license.as_deref() {
            None => findings.push(format!("{} {} states no licence", package.name, package.version)),
            Some(expression) if !allowed(expression) => {
                findings.push(format!("{} {} is under {expression}", package.name, package.version));
            }
            Some(_) => {}
        }
    }
    expect_none(&findings);
}

#[test]
fn every_source_is_a_registry_and_nothing_unwanted_comes_in() {
    let packages = all_packages();
    assert!(packages.len() > 100, "the dependency tree was not read");
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &packages {
        if package.source.as_deref().is_some_and(|source| !source.starts_with("registry+")) {
            findings.push(format!("{} comes from {:?}, not from a registry", package.name, package.source));
        }
        if UNWANTED.contains(&package.name.as_str()) {
            findings
                .push(format!("{} must not be in the build: ring is our only TLS provider", package.name));
        }
        versions.entry(&package.name).or_default().push(&package.version);
    }
    for name in ONE_VERSION {
        if let Some(found) = versions.get(name).filter(|found| found.len() > 1) {
            findings.push(format!("{name} is there in {} versions: {}", found.len(), found.join(", ")));
        }
    }
    expect_none(&findings);
}

/// Whether an SPDX expression can be met with allowed licences: one side of each OR, both sides of each AND.
fn allowed(expression: &str) -> bool {
    let expression = expression.trim().replace('/', " OR ");
    if let Some((left, right)) = split_top(&expression, " OR ") {
        return allowed(left) || allowed(right);
    }
    if let Some((left, right)) = split_top(&expression, " AND ") {
        return allowed(left) && allowed(right);
    }
    match expression.trim().strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => allowed(inner),
        None => LICENCES.contains(&expression.trim()),
    }
}

/// Splits at the first `operator` outside parentheses.
fn split_top<'a>(expression: &'a str, operator: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0;
    for (at, c) in expression.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && expression[at..].starts_with(operator) => {
                return Some((&expression[..at], &expression[at + operator.len()..]));
            }
            _ => {}
        }
    }
    None
}

#[test]
fn expressions_are_understood() {
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Unlicense/MIT",
        "GPL-2.0 OR (MIT AND ISC)",
    ] {
        assert!(allowed(good), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND AGPL-3.0", ""] {
        assert!(!allowed(bad), "{bad}");
    }
}
