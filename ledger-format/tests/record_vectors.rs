//! Every case in `vectors/record.json`, which other languages read too.

use std::collections::{BTreeMap, BTreeSet};

use ledger_format::leaf_hash;
use ledger_format::record::{Entry, Kid, PublicKey, Record, SigningKey, TYPES, record_hash};
use serde_json::Value;

/// One case, with access to its fields that says which one is missing.
struct Case(Value);

impl Case {
    fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_else(|| panic!("no text {field} in {}", self.0))
    }

    fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap_or_else(|| panic!("no number {field} in {}", self.0))
    }

    /// For messages: which case, what kind of mistake, what it is about.
    fn what(&self) -> String {
        format!(
            "case {} ({}): {}",
            self.number("id"),
            self.0["class"].as_str().unwrap_or("good"),
            self.text("comment")
        )
    }
}

fn file() -> Value {
    serde_json::from_str(include_str!("../vectors/record.json")).expect("the vectors are well-formed")
}

fn cases(list: &str, at_least: usize) -> Vec<Case> {
    let cases: Vec<_> = file()[list].as_array().expect("a list").iter().cloned().map(Case).collect();
    assert!(cases.len() >= at_least, "only {} cases of {list}: the file was cut", cases.len());
    cases
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_worked_example_from_seed_to_leaf() {
    let example = Case(file()["example"].clone());
    let key = SigningKey::parse_seed_text(example.text("seed_text")).unwrap();
    let seed = example.text("seed");
    let seed: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&seed[2 * i..2 * i + 2], 16).unwrap()).collect();
    assert_eq!(SigningKey::from_seed(seed.try_into().unwrap()).public(), key.public());
    assert_eq!(hex(key.public().as_bytes()), example.text("public_key_hex"));
    assert_eq!(key.public().to_string(), example.text("public_key"));
    assert_eq!(key.kid().to_string(), example.text("kid"));
    assert_eq!(hex(&key.sign(example.text("signed").as_bytes())), example.text("signature_hex"));

    let record = Record::parse(example.text("record").as_bytes()).unwrap();
    assert_eq!(record.signed_bytes(), example.text("signed").as_bytes());
    assert_eq!(hex(&record.sig.value), example.text("signature_hex"));
    assert!(example.text("record").contains(&format!("\"value\":\"{}\"", example.text("signature"))));
    assert_eq!(record.verify_signature(&key.public()), Ok(()));
    assert_eq!(record.hash().to_string(), example.text("record_hash"));

    let entry = Entry::encode(example.number("at"), example.text("record").as_bytes());
    assert_eq!(entry, example.text("entry").as_bytes());
    assert_eq!(leaf_hash(&entry).to_hex(), example.text("leaf_hash"));
}

#[test]
fn valid_records() {
    for case in cases("valid", 140) {
        let (what, text) = (case.what(), case.text("record"));
        let record = Record::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(record.type_name(), case.text("type"), "{what}");
        assert_eq!(String::from_utf8(record.to_bytes()).unwrap(), text, "{what}");
        assert_eq!(String::from_utf8(record.signed_bytes()).unwrap(), case.text("signed"), "{what}");
        let key = PublicKey::parse(case.text("public_key")).unwrap();
        assert_eq!(Kid::parse(case.text("kid")), Some(key.kid()), "{what}");
        assert_eq!(record.verify_signature(&key), Ok(()), "{what}");
        assert_eq!(record_hash(text.as_bytes()).to_string(), case.text("hash"), "{what}");
        let entry = Entry::encode(case.number("at"), text.as_bytes());
        assert_eq!(leaf_hash(&entry).to_hex(), case.text("leaf"), "{what}");
    }
}

#[test]
fn invalid_records() {
    for case in cases("invalid", 266) {
        let what = case.what();
        let error =
            Record::parse(case.text("record").as_bytes()).err().unwrap_or_else(|| panic!("{what}: accepted"));
        assert_eq!((error.code(), error.field()), (case.text("code"), case.text("field")), "{what}: {error}");
        assert!(!error.fix().is_empty(), "{what}");
    }
}

