//! Reading a record: one pass over the bytes, then the rules that tie its parts together.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Actor, Record, RecordHash, Signature, VERSION};
use crate::record::body::{self, Body, ReadBody, TypeInfo};
use crate::record::error::RecordError;
use crate::record::fields::{self, read_with};
use crate::record::ids::Ulid;
use crate::record::json::{self, JsonError, Reader, Reason};
use crate::record::{Plan, RECORD_BYTES_MAX, STATE_ROOT_TYPE};

pub(super) fn record(bytes: &[u8]) -> Result<Record, RecordError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(RecordError::TooLarge { size: bytes.len(), max: RECORD_BYTES_MAX });
    }
    // `body` comes before `type` in canonical order, so its reader is chosen by the type at the very end of the text.
    let Some((info, read_body)) = type_at_end(bytes).and_then(body::reader_of) else {
        return Err(explain_without_type(bytes));
    };
    let mut reader = Reader::new(bytes)?;
    let record = fields_of(&mut reader, info, read_body)?;
    reader.finish()?;
    check_actor(&record, info)?;
    Ok(record)
}

/// The rules that tie the actor to the rest of the record.
fn check_actor(record: &Record, info: &TypeInfo) -> Result<(), RecordError> {
    if !info.actors.contains(&record.actor.kind()) {
        let allowed: Vec<_> = info.actors.iter().map(|a| a.as_str()).collect();
        return Err(RecordError::ActorNotAllowed { type_name: info.name, allowed: allowed.join(" or ") });
    }
    let fault =
        |path: &str, reason| Err(RecordError::Json(JsonError { offset: 0, path: path.into(), reason }));
    let is_about_the_log = record.body.is_about_the_log();
    if is_about_the_log != (record.tenant == Ulid::NIL) {
        let rule = "all zeros in records about the log, and nowhere else";
        return fault("tenant", Reason::Invalid { rule });
    }
    match (record.actor, record.body.on_behalf_of()) {
        (Actor::Operator, None) if !is_about_the_log => return fault("body.on_behalf_of", Reason::Missing),
        (Actor::Agent(_) | Actor::Tenant, Some(_)) => {
            let rule = "only the operator acts on behalf of others";
            return fault("body.on_behalf_of", Reason::NotAllowed { rule });
        }
        _ => {}
    }
    if let (Actor::Agent(actor), Some(agent)) = (record.actor, record.body.agent())
        && actor != agent
    {
        let field = if matches!(record.body, Body::DelegationOffer(_)) { "body.from" } else { "body.agent" };
        return fault(field, Reason::Invalid { rule: "the actor: an agent speaks for itself only" });
    }
    check_words_of_actor(record)
}

/// What one actor may say and another may not.
fn check_words_of_actor(record: &Record) -> Result<(), RecordError> {
    let fault =
        |path: &str, reason| Err(RecordError::Json(JsonError { offset: 0, path: path.into(), reason }));
    if let (Actor::Agent(_), Body::DelegationOffer(body)) = (record.actor, &record.body)
        && body.from.is_none()
    {
        return fault("body.from", Reason::Missing);
    }
    if let (Actor::Tenant, Body::TenantUpdate(body)) = (record.actor, &record.body)
        && body.plan.is_some()
    {
        return fault("body.plan", Reason::NotAllowed { rule: "a tenant does not change its own plan" });
    }
    if let (Actor::Tenant, Body::TenantKey(body)) = (record.actor, &record.body)
        && body.previous.is_none()
    {
        return fault("body.previous", Reason::Missing);
    }
    if let (Actor::Agent(_), Body::ReceiptAction(body)) = (record.actor, &record.body)
        && body.verdict.is_some()
    {
        let rule = "an agent does not judge itself: the verdict is the tenant's or the operator's";
        return fault("body.verdict", Reason::NotAllowed { rule });
    }
    if let (Actor::Tenant, Body::TenantRegister(body)) = (record.actor, &record.body) {
        if body.key.is_none() {
            return fault("body.key", Reason::Missing);
        }
        if !matches!(body.plan, None | Some(Plan::Developer)) {
            let rule = "a tenant that registers itself has the developer plan";
            return fault("body.plan", Reason::NotAllowed { rule });
        }
    }
    Ok(())
}

fn signature(r: &mut Reader<'_>) -> Result<Signature, JsonError> {
    let (mut algorithm, mut kid, mut value) = (None, None, None);
    r.object(|r, key| {
        match key {
            "alg" => algorithm = Some(read_with(r, "\"ed25519\"", |t| (t == "ed25519").then_some(()))?),
            "kid" => kid = Some(fields::kid(r)?),
            "value" => {
                let rule = "64 bytes in base64url without padding";
                value = Some(read_with(r, rule, decode_signature)?);
            }
            _ => return fields::unknown(r),
        }
        Ok(())
    })?;
    r.required("alg", algorithm)?;
    Ok(Signature { kid: r.required("kid", kid)?, value: r.required("value", value)? })
}

