//! Ids and hashes on the command line: any spelling goes in, the canonical one comes out.

use ledger_format::record::{DelegationId, PolicyId, ReceiptId, RecordHash, ToolId, Ulid};

macro_rules! parsers {
    ($($(#[$doc:meta])* $name:ident: $id:ident, $what:literal;)+) => {
        $($(#[$doc])* pub(crate) fn $name(text: &str) -> Result<$id, String> {
            $id::parse_any(text)
                .ok_or_else(|| concat!("not ", $what, ": with its prefix, the bare ULID or the UUID").into())
        })+
    };
}

parsers! {
    /// A grant.
    grant_id: DelegationId, "a grant's id";
    /// A receipt, a decision or an approval: the id of its record.
    receipt_id: ReceiptId, "the id of a receipt, decision or approval";
    /// A policy of a tenant.
    policy_id: PolicyId, "a policy's id";
    /// A tool.
    tool_id: ToolId, "a tool's id";
}

/// The id of any record.
pub(crate) fn ulid(text: &str) -> Result<Ulid, String> {
    Ulid::parse_any(text).ok_or_else(|| "not an id: 26 characters of a ULID, or a UUID".into())
}

/// The hash of a record.
pub(crate) fn record_hash(text: &str) -> Result<RecordHash, String> {
    RecordHash::parse(text).ok_or_else(|| "a record's hash is 64 lower-case hex digits".into())
}
