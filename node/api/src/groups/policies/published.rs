//! A rule as the published API has it, `conditions` and an effect, and the same rule as the record holds it.
//!
//! | condition | in the record |
//! |---|---|
//! | `scope` eq, in | `actions` |
//! | `agent_type` eq, ne, in | `agent_types` |
//! | `agent_id` eq, in | `agents` |
//! | `trust_score` (0 to 1), `score` (0 to 100) lt, le, gt, ge | `trust_max_bp`, `trust_min_bp` |
//! | `delegation_depth` lt, le, gt, ge | `depth_max`, `depth_min` |
//!
//! `scope` ne and contains are refused: a record lists what a rule is about, so that two readers of it cannot differ.

use std::collections::BTreeSet;

use ledger_format::record::{AgentId, AgentType, PolicyCondition, PolicyEffect, PolicyRule, Scope};
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, schema::OneOfBuilder, schema::Type},
};

use super::recorded::NOTHING;
use crate::wire::{AgentRef, ScopeText};

/// Most conditions of a rule.
const CONDITIONS_MAX: usize = 16;
/// Most items of a value that is a list.
const VALUES_MAX: usize = 64;
/// The full score, in basis points.
const FULL_BP: f64 = 10_000.0;
/// Most links above.
const DEPTH_MAX: u64 = 8;

/// A rule: when all conditions hold, the effect.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionsRule {
    /// All of them must hold; without any, the rule always does.
    #[serde(default)]
    #[schema(max_items = 16)]
    conditions: Vec<RuleCondition>,
    effect: RuleEffect,
    /// Whether it needs an approval even so: `allow` with it is `require_approval`.
    #[serde(default)]
    requires_approval: bool,
}

/// What a rule does. `allow` changes nothing: what scopes allow is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RuleEffect {
    Allow,
    Deny,
    RequireApproval,
}

/// One condition.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RuleCondition {
    field: ConditionField,
    op: ConditionOp,
    value: ConditionValue,
}

/// What a condition looks at. `trust_score` is from 0 to 1, `score` from 0 to 100; neither holds for an agent without a score.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ConditionField {
    Scope,
    AgentType,
    AgentId,
    TrustScore,
    Score,
    DelegationDepth,
}

/// How a condition compares. Numbers: `lt`, `le`, `gt`, `ge`. Words: `eq`, `in`, and `ne` of an agent's type.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ConditionOp {
    Eq,
    Ne,
    In,
    Contains,
    Lt,
    Gt,
    Le,
    Ge,
}

/// A number, a word, or a list of words.
enum ConditionValue {
    Number(f64),
    Words(Vec<String>),
}

impl<'de> Deserialize<'de> for ConditionValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || de::Error::custom("is not a number, a word or a list of words");
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Number(number) => {
                number.as_f64().map(ConditionValue::Number).ok_or_else(wrong)
            }
            serde_json::Value::String(word) => Ok(ConditionValue::Words(vec![word])),
            serde_json::Value::Array(list) if (1..=VALUES_MAX).contains(&list.len()) => {
                let word = |value: serde_json::Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
                list.into_iter().map(word).collect::<Result<_, _>>().map(ConditionValue::Words)
            }
            _ => Err(wrong()),
        }
    }
}

impl PartialSchema for ConditionValue {
    fn schema() -> RefOr<Schema> {
        let word = || ObjectBuilder::new().schema_type(Type::String).max_length(Some(130));
        let list = ArrayBuilder::new().items(word()).min_items(Some(1)).max_items(Some(VALUES_MAX));
        let number = ObjectBuilder::new().schema_type(Type::Number);
        OneOfBuilder::new()
            .item(number)
            .item(word())
            .item(list)
            .description(Some("A number, a word, or a list of words for `in`."))
            .examples([serde_json::json!("payments:write")])
            .into()
    }
}

impl ToSchema for ConditionValue {}

/// What is wrong, and in which field of the rule.
type Fault = (String, String);

/// What the conditions say together.
#[derive(Default)]
struct Sum {
    actions: Option<Vec<Scope>>,
    types: Option<BTreeSet<usize>>,
    agents: Option<Vec<AgentId>>,
    trust: (Option<u64>, Option<u64>),
    depth: (Option<u64>, Option<u64>),
}

