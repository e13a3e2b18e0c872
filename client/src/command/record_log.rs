//! `maip record log`: any record from the JSON of its body.

use std::{fs, io::Read as _};

use clap::{Args, builder::PossibleValuesParser};
use ledger_format::record::{
    Actor, Body, FieldInfo, Kid, Record, RecordError, RecordHash, TYPES, TypeInfo, Ulid,
};
use serde_json::{Value, json};

use super::{
    Done, Failure, Global, Out,
    global::AdminKey,
    ids::{record_hash, ulid},
    record::canonical_bytes,
    send::{Send, Stated, new_id},
    signer::Signer,
};

#[derive(Debug, Args)]
pub(crate) struct RecordLog {
    /// The type, e.g. tool.register; docs/record-format.md lists them with their fields.
    #[arg(long = "type", value_name = "TYPE", value_parser = types(), hide_possible_values = true)]
    type_name: String,
    /// The body: a file, the JSON itself, or - for standard input. In any layout; members in any order.
    #[arg(long, value_name = "FILE|JSON")]
    body: String,
    #[command(flatten)]
    signer: Signer,
    #[command(flatten)]
    admin: AdminKey,
    /// Id of the record. Default: a new one. The same command with the same id logs the same record, once; its `at` is the id's time.
    #[arg(long, value_parser = ulid)]
    id: Option<Ulid>,
    /// Hash of the actor's previous record, as `record_hash` of its answer.
    #[arg(long, value_name = "HEX", value_parser = record_hash)]
    prev: Option<RecordHash>,
    #[command(flatten)]
    send: Send,
}

fn types() -> PossibleValuesParser {
    PossibleValuesParser::new(TYPES.iter().map(|info| info.name))
}

impl RecordLog {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let (actor, key) = self.signer.actor(global)?;
        let tenant = match self.signer.tenant {
            Some(tenant) => tenant,
            // The reader says so if the type belongs to a tenant.
            None if actor == Actor::Operator => Ulid::NIL,
            None => return Err(Failure::cannot("no tenant").next("give --tenant or MAIP_TENANT")),
        };
        let body = body(&self.type_name, read_json(&self.body)?, tenant, actor, key.kid())?;
        let by_operator = actor == Actor::Operator || matches!(body, Body::TenantRegister(_));
        let stated = Stated {
            operator: by_operator.then_some(&self.admin),
            id: Some(self.id.map_or_else(new_id, Ok)?),
            tenant,
            actor,
            prev: self.prev,
            body,
        };
        let words = format!("{} by {actor}", self.type_name);
        self.send.log(global, out, stated, &key, &words, json!({ "type": self.type_name }))
    }
}

/// JSON from a file, from the argument itself, or from standard input.
pub(crate) fn read_json(given: &str) -> Result<Value, Failure> {
    let (from, bytes) = match given.trim_start() {
        text if text.starts_with('{') => ("the argument", text.as_bytes().to_vec()),
        "-" => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().read_to_end(&mut bytes);
            read.map_err(|e| Failure::cannot("standard input cannot be read").why(e))?;
            ("standard input", bytes)
        }
        path => (
            path,
            fs::read(path).map_err(|e| {
                Failure::cannot(format!("{path} cannot be read"))
                    .why(e)
                    .next("give a file, JSON that begins with {, or - for standard input")
            })?,
        ),
    };
    serde_json::from_slice(&bytes).map_err(|e| Failure::cannot(format!("{from} is not JSON")).why(e))
}

