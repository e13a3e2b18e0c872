//! The envelope that every record shares, its signature and its hash.

mod read;

pub(super) use read::decode_signature;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest as _;

use super::body::{ActorKind, Body, FieldInfo};
use super::error::RecordError;
use super::ids::{AgentId, Ulid};
use super::json::Writer;
use super::{
    keys::{Kid, SigningKey},
    prepared::Verify,
};

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

    pub(super) fn parse(text: &str) -> Option<Actor> {
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

/// The text of a signature's bytes.
pub(super) fn encode_signature(value: &[u8; 64]) -> String {
    URL_SAFE_NO_PAD.encode(value)
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
        let signed = self.sign_with(key.kid(), |bytes| Ok::<_, std::convert::Infallible>(key.sign(bytes)));
        signed.unwrap_or_else(|never| match never {})
    }

    /// As [`Self::sign`], for a key that is somewhere else: `sign` is given [`Record::signed_bytes`].
    ///
    /// # Errors
    /// Those of `sign`.
    pub fn sign_with<E>(
        self,
        kid: Kid,
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<Record, E> {
        let Draft { actor, anchor, at, body, id, prev, tenant } = self;
        let sig = Signature { kid, value: [0; 64] };
        let mut record = Record { actor, anchor, at, body, id, prev, sig, tenant };
        record.sig.value = sign(&record.signed_bytes())?;
        Ok(record)
    }
}

impl Record {
    /// Reads canonical bytes and checks form, type, every field and its limits, and that the actor may sign this type.
    /// Does not check the signature.
    pub fn parse(bytes: &[u8]) -> Result<Record, RecordError> {
        read::record(bytes)
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
    pub fn verify_signature(&self, key: &impl Verify) -> Result<(), RecordError> {
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
}

impl Signature {
    fn write(&self, w: &mut Writer) {
        w.open_object();
        w.text_field("alg", "ed25519");
        w.text_field("kid", &self.kid.to_string());
        w.text_field("value", &URL_SAFE_NO_PAD.encode(self.value));
        w.close_object();
    }
}
