//! The rules of a policy: in either form in, as the record holds them and as they were written out.

use ledger_format::record::{Body, PolicyRule, Record};
use serde::{Deserialize, Deserializer, de};

use super::{published::ConditionsRule, recorded::RecordedRule};
use crate::{
    ApiError,
    endpoint::{either, one_of},
};

/// Most rules of a policy.
const RULES_MAX: usize = 32;

/// A rule with `conditions`, or in the form of the record, with `actions`.
pub(super) struct WrittenRule {
    /// As it was written.
    pub(super) written: serde_json::Value,
    form: Form,
}

enum Form {
    Published(ConditionsRule),
    Recorded(Box<RecordedRule>),
}

one_of!(WrittenRule: ConditionsRule, RecordedRule);

impl<'de> Deserialize<'de> for WrittenRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = serde_json::Value::deserialize(deserializer)?;
        let is_recorded =
            |rule: &serde_json::Value| rule.get("actions").is_some() || rule.get("when").is_some();
        let form =
            either(written.clone(), is_recorded, |rule| Form::Recorded(Box::new(rule)), Form::Published);
        Ok(Self { form: form.map_err(de::Error::custom)?, written })
    }
}

/// The rules as the record holds them.
pub(super) fn record_rules(rules: &[WrittenRule]) -> Result<Vec<PolicyRule>, ApiError> {
    if rules.is_empty() || rules.len() > RULES_MAX {
        return Err(ApiError::unprocessable(format!("a policy has 1 to {RULES_MAX} rules")).field("rules"));
    }
    let one = |(at, rule): (usize, &WrittenRule)| {
        let rule = match &rule.form {
            Form::Published(rule) => rule.rule(),
            Form::Recorded(rule) => rule.rule(),
        };
        rule.map_err(|(field, message)| {
            ApiError::unprocessable(message)
                .field(format!("rules[{at}].{field}"))
                .fix("see /docs/guides/policies")
        })
    };
    rules.iter().enumerate().map(one).collect()
}

/// The rules of a `policy.put` record as JSON: the second of the two forms.
pub(super) fn recorded_json(record: &Record) -> Vec<serde_json::Value> {
    let Body::PolicyPut(_) = &record.body else { return Vec::new() };
    let whole: serde_json::Value = serde_json::from_slice(&record.to_bytes()).unwrap_or_default();
    whole["body"]["rules"].as_array().cloned().unwrap_or_default()
}