/// A body of a type, from its JSON: brought into its canonical form, and held against every rule of its type.
///
/// # Errors
/// With exit code 1, the first field that breaks a rule and what it must be.
pub(crate) fn body(
    type_name: &str,
    body: Value,
    tenant: Ulid,
    actor: Actor,
    kid: Kid,
) -> Result<Body, Failure> {
    let refuse = |why: String| Failure::no(format!("this is not the body of a {type_name}")).why(why);
    // Only whole records can be read, so the body is put into one. Its signature is never looked at.
    let record = json!({
        "actor": actor.to_string(), "at": 0, "body": body, "id": Ulid::NIL.to_string(),
        "sig": { "alg": "ed25519", "kid": kid.to_string(), "value": "A".repeat(SIGNATURE_CHARS) },
        "tenant": tenant.to_string(), "type": type_name, "v": 1,
    });
    let bytes = canonical_bytes(&record).map_err(refuse)?;
    match Record::parse(&bytes) {
        Ok(record) => Ok(record.body),
        Err(error) => Err(refuse(error.to_string()).next(what_to_do(type_name, &error))),
    }
}

/// Of 64 bytes in base64url.
const SIGNATURE_CHARS: usize = 86;

/// The fix, and what the field at fault is and must be.
pub(crate) fn what_to_do(type_name: &str, error: &RecordError) -> String {
    let info = TYPES.iter().find(|info| info.name == type_name);
    match info.and_then(|info| field_of(info, error.field())) {
        Some(field) if !field.rule.is_empty() => {
            format!("{}; {} is {}: {}", error.fix(), field.name, field.about.trim(), field.rule)
        }
        _ if error.field() == "tenant" => {
            format!("{}: give --tenant, or none for a record about the log", error.fix())
        }
        _ => format!("{}; docs/record-format.md has the fields of {type_name}", error.fix()),
    }
}

/// The field at a path like `body.rules[2].effect`.
fn field_of(info: &TypeInfo, path: &str) -> Option<&'static FieldInfo> {
    let mut fields = info.fields;
    let mut found = None;
    for part in path.strip_prefix("body.")?.split('.') {
        let name = part.split('[').next().unwrap_or(part);
        let field = fields.iter().find(|field| field.name == name)?;
        (found, fields) = (Some(field), field.inner);
    }
    found
}

#[cfg(test)]
mod tests {
    use ledger_format::record::{Draft, SigningKey};

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed([3; 32])
    }

    fn read(type_name: &str, value: Value) -> Result<Body, Failure> {
        body(type_name, value, Ulid(0x77), Actor::Tenant, key().kid())
    }

    #[test]
    fn a_body_in_any_order_becomes_canonical() {
        let value = json!({ "scope": "invoice:pay", "description": "money leaves", "critical": true });
        let body = read("scope.define", value).unwrap();
        Draft::new(Ulid(0x77), Ulid(1), Actor::Tenant, 0, body).sign(&key()).check().unwrap();
    }

    #[test]
    fn errors_name_the_field_and_the_fix() {
        let define = |extra: Value| {
            let mut value = json!({ "critical": true, "scope": "invoice:pay" });
            value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            value
        };
        let rule = json!({ "actions": ["a:b"], "effect": "forbid" });
        let put = json!({ "name": "p", "policy": "maip-pol:0000000000000000000000000A", "priority": 1, "rules": [rule] });
        for (type_name, value, why, next) in [
            ("scope.define", json!({ "critical": true }), "body.scope", "scope is the scope: "),
            ("scope.define", define(json!({ "scope": "Invoice" })), "body.scope", "scope is the scope: "),
            ("scope.define", define(json!({ "critical": 1 })), "body.critical", "critical is whether"),
            ("scope.define", define(json!({ "more": 1 })), "body.more", "docs/record-format.md"),
            ("scope.define", define(json!({ "critical": 1.5 })), "body.critical", ""),
            ("policy.put", put, "body.rules[0].effect", "effect is what it does: one of deny, require"),
            ("tenant.reactivate", json!({ "reason": "x" }), "operator", "allowed actor"),
        ] {
            let failure = read(type_name, value).unwrap_err();
            assert!(failure.why.as_ref().unwrap().contains(why), "{type_name}: {failure:?}");
            assert!(failure.next.clone().unwrap_or_default().contains(next), "{type_name}: {failure:?}");
        }
    }
}
