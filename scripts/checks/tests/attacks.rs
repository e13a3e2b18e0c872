//! The attacks in `docs/delegation.md`: what is said to hold each of them off is there.

use std::fs;

use checks::{expect_none, root};

/// The list that the document answers to.
const ATTACKS: &[&str] = &[
    "superset child",
    "wildcard smuggled",
    "case or Unicode look-alike",
    "deny dropped",
    "unknown limit",
    "empty means all",
    "limits reset by re-delegating",
    "parallel children exceeding the parent's budget",
    "gap",
    "reordered",
    "spliced from two valid chains",
    "key swap at a link",
    "depth lie",
    "hops not decreasing",
    "cycle",
    "self-delegation to refresh expiry",
    "root not pinned",
    "empty chain",
    "own key in the bundle",
    "signature over another record type",
    "non-canonical encoding",
    "duplicate JSON keys",
    "small-order or malleable Ed25519",
    "token for A shown to B",
    "callee reuses the caller's grant upstream",
    "tenant header differs from the credential's tenant",
    "resource of another tenant",
    "approval for X used for Y",
    "same call on two nodes at once",
    "nonce across a leader change, after snapshot and restore",
    "same grant bytes in another log",
    "receipt shown as an approval",
    "use between commit and checkpoint",
    "stale status proof",
    "staple of the parent only",
    "rollback to an older map root",
    "revocation by a stranger",
    "back-dated `at` with a stolen key",
    "revoke then rotate",
    "killed agent re-registers",
    "in-flight session",
    "partitioned follower answering reads",
    "agreement ended while the grant lives",
    "third-tenant hop",
];

#[test]
fn every_attack_is_held_by_what_is_named() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap_or_default();
    let document = read("docs/delegation.md");
    let vectors = read("ledger-format/vectors/chain.json");
    let logs = read("node/state/vectors/attacks.json");
    let rows: Vec<(&str, &str)> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .filter(|(attack, _)| ATTACKS.contains(attack))
        .collect();
    let mut findings: Vec<String> = ATTACKS
        .iter()
        .filter(|attack| rows.iter().filter(|(row, _)| row == *attack).count() != 1)
        .map(|attack| format!("docs/delegation.md has not one row for {attack:?}"))
        .collect();
    for (attack, held) in rows {
        let mut named = 0;
        for (file, name) in held.split('`').filter_map(|word| word.split_once(": ")) {
            let is_there = match file.trim() {
                "chain.json" => vectors.contains(&format!("\"class\": \"{name}\"")),
                "attacks.json" => logs.contains(&format!("\"attack\": \"{name}\"")),
                file if file.ends_with(".rs") => read(file).contains(&format!("fn {name}(")),
                _ => continue,
            };
            named += 1;
            if !is_there {
                findings.push(format!("{attack}: there is no {file}: {name}"));
            }
        }
        if named == 0 && !held.starts_with("not yet") {
            findings.push(format!("{attack}: nothing holds it, and it is not marked \"not yet\""));
        }
    }
    expect_none(&findings);
}
