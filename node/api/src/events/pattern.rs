//! Which events a caller wants, in a word.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use super::types::{WORD_BYTES_MAX, is_pattern};

/// Which events are wanted.
pub(crate) struct EventPattern(pub(crate) String);

impl<'de> Deserialize<'de> for EventPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if !is_pattern(&text) {
            let rule = "is neither *, nor the word of an event, nor the beginning of words and .*";
            return Err(de::Error::custom(rule));
        }
        Ok(Self(text.into_owned()))
    }
}

impl PartialSchema for EventPattern {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(WORD_BYTES_MAX));
        text.pattern(Some(r"^(\*|[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?)$"))
            .description(Some("`*`, the word of an event, or the beginning of words and `.*`."))
            .examples([serde_json::json!("agent.*")])
            .into()
    }
}

impl ToSchema for EventPattern {
    fn name() -> Cow<'static, str> {
        "EventPattern".into()
    }
}
