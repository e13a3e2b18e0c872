//! Where the record behind an answer stands, in answers of reads and writes alike.

use serde::Serialize;
use utoipa::ToSchema;

use super::receipts::{Found, hex};
use crate::{endpoint::Logged, wire::time_text};

/// Where the record behind an answer stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LoggedAt {
    receipt_id: String,
    log_index: u64,
    leaf_hash: String,
    /// The level that was reached, in the answer of a write.
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<&'static str>,
    created_at: String,
}

impl LoggedAt {
    pub(crate) fn of(found: &Found) -> Self {
        Self {
            receipt_id: found.id().to_string(),
            log_index: found.at.index,
            leaf_hash: hex(&found.at.leaf.0),
            ack: None,
            created_at: time_text(found.at.log_ms),
        }
    }

    /// With the level that a write has reached.
    pub(crate) fn acked(mut self, logged: &Logged) -> Self {
        self.ack = Some(logged.receipt.ack);
        self
    }

    pub(crate) fn index(&self) -> u64 {
        self.log_index
    }

    pub(crate) fn leaf(&self) -> &str {
        &self.leaf_hash
    }

    /// Path of the record's proof file.
    pub(crate) fn proof_url(&self) -> String {
        format!("/v1/receipts/{}/proof", self.receipt_id)
    }

    #[cfg(test)]
    pub(crate) fn for_tests(text: &str) -> Self {
        let text = text.to_owned();
        Self { receipt_id: text.clone(), log_index: 9, leaf_hash: text.clone(), ack: None, created_at: text }
    }
}
