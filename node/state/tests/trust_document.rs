//! `docs/trust-score.md` names every constant with its value, every kind, outcome and error, and none that does not exist.

use ledger_format::record::json::{self, Value};
use ledger_state::trust::{
    ALGORITHM_ID, ActionOutcome, SessionOutcome, StatusChange, TrustError, algorithm_json,
};

const DOCUMENT: &str = include_str!("../../../docs/trust-score.md");

/// The rows of the table with this head, as their cells.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let rows = DOCUMENT.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).collect();
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// The first column of that table, without the quotes of code.
fn column(head: &str) -> Vec<&'static str> {
    table(head).into_iter().map(|cells| cells[0].trim_matches('`')).collect()
}

/// Each leaf of the table of constants: its path and its value.
fn leaves(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&path, value, out);
            }
        }
        Value::Array(items) => {
            let items: Vec<_> =
                items.iter().map(|item| String::from_utf8(item.to_bytes()).unwrap()).collect();
            out.push((path.to_owned(), items.join(" ")));
        }
        Value::Str(text) => out.push((path.to_owned(), text.clone())),
        other => out.push((path.to_owned(), String::from_utf8(other.to_bytes()).unwrap())),
    }
}

#[test]
fn every_constant_is_there_with_its_value() {
    let mut expected = Vec::new();
    leaves("", &json::parse(&algorithm_json()).unwrap(), &mut expected);
    let found: Vec<_> = table("constant")
        .into_iter()
        .map(|cells| (cells[0].trim_matches('`').to_owned(), cells[1].to_owned()))
        .collect();
    assert_eq!(found, expected);
    assert!(DOCUMENT.contains(ALGORITHM_ID));
}

#[test]
fn every_kind_outcome_and_error_is_there() {
    let changes = StatusChange::ALL.iter().map(|change| change.as_str());
    let kinds = ["register", "tenant_weight", "action", "denial", "session", "attest", "delegate"];
    assert_eq!(column("kind"), kinds.into_iter().chain(changes).collect::<Vec<_>>());

    let outcomes =
        |names: Vec<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let fields = |kind: &str| table("kind").into_iter().find(|row| row[0] == format!("`{kind}`")).unwrap()[1];
    let actions = ActionOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    let sessions = SessionOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    assert!(fields("action").ends_with(&outcomes(actions)));
    assert!(fields("session").ends_with(&outcomes(sessions)));

    use TrustError::*;
    let errors = [
        UnknownKind,
        Malformed,
        UnknownOutcome,
        InteractionInFuture,
        TimeWentBackwards,
        DuplicateAgent,
        UnknownAgent,
    ];
    assert_eq!(column("error"), errors.map(TrustError::code));
}
