//! Who may use whom, and where third parties live: the table of ARCHITECTURE.md, held by a test.

use checks::{expect_none, workspace_packages};

/// Which of our crates may use which, in programs and libraries..
const MAY_USE: &[(&str, &[&str])] = &[
    ("ledger-format", &[]),
    ("ledger-proto", &["ledger-format"]),
    ("ledger-state", &["ledger-format"]),
    ("ledger-store", &["ledger-format"]),
    ("ledger-log", &["ledger-format", "ledger-proto", "ledger-state", "ledger-store"]),
    ("ledger-api", &["ledger-format", "ledger-proto", "ledger-state", "ledger-log"]),
    (
        "ledger-node",
        &["ledger-format", "ledger-proto", "ledger-state", "ledger-store", "ledger-log", "ledger-api"],
    ),
    // State for one thing: replaying a log.
    ("ledger-client", &["ledger-format", "ledger-proto", "ledger-state"]),
    ("ledger-witness", &["ledger-format", "ledger-state"]),
    // Overseers. They know programs from outside.
    ("devnet", &["ledger-format", "ledger-proto"]),
    // An overseer that runs the parts themselves.
    (
        "ledger-simulations",
        &["ledger-format", "ledger-state", "ledger-store", "ledger-log", "ledger-witness"],
    ),
    ("checks", &[]),
];

/// What no crate of ours may use, not even in its tests: overseers look at the house from outside.
const NOBODY_USES: &[&str] = &["devnet", "checks", "ledger-simulations"];

/// Third parties that live in the named crates only (tests aside).
const ONLY_IN: &[(&str, &[&str])] = &[
    ("openraft", &["ledger-log"]),
    // Its clock and chance for simulated clusters.
    ("openraft-rt-tokio", &["ledger-log"]),
    // The protocol's model.
    ("stateright", &["ledger-simulations"]),
    ("axum", &["ledger-api", "ledger-node", "ledger-witness"]),
    ("sled", &["ledger-store", "ledger-witness"]),
    ("fjall", &["ledger-store", "ledger-witness"]),
    ("rs_merkle", &["ledger-format"]),
    ("sha2", &["ledger-format"]),
    ("ed25519-dalek", &["ledger-format"]),
    // Its points, for tables of multiples.
    ("curve25519-dalek", &["ledger-format"]),
    ("ml-dsa", &["ledger-format"]),
    // Payloads.
    ("chacha20poly1305", &["ledger-format"]),
    ("jmt", &["ledger-state"]),
    // The form of jmt's nodes.
    ("borsh", &["ledger-state"]),
    ("clap", &["ledger-node", "ledger-client", "ledger-witness", "devnet"]),
    // In ledger-state for the errors of the trait through which jmt reads.
    ("anyhow", &["ledger-node", "ledger-client", "ledger-witness", "devnet", "ledger-state"]),
    ("rcgen", &["ledger-node"]),
    // The names in client certificates.
    ("rustls-webpki", &["ledger-node"]),
    // The guides under /docs.
    ("pulldown-cmark", &["ledger-api"]),
    ("protox", &["ledger-proto"]),
    ("utoipa", &["ledger-api"]),
];

/// Runtime, network and randomness: never in the pure crates.
const IMPURE: &[&str] =
    &["tokio", "tonic", "axum", "hyper", "reqwest", "getrandom", "rand", "rustix", "tracing", "tempfile"];
const PURE: &[&str] = &["ledger-format", "ledger-state"];

#[test]
fn every_crate_uses_only_what_it_may() {
    let packages = workspace_packages();
    let ours: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut findings = Vec::new();
    for package in &packages {
        let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| *name == package.name) else {
            findings.push(format!("{} is not in the house plan: give it a line in MAY_USE", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if !ours.contains(&name) || name == package.name {
                continue;
            }
            if NOBODY_USES.contains(&name) {
                findings.push(format!("{} may not use {name}, not even in tests", package.name));
            } else if !dependency.dev && !may_use.contains(&name) {
                findings.push(format!("{} may not use {name}", package.name));
            }
        }
    }
    for (name, _) in MAY_USE {
        if !ours.contains(name) {
            findings.push(format!("{name} is in the house plan and not in the workspace"));
        }
    }
    expect_none(&findings);
}

#[test]
fn third_parties_live_in_one_place() {
    let mut findings = Vec::new();
    for package in workspace_packages() {
        for dependency in package.dependencies.iter().filter(|dependency| !dependency.dev) {
            let room = ONLY_IN.iter().find(|(name, _)| *name == dependency.name);
            if let Some((name, rooms)) = room
                && !rooms.contains(&package.name.as_str())
            {
                findings.push(format!(
                    "{} may not use {name}: it lives in {}",
                    package.name,
                    rooms.join(", ")
                ));
            }
            if PURE.contains(&package.name.as_str())
                && !dependency.build
                && IMPURE.contains(&dependency.name.as_str())
            {
                findings.push(format!("{} is pure and may not use {}", package.name, dependency.name));
            }
        }
    }
    expect_none(&findings);
}
