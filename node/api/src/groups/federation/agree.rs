//! Drafting and making agreements.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{
    AGREEMENT_HOPS_MAX, Body, FederationAgree, PeerSignature, PublicKey, Scope, TenantId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{agreements::view_of, view::AgreementView};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::{Base64Text, OriginText, PublicKeyText, ScopeText, TenantRef, TimeText, Whole, time_text},
};

/// Life of a grant under an agreement when nothing is said, in minutes.
const TTL_MIN: u64 = 60;
/// Longest such life: a day.
const TTL_MIN_MAX: u64 = 1_440;
/// Tenants that a grant may pass through.
type AgreementHops = Whole<0, AGREEMENT_HOPS_MAX>;
/// Minutes that a grant may live.
type GrantMinutes = Whole<1, TTL_MIN_MAX>;

/// What both sign.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftAgreement {
    /// The other tenant.
    peer_tenant_id: TenantRef,
    /// The log where its records are, if that is another one.
    #[serde(default)]
    origin: Option<OriginText>,
    /// The other tenant's root key. Of a tenant of this log, the log knows it.
    #[serde(default)]
    peer_public_key: Option<PublicKeyText>,
    /// What grants under it may be about.
    #[schema(min_items = 1, max_items = 256)]
    scopes: Vec<ScopeText>,
    /// Tenants that a grant may pass through after the receiving one; none when nothing is said.
    #[serde(default)]
    hops: Option<AgreementHops>,
    /// Longest life of a grant under it; 60 when nothing is said.
    #[serde(default)]
    ttl_minutes: Option<GrantMinutes>,
    /// When it ends by itself.
    expires_at: TimeText,
}

impl BodyInput for DraftAgreement {}

/// What both sign, and the other's signature.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateAgreement {
    /// The other tenant.
    peer_tenant_id: TenantRef,
    /// The log where its records are, if that is another one.
    #[serde(default)]
    origin: Option<OriginText>,
    /// The other tenant's root key. Of a tenant of this log, the log knows it.
    #[serde(default)]
    peer_public_key: Option<PublicKeyText>,
    /// What grants under it may be about.
    #[schema(min_items = 1, max_items = 256)]
    scopes: Vec<ScopeText>,
    /// Tenants that a grant may pass through after the receiving one; none when nothing is said.
    #[serde(default)]
    hops: Option<AgreementHops>,
    /// Longest life of a grant under it; 60 when nothing is said.
    #[serde(default)]
    ttl_minutes: Option<GrantMinutes>,
    /// When it ends by itself.
    expires_at: TimeText,
    /// The peer's Ed25519 signature over `signed_bytes_base64` of the draft, base64url.
    peer_signature: Base64Text,
}

impl BodyInput for CreateAgreement {}

/// The terms of an agreement, as they are signed.
#[derive(Serialize, ToSchema)]
pub(super) struct AgreementDraft {
    /// The tenant that will log it.
    tenant_id: String,
    /// The tenant that signs the bytes.
    peer_tenant_id: String,
    /// The log where the peer's records are; null: this log.
    origin: Option<String>,
    /// The root key with which it signs.
    peer_public_key: String,
    /// Name of that key.
    peer_key_id: String,
    scopes: Vec<String>,
    /// Tenants that a grant may pass through after the receiving one.
    hops: u64,
    /// Longest life of a grant under it.
    ttl_minutes: u64,
    expires_at: String,
    /// What the peer signs, base64url.
    signed_bytes_base64: String,
    /// The same as text.
    signed_text: String,
    /// How the peer makes the signature with the program `maip`.
    command: String,
}

pub(super) async fn draft(
    context: Context,
    _: NoQuery,
    draft: DraftAgreement,
) -> Result<Reply<AgreementDraft>, ApiError> {
    let tenant = context.tenant()?;
    let body = terms(&context, &draft)?;
    let bytes = body.agreed_bytes(tenant);
    let mut command =
        format!("maip delegate sign-agreement --tenant {} --peer {}", TenantId(tenant), body.peer);
    if let Some(origin) = &body.origin {
        command += &format!(" --origin {origin}");
    }
    for scope in &body.scopes {
        command += &format!(" --scope {scope}");
    }
    command +=
        &format!(" --hops {} --ttl {} --expires-at {} --key FILE", body.hops, body.ttl_min, body.expires_at);
    Ok(Reply::new(AgreementDraft {
        tenant_id: TenantId(tenant).to_string(),
        peer_tenant_id: body.peer.to_string(),
        origin: body.origin.clone(),
        peer_public_key: body.peer_key.to_string(),
        peer_key_id: body.peer_key.kid().to_string(),
        scopes: body.scopes.iter().map(ToString::to_string).collect(),
        hops: body.hops,
        ttl_minutes: body.ttl_min,
        expires_at: time_text(body.expires_at),
        signed_bytes_base64: URL_SAFE_NO_PAD.encode(&bytes),
        signed_text: String::from_utf8(bytes).map_err(ApiError::internal)?,
        command,
    }))
}

