//! Digests as callers write them.

use std::borrow::Cow;

use ledger_format::record::Digest;
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// A digest: 64 hex digits are SHA-256; `sha256:` or `blake3:` before them says which hash it is. Some clients send an empty text
/// when they have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DigestText {
    /// As the caller wrote it.
    pub(crate) text: String,
    /// `None` for the empty text.
    pub(crate) digest: Option<Digest>,
}

impl DigestText {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self { text: String::new(), digest: None });
        }
        let lower = text.to_ascii_lowercase();
        let whole = if lower.contains(':') { lower } else { format!("sha256:{lower}") };
        Some(Self { text: text.to_owned(), digest: Some(Digest::parse(&whole)?) })
    }
}

impl<'de> Deserialize<'de> for DigestText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom("is not a digest: 64 hex digits of SHA-256, or sha256:<hex>, or blake3:<hex>")
        })
    }
}

impl PartialSchema for DigestText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.pattern(Some("^(((sha256|blake3):)?[0-9a-fA-F]{64})?$"))
            .description(Some("A digest in hex: SHA-256, unless `blake3:` stands before it."))
            .examples([serde_json::json!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")])
            .into()
    }
}

impl ToSchema for DigestText {
    fn name() -> Cow<'static, str> {
        "Digest".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_the_spellings_that_clients_send() {
        let hex = "ab".repeat(32);
        let of =
            |text: &str| DigestText::parse(text).map(|read| read.digest.map(|digest| digest.to_string()));
        assert_eq!(of(&hex), Some(Some(format!("sha256:{hex}"))));
        assert_eq!(of(&hex.to_uppercase()), Some(Some(format!("sha256:{hex}"))));
        assert_eq!(of(&format!("blake3:{hex}")), Some(Some(format!("blake3:{hex}"))));
        assert_eq!(of(""), Some(None));
        for bad in ["ab", "md5:00", &hex[1..], "PENDING"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
