//! The envelope that every record shares, its signature and its hash.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest as _;

use super::body::{self, ActorKind, Body, FieldInfo, TypeInfo};
use super::error::RecordError;
use super::fields::{self, read_with};
use super::ids::{AgentId, Ulid};
use super::json::{self, JsonError, Reader, Reason, Writer};
use super::keys::{Kid, PublicKey, SigningKey};
use super::{Plan, RECORD_BYTES_MAX};

/// The version of the envelope, `v`.
pub const VERSION: u64 = 1;

/// The envelope's fields, in canonical order.
pub const ENVELOPE_FIELDS: &[FieldInfo] = &[
    FieldInfo::required("actor"),
    FieldInfo::optional("anchor"),
    FieldInfo::required("at"),
    FieldInfo::required("body"),
    FieldInfo::required("id"),
    FieldInfo::optional("prev"),
    FieldInfo::required("sig"),
    FieldInfo::required("sig.alg"),
    FieldInfo::required("sig.kid"),
    FieldInfo::required("sig.value"),
    FieldInfo::required("tenant"),
    FieldInfo::required("type"),
    FieldInfo::required("v"),
];

/// Who states and signs a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// An agent, with its own key.
    Agent(AgentId),
    /// The record's tenant, with its root key.
    Tenant,
    /// The log's operator, for an authenticated caller that cannot sign.
    Operator,
}

impl Actor {
    /// Without the agent's id.
    pub fn kind(self) -> ActorKind {
        match self {
            Actor::Agent(_) => ActorKind::Agent,
            Actor::Tenant => ActorKind::Tenant,
            Actor::Operator => ActorKind::Operator,
        }
    }

    fn parse(text: &str) -> Option<Actor> {
        match text {
            "tenant" => Some(Actor::Tenant),
            "operator" => Some(Actor::Operator),
            _ => AgentId::parse(text).map(Actor::Agent),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Agent(id) => id.fmt(f),
            Actor::Tenant => f.write_str("tenant"),
            Actor::Operator => f.write_str("operator"),
        }
    }
}

/// SHA-256 of a record's canonical bytes, signature included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordHash(pub [u8; 32]);

impl RecordHash {
    /// Reads 64 lower-case hex digits.
    pub fn parse(text: &str) -> Option<RecordHash> {
        super::hex::decode(text).map(RecordHash)
    }
}

impl fmt::Display for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::hex::encode(&self.0))
    }
}

/// The hash of a record whose canonical bytes are at hand.
pub fn record_hash(bytes: &[u8]) -> RecordHash {
    RecordHash(sha2::Sha256::digest(bytes).into())
}

/// A record's signature: always Ed25519.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// Which key made it.
    pub kid: Kid,
    /// Its 64 bytes.
    pub value: [u8; 64],
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature(kid {}, {})", self.kid, URL_SAFE_NO_PAD.encode(self.value))
    }
}

/// A signed statement. Built by [`Draft::sign`] or [`Record::parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who states it.
    pub actor: Actor,
    /// A checkpoint size that the actor had seen: what the record tells is not older than that checkpoint.
    pub anchor: Option<u64>,
    /// The actor's clock, ms since 1970. Informative: nothing is ordered or expired by it.
    pub at: u64,
    /// What it states.
    pub body: Body,
    /// Unique within the tenant; also the receipt's id.
    pub id: Ulid,
    /// Hash of the record that the same actor made before.
    pub prev: Option<RecordHash>,
    /// The actor's signature over [`Record::signed_bytes`].
    pub sig: Signature,
    /// The tenant to which it belongs; all zeros for the log's own records.
    pub tenant: Ulid,
}

/// A record before its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// See [`Record::actor`].
    pub actor: Actor,
    /// See [`Record::anchor`].
    pub anchor: Option<u64>,
    /// See [`Record::at`].
    pub at: u64,
    /// See [`Record::body`].
    pub body: Body,
    /// See [`Record::id`].
    pub id: Ulid,
    /// See [`Record::prev`].
    pub prev: Option<RecordHash>,
    /// See [`Record::tenant`].
    pub tenant: Ulid,
}

impl Draft {
    /// A draft without anchor and predecessor.
    pub fn new(tenant: Ulid, id: Ulid, actor: Actor, at: u64, body: Body) -> Draft {
        Draft { actor, anchor: None, at, body, id, prev: None, tenant }
    }

    /// Signs. The key says what it is asked to say: whether the fields keep their limits is [`Record::check`]'s question.
    pub fn sign(self, key: &SigningKey) -> Record {
        let Draft { actor, anchor, at, body, id, prev, tenant } = self;
        let sig = Signature { kid: key.kid(), value: [0; 64] };
        let mut record = Record { actor, anchor, at, body, id, prev, sig, tenant };
        record.sig.value = key.sign(&record.signed_bytes());
        record
    }
}

