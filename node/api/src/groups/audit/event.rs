//! A record as an event.

use ledger_format::record::{Actor, TenantId};
use ledger_log::TimelineRow;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::receipts::{Found, hex};
use crate::{
    ApiError,
    endpoint::{Context, Listed},
    wire::time_text,
};

/// A record of the tenant, as an event.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct AuditEvent {
    id: String,
    receipt_id: String,
    /// The log's time of the entry, RFC 3339 in UTC.
    timestamp: String,
    tenant_id: String,
    /// Who signed: `agent`, `tenant` or `operator`.
    actor_type: &'static str,
    /// The agent, the tenant, or the credential that the operator signed for.
    actor_id: String,
    /// Who signed, in a sentence.
    signer_statement: String,
    on_behalf_of: Option<String>,
    /// The record type, e.g. `agent.register`.
    event_type: &'static str,
    /// The same as `event_type`, where older clients look for it.
    action: &'static str,
    /// What it is about, e.g. `agent`.
    resource_type: &'static str,
    /// The agent that it is about, else the record.
    resource_id: String,
    agent_id: Option<String>,
    /// `maip-ledger`.
    service: &'static str,
    /// `success`, or `flagged`: it was logged all the same.
    outcome: &'static str,
    /// What the log noticed.
    flags: Vec<&'static str>,
    /// What the record states.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// SHA-256 of the record, hex.
    integrity_hash: String,
    log_index: u64,
    leaf_hash: String,
    /// Path of its proof file, on any node, with the same credential.
    proof_url: String,
}

impl Listed for AuditEvent {
    const PLURAL: &'static str = "events";
}

/// Columns of a table of events.
pub(super) const COLUMNS: &[&str] = &[
    "log_index",
    "timestamp",
    "event_type",
    "actor_type",
    "actor_id",
    "resource_id",
    "outcome",
    "receipt_id",
    "integrity_hash",
    "leaf_hash",
    "proof_url",
];

/// The record of a row of the caller's timeline.
pub(crate) fn audit_event(context: &Context, row: &TimelineRow) -> Result<Option<AuditEvent>, ApiError> {
    Found::of_row(context, row)?.map(|found| event(&found)).transpose()
}

pub(super) fn event(found: &Found) -> Result<AuditEvent, ApiError> {
    let record = &found.record;
    let object: Value = serde_json::from_slice(&record.to_bytes()).map_err(ApiError::internal)?;
    let metadata = object.get("body").and_then(Value::as_object).cloned().unwrap_or_default();
    let on_behalf_of = record.body.on_behalf_of().map(str::to_owned);
    let type_name = record.type_name();
    let agent_id = record.body.agent().map(|agent| agent.to_string());
    let receipt_id = found.id().to_string();
    Ok(AuditEvent {
        id: record.id.uuid(),
        timestamp: time_text(found.at.log_ms),
        tenant_id: TenantId(found.tenant).to_string(),
        actor_type: found.signed_by(),
        actor_id: match record.actor {
            Actor::Agent(agent) => agent.to_string(),
            Actor::Tenant => TenantId(found.tenant).to_string(),
            Actor::Operator => on_behalf_of.clone().unwrap_or_else(|| "operator".into()),
        },
        signer_statement: found.signer_statement(),
        on_behalf_of,
        event_type: type_name,
        action: type_name,
        resource_type: type_name.split('.').next().unwrap_or(type_name),
        resource_id: agent_id.clone().unwrap_or_else(|| receipt_id.clone()),
        agent_id,
        service: "maip-ledger",
        outcome: if found.flags.is_empty() { "success" } else { "flagged" },
        flags: found.flags.names().collect(),
        metadata,
        integrity_hash: hex(&found.at.hash.0),
        log_index: found.at.index,
        leaf_hash: hex(&found.at.leaf.0),
        proof_url: format!("/v1/receipts/{receipt_id}/proof"),
        receipt_id,
    })
}
