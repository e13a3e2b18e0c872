//! Attestations: an issuer's statement about a payload that stays with whoever has it.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{
    AgentId, Body, DetailValue, Digest, PublicKey, ReceiptStatement, TenantId, Ulid,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    PlatformNotes,
    issuers::{active_issuer, did},
    keys::current_key,
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Listed, Logged, NoQuery, Paged, Reply},
    groups::receipts::{
        Found, ProofBundle, ReceiptNotes, SupersedeReceipt, WhyReceipt, bundle, hex, revoke_receipt,
        salted_digest, supersede_receipt,
    },
    wire::{AgentRef, Base64Text, DigestText, Payload, Text, TimeText, Whole, time_text},
};

/// How the record says that it is an attestation.
const FORM: &str = "attestation";

/// An attestation to be minted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MintAttestation {
    issuer_id: AgentRef,
    /// The issuer's name for its active key.
    kid: Text<1, 128>,
    /// `Ed25519`.
    alg: Text<1, 16>,
    /// What is attested. The nodes do not keep it.
    payload_b64url: Base64Text,
    /// The issuer's own signature over the payload; checked, and logged with it.
    #[serde(default)]
    signature_b64url: Option<Base64Text>,
    /// Digest of a document that it is about.
    #[serde(default, alias = "document_hash_hex")]
    document_hash: Option<DigestText>,
    /// What else there is to say. The log holds its salted digest.
    #[serde(default, alias = "metadata")]
    claims: Option<Payload>,
    /// Until when it holds.
    #[serde(default)]
    expires_at: Option<TimeText>,
    /// The same in seconds since 1970.
    #[serde(default)]
    expires_at_unix: Option<Whole<0, 253_402_300_799>>,
}

impl BodyInput for MintAttestation {}

/// A signature, and whose it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct SignatureView {
    pub(super) alg: &'static str,
    pub(super) kid: String,
    /// base64url.
    pub(super) value: String,
    /// `operator`: of the record, for a credential; `agent`: of the issuer itself.
    pub(super) signed_by: &'static str,
}

/// A place in the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct LogPlace {
    /// The log's origin.
    pub(super) log_id: String,
    pub(super) leaf_index: u64,
    pub(super) leaf_hash: String,
}

impl SignatureView {
    /// Of the record.
    pub(super) fn of(found: &Found) -> Self {
        Self {
            alg: super::keys::ED25519,
            kid: found.record.sig.kid.to_string(),
            value: URL_SAFE_NO_PAD.encode(found.record.sig.value),
            signed_by: found.signed_by(),
        }
    }
}

impl LogPlace {
    pub(super) fn of(context: &Context, found: &Found) -> Self {
        let log_id = context.log.origin().to_owned();
        Self { log_id, leaf_index: found.at.index, leaf_hash: hex(&found.at.leaf.0) }
    }
}

/// An attestation.
#[derive(Serialize, ToSchema)]
pub(super) struct AttestationView {
    id: String,
    attestation_id: String,
    /// The record's id: the same.
    receipt_id: String,
    tenant_id: String,
    issuer_id: String,
    issuer_did: String,
    /// The issuer's name for the key under which it was minted.
    kid: String,
    alg: String,
    /// `active`, `revoked`, `superseded` or `expired`.
    status: &'static str,
    /// SHA-256 of the payload, hex; it stands in the record.
    payload_hash: String,
    document_hash: Option<String>,
    #[schema(value_type = Object)]
    claims: Map<String, Value>,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    superseded_by: Option<String>,
    /// The record's signature.
    signature: SignatureView,
    /// The issuer's own signature over the payload, if it gave one.
    issuer_signature: Option<SignatureView>,
    /// Who signed the record, in a sentence.
    signer_statement: String,
    log: LogPlace,
    issued_at: String,
    issued_at_unix: u64,
    expires_at_unix: Option<i64>,
    created_at: String,
    log_index: u64,
    leaf_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<&'static str>,
}

impl Listed for AttestationView {
    const PLURAL: &'static str = "attestations";
}

/// Whether a record is an attestation.
pub(super) fn is_attestation(found: &Found) -> bool {
    found.detail_text("form") == Some(FORM)
}