impl Record {
    /// Reads canonical bytes and checks form, type, every field and its limits, and that the actor may sign this type.
    /// Does not check the signature.
    pub fn parse(bytes: &[u8]) -> Result<Record, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge { size: bytes.len(), max: RECORD_BYTES_MAX });
        }
        // `body` comes before `type` in canonical order, so its reader is chosen by the type at the very end of the text.
        let Some((info, read_body)) = type_at_end(bytes).and_then(body::reader_of) else {
            return Err(explain_without_type(bytes));
        };
        let mut reader = Reader::new(bytes)?;
        let record = read_record(&mut reader, info, read_body)?;
        reader.finish()?;
        record.check_actor(info)?;
        Ok(record)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.write(true)
    }

    /// What the signature covers: the canonical bytes of the record without `sig`.
    pub fn signed_bytes(&self) -> Vec<u8> {
        self.write(false)
    }

    /// SHA-256 of [`Record::to_bytes`]. Who holds the bytes calls [`record_hash`].
    pub fn hash(&self) -> RecordHash {
        record_hash(&self.to_bytes())
    }

    /// The word in `type`.
    pub fn type_name(&self) -> &'static str {
        self.body.info().name
    }

    /// Checks the fields of a record that was built, not parsed: whether its bytes would be accepted.
    pub fn check(&self) -> Result<(), RecordError> {
        Record::parse(&self.to_bytes()).map(|_| ())
    }

    /// Checks that `key` is the key that the record names and that it signed exactly this record.
    pub fn verify_signature(&self, key: &PublicKey) -> Result<(), RecordError> {
        let wanted = key.kid();
        if self.sig.kid != wanted {
            return Err(RecordError::WrongKey { named: self.sig.kid, wanted });
        }
        key.verify(&self.signed_bytes(), &self.sig.value)
            .map_err(|_| RecordError::BadSignature { kid: wanted })
    }

    fn write(&self, signed: bool) -> Vec<u8> {
        let mut w = Writer::with_capacity(1024);
        w.open_object();
        w.text_field("actor", &self.actor.to_string());
        if let Some(anchor) = self.anchor {
            w.unsigned_field("anchor", anchor);
        }
        w.unsigned_field("at", self.at);
        w.key("body");
        self.body.write(&mut w);
        w.text_field("id", &self.id.to_string());
        if let Some(prev) = self.prev {
            w.text_field("prev", &prev.to_string());
        }
        if signed {
            w.key("sig");
            self.sig.write(&mut w);
        }
        w.text_field("tenant", &self.tenant.to_string());
        w.text_field("type", self.type_name());
        w.unsigned_field("v", VERSION);
        w.close_object();
        w.finish()
    }

    /// The rules that tie the actor to the rest of the record.
    fn check_actor(&self, info: &TypeInfo) -> Result<(), RecordError> {
        if !info.actors.contains(&self.actor.kind()) {
            let allowed: Vec<_> = info.actors.iter().map(|a| a.as_str()).collect();
            return Err(RecordError::ActorNotAllowed { type_name: info.name, allowed: allowed.join(" or ") });
        }
        let fault =
            |path: &str, reason| Err(RecordError::Json(JsonError { offset: 0, path: path.into(), reason }));
        let is_genesis = matches!(self.body, Body::LogGenesis(_));
        if is_genesis != (self.tenant == Ulid::NIL) {
            let rule = "all zeros in log.genesis and nowhere else";
            return fault("tenant", Reason::Invalid { rule });
        }
        match (self.actor, self.body.on_behalf_of()) {
            (Actor::Operator, None) if !is_genesis => return fault("body.on_behalf_of", Reason::Missing),
            (Actor::Agent(_) | Actor::Tenant, Some(_)) => {
                let rule = "only the operator acts on behalf of others";
                return fault("body.on_behalf_of", Reason::NotAllowed { rule });
            }
            _ => {}
        }
        if let (Actor::Agent(actor), Some(agent)) = (self.actor, self.body.agent())
            && actor != agent
        {
            return fault(
                "body.agent",
                Reason::Invalid { rule: "the actor: an agent speaks for itself only" },
            );
        }
        if let (Actor::Tenant, Body::TenantRegister(body)) = (self.actor, &self.body) {
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
}

impl Signature {
    fn read(r: &mut Reader<'_>) -> Result<Signature, JsonError> {
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

    fn write(&self, w: &mut Writer) {
        w.open_object();
        w.text_field("alg", "ed25519");
        w.text_field("kid", &self.kid.to_string());
        w.text_field("value", &URL_SAFE_NO_PAD.encode(self.value));
        w.close_object();
    }
}

fn decode_signature(text: &str) -> Option<[u8; 64]> {
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

fn read_record(
    r: &mut Reader<'_>,
    info: &'static TypeInfo,
    read_body: fn(&mut Reader<'_>) -> Result<Body, JsonError>,
) -> Result<Record, JsonError> {
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
            "sig" => sig = Some(Signature::read(r)?),
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
