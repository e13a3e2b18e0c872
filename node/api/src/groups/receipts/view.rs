//! A receipt of an agent as callers see it: every key that a published client reads.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{Body, DelegationId, Digest, TenantId};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    found::{Found, ReceiptNotes},
    kinds::Kind,
};
use crate::{
    ApiError,
    endpoint::{Context, Listed},
    wire::{WriteReceipt, hex, time_text},
};

/// Longest chain of grants.
const GRANTS_MAX: usize = 9;

/// A receipt of an agent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptView {
    /// UUID of the id.
    id: String,
    receipt_id: String,
    tenant_id: String,
    agent_id: String,
    /// The published word, e.g. `action`.
    receipt_type: String,
    /// The record type in the log, e.g. `receipt.action`.
    record_type: &'static str,
    action: Option<String>,
    purpose: Option<String>,
    #[schema(value_type = Option<Object>)]
    payload: Option<Map<String, Value>>,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// `SHA-256(salt || JSON)` of the payload, as it stands in the record.
    payload_digest: Option<String>,
    metadata_digest: Option<String>,
    /// What the digests are salted with.
    salt: Option<String>,
    inputs_hash: Option<String>,
    outputs_hash: Option<String>,
    /// SHA-256 of the chain of grants that it was done under, from the acting agent's up; of an empty list without one.
    delegation_chain_hash: String,
    delegation_id: Option<String>,
    session_id: Option<String>,
    attestation_id: Option<String>,
    /// The agent's receipt before this one; only when one receipt is read.
    pub(super) previous_receipt_id: Option<String>,
    /// `valid`, `revoked` or `superseded`.
    status: &'static str,
    superseded_by: Option<String>,
    /// How it ended, according to the agent.
    outcome: Option<&'static str>,
    /// How it went, according to the tenant.
    verdict: Option<&'static str>,
    /// What the log noticed, e.g. `out_of_scope`: it was logged all the same.
    flags: Vec<&'static str>,
    duration_ms: Option<i64>,
    error_code: Option<String>,
    /// Ed25519, base64url, over the record without its `sig`.
    signature: String,
    /// Who signed and what.
    #[schema(value_type = Object)]
    signing_envelope: Value,
    /// `operator`, `tenant` or `agent`.
    signed_by: &'static str,
    on_behalf_of: Option<String>,
    /// SHA-256 of the record: the link under which it stands in the agent's chain of receipts.
    chain_hash: String,
    log_index: u64,
    leaf_hash: String,
    /// The level that was reached, in the answer of a write.
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<&'static str>,
    /// When the log took it.
    issued_at: String,
    created_at: String,
    updated_at: String,
    /// When its payload was destroyed.
    redacted_at: Option<String>,
}

impl Listed for ReceiptView {
    const PLURAL: &'static str = "receipts";
}

impl ReceiptView {
    /// Whether it is of this action, in the caller's words or the record's.
    pub(super) fn is_action(&self, wanted: &str) -> bool {
        self.action.as_deref() == Some(wanted)
    }

    /// With the answer of a write.
    pub(super) fn logged(mut self, receipt: &WriteReceipt) -> Self {
        self.ack = Some(receipt.ack);
        self
    }
}

/// The caller's receipt, shown.
pub(crate) fn receipt_view(context: &Context, found: &Found) -> Result<ReceiptView, ApiError> {
    view_with(context, found, context.kept(found.record.id)?.unwrap_or_default())
}