/// Digest of the payload, and of the document, in the record.
pub(super) fn digests(found: &Found) -> (Option<Digest>, Option<Digest>) {
    match &found.record.body {
        Body::ReceiptClaim(body) => (body.output, body.input),
        _ => (None, None),
    }
}

/// Whether its time is over.
pub(super) fn is_expired(context: &Context, found: &Found) -> bool {
    found.detail_number("expires_at").is_some_and(|at| at <= (context.now_ms / 1000) as i64)
}

/// The issuer's own signature over the payload, in the record.
pub(super) fn issuer_signature(found: &Found) -> Option<(String, Vec<u8>)> {
    let kid = found.detail_text("issuer_kid")?;
    Some((kid.to_owned(), URL_SAFE_NO_PAD.decode(found.detail_text("issuer_sig")?).ok()?))
}

fn view(context: &Context, found: &Found) -> Result<AttestationView, ApiError> {
    let agent = found.agent().ok_or_else(|| ApiError::internal("an attestation without an issuer"))?;
    let notes: ReceiptNotes = context.kept(found.record.id)?.unwrap_or_default();
    let platform = notes.platform.unwrap_or_default();
    let (payload, document) = digests(found);
    let claims = notes.metadata.unwrap_or_default();
    let status = match found.status() {
        "valid" if is_expired(context, found) => "expired",
        "valid" => "active",
        other => other,
    };
    let issued = time_text(found.at.log_ms);
    Ok(AttestationView {
        id: found.record.id.uuid(),
        attestation_id: found.id().to_string(),
        receipt_id: found.id().to_string(),
        tenant_id: TenantId(found.tenant).to_string(),
        issuer_id: agent.to_string(),
        issuer_did: did(agent),
        kid: platform.kid,
        alg: platform.alg,
        status,
        payload_hash: payload.map(|digest| hex(&digest.bytes)).unwrap_or_default(),
        document_hash: document.map(|digest| hex(&digest.bytes)),
        claims: claims.clone(),
        metadata: claims,
        superseded_by: found.mark.as_ref().and_then(|mark| mark.superseded_by).map(|id| id.to_string()),
        signature: SignatureView::of(found),
        issuer_signature: issuer_signature(found).map(|(kid, value)| SignatureView {
            alg: super::keys::ED25519,
            kid,
            value: URL_SAFE_NO_PAD.encode(value),
            signed_by: "agent",
        }),
        signer_statement: found.signer_statement(),
        log: LogPlace::of(context, found),
        issued_at: issued.clone(),
        issued_at_unix: found.at.log_ms / 1000,
        expires_at_unix: found.detail_number("expires_at"),
        created_at: issued,
        log_index: found.at.index,
        leaf_hash: hex(&found.at.leaf.0),
        ack: None,
    })
}

