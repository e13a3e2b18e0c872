//! E-mail addresses as callers write them.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// Longest address, RFC 5321.
const ADDRESS_CHARS_MAX: usize = 254;

/// Something that looks like an e-mail address. Whether anybody reads what is sent there is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmailText(String);

impl EmailText {
    fn parse(text: &str) -> Option<Self> {
        let (user, host) = text.split_once('@')?;
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && b != b'@');
        let host_has_names = host.split_once('.').is_some_and(|(first, rest)| plain(first) && plain(rest));
        (plain(user) && host_has_names && text.len() <= ADDRESS_CHARS_MAX).then(|| Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for EmailText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        EmailText::parse(&text).ok_or_else(|| de::Error::custom("is not an e-mail address"))
    }
}

impl PartialSchema for EmailText {
    fn schema() -> RefOr<Schema> {
        let address = ObjectBuilder::new().schema_type(Type::String).max_length(Some(ADDRESS_CHARS_MAX));
        address
            .pattern(Some(r"^[!-?A-~]+@[!-\-/-?A-~]+\.[!-?A-~]+$"))
            .description(Some("An e-mail address. Not kept: the log holds no personal data."))
            .examples([serde_json::json!("dev@example.com")])
            .into()
    }
}

impl ToSchema for EmailText {
    fn name() -> Cow<'static, str> {
        "Email".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_user_and_a_host_with_a_dot() {
        for good in ["a@b.c", "dev+x@mail.example.com"] {
            assert!(EmailText::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a", "a@b", "@b.c", "a@.c", "a@b.", "a@b@c.d", "a b@c.d", "ü@b.c", "a@b.c\n"] {
            assert!(EmailText::parse(bad).is_none(), "{bad}");
        }
        let long = format!("{}@b.c", "a".repeat(ADDRESS_CHARS_MAX));
        assert!(EmailText::parse(&long).is_none());
    }
}
