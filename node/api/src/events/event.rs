//! One event, as everybody is told of it.

use ledger_format::record::{ReceiptId, TenantId};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{feed::Seen, types};
use crate::wire::time_text;

/// What in a record's body says which object it is about, the most telling first.
const OBJECTS: &[&str] = &[
    "session",
    "grant",
    "orchestration",
    "workflow",
    "policy",
    "claim",
    "document",
    "dataset",
    "model",
    "anomaly",
    "check",
    "report",
    "tool",
    "receipt",
    "guardrail",
    "request",
    "scope",
    "agreement",
    "subject",
    "agent",
];

/// Something that happened: one record of the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Event {
    /// Its id, the same on every node: `evt_`, eight hex digits that name the log, and the index of the entry.
    pub(crate) event_id: String,
    /// The same as `event_id`, where older clients look for it.
    id: String,
    /// What happened.
    pub(crate) event_type: String,
    /// Every word that it can be asked for by; the first is `event_type`.
    pub(crate) event_types: Vec<String>,
    /// `record`: it follows from a record of the protocol. `emitted`: a caller said so.
    source: &'static str,
    tenant_id: String,
    environment: &'static str,
    /// The agent that it is about; null when it is about none.
    agent_id: Option<String>,
    /// The object that it is about; null when the record names none.
    resource_id: Option<String>,
    /// What the record says; of an emitted event, what the caller said.
    #[schema(value_type = Object)]
    payload: Map<String, Value>,
    /// What the log noticed about the record.
    flags: Vec<&'static str>,
    record_type: &'static str,
    receipt_id: String,
    pub(crate) log_index: u64,
    /// The log's time of the entry, RFC 3339 in UTC.
    timestamp: String,
}

impl Event {
    /// The event of a record.
    pub(super) fn of(seen: &Seen, event_id: String, environment: &'static str) -> Self {
        let Seen { index, log_ms, record, flags, notes } = seen;
        let body: Value = serde_json::from_slice(&record.to_bytes()).unwrap_or_default();
        let mut payload = match body {
            Value::Object(mut whole) => match whole.remove("body") {
                Some(Value::Object(body)) => body,
                _ => Map::new(),
            },
            _ => Map::new(),
        };
        let event_types: Vec<String> =
            types::words(&record.body, *flags).into_iter().map(Into::into).collect();
        let mut resource_id = OBJECTS.iter().find_map(|name| payload.get(*name)?.as_str().map(str::to_owned));
        let emitted = notes.is_some();
        if let Some(notes) = notes {
            resource_id = notes.get("resource_id").and_then(Value::as_str).map(str::to_owned);
            payload = notes.clone();
        }
        Self {
            id: event_id.clone(),
            event_id,
            event_type: event_types.first().cloned().unwrap_or_default(),
            event_types,
            source: if emitted { "emitted" } else { "record" },
            tenant_id: TenantId(record.tenant).to_string(),
            environment,
            agent_id: record.body.agent().map(|agent| agent.to_string()),
            resource_id,
            payload,
            flags: flags.names().collect(),
            record_type: record.type_name(),
            receipt_id: ReceiptId(record.id).to_string(),
            log_index: *index,
            timestamp: time_text(*log_ms),
        }
    }
}

impl crate::endpoint::Listed for Event {
    const PLURAL: &'static str = "events";
}