pub(super) async fn mint(
    mut context: Context,
    _: NoQuery,
    body: MintAttestation,
) -> Result<Reply<AttestationView>, ApiError> {
    let issuer: AgentId = body.issuer_id.0;
    let agent = active_issuer(&context, issuer)?;
    let key = current_key(&context, issuer, &agent, body.kid.as_str(), body.alg.as_str())?;
    let payload = body.payload_b64url.0;
    let mut detail = BTreeMap::new();
    let text = |text: &str| DetailValue::Text(text.to_owned());
    detail.insert("form", text(FORM));
    detail.insert("kind", text("attestation"));
    if let Some(signature) = body.signature_b64url {
        check_issuer_signature(&agent.key.public, &payload, &signature.0)?;
        detail.insert("issuer_kid", text(&key.fingerprint));
        detail.insert("issuer_sig", DetailValue::Text(URL_SAFE_NO_PAD.encode(&signature.0)));
    }
    if let Some(at) = expiry(&context, body.expires_at, body.expires_at_unix)? {
        detail.insert("expires_at", DetailValue::Integer(at));
    }
    let salt = hex(&context.draw("salt")?[..16]);
    let claims = body.claims.map(|claims| claims.0);
    if let Some(claims) = &claims {
        detail.insert("metadata", DetailValue::Text(salted_digest(&salt, claims)));
    }
    let statement = ReceiptStatement {
        agent: issuer,
        detail: Some(detail.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        input: body.document_hash.and_then(|hash| hash.digest),
        on_behalf_of: context.on_behalf_of()?,
        output: Some(Digest::sha256(&payload)),
        subject: None,
    };
    let id = context.new_id()?;
    let platform =
        PlatformNotes { kid: key.kid, alg: super::keys::ED25519.into(), ..PlatformNotes::default() };
    let notes = ReceiptNotes { salt, metadata: claims, platform: Some(platform), ..ReceiptNotes::default() };
    let logged = context.record_noted(id, Body::ReceiptClaim(Box::new(statement)), id, &notes).await?;
    shown(&context, id, &logged)
}

/// Seconds since 1970, from either spelling.
fn expiry(
    context: &Context,
    at: Option<TimeText>,
    unix: Option<Whole<0, 253_402_300_799>>,
) -> Result<Option<i64>, ApiError> {
    let Some(seconds) = at.map(|at| at.0 / 1000).or(unix.map(Whole::get)) else { return Ok(None) };
    if seconds <= context.now_ms / 1000 {
        return Err(ApiError::unprocessable("it would have expired already").field("expires_at"));
    }
    Ok(Some(seconds as i64))
}

fn check_issuer_signature(key: &[u8; 32], payload: &[u8], signature: &[u8]) -> Result<(), ApiError> {
    let refused = |message: &str| ApiError::unprocessable(message).field("signature_b64url");
    let signature: &[u8; 64] = signature.try_into().map_err(|_| refused("is not a signature of 64 bytes"))?;
    let key = PublicKey::from_bytes(key).map_err(ApiError::internal)?;
    key.verify(payload, signature).map_err(|_| {
        refused("does not verify over the payload").fix("sign the bytes of the payload with the key in kid")
    })
}

fn shown(context: &Context, id: Ulid, logged: &Logged) -> Result<Reply<AttestationView>, ApiError> {
    let found = Found::of(context, context.tenant()?, id)?;
    let found = found.ok_or_else(|| ApiError::internal("a logged attestation is not there"))?;
    let mut view = view(context, &found)?;
    view.ack = Some(logged.receipt.ack);
    Ok(Reply::new(view).at(logged.index))
}

/// The caller's own attestation by the id in the path.
fn own(context: &Context) -> Result<Found, ApiError> {
    let missing = || ApiError::missing("attestation", "attestation_id");
    let found = Found::own(context, "attestation_id").map_err(|error| match error.status.as_u16() {
        404 => missing(),
        _ => error,
    })?;
    if is_attestation(&found) { Ok(found) } else { Err(missing()) }
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<AttestationView>, ApiError> {
    let found = own(&context)?;
    Ok(Reply::new(view(&context, &found)?).at(found.at.index))
}

pub(super) async fn list(context: Context, _: NoQuery) -> Result<Reply<Paged<AttestationView>>, ApiError> {
    let page = context.list(&["receipt.claim"], None, true, |context, row| {
        let found = Found::of_row(context, row)?.filter(is_attestation);
        found.map(|found| view(context, &found)).transpose()
    });
    Ok(Reply::new(page.await?))
}

pub(super) async fn revoke(
    mut context: Context,
    _: NoQuery,
    body: WhyReceipt,
) -> Result<Reply<AttestationView>, ApiError> {
    let found = own(&context)?;
    let logged = revoke_receipt(&mut context, &found, &body).await?;
    shown(&context, found.record.id, &logged)
}

pub(super) async fn supersede(
    mut context: Context,
    _: NoQuery,
    body: SupersedeReceipt,
) -> Result<Reply<AttestationView>, ApiError> {
    let found = own(&context)?;
    let logged = supersede_receipt(&mut context, &found, &body).await?;
    shown(&context, found.record.id, &logged)
}

pub(super) async fn proof_bundle(context: Context, _: NoQuery) -> Result<Reply<ProofBundle>, ApiError> {
    let found = own(&context)?;
    let shown = serde_json::to_value(view(&context, &found)?).map_err(ApiError::internal)?;
    Ok(Reply::new(bundle(&context, &found, shown).await?).at(found.at.index))
}

/// What a stranger may see of it.
pub(super) fn public_facts(context: &Context, found: &Found) -> Result<Value, ApiError> {
    let view = view(context, found)?;
    Ok(json!({
        "issued_at": view.issued_at, "issued_at_unix": view.issued_at_unix, "expires_at_unix": view.expires_at_unix,
        "kid": view.kid, "alg": view.alg, "payload_hash": view.payload_hash, "document_hash": view.document_hash,
    }))
}