/// As [`receipt_view`], with what the nodes keep of it.
pub(super) fn view_with(
    context: &Context,
    found: &Found,
    notes: ReceiptNotes,
) -> Result<ReceiptView, ApiError> {
    let agent = found.agent().ok_or_else(|| ApiError::internal("a receipt without an agent"))?;
    let record = &found.record;
    let (mut input, mut output, mut grant, mut session) = (None, None, None, None);
    let (mut outcome, mut verdict, mut action) = (None, None, None);
    match &record.body {
        Body::ReceiptAction(body) => {
            (input, output) = (Some(body.input), Some(body.output));
            (grant, session) = (body.grant, body.session);
            (outcome, verdict) = (body.outcome.map(|word| word.as_str()), body.verdict.map(|w| w.as_str()));
            action = Some(body.action.as_str().to_owned());
        }
        Body::ReceiptGenesis(body)
        | Body::ReceiptDelegation(body)
        | Body::ReceiptRevocation(body)
        | Body::ReceiptDataset(body)
        | Body::ReceiptModel(body)
        | Body::ReceiptCompliance(body)
        | Body::ReceiptClaim(body)
        | Body::ReceiptApproval(body) => (input, output) = (body.input, body.output),
        _ => {}
    }
    // A receipt through this API says which digests the caller gave; one that an agent signed has them in its record.
    let through_api = found.detail_text("kind").is_some();
    let shown = |said: Option<String>, in_record: Option<Digest>| match through_api {
        true => said,
        false => in_record.map(|digest| digest.to_string()),
    };
    let issued = time_text(found.at.log_ms);
    let updated = match &found.mark {
        Some(mark) => mark.revoked.map(|index| context.log_time(index)).transpose()?,
        None => None,
    };
    let digest = |key: &str| found.detail_text(key).map(str::to_owned);
    Ok(ReceiptView {
        id: record.id.uuid(),
        receipt_id: found.id().to_string(),
        tenant_id: TenantId(found.tenant).to_string(),
        agent_id: agent.to_string(),
        receipt_type: found
            .detail_text("kind")
            .unwrap_or_else(|| Kind::word_of_record(record.type_name()))
            .to_owned(),
        record_type: record.type_name(),
        action: notes.action.or(action),
        purpose: notes.purpose,
        payload: notes.payload,
        metadata: notes.metadata.unwrap_or_default(),
        payload_digest: digest("payload"),
        metadata_digest: digest("metadata"),
        salt: Some(notes.salt).filter(|salt| !salt.is_empty()),
        inputs_hash: shown(notes.inputs_hash, input),
        outputs_hash: shown(notes.outputs_hash, output),
        delegation_chain_hash: delegation_chain_hash(context, grant)?,
        delegation_id: grant.map(|grant| grant.to_string()),
        session_id: session.map(|session| session.to_string()),
        attestation_id: None,
        previous_receipt_id: None,
        status: found.status(),
        superseded_by: found.mark.as_ref().and_then(|mark| mark.superseded_by).map(|id| id.to_string()),
        outcome,
        verdict,
        flags: found.flags.names().collect(),
        duration_ms: found.detail_number("duration_ms"),
        error_code: digest("error_code"),
        signature: URL_SAFE_NO_PAD.encode(record.sig.value),
        signing_envelope: signing_envelope(found)?,
        signed_by: found.signed_by(),
        on_behalf_of: record.body.on_behalf_of().map(str::to_owned),
        chain_hash: hex(&found.at.hash.0),
        log_index: found.at.index,
        leaf_hash: hex(&found.at.leaf.0),
        ack: None,
        issued_at: issued.clone(),
        created_at: issued.clone(),
        updated_at: updated.unwrap_or(issued),
        redacted_at: notes.redacted_ms.map(time_text),
    })
}

/// What was signed, by whom, with which key.
fn signing_envelope(found: &Found) -> Result<Value, ApiError> {
    let record: Value = serde_json::from_slice(&found.record.to_bytes()).map_err(ApiError::internal)?;
    Ok(json!({
        "spec": "docs/record-format.md",
        "alg": "Ed25519",
        "kid": found.record.sig.kid.to_string(),
        "signed_by": found.signed_by(),
        "statement": found.signer_statement(),
        "record": record,
    }))
}

/// SHA-256 of the JSON list of grants from the acting one up.
fn delegation_chain_hash(context: &Context, grant: Option<DelegationId>) -> Result<String, ApiError> {
    let mut links = Vec::new();
    let mut next = grant;
    while let Some(id) = next.take().filter(|_| links.len() < GRANTS_MAX) {
        let Some(grant) = context.view(|view| ledger_state::grant(view, id))? else { break };
        links.push(json!({
            "child_agent_id": grant.to_agent.to_string(),
            "delegation_attestation_id": id.to_string(),
            "depth": grant.depth,
            "parent_agent_id": grant.from.map(|from| from.to_string()),
            "scopes": grant.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }));
        next = grant.parent;
    }
    let bytes = serde_json::to_vec(&links).map_err(ApiError::internal)?;
    Ok(hex(&Digest::sha256(&bytes).bytes))
}
