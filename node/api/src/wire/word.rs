//! Short texts of one form: the currency of an amount, the name of a key, the origin of a log.

use std::borrow::Cow;

use ledger_format::record::Kid;
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

macro_rules! words {
    ($($(#[doc = $doc:literal])* $name:ident, $pattern:literal, $example:literal, $is:expr;)*) => { $(
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub(crate) struct $name(String);

        impl $name {
            /// The text.
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let is: fn(&str) -> bool = $is;
                if is(&text) { Ok(Self(text)) } else { Err(de::Error::custom(concat!("does not look like ", $example))) }
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some($pattern));
                text.description(Some(concat!($($doc),*).trim())).examples([serde_json::json!($example)]).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).trim_end_matches("Text").into()
            }
        }
    )* };
}

words! {
    /// A currency: three capital letters of ISO 4217.
    CurrencyText, "^[A-Z]{3}$", "EUR", |text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
    /// Name of a key: 32 hex digits.
    KeyIdText, "^[0-9a-f]{32}$", "0a1b2c3d4e5f60718293a4b5c6d7e8f9", |text| Kid::parse(text).is_some();
    /// First line of a log's checkpoints: its name in the world.
    OriginText, "^[!-*,-~]{1,255}$", "maip.devnet/main", |text| {
        (1..=255).contains(&text.len()) && text.bytes().all(|b| (b'!'..=b'~').contains(&b) && b != b'+')
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_takes_its_form_only() {
        let takes = |text: &str| {
            let json = serde_json::json!(text);
            [
                serde_json::from_value::<CurrencyText>(json.clone()).is_ok(),
                serde_json::from_value::<KeyIdText>(json.clone()).is_ok(),
                serde_json::from_value::<OriginText>(json).is_ok(),
            ]
        };
        assert_eq!(takes("EUR"), [true, false, true]);
        assert_eq!(takes(&"0a".repeat(16)), [false, true, true]);
        for bad in ["", "a b", "a+b", "\u{e9}", "\n"] {
            assert_eq!(takes(bad), [false; 3], "{bad:?}");
        }
    }
}
