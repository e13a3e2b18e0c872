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

/// Where a write stands in the log; none of it in the answer of a read. Describes a flattened `Option` of [`WriteReceipt`].
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its description is used")]
pub(crate) struct WriteReceiptIfAny {
    #[schema(nullable = false)]
    receipt_id: Option<String>,
    #[schema(nullable = false)]
    log_index: Option<u64>,
    #[schema(nullable = false)]
    leaf_hash: Option<String>,
    #[schema(nullable = false)]
    ack: Option<String>,
}
