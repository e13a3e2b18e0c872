//! The digest of a thing that is attested: there is nothing to attest without one.

use std::borrow::Cow;

use ledger_format::record::Digest;
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use super::DigestText;

/// A digest that must be there: 64 hex digits are SHA-256; `sha256:` or `blake3:` before them says which hash it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentHash {
    /// As the caller wrote it.
    pub(crate) text: String,
    pub(crate) digest: Digest,
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let read =
            DigestText::parse(&text).and_then(|read| Some(Self { text: read.text, digest: read.digest? }));
        read.ok_or_else(|| {
            de::Error::custom("is not a digest: 64 hex digits of SHA-256, or sha256:<hex>, or blake3:<hex>")
        })
    }
}

impl PartialSchema for ContentHash {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.pattern(Some("^((sha256|blake3):)?[0-9a-fA-F]{64}$"))
            .description(Some("Digest of the content in hex: SHA-256, unless `blake3:` stands before it."))
            .examples([serde_json::json!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")])
            .into()
    }
}

impl ToSchema for ContentHash {
    fn name() -> Cow<'static, str> {
        "ContentHash".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_must_be_there() {
        let read = |text: &str| serde_json::from_value::<ContentHash>(text.into()).ok();
        let hex = "ab".repeat(32);
        assert_eq!(read(&hex).unwrap().digest.to_string(), format!("sha256:{hex}"));
        assert!(read("").is_none() && read("abc").is_none() && read("md5:00").is_none());
    }
}
