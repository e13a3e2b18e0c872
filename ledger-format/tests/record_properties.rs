//! Properties of canonical JSON and of records, against `serde_json` as the second opinion.

use ledger_format::record::json::{self, INTEGER_MAX, Value};
use ledger_format::record::{
    ActionOutcome, Actor, AgentId, AgentRegister, AgentType, Body, DetailValue, Digest, Draft, Entry, Kid,
    ReceiptAction, Record, RecordHash, Scope, SessionId, SigningKey, Ulid, record_hash,
};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Value> {
    let max = INTEGER_MAX as i64;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-max..=max).prop_map(Value::Int),
        // Any characters, control characters and astral ones too.
        proptest::collection::vec(any::<char>(), 0..12).prop_map(|c| Value::Str(c.into_iter().collect())),
        "[\\x00-\\x7f]{0,12}".prop_map(Value::Str),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::btree_map("[ !#-\\[\\]-~]{1,8}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The same value as `serde_json` knows it.
fn theirs(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(i) => (*i).into(),
        Value::Str(s) => s.as_str().into(),
        Value::Array(items) => items.iter().map(theirs).collect(),
        Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), theirs(v))).collect(),
    }
}

fn ulid() -> impl Strategy<Value = Ulid> {
    (1..u128::MAX).prop_map(Ulid)
}

fn scope() -> impl Strategy<Value = Scope> {
    "[a-z0-9._-]{1,64}:[a-z0-9._-]{1,64}"
        .prop_map(|text| Scope::parse(&text).expect("drawn from the grammar"))
}

fn digest() -> impl Strategy<Value = Digest> {
    (any::<bool>(), any::<[u8; 8]>())
        .prop_map(|(sha, v)| if sha { Digest::sha256(&v) } else { Digest::blake3(&v) })
}

fn detail() -> impl Strategy<Value = Vec<(String, DetailValue)>> {
    let max = INTEGER_MAX as i64;
    let value = prop_oneof![
        "\\PC{0,40}".prop_map(DetailValue::Text),
        "[\\x00-\\x1f\"\\\\]{0,20}".prop_map(DetailValue::Text),
        (-max..=max).prop_map(DetailValue::Integer),
    ];
    proptest::collection::btree_map("[a-z0-9._-]{1,16}", value, 0..=16).prop_map(|m| m.into_iter().collect())
}

fn receipt() -> impl Strategy<Value = Body> {
    let outcome = proptest::option::of(proptest::sample::select(ActionOutcome::ALL));
    let ids = (ulid(), proptest::option::of(ulid()));
    (scope(), ids, detail(), digest(), digest(), outcome, proptest::option::of("[a-zé \"\\\\]{1,40}"))
        .prop_map(|(action, (agent, session), detail, input, output, outcome, tool)| {
            let agent = AgentId(agent);
            let session = session.map(SessionId);
            let on_behalf_of = None;
            Body::ReceiptAction(ReceiptAction {
                approval: None,
                decision: None,
                grant: None,
                action,
                agent,
                detail,
                input,
                on_behalf_of,
                outcome,
                output,
                session,
                tool,
                verdict: None,
            })
        })
}

fn registration() -> impl Strategy<Value = Body> {
    let list =
        || proptest::collection::btree_set(scope(), 0..8).prop_map(|s| s.into_iter().collect::<Vec<_>>());
    let parent = proptest::option::of(ulid());
    (ulid(), list(), list(), 1..255u8, "[^\\p{Cc}]{1,30}", parent).prop_map(
        |(agent, scopes, denies, seed, name, parent)| {
            Body::AgentRegister(Box::new(AgentRegister {
                agent: AgentId(agent),
                denies,
                key: SigningKey::from_seed([seed; 32]).public(),
                name,
                on_behalf_of: None,
                parent: parent.map(AgentId),
                runtime_type: None,
                scopes,
                agent_type: AgentType::Delegated,
            }))
        },
    )
}

