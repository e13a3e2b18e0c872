//! Bytes as callers write them in JSON.

use std::borrow::Cow;

use ::base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// What base64 looks like in either alphabet, with or without padding: no length and no trailing bits that say nothing.
pub(crate) const PATTERN: &str = "^(([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw](==)?|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048]=?)?|([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw](==)?|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=?)?)$";

/// Bytes in base64url; the standard alphabet and padding are taken, too. The limit is the body's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base64Text(pub(crate) Vec<u8>);

impl Base64Text {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('=');
        URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok().map(Self)
    }
}

impl<'de> Deserialize<'de> for Base64Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("is not base64url"))
    }
}

impl PartialSchema for Base64Text {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN));
        text.description(Some("Bytes in base64url.")).examples([serde_json::json!("eyJhIjoxfQ")]).into()
    }
}

impl ToSchema for Base64Text {
    fn name() -> Cow<'static, str> {
        "Base64".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_alphabet_is_read() {
        for text in ["-_8", "-_8=", "+/8", "+/8="] {
            assert_eq!(Base64Text::parse(text), Some(Base64Text(vec![0xfb, 0xff])), "{text}");
        }
        assert!(Base64Text::parse("a").is_none() && Base64Text::parse("é").is_none());
    }
}
