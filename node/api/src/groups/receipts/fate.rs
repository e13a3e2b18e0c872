//! What becomes of a receipt: revoked, superseded, its payload destroyed. Each is a record; none takes anything out of the log.

use ledger_format::record::{
    AgentId, Body, Digest, Erasure, ReceiptId, ReceiptRevoke, ReceiptSupersede, Ulid,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    found::{Found, ReceiptNotes},
    view::{ReceiptView, receipt_view},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Logged, NoQuery, Reply},
    wire::{ReasonText, ReceiptRef, reason},
};

/// Why. Older clients send no body at all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhyReceipt {
    /// Kept by the nodes; the log holds a word of it.
    #[serde(default)]
    pub(crate) reason: Option<ReasonText>,
}

impl BodyInput for WhyReceipt {
    const REQUIRED: bool = false;
}

/// Which receipt counts instead.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SupersedeReceipt {
    /// A receipt of the same agent that is in the log already.
    #[serde(alias = "replacement_attestation_id", alias = "replacement_receipt_id", alias = "superseded_by")]
    pub(crate) replacement_id: ReceiptRef,
    #[serde(default)]
    pub(crate) reason: Option<ReasonText>,
}

impl BodyInput for SupersedeReceipt {}

pub(super) async fn revoke(
    mut context: Context,
    _: NoQuery,
    body: WhyReceipt,
) -> Result<Reply<ReceiptView>, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    let logged = revoke_receipt(&mut context, &found, &body).await?;
    shown(&context, found.record.id, &logged)
}

pub(super) async fn supersede(
    mut context: Context,
    _: NoQuery,
    body: SupersedeReceipt,
) -> Result<Reply<ReceiptView>, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    let logged = supersede_receipt(&mut context, &found, &body).await?;
    shown(&context, found.record.id, &logged)
}

pub(super) async fn redact(
    mut context: Context,
    _: NoQuery,
    body: WhyReceipt,
) -> Result<Reply<ReceiptView>, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    let logged = redact_receipt(&mut context, &found, &body).await?;
    shown(&context, found.record.id, &logged)
}

fn shown(context: &Context, id: Ulid, logged: &Logged) -> Result<Reply<ReceiptView>, ApiError> {
    let found = Found::of(context, context.tenant()?, id)?;
    let found = found.ok_or_else(|| ApiError::missing("receipt", "receipt_id"))?;
    Ok(Reply::new(receipt_view(context, &found)?.logged(&logged.receipt)).at(logged.index))
}

/// Logs that a receipt was wrong.
pub(crate) async fn revoke_receipt(
    context: &mut Context,
    found: &Found,
    body: &WhyReceipt,
) -> Result<Logged, ApiError> {
    let (agent, receipt) = names(found)?;
    let (reason, whole) = reason(body.reason.as_ref());
    let on_behalf_of = context.on_behalf_of()?;
    let record = Body::ReceiptRevoke(Box::new(ReceiptRevoke { agent, on_behalf_of, reason, receipt }));
    context.record_because(record, whole).await
}

/// Logs that another receipt counts instead.
pub(crate) async fn supersede_receipt(
    context: &mut Context,
    found: &Found,
    body: &SupersedeReceipt,
) -> Result<Logged, ApiError> {
    let (agent, receipt) = names(found)?;
    let replacement = body.replacement_id.0;
    if replacement == receipt {
        return Err(ApiError::unprocessable("a receipt does not supersede itself").field("replacement_id"));
    }
    if Found::of(context, context.tenant()?, replacement.0)?.is_none() {
        return Err(ApiError::missing("receipt", "replacement_id"));
    }
    let (reason, whole) = reason(body.reason.as_ref());
    let on_behalf_of = context.on_behalf_of()?;
    let record = ReceiptSupersede { agent, on_behalf_of, reason, receipt, replacement };
    context.record_because(Body::ReceiptSupersede(Box::new(record)), whole).await
}

/// Destroys payload, metadata and salt, as the log takes note of it. The record keeps digests, which say nothing without the salt.
pub(crate) async fn redact_receipt(
    context: &mut Context,
    found: &Found,
    body: &WhyReceipt,
) -> Result<Logged, ApiError> {
    let digests: Vec<Digest> = ["payload", "metadata"]
        .into_iter()
        .filter_map(|key| Digest::parse(found.detail_text(key)?))
        .collect();
    if digests.is_empty() {
        return Err(ApiError::conflict("NOTHING_TO_REDACT", "the receipt has neither payload nor metadata")
            .field("receipt_id"));
    }
    let (reason, whole) = reason(body.reason.as_ref());
    let on_behalf_of = context.on_behalf_of()?;
    let mut records = Vec::with_capacity(digests.len());
    for subject in digests {
        let record = Erasure { on_behalf_of: on_behalf_of.clone(), reason: reason.clone(), subject };
        records.push((context.new_id()?, Body::Erasure(Box::new(record))));
    }
    let notes: ReceiptNotes = context.kept(found.record.id)?.unwrap_or_default();
    let left = ReceiptNotes {
        salt: String::new(),
        payload: None,
        metadata: None,
        purpose: None,
        redacted_ms: Some(context.now_ms),
        platform: notes.platform.map(super::super::platform::PlatformNotes::redacted),
        ..notes
    };
    // What is left replaces what there was with the first erasure and only with it: no crash leaves the one without the other.
    let logged = context.records_about(found.record.id, records, &left).await?.into_iter().next_back();
    let logged = logged.ok_or_else(|| ApiError::internal("no answer for a record"))?;
    if let Some(whole) = whole {
        context.keep(logged.id, &whole).await?;
    }
    Ok(logged)
}

fn names(found: &Found) -> Result<(AgentId, ReceiptId), ApiError> {
    let agent = found.agent().ok_or_else(|| ApiError::missing("receipt", "receipt_id"))?;
    Ok((agent, found.id()))
}
