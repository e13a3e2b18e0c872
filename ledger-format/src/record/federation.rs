//! Agreements between two tenants: `federation.agree`, `federation.end`.

use super::RecordHash;
use super::declare::{Kind, body, object};
use super::fields;
use super::ids::{TenantId, Ulid};
use super::json::{JsonError, Reader, Writer};
use super::keys::{BadSignature, Kid, PublicKey, SigningKey};
use super::kinds::{Hash, Id, Key, KeyId, Minutes, OnBehalfOf, Scopes, Time, Token, numbers};
use super::log_genesis::read_origin;
use super::scope::Scope;

/// Most tenants that a grant may pass through after this one.
pub const AGREEMENT_HOPS_MAX: u64 = 3;

numbers! {
    /// Tenants that may follow.
    AgreementHops: 0, AGREEMENT_HOPS_MAX, "0 to 3";
}

/// First line of a log's checkpoints.
pub(crate) struct Origin;

impl Kind for Origin {
    type Value = String;
    const RULE: &'static str = "a log's origin";

    fn read(r: &mut Reader<'_>) -> Result<String, JsonError> {
        read_origin(r)
    }

    fn write(value: &String, w: &mut Writer) {
        w.string(value);
    }
}

/// 64 bytes of an Ed25519 signature.
pub(crate) struct SignatureBytes;

impl Kind for SignatureBytes {
    type Value = [u8; 64];
    const RULE: &'static str = "an Ed25519 signature";

    fn read(r: &mut Reader<'_>) -> Result<[u8; 64], JsonError> {
        fields::read_with(r, "64 bytes in base64url without padding", super::envelope::decode_signature)
    }

    fn write(value: &[u8; 64], w: &mut Writer) {
        w.string(&super::envelope::encode_signature(value));
    }
}

object! {
    /// What the peer has signed: the same agreement.
    PeerSignature is "a signature with its key id" {
        /// the key that made it: `peer_key`
        required kid: Kid as KeyId,
        /// over the agreed bytes
        required value: [u8; 64] as SignatureBytes,
    }
}

body! {
    /// Body of `federation.agree`: two tenants let grants pass between them. Both have signed: this tenant the record, the peer the same
    /// agreed bytes, which are the canonical JSON of `{"body":<the body without on_behalf_of and peer_sig>,"tenant":<this record's
    /// tenant>,"type":"federation.agree"}`.
    ///
    /// Effect: the agreement is in force, named by this record's hash, until its time is over or one of the two ends it. Grants across the
    /// two tenants name it. Refused: `tenant_unknown`, `key_not_valid` (a peer of this log whose root key is another), `expires_too_soon`.
    FederationAgree = "federation.agree" by [Tenant, Operator], info AGREE {
        /// log time at which it ends by itself
        required expires_at: u64 as Time,
        /// tenants that a grant may pass through after the receiving one
        required hops: u64 as AgreementHops,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the log where the peer's records are; absent: this log
        optional origin: String as Origin,
        /// the other tenant
        required peer: TenantId as Id<TenantId>,
        /// the peer's root key
        required peer_key: PublicKey as Key,
        /// the peer's signature
        required peer_sig: PeerSignature as PeerSignature,
        /// what grants under it may be about
        required scopes: Vec<Scope> as Scopes,
        /// longest life of a grant under it
        required ttl_min: u64 as Minutes,
    }
}

impl FederationAgree {
    /// The bytes that the peer signs; `tenant` is the record's.
    pub fn agreed_bytes(&self, tenant: Ulid) -> Vec<u8> {
        let mut w = Writer::with_capacity(512);
        w.open_object();
        w.key("body");
        w.open_object();
        w.unsigned_field("expires_at", self.expires_at);
        w.unsigned_field("hops", self.hops);
        fields::write_optional(&mut w, "origin", self.origin.as_deref());
        w.text_field("peer", &self.peer.to_string());
        w.text_field("peer_key", &self.peer_key.to_string());
        fields::write_scopes(&mut w, "scopes", &self.scopes);
        w.unsigned_field("ttl_min", self.ttl_min);
        w.close_object();
        w.text_field("tenant", &tenant.to_string());
        w.text_field("type", "federation.agree");
        w.close_object();
        w.finish()
    }

    /// Puts the peer's signature in. The peer's key becomes `peer_key`.
    pub fn sign_as_peer(&mut self, tenant: Ulid, key: &SigningKey) {
        let signed =
            self.sign_as_peer_with(tenant, key.public(), |b| Ok::<_, std::convert::Infallible>(key.sign(b)));
        signed.unwrap_or_else(|never| match never {});
    }

    /// As [`Self::sign_as_peer`], for a key that is somewhere else.
    ///
    /// # Errors
    /// Those of `sign`.
    pub fn sign_as_peer_with<E>(
        &mut self,
        tenant: Ulid,
        key: PublicKey,
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<(), E> {
        self.peer_key = key;
        let value = sign(&self.agreed_bytes(tenant))?;
        self.peer_sig = PeerSignature { kid: key.kid(), value };
        Ok(())
    }

    /// Whether the peer has signed this agreement with `peer_key`.
    pub fn verify_peer(&self, tenant: Ulid) -> Result<(), BadSignature> {
        if self.peer_sig.kid != self.peer_key.kid() {
            return Err(BadSignature);
        }
        self.peer_key.verify(&self.agreed_bytes(tenant), &self.peer_sig.value)
    }
}

body! {
    /// Body of `federation.end`: one of the two tenants ends the agreement.
    ///
    /// Effect: from this index on no grant that names the agreement holds. Refused: `agreement_unknown`, `agreement_ended`.
    FederationEnd = "federation.end" by [Tenant, Operator], info END {
        /// hash of the `federation.agree` record
        required agreement: RecordHash as Hash,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// why
        required reason: String as Token,
    }
}
