//! The configuration as one line a field, so that a change can be named.

use std::{collections::BTreeMap, fmt};

use toml::{Table, Value};

/// Fields that are shown and kept as a hash only: a URL may hold a password.
const HIDDEN: [&str; 2] = ["outbound.proxy", "telemetry.otlp"];
/// What a hidden value begins with.
const HIDDEN_PREFIX: &str = "blake3:";
/// Characters of a value that are shown.
const VALUE_CHARS_MAX: usize = 80;

/// Path of each field, like `logs[0].publish.interval_ms`, and its value as text without line ends.
pub(super) type Fields = BTreeMap<String, String>;

/// The fields of a configuration; `None` when it is not TOML any more.
pub(super) fn flatten(toml: &[u8]) -> Option<Fields> {
    let table: Table = toml::from_str(std::str::from_utf8(toml).ok()?).ok()?;
    let mut fields = Fields::new();
    add_table(&mut fields, "", &table);
    Some(fields)
}

fn add_table(fields: &mut Fields, prefix: &str, table: &Table) {
    for (key, value) in table {
        let is_plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let key = if is_plain && !key.is_empty() { key.clone() } else { format!("{key:?}") };
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        add(fields, path, value);
    }
}

fn add(fields: &mut Fields, path: String, value: &Value) {
    let text = match value {
        Value::Table(table) if !table.is_empty() => return add_table(fields, &path, table),
        Value::Array(items) if !items.is_empty() => {
            for (place, item) in items.iter().enumerate() {
                add(fields, format!("{path}[{place}]"), item);
            }
            return;
        }
        Value::Table(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        // The escapes of Rust: TOML would put a text of several lines on several lines.
        Value::String(text) => format!("{text:?}"),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => value.to_string(),
    };
    let text = if is_hidden(&path, &text) {
        format!("{HIDDEN_PREFIX}{}", blake3::hash(text.as_bytes()).to_hex())
    } else {
        text
    };
    fields.insert(path, text);
}

/// A sign of a user in a URL hides a value under any name, as the name may be what is damaged.
fn is_hidden(path: &str, text: &str) -> bool {
    HIDDEN.contains(&path) || text.contains('@')
}

/// A field that has another value than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// Path of the field, like `logs[0].publish.interval_ms`.
    pub field: String,
    /// Its value before; `None` where it was not written.
    pub before: Option<String>,
    /// Its value now; `None` where it is not written.
    pub now: Option<String>,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}, now {}", self.field, shown(self.before.as_ref()), shown(self.now.as_ref()))
    }
}

fn shown(value: Option<&String>) -> String {
    let Some(value) = value else { return "absent".to_owned() };
    if value.starts_with(HIDDEN_PREFIX) {
        return "a value that is not shown".to_owned();
    }
    match value.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.clone(),
    }
}

/// Every field whose value is not the same, in the order of their paths.
pub(super) fn changes(before: &Fields, now: &Fields) -> Vec<FieldChange> {
    let mut paths: Vec<&String> = before.keys().chain(now.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
        .into_iter()
        .filter(|path| before.get(*path) != now.get(*path))
        .map(|path| FieldChange {
            field: path.clone(),
            before: before.get(path).cloned(),
            now: now.get(path).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(toml: &str) -> Fields {
        flatten(toml.as_bytes()).expect("TOML")
    }

    #[test]
    fn every_field_has_a_path_and_one_line() {
        let found = fields(
            "node_id = 1\nname = \"\"\"a\nb\"\"\"\nempty = []\n[limits]\nquiet = true\n[[logs]]\nx = 1\n[[logs]]\nx = 2\n",
        );
        let lines: Vec<String> = found.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        let expected = [
            "empty = []",
            "limits.quiet = true",
            "logs[0].x = 1",
            "logs[1].x = 2",
            "name = \"a\\nb\"",
            "node_id = 1",
        ];
        assert_eq!(lines, expected);
        assert_eq!(flatten(b"node_id = "), None);
        assert_eq!(flatten(b"\xff"), None);
    }

    #[test]
    fn a_change_names_the_field_and_both_values() {
        let table: [(&str, &str, &[&str]); 5] = [
            ("[limits]\nconnections = 5", "[limits]\nconnections = 4", &["`limits.connections`: 5, now 4"]),
            ("a = 1\nb = 2", "b = 2\nc = \"x\"", &["`a`: 1, now absent", "`c`: absent, now \"x\""]),
            ("a = 1 # one", "a = 1 # two", &[]),
            (
                "[outbound]\nproxy = \"http://me:secret@proxy\"",
                "[outbound]\nproxy = \"http://me:secret`proxy\"",
                &["`outbound.proxy`: a value that is not shown, now a value that is not shown"],
            ),
            (
                "[outbound]\nproxy = \"http://me:secret@proxy\"",
                "[outbound]\nprox9 = \"http://me:secret@proxy\"",
                &[
                    "`outbound.prox9`: absent, now a value that is not shown",
                    "`outbound.proxy`: a value that is not shown, now absent",
                ],
            ),
        ];
        for (before, now, expected) in table {
            let found: Vec<String> =
                changes(&fields(before), &fields(now)).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{before:?} {now:?}");
        }
        let long = fields(&format!("a = \"{}\"", "é".repeat(1_000)));
        let said = changes(&long, &Fields::new())[0].to_string();
        assert!(said.len() < 300, "{said}");
    }
}
