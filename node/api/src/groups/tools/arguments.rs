//! The arguments of a call: the bytes that the agent is to send, and their digest.

use ledger_format::record::Digest;

use crate::{
    ApiError,
    wire::{DigestText, Payload},
};

/// What a call is bound to.
pub(super) struct Arguments {
    pub(super) digest: Digest,
    /// The bytes that were hashed, if the node has seen them.
    pub(super) text: Option<String>,
}

impl Arguments {
    /// From JSON, which is written with sorted keys and without spaces; or from a digest of whatever bytes the agent sends. Without
    /// either, of `{}`.
    pub(super) fn read(json: Option<Payload>, hash: Option<&DigestText>) -> Result<Self, ApiError> {
        let hash = hash.and_then(|hash| hash.digest);
        match (json, hash) {
            (Some(_), Some(_)) => Err(ApiError::unprocessable("is there beside arguments: give one of them")
                .field("arguments_hash")),
            (None, Some(digest)) => Ok(Self { digest, text: None }),
            (json, None) => {
                // The keys of a map are in order.
                let map = json.map(|json| json.0).unwrap_or_default();
                let text = serde_json::to_string(&map).map_err(ApiError::internal)?;
                Ok(Self { digest: Digest::sha256(text.as_bytes()), text: Some(text) })
            }
        }
    }
}
