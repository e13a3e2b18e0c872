//! Addresses as callers write them.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// Longest address.
const LINK_CHARS_MAX: usize = 2_048;

/// What an address looks like: a scheme, a host, printable ASCII without quotes and brackets.
const PATTERN: &str = r"^https?://[A-Za-z0-9.\[\]:-]+(/[!#-;=?-Z_a-z~%]*)?$";

/// An `http` or `https` address. Nodes do not read it unless an endpoint says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct LinkText(String);

impl LinkText {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let in_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'[' | b']' | b':' | b'-');
        let in_path =
            |b: u8| matches!(b, b'!' | b'#'..=b';' | b'=' | b'?'..=b'Z' | b'_' | b'a'..=b'z' | b'~');
        let good = !host.is_empty() && host.bytes().all(in_host) && path.bytes().all(in_path);
        (good && text.len() <= LINK_CHARS_MAX).then(|| Self(text.to_owned()))
    }

    /// The address.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl<'de> Deserialize<'de> for LinkText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("is not an http or https address"))
    }
}

impl PartialSchema for LinkText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(LINK_CHARS_MAX));
        text.pattern(Some(PATTERN))
            .description(Some("An `http` or `https` address."))
            .examples([serde_json::json!("https://files.example.com/f-2026-17.pdf")])
            .into()
    }
}

impl ToSchema for LinkText {
    fn name() -> Cow<'static, str> {
        "Link".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host() {
        for good in ["https://a.example", "http://127.0.0.1:80/x?y=%20", "https://[::1]/~a_b#c"] {
            assert!(LinkText::parse(good).is_some(), "{good}");
        }
        for bad in ["", "https://", "ftp://a", "https:///x", "https://a b", "https://a/\"", "https://a@b/"] {
            assert!(LinkText::parse(bad).is_none(), "{bad}");
        }
        assert!(LinkText::parse(&format!("https://a/{}", "x".repeat(LINK_CHARS_MAX))).is_none());
    }
}
