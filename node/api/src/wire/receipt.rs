//! What every write answers with.

use serde::Serialize;
use utoipa::ToSchema;

/// Where a write stands in the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct WriteReceipt {
    /// The record's id: `GET /v1/receipts/{receipt_id}/proof` gives its proof file.
    pub(crate) receipt_id: String,
    /// Its place in the log, final. `?min_index=` on any node reads it back.
    pub(crate) log_index: u64,
    /// `SHA-256(0x00 || entry)`, hex.
    pub(crate) leaf_hash: String,
    /// The level that was reached: `sequenced`, `published` or `witnessed`.
    pub(crate) ack: &'static str,
}
