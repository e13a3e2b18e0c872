//! A record of the log with all that is known of it: where a receipt's answers come from.

use bytes::Bytes;
use ledger_format::record::{Actor, AgentId, Body, DetailValue, Entry, ReceiptId, Record, Ulid};
use ledger_log::TimelineRow;
use ledger_state::{Flags, ReceiptMark, RecordAt};
use serde::{Deserialize, Serialize};

use crate::{ApiError, endpoint::Context};

/// What a caller said of a receipt that the log does not hold. The log holds the digests: `SHA-256(salt || JSON)`, of the JSON
/// with sorted keys and without spaces.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ReceiptNotes {
    /// 32 hex digits; without them nobody can guess a payload from its digest.
    #[serde(default)]
    pub(crate) salt: String,
    #[serde(default)]
    pub(crate) payload: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    pub(crate) metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// The action in the caller's own words.
    #[serde(default)]
    pub(crate) action: Option<String>,
    #[serde(default)]
    pub(crate) purpose: Option<String>,
    #[serde(default)]
    pub(crate) inputs_hash: Option<String>,
    #[serde(default)]
    pub(crate) outputs_hash: Option<String>,
    /// When the payload was destroyed, ms.
    #[serde(default)]
    pub(crate) redacted_ms: Option<u64>,
    /// What belongs to an attestation or a receipt of the platform.
    #[serde(default)]
    pub(crate) platform: Option<super::super::platform::PlatformNotes>,
}

/// A record that is in the log.
pub(crate) struct Found {
    pub(crate) tenant: Ulid,
    pub(crate) at: RecordAt,
    pub(crate) record: Record,
    pub(crate) entry: Bytes,
    pub(crate) flags: Flags,
    /// What became of it, if it is a receipt.
    pub(crate) mark: Option<ReceiptMark>,
}

impl Found {
    /// A tenant's record by its id.
    pub(crate) fn of(context: &Context, tenant: Ulid, id: Ulid) -> Result<Option<Self>, ApiError> {
        let read = context.view(|view| {
            let at = ledger_state::record_at(view, tenant, id)?;
            let mark = ledger_state::receipt_mark(view, tenant, ReceiptId(id));
            let flags = ledger_state::flags(view, at.index);
            Some((at, mark, flags))
        })?;
        let Some((at, mark, flags)) = read else { return Ok(None) };
        let entry = context.reader.applied_entry(at.index).map_err(ApiError::internal)?;
        let entry = entry.ok_or_else(|| ApiError::internal("an applied entry is not there"))?;
        let record = Entry::parse(&entry).map_err(ApiError::internal)?.record;
        let record = Record::parse(record).map_err(ApiError::internal)?;
        Ok(Some(Self { tenant, at, record, entry, flags, mark }))
    }

    /// A record that this call has logged just now, by its place in the log: its entry says all but what the log noticed, and nothing
    /// has become of it yet.
    pub(crate) fn fresh(context: &Context, index: u64) -> Result<Self, ApiError> {
        let missing = || ApiError::internal("an applied entry is not there");
        let entry = context.reader.applied_entry(index).map_err(ApiError::internal)?.ok_or_else(missing)?;
        let (at, record) = ledger_state::record_of(index, &entry).ok_or_else(missing)?;
        let flags = context.view(|view| ledger_state::flags(view, index))?;
        Ok(Self { tenant: record.tenant, at, record, entry, flags, mark: None })
    }

    /// A tenant's record by its place in the log.
    pub(crate) fn at_index(context: &Context, tenant: Ulid, index: u64) -> Result<Option<Self>, ApiError> {
        let record = context.entry(index)?.filter(|(_, record)| record.tenant == tenant);
        record.map_or(Ok(None), |(_, record)| Self::of(context, tenant, record.id))
    }

    /// The caller's own record by the id in the path; any type.
    pub(crate) fn own(context: &Context, field: &str) -> Result<Self, ApiError> {
        let id: ReceiptId = context.id(field)?;
        Self::of(context, context.tenant()?, id.0)?.ok_or_else(|| ApiError::missing("receipt", field))
    }

    /// The caller's own receipt by the id in the path.
    pub(crate) fn own_receipt(context: &Context, field: &str) -> Result<Self, ApiError> {
        let found = Self::own(context, field)?;
        if found.at.receipt_of.is_none() {
            return Err(ApiError::missing("receipt", field));
        }
        Ok(found)
    }

    /// The record of a row of the caller's timeline.
    pub(crate) fn of_row(context: &Context, row: &TimelineRow) -> Result<Option<Self>, ApiError> {
        Self::of(context, context.tenant()?, row.id)
    }

    pub(crate) fn id(&self) -> ReceiptId {
        ReceiptId(self.record.id)
    }

    /// Whose receipt it is.
    pub(crate) fn agent(&self) -> Option<AgentId> {
        self.at.receipt_of
    }

    /// `valid`, `revoked` or `superseded`.
    pub(crate) fn status(&self) -> &'static str {
        match &self.mark {
            Some(mark) if mark.revoked.is_some() => "revoked",
            Some(mark) if mark.superseded_by.is_some() => "superseded",
            _ => "valid",
        }
    }

    /// The small facts in the record.
    pub(crate) fn detail(&self) -> &[(String, DetailValue)] {
        match &self.record.body {
            Body::ReceiptAction(body) => &body.detail,
            Body::ReceiptGenesis(body)
            | Body::ReceiptDelegation(body)
            | Body::ReceiptRevocation(body)
            | Body::ReceiptDataset(body)
            | Body::ReceiptModel(body)
            | Body::ReceiptCompliance(body)
            | Body::ReceiptClaim(body)
            | Body::ReceiptApproval(body) => body.detail.as_deref().unwrap_or(&[]),
            _ => &[],
        }
    }

    pub(crate) fn detail_text(&self, key: &str) -> Option<&str> {
        self.detail().iter().find_map(|(known, value)| match value {
            DetailValue::Text(text) if known == key => Some(text.as_str()),
            _ => None,
        })
    }

    pub(crate) fn detail_number(&self, key: &str) -> Option<i64> {
        self.detail().iter().find_map(|(known, value)| match value {
            DetailValue::Integer(number) if known == key => Some(*number),
            _ => None,
        })
    }

    /// Who signed, in a word.
    pub(crate) fn signed_by(&self) -> &'static str {
        match self.record.actor {
            Actor::Agent(_) => "agent",
            Actor::Tenant => "tenant",
            Actor::Operator => "operator",
        }
    }

    /// Who signed, in a sentence: a reader must not take the operator's word for the agent's.
    pub(crate) fn signer_statement(&self) -> String {
        match self.record.actor {
            Actor::Agent(agent) => format!("agent {agent} signed this record with its own key"),
            Actor::Tenant => "the tenant signed this record with its root key; the agent did not".into(),
            Actor::Operator => format!(
                "the log's operator signed this record on behalf of {}; the agent did not sign it",
                self.record.body.on_behalf_of().unwrap_or("itself")
            ),
        }
    }
}

/// What makes a digest of JSON unguessable.
pub(crate) fn salted_digest(salt: &str, map: &serde_json::Map<String, serde_json::Value>) -> String {
    let mut input = salt.as_bytes().to_vec();
    // The keys of a map are in order.
    input.extend_from_slice(&serde_json::to_vec(map).unwrap_or_default());
    ledger_format::record::Digest::sha256(&input).to_string()
}
