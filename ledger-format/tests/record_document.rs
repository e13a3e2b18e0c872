//! `docs/record-format.md` names every record type and field, and none that does not exist.

use ledger_format::record::json::{self, Value};
use ledger_format::record::{
    ActionOutcome, ActionVerdict, ActorKind, AgentType, ENVELOPE_FIELDS, FieldInfo, Plan, RECORD_BYTES_MAX,
    Record, SessionEnd, TYPES,
};

const DOCUMENT: &str = include_str!("../../docs/record-format.md");

/// The text under a heading, up to the next heading of its own or a higher level.
fn section(heading: &str) -> &'static str {
    let start = DOCUMENT.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let text = &DOCUMENT[start + heading.len() + 2..];
    let level = heading.split(' ').next().expect("a heading begins with #").len();
    let end = (1..=level).filter_map(|n| text.find(&format!("\n{} ", "#".repeat(n)))).min();
    &text[..end.unwrap_or(text.len())]
}

/// First and second cell of each row whose first cell is code.
fn rows(text: &'static str) -> Vec<(&'static str, &'static str)> {
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| `")?.split(" |");
        let name = cells.next()?.split('`').next()?;
        Some((name, cells.next()?.trim()))
    };
    text.lines().filter_map(row).collect()
}

fn check_fields(what: &str, text: &'static str, fields: &[(String, &FieldInfo)]) {
    let documented = rows(text);
    let wanted: Vec<_> = fields
        .iter()
        .map(|(path, f)| (path.as_str(), if f.required { "required" } else { "optional" }))
        .collect();
    assert_eq!(documented, wanted, "fields of {what}");
}

#[test]
fn every_field_is_described_and_no_other() {
    let envelope: Vec<_> = ENVELOPE_FIELDS.iter().map(|field| (field.name.to_owned(), field)).collect();
    check_fields("the envelope", section("## The envelope"), &envelope);
    for info in TYPES {
        let heading = format!("### `{}`", info.name);
        check_fields(info.name, section(&heading), &info.paths());
        if let Some(described) = info.to_markdown() {
            let found = format!("{heading}\n{}", section(&heading));
            assert_eq!(found.trim(), described.trim(), "run the example record_document");
        }
    }
    let headings = DOCUMENT.lines().filter(|line| line.starts_with("### `")).count();
    assert_eq!(headings, TYPES.len(), "a type is described that does not exist");
}

#[test]
fn who_signs_what_is_as_in_the_table() {
    let text = section("## Who may sign what");
    for info in TYPES {
        let line =
            text.lines().find(|line| line.starts_with(&format!("| `{}` |", info.name))).expect(info.name);
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        for (kind, cell) in
            [ActorKind::Agent, ActorKind::Tenant, ActorKind::Operator].into_iter().zip(&cells[2..5])
        {
            assert_eq!(
                info.actors.contains(&kind),
                *cell == "yes",
                "{} signed by {}",
                info.name,
                kind.as_str()
            );
        }
    }
}

#[test]
fn words_and_limits_are_as_in_the_code() {
    let words = AgentType::ALL.iter().map(|w| w.as_str());
    let words = words
        .chain(Plan::ALL.iter().map(|w| w.as_str()))
        .chain(ActionOutcome::ALL.iter().map(|w| w.as_str()))
        .chain(ActionVerdict::ALL.iter().map(|w| w.as_str()))
        .chain(SessionEnd::ALL.iter().map(|w| w.as_str()));
    for word in words {
        assert!(DOCUMENT.contains(&format!("`{word}`")), "{word} is not described");
    }
    assert!(section("## Canonical form").contains(&RECORD_BYTES_MAX.to_string()));
    assert!(section("## The entry").contains(&ledger_format::ENTRY_BYTES_MAX.to_string()));
}

