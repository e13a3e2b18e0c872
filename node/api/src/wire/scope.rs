//! Scopes as callers write them.

use std::borrow::Cow;

use ledger_format::record::Scope;
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// A scope as a regular expression of the API's document.
pub(crate) const SCOPE_PATTERN: &str = r"^((\*:\*)|([a-z0-9._-]{1,64}:([a-z0-9._-]{1,64}|\*)))$";

/// `resource:action`, `resource:*` or `*:*`; with `!` before it, a denial. A word without a colon, which some plug-ins send, is
/// `legacy:<word>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct ScopeText(String);

impl ScopeText {
    /// The scope, and whether it is a denial.
    pub(crate) fn scope(&self) -> Result<(Scope, bool), String> {
        let (text, denied) = match self.0.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (self.0.as_str(), false),
        };
        let text = if text.contains(':') { Cow::Borrowed(text) } else { format!("legacy:{text}").into() };
        let scope = Scope::parse(&text).ok_or("is not resource:action, resource:* or *:* in lower case")?;
        Ok((scope, denied))
    }
}

impl std::fmt::Display for ScopeText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ScopeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scope = Self(String::deserialize(deserializer)?);
        scope.scope().map_err(de::Error::custom)?;
        Ok(scope)
    }
}

impl PartialSchema for ScopeText {
    fn schema() -> RefOr<Schema> {
        let scope = ObjectBuilder::new().schema_type(Type::String).max_length(Some(130));
        let about = "`resource:action`, `resource:*` or `*:*`, lower case; with `!` before it, a denial.";
        let pattern = r"^!?((\*:\*)|([a-z0-9._-]{1,64}:([a-z0-9._-]{1,64}|\*))|([a-z0-9._-]{1,57}))$";
        scope
            .pattern(Some(pattern))
            .description(Some(about))
            .examples([serde_json::json!("orders:read")])
            .into()
    }
}

impl ToSchema for ScopeText {
    fn name() -> Cow<'static, str> {
        "Scope".into()
    }
}

/// The scope object of the older SDKs: every action on every resource.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScopeObject {
    /// Actions, such as `read`.
    #[serde(default)]
    #[schema(max_items = 32)]
    actions: Vec<ScopeWord>,
    /// Resources, such as `invoices`.
    #[serde(default)]
    #[schema(max_items = 32)]
    resources: Vec<ScopeWord>,
    /// Kept by the nodes, not in the log.
    #[serde(default)]
    #[schema(value_type = Option<super::Metadata>)]
    constraints: Option<serde_json::Map<String, serde_json::Value>>,
}

/// One half of a scope.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
struct ScopeWord(String);

impl<'de> Deserialize<'de> for ScopeWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let whole = Scope::parse(&format!("a:{word}")).or_else(|| Scope::parse(&format!("{word}:a")));
        match whole {
            Some(_) => Ok(Self(word)),
            None => Err(de::Error::custom("is not a word of a-z 0-9 . _ - or *")),
        }
    }
}

impl PartialSchema for ScopeWord {
    fn schema() -> RefOr<Schema> {
        let word = ObjectBuilder::new().schema_type(Type::String);
        word.pattern(Some(r"^([a-z0-9._-]{1,64}|\*)$")).into()
    }
}

impl ToSchema for ScopeWord {
    fn name() -> Cow<'static, str> {
        "ScopeWord".into()
    }
}

impl ScopeObject {
    /// Every action on every resource. What a scope cannot say, `*:read`, is left out: it grants nothing.
    pub(crate) fn scopes(&self) -> Vec<ScopeText> {
        let pairs = self
            .resources
            .iter()
            .flat_map(|resource| self.actions.iter().map(move |action| (resource, action)));
        let texts = pairs.map(|(resource, action)| format!("{}:{}", resource.0, action.0));
        texts.filter(|text| Scope::is_valid(text)).map(ScopeText).collect()
    }

    /// As it was sent.
    pub(crate) fn into_value(self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