impl ConditionsRule {
    /// The rule as the record holds it; or the field at fault and what is wrong with it.
    pub(super) fn rule(&self) -> Result<PolicyRule, Fault> {
        if self.conditions.len() > CONDITIONS_MAX {
            return Err(("conditions".into(), format!("must be at most {CONDITIONS_MAX}")));
        }
        let mut sum = Sum::default();
        for (at, condition) in self.conditions.iter().enumerate() {
            sum.add(condition).map_err(|(field, message)| (format!("conditions[{at}].{field}"), message))?;
        }
        let when = PolicyCondition {
            depth_max: sum.depth.1,
            depth_min: sum.depth.0.filter(|least| *least > 0),
            trust_max_bp: sum.trust.1,
            trust_min_bp: sum.trust.0,
            ..NOTHING
        };
        let is_empty =
            |(least, most): (Option<u64>, Option<u64>)| least.zip(most).is_some_and(|(a, b)| a > b);
        if is_empty(sum.trust) || is_empty(sum.depth) || sum.types.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(("conditions".into(), "can never hold together".into()));
        }
        let when = (when != NOTHING).then_some(when);
        let (effect, when) = match (self.effect, self.requires_approval) {
            (RuleEffect::Deny, _) => (PolicyEffect::Deny, when),
            (RuleEffect::RequireApproval, _) | (RuleEffect::Allow, true) => (PolicyEffect::Approve, when),
            // Recorded, so that each rule has its place, as a requirement that every grant meets.
            (RuleEffect::Allow, false) => {
                (PolicyEffect::Require, Some(PolicyCondition { depth_max: Some(DEPTH_MAX), ..NOTHING }))
            }
        };
        let everything = || Scope::parse("*:*").into_iter().collect();
        let types = sum.types.filter(|types| types.len() < AgentType::ALL.len());
        Ok(PolicyRule {
            actions: sum.actions.unwrap_or_else(everything),
            agent_types: types.map(|types| types.into_iter().map(|at| AgentType::ALL[at]).collect()),
            agents: sum.agents,
            effect,
            when,
        })
    }
}

impl Sum {
    fn add(&mut self, condition: &RuleCondition) -> Result<(), Fault> {
        match condition.field {
            ConditionField::Scope => self.add_scope(condition),
            ConditionField::AgentType => self.add_types(condition),
            ConditionField::AgentId => self.add_agents(condition),
            ConditionField::TrustScore => {
                let (least, most) = bounds(condition, FULL_BP, FULL_BP as u64)?;
                narrow(&mut self.trust, least, most);
                Ok(())
            }
            ConditionField::Score => {
                let (least, most) = bounds(condition, FULL_BP / 100.0, FULL_BP as u64)?;
                narrow(&mut self.trust, least, most);
                Ok(())
            }
            ConditionField::DelegationDepth => {
                let (least, most) = bounds(condition, 1.0, DEPTH_MAX)?;
                narrow(&mut self.depth, least, most);
                Ok(())
            }
        }
    }

    fn add_scope(&mut self, condition: &RuleCondition) -> Result<(), Fault> {
        let words = condition.words(&[ConditionOp::Eq, ConditionOp::In])?;
        let mut actions = Vec::with_capacity(words.len());
        for word in words {
            let scope = serde_json::from_value::<ScopeText>(word.as_str().into())
                .map_err(|error| error.to_string())
                .and_then(|text| text.scope());
            match scope {
                Ok((scope, false)) => actions.push(scope),
                Ok(_) => return Err(("value".into(), "has no `!`: the effect says what happens".into())),
                Err(message) => return Err(("value".into(), message)),
            }
        }
        super::recorded::sort(&mut actions);
        once(&mut self.actions, actions)
    }