#[test]
fn the_worked_example_is_the_one_in_the_vectors() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/record.json")).expect("vectors");
    let text = section("## A worked example");
    for field in [
        "seed",
        "public_key",
        "kid",
        "signed",
        "signature_hex",
        "record",
        "record_hash",
        "entry",
        "leaf_hash",
    ] {
        let value = vectors["example"][field].as_str().expect(field);
        assert!(text.contains(value), "{field} is not {value}");
    }
    assert!(text.contains(&vectors["example"]["at"].to_string()));
    let cases = ["valid", "invalid", "signatures", "entries", "state_roots"]
        .map(|list| vectors[list].as_array().expect(list).len());
    assert!(DOCUMENT.contains(&format!("with {} cases", cases.iter().sum::<usize>())));
}

/// The text of a value at a path, replaced or taken out.
fn edit(value: &mut Value, path: &[&str], new: Option<Value>) {
    let Value::Object(fields) = value else { panic!("{path:?} is not in an object") };
    let place = fields.iter().position(|(key, _)| key == path[0]);
    match (path, new) {
        ([_, rest @ ..], new) if !rest.is_empty() => edit(&mut fields[place.expect(path[0])].1, rest, new),
        ([_, ..], None) => drop(fields.remove(place.expect(path[0]))),
        ([key, ..], Some(new)) => {
            fields.retain(|(name, _)| name != key);
            fields.push(((*key).to_owned(), new));
        }
        ([], _) => unreachable!("a path has a step"),
    }
}

/// Whether the example has the objects that the field stands in. Members of objects in lists have cases among the vectors.
fn can_be_edited(record: &Value, path: &str, field: &FieldInfo) -> bool {
    let mut value = record;
    let steps: Vec<_> = ["body"].into_iter().chain(path.split('.')).collect();
    for step in &steps[..steps.len() - 1] {
        let Value::Object(fields) = value else { return false };
        let Some((_, inner)) = fields.iter().find(|(key, _)| key == step) else { return false };
        value = inner;
    }
    let Value::Object(fields) = value else { return false };
    !field.required || fields.iter().any(|(key, _)| Some(key.as_str()) == steps.last().copied())
}

/// The tables that this document is held to are in turn held to the parser: what they call required is, what they list exists.
#[test]
fn the_parser_knows_the_fields_of_the_tables() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/record.json")).expect("vectors");
    let code =
        |value: &Value| Record::parse(&value.to_bytes()).err().map(|e| (e.code(), e.field().to_owned()));
    for info in TYPES {
        let example =
            vectors["valid"].as_array().expect("cases").iter().find(|case| case["type"] == info.name);
        let text = example.expect(info.name)["record"].as_str().expect("a record");
        let record = json::parse(text.as_bytes()).expect("canonical");
        let paths = info.paths();
        let body = paths
            .iter()
            .filter(|(path, field)| can_be_edited(&record, path, field))
            .map(|(path, field)| (format!("body.{path}"), field.required));
        let envelope = ENVELOPE_FIELDS.iter().map(|field| (field.name.to_owned(), field.required));
        for (name, required) in body.chain(envelope) {
            let path: Vec<_> = name.split('.').collect();
            if required {
                let mut without = record.clone();
                edit(&mut without, &path, None);
                assert_eq!(code(&without), Some(("field.missing", name.clone())), "{}", info.name);
            }
            // `null` is no value of any field, so the field is known when the complaint is not about its name.
            let mut null = record.clone();
            edit(&mut null, &path, Some(Value::Null));
            let (code, field) = code(&null).expect("null is accepted nowhere");
            assert!(code != "field.unknown" && field == name, "{}: {name}: {code} at {field}", info.name);
        }
    }
}

fn in_order(what: &str, fields: &[FieldInfo]) {
    let names: Vec<_> = fields.iter().map(|field| field.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{what}: {names:?}");
    fields.iter().for_each(|field| in_order(field.name, field.inner));
}

/// Bodies are read and written in the order of their declaration, so it must be the canonical one.
#[test]
fn fields_are_declared_in_canonical_order() {
    for info in TYPES {
        in_order(info.name, info.fields);
    }
    let names: Vec<_> = ENVELOPE_FIELDS.iter().map(|field| field.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
}
