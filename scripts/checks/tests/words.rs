//! One word for one thing: the table of words in ARCHITECTURE.md, as far as names of public items go.

use checks::{expect_none, rust_files, without_tests};

/// Where the ledger's words apply: everywhere but in adapters to Raft, which has words of its own.
const ROOMS: &[&str] = &[
    "ledger-format/src/",
    "node/state/src/",
    "node/store/src/",
    "node/log/src/",
    "witness/src/",
    "client/src/",
];
const RAFT_ROOMS: &[&str] = &["node/log/src/raft/", "node/store/src/raft_log"];

/// Words that never name a public thing, and the word to use.
const NOT: &[(&str, &str)] = &[
    ("sth", "checkpoint"),
    ("notary", "witness"),
    ("height", "size"),
    ("seqno", "index"),
    ("sequence_number", "index"),
    ("entry_hash", "leaf_hash"),
    ("leaf_index", "index"),
    ("tree_head", "checkpoint"),
    ("event", "record"),
];

#[test]
fn public_names_use_the_words_of_the_house() {
    let mut findings = Vec::new();
    let mut names_seen = 0;
    for file in rust_files() {
        let inside = |rooms: &[&str]| rooms.iter().any(|room| file.path.starts_with(room));
        if !inside(ROOMS) || inside(RAFT_ROOMS) || file.is_test() {
            continue;
        }
        for name in without_tests(&file.text).lines().filter_map(public_name) {
            names_seen += 1;
            let words = format!("_{}_", snake(name));
            for (word, say) in NOT.iter().filter(|(word, _)| words.contains(&format!("_{word}_"))) {
                findings.push(format!("{}: {name} says {word:?}; we say {say:?}", file.path));
            }
        }
    }
    assert!(names_seen > 100, "the sources were not read");
    expect_none(&findings);
}

/// The name that a line of source makes public.
fn public_name(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let rest =
        ["const fn ", "async fn ", "fn ", "struct ", "enum ", "trait ", "type ", "const ", "static ", "mod "]
            .iter()
            .find_map(|keyword| rest.strip_prefix(keyword))
            .unwrap_or(rest);
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    (end > 0).then(|| &rest[..end])
}

/// `CamelCase` and `SHOUTING_CASE` as `snake_case`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    let mut previous_lower = false;
    for c in name.chars() {
        if c.is_uppercase() && previous_lower {
            out.push('_');
        }
        previous_lower = c.is_lowercase() || c.is_numeric();
        out.extend(c.to_lowercase());
    }
    out
}

#[test]
fn names_are_found() {
    assert_eq!(public_name("    pub async fn leaf_hash(x: u8)"), Some("leaf_hash"));
    assert_eq!(public_name("pub struct TreeHead;"), Some("TreeHead"));
    assert_eq!(public_name("    pub size: u64,"), Some("size"));
    assert_eq!(public_name("    pub(crate) fn hidden()"), None);
    assert_eq!(snake("TreeHead"), "tree_head");
    assert_eq!(snake("PROOF_HASHES_MAX"), "proof_hashes_max");
}
