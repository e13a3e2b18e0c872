//! `docs/record-format.md` names every code and flag, and none that does not exist.

use ledger_state::{Code, Flags};

const DOCUMENT: &str = include_str!("../../../docs/record-format.md");

/// The words in the first column of the table with this head.
fn column(head: &str) -> Vec<&'static str> {
    let rows = DOCUMENT.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    rows.map_while(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn every_code_and_flag_is_described_and_no_other() {
    assert_eq!(column("code"), Code::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>());
    assert_eq!(column("flag"), Flags::all_names().collect::<Vec<_>>());
}