    fn add_types(&mut self, condition: &RuleCondition) -> Result<(), Fault> {
        let words = condition.words(&[ConditionOp::Eq, ConditionOp::Ne, ConditionOp::In])?;
        let place = |word: &String| AgentType::ALL.iter().position(|known| known.as_str() == word);
        let mut types = words.iter().map(place).collect::<Option<BTreeSet<_>>>().ok_or_else(|| {
            let message = "is no agent type of the log: autonomous, supervised, delegated, system";
            ("value".to_owned(), message.to_owned())
        })?;
        if condition.op == ConditionOp::Ne {
            types = (0..AgentType::ALL.len()).filter(|at| !types.contains(at)).collect();
        }
        let known = self.types.take();
        self.types = Some(known.map_or_else(|| types.clone(), |known| &known & &types));
        Ok(())
    }

    fn add_agents(&mut self, condition: &RuleCondition) -> Result<(), Fault> {
        let words = condition.words(&[ConditionOp::Eq, ConditionOp::In])?;
        let agent = |word: &String| serde_json::from_value::<AgentRef>(word.as_str().into());
        let agents = words.iter().map(agent).collect::<Result<Vec<_>, _>>();
        let agents = agents.map_err(|error| ("value".to_owned(), error.to_string()))?;
        let mut agents: Vec<AgentId> = agents.into_iter().map(|agent| agent.0).collect();
        super::recorded::sort(&mut agents);
        once(&mut self.agents, agents)
    }
}

impl RuleCondition {
    /// The words of a condition that may compare so.
    fn words(&self, ops: &[ConditionOp]) -> Result<&[String], Fault> {
        if !ops.contains(&self.op) {
            let message = match self.field {
                ConditionField::Scope => {
                    "compares a scope with eq or in: name `resource:*` for all of a resource"
                }
                ConditionField::AgentType => "compares an agent's type with eq, ne or in",
                _ => "compares an agent's id with eq or in",
            };
            return Err(("op".into(), message.into()));
        }
        match &self.value {
            ConditionValue::Words(words) if words.len() == 1 || self.op == ConditionOp::In => Ok(words),
            ConditionValue::Words(_) => Err(("value".into(), "is a list: compare it with in".into())),
            ConditionValue::Number(_) => Err(("value".into(), "must be a word or a list of words".into())),
        }
    }
}

/// The least and the greatest whole number that a comparison leaves, of numbers that are `scale` times what the caller writes.
fn bounds(condition: &RuleCondition, scale: f64, most: u64) -> Result<(Option<u64>, Option<u64>), Fault> {
    let full = most as f64 / scale;
    let ConditionValue::Number(number) = condition.value else {
        return Err(("value".into(), format!("must be a number from 0 to {full}")));
    };
    let scaled = number * scale;
    if !(0.0..=most as f64).contains(&scaled) {
        return Err(("value".into(), format!("must be from 0 to {full}")));
    }
    let whole = scaled.round();
    if (scaled - whole).abs() > 1e-6 {
        return Err(("value".into(), format!("must be a multiple of {}", 1.0 / scale)));
    }
    let whole = whole as u64;
    let never = || ("value".to_owned(), "can never hold".to_owned());
    match condition.op {
        ConditionOp::Lt => whole.checked_sub(1).map(|most| (None, Some(most))).ok_or_else(never),
        ConditionOp::Le => Ok((None, Some(whole))),
        ConditionOp::Gt if whole == most => Err(never()),
        ConditionOp::Gt => Ok((Some(whole + 1), None)),
        ConditionOp::Ge => Ok((Some(whole), None)),
        _ => Err(("op".into(), "compares a number with lt, le, gt or ge".into())),
    }
}

fn narrow(range: &mut (Option<u64>, Option<u64>), least: Option<u64>, most: Option<u64>) {
    range.0 = range.0.max(least);
    range.1 = match (range.1, most) {
        (Some(known), Some(most)) => Some(known.min(most)),
        (known, most) => known.or(most),
    };
}

