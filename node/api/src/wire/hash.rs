//! Hashes of records as callers write them.

use std::borrow::Cow;

use ledger_format::record::RecordHash;
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// SHA-256 of a record's canonical bytes, 64 hex digits. In front of an agreement's hash may stand `agreement:`, as in the status map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHashText(pub(crate) RecordHash);

impl RecordHashText {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("agreement:").unwrap_or(text);
        RecordHash::parse(&digits.to_ascii_lowercase()).map(Self)
    }
}

impl<'de> Deserialize<'de> for RecordHashText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("is not the hash of a record: 64 hex digits"))
    }
}

impl PartialSchema for RecordHashText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.pattern(Some("^(agreement:)?[0-9a-fA-F]{64}$"))
            .description(Some("SHA-256 of a record's canonical bytes, hex."))
            .examples([serde_json::json!("5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")])
            .into()
    }
}

impl ToSchema for RecordHashText {
    fn name() -> Cow<'static, str> {
        "RecordHash".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_with_and_without_its_prefix() {
        let hex = "ab".repeat(32);
        let hash = RecordHashText(RecordHash([0xab; 32]));
        for text in [hex.clone(), hex.to_uppercase(), format!("agreement:{hex}")] {
            assert_eq!(RecordHashText::parse(&text), Some(hash), "{text}");
        }
        for bad in ["", "ab", &hex[1..], &format!("offer:{hex}")] {
            assert_eq!(RecordHashText::parse(bad), None, "{bad}");
        }
    }
}
