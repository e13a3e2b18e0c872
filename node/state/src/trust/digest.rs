//! The hash that vector files and the algorithm's id are made of.

use ledger_format::record::Digest;

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Digest::sha256(bytes).bytes
}

/// SHA-256 in lower-case hex.
#[cfg(test)]
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