fn once<T>(known: &mut Option<T>, value: T) -> Result<(), Fault> {
    match known.replace(value) {
        None => Ok(()),
        Some(_) => Err(("field".into(), "is given twice: list all values in one condition with in".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<PolicyRule, Fault> {
        serde_json::from_str::<ConditionsRule>(text).expect("the form").rule()
    }

    fn condition(text: &str) -> Result<PolicyRule, Fault> {
        rule(&format!(r#"{{"conditions":[{text}],"effect":"deny"}}"#))
    }

    #[test]
    fn conditions_become_what_the_record_holds() {
        let when = |text: &str| condition(text).unwrap().when.unwrap();
        let trust = |op: &str| when(&format!(r#"{{"field":"trust_score","op":"{op}","value":0.7}}"#));
        assert_eq!(trust("lt").trust_max_bp, Some(6_999));
        assert_eq!(trust("le").trust_max_bp, Some(7_000));
        assert_eq!(trust("gt").trust_min_bp, Some(7_001));
        assert_eq!(trust("ge").trust_min_bp, Some(7_000));
        assert_eq!(when(r#"{"field":"score","op":"lt","value":70}"#).trust_max_bp, Some(6_999));
        assert_eq!(when(r#"{"field":"delegation_depth","op":"gt","value":2}"#).depth_min, Some(3));
        assert_eq!(when(r#"{"field":"delegation_depth","op":"lt","value":3}"#).depth_max, Some(2));
        let types = condition(r#"{"field":"agent_type","op":"ne","value":"system"}"#).unwrap().agent_types;
        assert_eq!(types, Some(vec![AgentType::Autonomous, AgentType::Supervised, AgentType::Delegated]));
        let actions = condition(r#"{"field":"scope","op":"in","value":["b:x","a:*"]}"#).unwrap().actions;
        assert_eq!(actions, ["a:*", "b:x"].map(|text| Scope::parse(text).unwrap()));
        let both = r#"{"field":"score","op":"ge","value":20},{"field":"trust_score","op":"lt","value":0.3}"#;
        let both = when(both);
        assert_eq!((both.trust_min_bp, both.trust_max_bp), (Some(2_000), Some(2_999)));
    }

    #[test]
    fn effects_become_those_of_the_record() {
        let effect = |rest: &str| rule(&format!("{{{rest}}}")).unwrap();
        let deny = effect(r#""effect":"deny","requires_approval":true"#);
        assert_eq!((deny.effect, deny.when, deny.actions[0].as_str()), (PolicyEffect::Deny, None, "*:*"));
        assert_eq!(effect(r#""effect":"require_approval""#).effect, PolicyEffect::Approve);
        assert_eq!(effect(r#""effect":"allow","requires_approval":true"#).effect, PolicyEffect::Approve);
        let allow = effect(r#""effect":"allow""#);
        assert_eq!((allow.effect, allow.when.unwrap().depth_max), (PolicyEffect::Require, Some(8)));
    }

    #[test]
    fn what_the_record_cannot_say_is_refused() {
        for (text, field) in [
            (r#"{"field":"scope","op":"contains","value":"delete"}"#, "op"),
            (r#"{"field":"scope","op":"ne","value":"a:b"}"#, "op"),
            (r#"{"field":"scope","op":"eq","value":"*:read"}"#, "value"),
            (r#"{"field":"scope","op":"eq","value":["a:b","a:c"]}"#, "value"),
            (r#"{"field":"agent_type","op":"eq","value":"llm"}"#, "value"),
            (r#"{"field":"trust_score","op":"lt","value":50}"#, "value"),
            (r#"{"field":"trust_score","op":"lt","value":0}"#, "value"),
            (r#"{"field":"trust_score","op":"lt","value":0.12345}"#, "value"),
            (r#"{"field":"trust_score","op":"eq","value":0.5}"#, "op"),
            (r#"{"field":"delegation_depth","op":"gt","value":8}"#, "value"),
            (r#"{"field":"agent_id","op":"eq","value":"x"}"#, "value"),
        ] {
            let fault = condition(text).unwrap_err();
            assert_eq!(fault.0, format!("conditions[0].{field}"), "{text}: {}", fault.1);
        }
        let never = r#"{"field":"score","op":"gt","value":50},{"field":"score","op":"lt","value":50}"#;
        assert_eq!(condition(never).unwrap_err().0, "conditions");
        let twice = r#"{"field":"scope","op":"eq","value":"a:b"},{"field":"scope","op":"eq","value":"a:c"}"#;
        assert_eq!(condition(twice).unwrap_err().0, "conditions[1].field");
    }
}
