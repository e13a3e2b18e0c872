//! The root key of the caller's tenant.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{Body, TenantId, TenantKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::{PublicKeyText, WrittenAt},
};

/// The root key of a tenant.
#[derive(Serialize, ToSchema)]
pub(super) struct RootKey {
    tenant_id: String,
    key_id: String,
    public_key: String,
    /// First log index at which it signs.
    valid_from_index: u64,
    #[serde(flatten)]
    written: WrittenAt,
}

/// A root key to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetRootKey {
    /// Ed25519 public key, base64url.
    public_key: PublicKeyText,
}

impl BodyInput for SetRootKey {}

fn current(context: &Context) -> Result<Option<RootKey>, ApiError> {
    let id = context.tenant()?;
    let tenant = context.view(|view| ledger_state::tenant(view, id))?;
    let tenant = tenant.ok_or_else(|| ApiError::missing("tenant", "tenant_id"))?;
    Ok(tenant.key.map(|key| RootKey {
        tenant_id: TenantId(id).to_string(),
        key_id: key.kid.to_string(),
        public_key: URL_SAFE_NO_PAD.encode(key.public),
        valid_from_index: key.from,
        written: WrittenAt::default(),
    }))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<RootKey>, ApiError> {
    let key = current(&context)?.ok_or_else(|| {
        ApiError::missing("root key", "tenant_id").fix("set one with POST /v1/federation/key")
    })?;
    let index = key.valid_from_index;
    Ok(Reply::new(key).at(index))
}

pub(super) async fn set(
    mut context: Context,
    _: NoQuery,
    body: SetRootKey,
) -> Result<Reply<RootKey>, ApiError> {
    // Under an idempotency key, a repetition finds the key that it has set itself.
    let known = current(&context)?.filter(|_| context.seed.is_none());
    if let Some(known) = known {
        return Err(ApiError::conflict("KEY_EXISTS", format!("the tenant has root key {}", known.key_id))
            .field("public_key")
            .fix("rotate it with a tenant.key record that the old key signs, through /v1/records"));
    }
    let record = TenantKey {
        key: body.public_key.0,
        on_behalf_of: context.on_behalf_of()?,
        previous: None,
        reason: "first_key".into(),
    };
    let logged = context.record(Body::TenantKey(Box::new(record))).await?;
    let key = current(&context)?.ok_or_else(|| ApiError::internal("a root key that was set is not there"))?;
    Ok(Reply::new(RootKey { written: logged.receipt.into(), ..key }).at(logged.index))
}
