//! Secrets of the API: derived from the operator key, so they are the same on every node and no file holds them.

use ledger_format::record::SigningKey;

/// Keyed hashes under the operator key.
#[derive(Clone)]
pub(crate) struct Secrets([u8; 32]);

impl Secrets {
    /// From the operator key of the main log.
    pub(crate) fn new(operator: &SigningKey) -> Self {
        Self(blake3::derive_key("maip-ledger 2026-11 secrets of the API", operator.to_seed_text().as_bytes()))
    }

    /// `bytes` under a stream that follows from `once`, a value for this one text, so that a copy of what is stored tells nothing without the
    /// operator key. Once more gives the text again.
    pub(crate) fn masked(&self, context: &str, once: &[u8; 32], bytes: &[u8]) -> Vec<u8> {
        let key = blake3::derive_key(context, &self.0);
        let mut stream = vec![0; bytes.len()];
        blake3::Hasher::new_keyed(&key).update(once).finalize_xof().fill(&mut stream);
        stream.iter().zip(bytes).map(|(mask, byte)| mask ^ byte).collect()
    }

    /// BLAKE3 of `input` under a key for `context`.
    pub(crate) fn keyed(&self, context: &str, input: &[u8]) -> [u8; 32] {
        let key = blake3::derive_key(context, &self.0);
        blake3::keyed_hash(&key, input).into()
    }

    /// Whether `input` has that keyed hash, in constant time.
    pub(crate) fn matches(&self, context: &str, input: &[u8], hash: &[u8; 32]) -> bool {
        blake3::Hash::from(self.keyed(context, input)) == blake3::Hash::from(*hash)
    }
}
