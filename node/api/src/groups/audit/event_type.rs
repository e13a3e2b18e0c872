//! Which record types are asked for: one, or a family of them.

use std::borrow::Cow;

use ledger_format::record::TYPES;
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// The record types that a word means: `agent.register`, or `agent` for all of its family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventTypeText(pub(super) Vec<&'static str>);

/// Before the dot.
fn family(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Every word that means something.
fn words() -> impl Iterator<Item = &'static str> {
    let mut words: Vec<&str> = TYPES.iter().flat_map(|info| [info.name, family(info.name)]).collect();
    words.sort_unstable();
    words.dedup();
    words.into_iter()
}

impl EventTypeText {
    fn parse(word: &str) -> Option<Self> {
        let names = TYPES.iter().map(|info| info.name);
        let meant: Vec<&str> = names.filter(|name| *name == word || family(name) == word).collect();
        (!meant.is_empty()).then_some(Self(meant))
    }
}

impl<'de> Deserialize<'de> for EventTypeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(
                "is no record type, such as agent.register, and no family of them, such as agent",
            )
        })
    }
}

impl PartialSchema for EventTypeText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words().collect::<Vec<_>>())).into()
    }
}

impl ToSchema for EventTypeText {
    fn name() -> Cow<'static, str> {
        "EventType".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_type_or_a_family() {
        let of = |word: &str| EventTypeText::parse(word).map(|types| types.0);
        assert_eq!(of("agent.register"), Some(vec!["agent.register"]));
        assert_eq!(of("decision"), Some(vec!["decision"]));
        assert!(of("agent").is_some_and(|types| types.len() == 7 && types.contains(&"agent.kill")));
        assert_eq!(of("agents"), None);
        assert!(words().all(|word| of(word).is_some()), "the document allows only what is read");
    }
}