pub(in crate::record) fn decode_signature(text: &str) -> Option<[u8; 64]> {
    // `decode_slice` wants room for its upper estimate of 66 bytes.
    let mut room = [0; 68];
    let length =
        if text.len() == 86 { URL_SAFE_NO_PAD.decode_slice(text, &mut room).ok()? } else { return None };
    (length == 64).then(|| room[..64].try_into().expect("64 bytes"))
}

/// The type, read from the last bytes of a canonical record: `...,"type":"<name>","v":1}`. Only a hint: reading checks it.
fn type_at_end(bytes: &[u8]) -> Option<&str> {
    const LONGEST: usize = 96;
    let tail = &bytes[bytes.len().saturating_sub(LONGEST)..];
    let tail = tail.strip_suffix(br#","v":1}"#)?.strip_suffix(b"\"")?;
    let quote = tail.iter().rposition(|&b| b == b'"')?;
    tail[..quote].ends_with(br#""type":"#).then(|| std::str::from_utf8(&tail[quote + 1..]).ok())?
}

fn fields_of(r: &mut Reader<'_>, info: &'static TypeInfo, read_body: ReadBody) -> Result<Record, JsonError> {
    let (mut actor, mut anchor, mut at, mut body, mut id) = (None, None, None, None, None);
    let (mut prev, mut sig, mut tenant, mut type_seen, mut version) = (None, None, None, None, None);
    r.object(|r, key| {
        match key {
            "actor" => {
                let rule = "an agent id, \"tenant\" or \"operator\"";
                actor = Some(read_with(r, rule, Actor::parse)?);
            }
            "anchor" => anchor = Some(r.unsigned()?),
            "at" => at = Some(r.unsigned()?),
            "body" => body = Some(read_body(r)?),
            "id" => id = Some(fields::ulid(r)?),
            "prev" => {
                prev = Some(read_with(r, "a record hash: 64 lower-case hex digits", RecordHash::parse)?)
            }
            "sig" => sig = Some(signature(r)?),
            "tenant" => tenant = Some(fields::ulid(r)?),
            "type" => {
                let rule = "the last type in the text";
                type_seen = Some(read_with(r, rule, |name| (name == info.name).then_some(()))?);
            }
            "v" => version = Some(read_version(r)?),
            _ => return fields::unknown(r),
        }
        Ok(())
    })?;
    r.required("type", type_seen)?;
    r.required("v", version)?;
    Ok(Record {
        actor: r.required("actor", actor)?,
        anchor,
        at: r.required("at", at)?,
        body: r.required("body", body)?,
        id: r.required("id", id)?,
        prev,
        sig: r.required("sig", sig)?,
        tenant: r.required("tenant", tenant)?,
    })
}

fn read_version(r: &mut Reader<'_>) -> Result<(), JsonError> {
    let start = r.offset();
    if r.unsigned()? == VERSION { Ok(()) } else { Err(r.error(start, Reason::Invalid { rule: "1" })) }
}

/// The best reason for a text whose end does not name a known type. Off the fast path.
#[cold]
fn explain_without_type(bytes: &[u8]) -> RecordError {
    let fields = match json::parse(bytes) {
        Err(error) => return error.into(),
        Ok(json::Value::Object(fields)) => fields,
        Ok(_) => {
            let reason = Reason::Expected { wanted: "an object" };
            return JsonError { offset: 0, path: String::new(), reason }.into();
        }
    };
    let fault = |path: &str, reason| JsonError { offset: 0, path: path.into(), reason }.into();
    let find = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    match (find("v"), find("type")) {
        (Some(json::Value::Int(got)), _) if *got >= 0 && *got as u64 != VERSION => {
            RecordError::UnsupportedVersion { got: *got as u64, supported: VERSION }
        }
        (_, None) => fault("type", Reason::Missing),
        (None, _) => fault("v", Reason::Missing),
        (Some(json::Value::Int(1)), Some(json::Value::Str(name))) if name == STATE_ROOT_TYPE => {
            RecordError::MadeByTheLog
        }
        (Some(json::Value::Int(1)), Some(json::Value::Str(name))) if body::reader_of(name).is_none() => {
            RecordError::UnknownType { name: name.chars().take(64).collect() }
        }
        (Some(json::Value::Int(1)), Some(json::Value::Str(_))) => {
            // Both are there and known, so something stands after them: a field the envelope does not have.
            let last = fields.last().map_or("", |(key, _)| key.as_str());
            fault(last, Reason::Unknown)
        }
        (_, Some(json::Value::Str(_))) => fault("v", Reason::Expected { wanted: "an integer" }),
        _ => fault("type", Reason::Expected { wanted: "a string" }),
    }
}