pub(super) async fn create(
    mut context: Context,
    _: NoQuery,
    body: CreateAgreement,
) -> Result<Reply<AgreementView>, ApiError> {
    let CreateAgreement { peer_tenant_id, origin, peer_public_key, scopes, hops, ttl_minutes, .. } = body;
    let (expires_at, signature) = (body.expires_at, body.peer_signature);
    let draft =
        DraftAgreement { peer_tenant_id, origin, peer_public_key, scopes, hops, ttl_minutes, expires_at };
    let tenant = context.tenant()?;
    let mut record = terms(&context, &draft)?;
    let wrong = |message: &str| {
        ApiError::unprocessable(message)
            .field("peer_signature")
            .fix("let the peer sign signed_bytes_base64 of a draft with the same terms")
    };
    record.peer_sig.value = signature.0.try_into().map_err(|_| wrong("a signature has 64 bytes"))?;
    record.verify_peer(tenant).map_err(|_| wrong("the peer has not signed these terms with its root key"))?;
    record.on_behalf_of = context.on_behalf_of()?;
    let id = context.new_id()?;
    let logged = context.record_as(id, Body::FederationAgree(Box::new(record))).await?;
    let at = context.view(|view| ledger_state::record_at(view, tenant, id))?;
    let hash = at.ok_or_else(|| ApiError::internal("a logged record has no place"))?.hash;
    let view = view_of(&context, hash)?.logged(logged.receipt);
    Ok(Reply::new(view).at(logged.index))
}

/// The record that the terms are, without the peer's signature.
fn terms(context: &Context, draft: &DraftAgreement) -> Result<FederationAgree, ApiError> {
    let peer = draft.peer_tenant_id.0;
    let here = context.log.origin();
    let origin = draft.origin.as_ref().map(OriginText::as_str).filter(|origin| *origin != here);
    if origin.is_none() && peer.0 == context.tenant()? {
        return Err(ApiError::unprocessable("a tenant does not agree with itself")
            .field("peer_tenant_id")
            .fix("name the other tenant"));
    }
    if draft.expires_at.0 <= context.now_ms {
        return Err(ApiError::unprocessable("it would have ended already")
            .field("expires_at")
            .fix("name a later time"));
    }
    let peer_key = peer_key(context, draft, peer, origin.is_none())?;
    Ok(FederationAgree {
        expires_at: draft.expires_at.0,
        hops: draft.hops.map_or(0, Whole::get),
        on_behalf_of: None,
        origin: origin.map(str::to_owned),
        peer,
        peer_key,
        peer_sig: PeerSignature { kid: peer_key.kid(), value: [0; 64] },
        scopes: scopes(&draft.scopes)?,
        ttl_min: draft.ttl_minutes.map_or(TTL_MIN, Whole::get),
    })
}

/// The root key of the peer: of a tenant of this log, the one that the log knows.
fn peer_key(
    context: &Context,
    draft: &DraftAgreement,
    peer: TenantId,
    is_here: bool,
) -> Result<PublicKey, ApiError> {
    let said = draft.peer_public_key.map(|key| key.0);
    if !is_here {
        return said.ok_or_else(|| {
            ApiError::unprocessable("this log does not know the root keys of another one")
                .field("peer_public_key")
                .fix("ask the other tenant for its root key")
        });
    }
    let tenant = context.view(|view| ledger_state::tenant(view, peer.0))?;
    let tenant = tenant.ok_or_else(|| ApiError::missing("tenant", "peer_tenant_id"))?;
    let key = tenant.key.and_then(|key| PublicKey::from_bytes(&key.public).ok()).ok_or_else(|| {
        ApiError::conflict("PEER_KEY_MISSING", "the other tenant has no root key to sign with")
            .field("peer_tenant_id")
            .fix("let it set one: POST /v1/federation/key")
    })?;
    if said.is_some_and(|said| said.as_bytes() != key.as_bytes()) {
        return Err(ApiError::conflict("KEY_NOT_VALID", format!("the other tenant's root key is {key}"))
            .field("peer_public_key")
            .fix("leave it out, or name the current one"));
    }
    Ok(key)
}

fn scopes(texts: &[ScopeText]) -> Result<Vec<Scope>, ApiError> {
    let mut scopes = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let wrong = |message: String| ApiError::unprocessable(message).field(format!("scopes[{at}]"));
        match text.scope() {
            Ok((scope, false)) => scopes.push(scope),
            Ok((_, true)) => return Err(wrong("an agreement has no denials".into())),
            Err(error) => return Err(wrong(error)),
        }
    }
    if scopes.is_empty() {
        return Err(ApiError::unprocessable("nothing could be granted under it").field("scopes"));
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}