/// A record that its actor signed with the key of seed 1.
fn record() -> impl Strategy<Value = Record> {
    let numbers = (0..=INTEGER_MAX, proptest::option::of(0..=INTEGER_MAX));
    let prev = proptest::option::of(any::<[u8; 32]>().prop_map(RecordHash));
    (ulid(), ulid(), numbers, prev, prop_oneof![receipt(), registration()]).prop_map(
        |(tenant, id, (at, anchor), prev, body)| {
            let actor = match &body {
                Body::ReceiptAction(body) => Actor::Agent(body.agent),
                _ => Actor::Tenant,
            };
            Draft { actor, anchor, at, body, id, prev, tenant }.sign(&SigningKey::from_seed([1; 32]))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// What we print is what `serde_json` prints with sorted keys, and both read it alike.
    #[test]
    fn canonical_json_is_json(value in value()) {
        let bytes = value.to_bytes();
        prop_assert_eq!(json::parse(&bytes).unwrap(), value.clone());
        prop_assert_eq!(String::from_utf8(bytes).unwrap(), serde_json::to_string(&theirs(&value)).unwrap());
    }

    /// Whatever is accepted is printed again byte for byte: no text has two readings, no value two texts.
    #[test]
    fn one_spelling(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>(), insert in any::<bool>()) {
        let mut bytes = value.to_bytes();
        let at = at.index(bytes.len());
        if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        if let Ok(read) = json::parse(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes.clone());
            prop_assert_eq!(&serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), &theirs(&read));
        }
    }

    /// No bytes make the parser panic, and an error points into the text.
    #[test]
    fn any_bytes(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..100),
        "[\\[\\]{}\",:0-9a-z\\\\ .-]{0,60}".prop_map(String::into_bytes),
    ]) {
        match json::parse(&bytes) {
            Ok(value) => prop_assert_eq!(value.to_bytes(), bytes),
            Err(error) => prop_assert!(error.offset <= bytes.len()),
        }
    }

    /// A record that was signed reads back, verifies, and its parts fit together.
    #[test]
    fn a_record_comes_back(record in record()) {
        let bytes = record.to_bytes();
        prop_assert_eq!(&Record::parse(&bytes).unwrap(), &record);
        prop_assert_eq!(record.check(), Ok(()));
        let key = SigningKey::from_seed([1; 32]).public();
        prop_assert_eq!(record.verify_signature(&key), Ok(()));
        prop_assert_eq!(record_hash(&bytes), record.hash());
        // What is signed is the record with `sig` cut out.
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (start, end) = (text.find(",\"sig\":{").unwrap(), text.rfind("},\"tenant\":").unwrap() + 1);
        prop_assert_eq!(String::from_utf8(record.signed_bytes()).unwrap(), [&text[..start], &text[end..]].concat());
        // The record parser and the general parser see the same text.
        prop_assert_eq!(json::parse(&bytes).unwrap().to_bytes(), bytes.clone());
        let entry = Entry::encode(record.at, &bytes);
        prop_assert_eq!(Entry::parse(&entry), Ok(Entry { at: record.at, record: &bytes }));
        prop_assert!(json::parse(&entry).is_ok());
    }

    /// One changed byte: refused, or another record that the signature no longer fits.
    #[test]
    fn one_changed_byte(record in record(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = record.to_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(read) = Record::parse(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
            prop_assert!(read.verify_signature(&SigningKey::from_seed([1; 32]).public()).is_err());
        }
    }

    /// Ids and fingerprints print and read back in every spelling.
    #[test]
    fn ids_come_back(id in ulid(), tenant in ulid(), kid in any::<[u8; 16]>()) {
        let agent = AgentId(id);
        prop_assert_eq!(AgentId::parse(&agent.to_string()), Some(agent));
        for text in [agent.to_string(), agent.uuid(), agent.uuid().to_uppercase(), agent.short_form(tenant), id.to_string()] {
            prop_assert_eq!(AgentId::parse_any(&text), Some(agent), "{}", text);
        }
        prop_assert_eq!(Kid::parse(&Kid(kid).to_string()), Some(Kid(kid)));
    }
}

/// The figure in the design: a receipt with a session and a tool, its body about 300 bytes.
#[test]
fn a_typical_receipt_body_is_about_300_bytes() {
    let body = ReceiptAction {
        approval: None,
        decision: None,
        grant: None,
        action: Scope::parse("invoice:approve").unwrap(),
        agent: AgentId(Ulid(1)),
        detail: vec![],
        input: Digest::sha256(b"in"),
        on_behalf_of: None,
        outcome: Some(ActionOutcome::Success),
        output: Digest::sha256(b"out"),
        session: Some(SessionId(Ulid(2))),
        tool: Some("erp".into()),
        verdict: None,
    };
    let actor = Actor::Agent(body.agent);
    let draft = Draft::new(Ulid(3), Ulid(4), actor, 1_769_000_000_000, Body::ReceiptAction(body));
    let text = String::from_utf8(draft.sign(&SigningKey::from_seed([1; 32])).to_bytes()).unwrap();
    let body = text.find(",\"id\":").unwrap() - text.find("\"body\":").unwrap() - "\"body\":".len();
    assert!((280..=340).contains(&body), "{body} bytes");
}
