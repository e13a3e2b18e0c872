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

/// The record of a write, in views that say an index of their own; none of it in the answer of a read.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Written {
    /// The record's id: `GET /v1/receipts/{receipt_id}/proof` gives its proof file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    receipt_id: Option<String>,
    /// `SHA-256(0x00 || entry)`, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    leaf_hash: Option<String>,
    /// The level that was reached: `sequenced`, `published` or `witnessed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ack: Option<&'static str>,
}

impl From<WriteReceipt> for Written {
    fn from(receipt: WriteReceipt) -> Self {
        let WriteReceipt { receipt_id, leaf_hash, ack, .. } = receipt;
        Self { receipt_id: Some(receipt_id), leaf_hash: Some(leaf_hash), ack: Some(ack) }
    }
}

/// Where a write stands in the log, in views that have no index of their own; none of it in the answer of a read.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct WrittenAt {
    /// Its place in the log, final. `?min_index=` on any node reads it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    log_index: Option<u64>,
    #[serde(flatten)]
    record: Written,
}

impl From<WriteReceipt> for WrittenAt {
    fn from(receipt: WriteReceipt) -> Self {
        Self { log_index: Some(receipt.log_index), record: receipt.into() }
    }
}