/// Paths of everything that a body holds, as [`ledger_format::record::TypeInfo::paths`] writes them.
fn paths(value: &Value, above: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                found.insert(format!("{above}{name}"));
                paths(value, &format!("{above}{name}."), found);
            }
        }
        Value::Array(items) => {
            let above = above.strip_suffix('.').unwrap_or(above);
            items.iter().for_each(|item| paths(item, &format!("{above}[]."), found));
        }
        _ => {}
    }
}

/// Whoever writes a reader from these cases meets every field that a body may have.
#[test]
fn every_field_of_every_body_is_in_a_valid_case() {
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in cases("valid", 140) {
        let record: Value = serde_json::from_str(case.text("record")).expect("valid cases are JSON");
        paths(&record["body"], "", said.entry(case.text("type").to_owned()).or_default());
    }
    let mut fields = 0;
    let mut unsaid = Vec::new();
    for info in TYPES {
        for (path, _) in info.paths() {
            fields += 1;
            if !said.get(info.name).is_some_and(|said| said.contains(&path)) {
                unsaid.push(format!("{}: {path}", info.name));
            }
        }
    }
    assert!(fields > 300, "only {fields} fields: the tables of the types were not found");
    assert!(unsaid.is_empty(), "in no valid case: {unsaid:#?}");
}

#[test]
fn every_type_has_a_case_that_is_refused() {
    let texts: Vec<_> = cases("invalid", 266).iter().map(|case| case.text("record").to_owned()).collect();
    for info in TYPES {
        let named = format!("\"type\":\"{}\"", info.name);
        assert!(texts.iter().any(|text| text.contains(&named)), "no refused case of type {}", info.name);
    }
}

/// What a log states itself, in the place of a record.
#[test]
fn state_roots() {
    for case in cases("state_roots", 29) {
        let (what, text) = (case.what(), case.text("entry"));
        let entry = Entry::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{what}: {e}"));
        match entry.state_root().unwrap_or_else(|| panic!("{what}: taken for a record")) {
            Ok(root) => {
                assert_eq!(case.0["valid"], true, "{what}: accepted");
                assert_eq!(Entry::encode(entry.at, &root.to_bytes()), text.as_bytes(), "{what}");
                assert_eq!(leaf_hash(text.as_bytes()).to_hex(), case.text("leaf"), "{what}");
            }
            Err(error) => {
                assert_eq!(case.0["valid"], false, "{what}: {error}");
                let said = (error.reason.code(), error.path.as_str());
                assert_eq!(said, (case.text("code"), case.text("field")), "{what}: {error}");
            }
        }
        assert!(Record::parse(entry.record).is_err(), "{what}: nobody can submit one");
    }
}

#[test]
fn signatures_that_do_not_fit() {
    for case in cases("signatures", 9) {
        let what = case.what();
        let record = Record::parse(case.text("record").as_bytes()).unwrap_or_else(|e| panic!("{what}: {e}"));
        let key = PublicKey::parse(case.text("public_key")).unwrap();
        let error = record.verify_signature(&key).err().unwrap_or_else(|| panic!("{what}: accepted"));
        assert_eq!(error.code(), case.text("code"), "{what}: {error}");
    }
}

#[test]
fn entries() {
    for case in cases("entries", 11) {
        let (what, text) = (case.what(), case.text("entry"));
        let parsed = Entry::parse(text.as_bytes());
        // An entry is good when its frame is and its record is.
        let good = parsed.is_ok_and(|entry| Record::parse(entry.record).is_ok());
        assert_eq!(Some(good), case.0["valid"].as_bool(), "{what}");
        if let Ok(entry) = parsed {
            assert_eq!(Entry::encode(entry.at, entry.record), text.as_bytes(), "{what}");
        }
    }
}
