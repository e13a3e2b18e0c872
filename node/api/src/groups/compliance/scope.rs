//! Which framework, and which of its controls.

use ledger_format::record::Framework;
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::{
    ApiError,
    compliance::{control, controls, framework_title},
    endpoint::{Context, NoQuery, Reply},
    wire::Text,
};

/// Every framework, in the order of the document.
const FRAMEWORKS: [Framework; 5] =
    [Framework::Soc2, Framework::Iso27001, Framework::Gdpr, Framework::Hipaa, Framework::EuAiAct];
/// What asks for every control.
const FULL: &str = "full";

/// The word of a framework in answers.
pub(super) fn regulation(framework: Framework) -> &'static str {
    match framework {
        Framework::Soc2 => "SOC2",
        Framework::Iso27001 => "ISO27001",
        Framework::Gdpr => "GDPR",
        Framework::Hipaa => "HIPAA",
        Framework::EuAiAct => "EU_AI_ACT",
    }
}

/// A framework, in capitals or in small letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameworkText(pub(super) Framework);

impl<'de> Deserialize<'de> for FrameworkText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is = |framework: &&Framework| regulation(**framework) == text || framework.as_str() == text;
        FRAMEWORKS
            .iter()
            .find(is)
            .copied()
            .map(Self)
            .ok_or_else(|| de::Error::custom("is none of SOC2, ISO27001, GDPR, HIPAA, EU_AI_ACT"))
    }
}

impl PartialSchema for FrameworkText {
    fn schema() -> RefOr<Schema> {
        let words = FRAMEWORKS.iter().map(|framework| regulation(*framework).to_owned());
        let small = FRAMEWORKS.iter().map(|framework| framework.as_str().to_owned());
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.enum_values(Some(words.chain(small).collect::<Vec<_>>()))
            .description(Some("The set of controls."))
            .into()
    }
}

impl ToSchema for FrameworkText {
    fn name() -> std::borrow::Cow<'static, str> {
        "Regulation".into()
    }
}

/// Some controls of a framework, as older clients name them.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ComplianceControls)]
pub(super) struct ControlScope {
    /// Control ids, such as `CC6.1`; all when the list is empty.
    #[serde(default)]
    #[schema(max_items = 64)]
    controls: Vec<Text<1, 64>>,
}

/// Which controls: `full`, their ids with commas between them, or a list of them.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ComplianceScope)]
pub(super) enum ScopeText {
    /// `full`, or control ids with commas between them.
    Words(Text<0, 1024>),
    Controls(ControlScope),
}

/// The tokens of the controls that a scope names, in the framework's order; empty means all.
pub(super) fn tokens(framework: Framework, scope: Option<&ScopeText>) -> Result<Vec<&'static str>, ApiError> {
    let words: Vec<(String, &str)> = match scope {
        None => Vec::new(),
        Some(ScopeText::Words(text)) => {
            let words =
                text.as_str().split(',').map(str::trim).filter(|word| !word.is_empty() && *word != FULL);
            words.map(|word| ("scope".to_owned(), word)).collect()
        }
        Some(ScopeText::Controls(scope)) => {
            let named = scope.controls.iter().enumerate();
            named.map(|(at, word)| (format!("scope.controls[{at}]"), word.as_str())).collect()
        }
    };
    let mut wanted = Vec::new();
    for (field, word) in words {
        let control = control(framework, word).ok_or_else(|| {
            ApiError::unprocessable(format!(
                "{word:?} is none of the controls of {}",
                framework_title(framework)
            ))
            .field(field)
            .fix("GET /v1/compliance/frameworks lists them")
        })?;
        wanted.push(control.token);
    }
    let known = controls(framework).iter().map(|control| control.token);
    Ok(known.filter(|token| wanted.contains(token)).collect())
}

/// How a scope is written in answers.
pub(super) fn scope_word(framework: Framework, tokens: &[&str]) -> String {
    if tokens.is_empty() {
        return FULL.to_owned();
    }
    let named = controls(framework).iter().filter(|control| tokens.contains(&control.token));
    named.map(|control| control.control).collect::<Vec<_>>().join(", ")
}

/// A control and what its rule asks.
#[derive(Serialize, ToSchema)]
#[schema(as = ComplianceControl)]
struct ControlView {
    /// As auditors write it.
    control: &'static str,
    /// As a record holds it.
    token: &'static str,
    title: &'static str,
    /// What the rule asks of the log.
    asks: &'static str,
    /// How bad it is when the rule fails.
    severity: &'static str,
    /// What to do then.
    remedy: &'static str,
}

/// A framework.
#[derive(Serialize, ToSchema)]
#[schema(as = ComplianceFramework)]
struct FrameworkView {
    /// `SOC2`, `ISO27001`, `GDPR`, `HIPAA` or `EU_AI_ACT`.
    regulation: &'static str,
    /// The same in small letters, as a record holds it.
    framework: &'static str,
    title: &'static str,
    /// The controls that a log can show something about.
    controls: Vec<ControlView>,
}

/// The frameworks.
#[derive(Serialize, ToSchema)]
pub(super) struct FrameworkCatalogue {
    /// The frameworks.
    items: Vec<FrameworkView>,
    total: usize,
}

pub(super) async fn frameworks(_: Context, _: NoQuery) -> Result<Reply<FrameworkCatalogue>, ApiError> {
    let view = |framework: Framework| FrameworkView {
        regulation: regulation(framework),
        framework: framework.as_str(),
        title: framework_title(framework),
        controls: controls(framework)
            .iter()
            .map(|control| ControlView {
                control: control.control,
                token: control.token,
                title: control.title,
                asks: control.asks,
                severity: control.severity.as_str(),
                remedy: control.remedy,
            })
            .collect(),
    };
    let items: Vec<FrameworkView> = FRAMEWORKS.into_iter().map(view).collect();
    Ok(Reply::new(FrameworkCatalogue { total: items.len(), items }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_names_controls_in_either_shape() {
        let of = |value: serde_json::Value| {
            let scope: ScopeText = serde_json::from_value(value).unwrap();
            tokens(Framework::Soc2, Some(&scope)).map_err(|error| error.field)
        };
        assert_eq!(of("full".into()), Ok(vec![]));
        assert_eq!(of("".into()), Ok(vec![]));
        assert_eq!(of("CC7.2, cc6.1".into()), Ok(vec!["cc6.1", "cc7.2"]));
        assert_eq!(of(serde_json::json!({"controls": ["CC6.1"]})), Ok(vec!["cc6.1"]));
        assert_eq!(of(serde_json::json!({"controls": ["CC6.1", "x"]})), Err("scope.controls[1]".into()));
        assert_eq!(of("A.5.18".into()), Err("scope".into()));
        assert_eq!(scope_word(Framework::Soc2, &["cc6.1"]), "CC6.1");
    }

    #[test]
    fn a_framework_has_two_spellings() {
        for (text, want) in
            [("SOC2", Framework::Soc2), ("soc2", Framework::Soc2), ("eu_ai_act", Framework::EuAiAct)]
        {
            assert_eq!(serde_json::from_value::<FrameworkText>(text.into()).unwrap().0, want);
        }
        assert!(serde_json::from_value::<FrameworkText>("Soc2".into()).is_err());
    }
}
