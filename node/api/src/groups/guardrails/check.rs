//! May this pass? Every rule about the action is asked.

use ledger_format::record::{AgentId, BreakerState, DecisionKind, DecisionResult, Digest, Scope};
use ledger_state::{GuardrailAt, Question};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::policies::ask_guardrail;
use super::view::{BreakerWord, ViolationSeverity, all, breaker, notes};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::{AgentRef, Metadata, Text, time_text, token},
};

/// What a check of content alone is about.
const CONTENT: &str = "content:check";
/// Name of the violation of an agent that may not act.
const AGENT_ACTIVE: &str = "agent-active";
/// Most rules that a check names.
const RULES_MAX: usize = 64;

/// What is to pass: as the API has it, or as the SDKs send it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckGuardrails {
    /// Who wants to do it.
    #[serde(alias = "agentId")]
    agent_id: AgentRef,
    /// What it wants to do: `resource:action`; any other word is `legacy:<word>`.
    #[serde(default, alias = "action_type")]
    action: Option<Text<1, 256>>,
    /// What it wants to send. Not kept; the log holds a digest of it with the question.
    #[serde(default)]
    content: Option<Text<0, 100_000>>,
    /// The thing that it is about, in the caller's own words; decides nothing.
    #[serde(default, alias = "resourceId")]
    resource_id: Option<Text<0, 1_024>>,
    /// What else the caller knows; decides nothing and is not kept.
    #[serde(default)]
    #[expect(dead_code, reason = "read so that it is well-formed")]
    context: Option<Metadata>,
    /// Names of the rules to ask; all, when nothing is said. Breakers are always asked.
    #[serde(default)]
    #[schema(max_items = 64)]
    rules: Option<Vec<Text<1, 64>>>,
    /// Whether the answer is logged, and breakers hear of it. Otherwise it is only said.
    #[serde(default)]
    log: Option<bool>,
}

impl BodyInput for CheckGuardrails {}

/// What stands against it.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct GuardrailViolation {
    rule_id: String,
    /// The same.
    rule: String,
    severity: ViolationSeverity,
    /// What is wrong.
    message: String,
    /// The same, where older clients look for it.
    description: String,
}

/// Whether it may pass.
#[derive(Serialize, ToSchema)]
pub(super) struct GuardrailAnswer {
    /// Whether it may pass.
    allowed: bool,
    /// What stands against it; `info` and `warning` do not stop it.
    violations: Vec<GuardrailViolation>,
    /// How the breakers stand that are about the action: the worst of them.
    circuit_breaker_status: BreakerWord,
    agent_id: String,
    /// The action that was asked about, as the log has it.
    action: String,
    /// As it was asked.
    resource_id: Option<String>,
    /// The log's time of the answer, RFC 3339 in UTC; of one that is only said, the node's.
    checked_at: String,
    /// The same as `checked_at`, where older clients look for it.
    #[serde(rename = "checkedAt")]
    checked_at_camel: String,
    /// Whether the answer is in the log.
    logged: bool,
    /// The decision's record; null when nothing was logged.
    decision_id: Option<String>,
    receipt_id: Option<String>,
    log_index: Option<u64>,
    leaf_hash: Option<String>,
    ack: Option<&'static str>,
}

pub(super) async fn check(
    mut context: Context,
    _: NoQuery,
    body: CheckGuardrails,
) -> Result<Reply<GuardrailAnswer>, ApiError> {
    let agent = body.agent_id.0;
    let active = context.own_agent(agent, "agent_id")?.is_active();
    context.caller()?.may_act_as(agent)?;
    if body.action.is_none() && body.content.is_none() {
        return Err(
            ApiError::unprocessable("is missing: say what the agent does, or send content").field("action")
        );
    }
    if body.rules.as_ref().is_some_and(|rules| rules.len() > RULES_MAX) {
        return Err(ApiError::unprocessable(format!("must be at most {RULES_MAX}")).field("rules"));
    }
    let action = action(body.action.as_ref())?;
    let mut violations = Vec::new();
    if !active {
        let message = "the agent is suspended or has ended".into();
        violations.push(violation(AGENT_ACTIVE, ViolationSeverity::Critical, message));
    }
    for rule in about(&context, agent, &action)? {
        violations.extend(asked(&context, &rule, &body)?);
    }
    let allowed = violations.iter().all(|found| found.severity < ViolationSeverity::Error);
    let question = Question {
        tenant: context.tenant()?,
        agent,
        action: action.clone(),
        kind: DecisionKind::Guardrail,
        amount: None,
        approval: None,
        grant: None,
        session: None,
        tool: None,
    };
    let inputs = match &body.content {
        Some(content) => question.digest_with(&Digest::sha256(content.as_str().as_bytes())),
        None => question.digest(),
    };
    let result = if allowed { DecisionResult::Allowed } else { DecisionResult::Denied };
    let logged = match body.log.unwrap_or(true) {
        true => ask_guardrail(&mut context, question, inputs, result).await?.logged,
        false => None,
    };
    // After the decision: it may have opened or closed one.
    let stands = about(&context, agent, &action)?.iter().map(|rule| breaker(rule.state)).max();
    let now_ms = context.log.token_time_ms().map_err(ApiError::internal)?;
    let checked_at = time_text(logged.as_ref().map_or(now_ms, |logged| logged.log_ms));
    let receipt = logged.map(|logged| logged.receipt);
    let index = receipt.as_ref().map(|receipt| receipt.log_index);
    let receipt_id = receipt.as_ref().map(|receipt| receipt.receipt_id.clone());
    let answer = GuardrailAnswer {
        allowed,
        violations,
        circuit_breaker_status: stands.unwrap_or(BreakerWord::Closed),
        agent_id: agent.to_string(),
        action: action.to_string(),
        resource_id: body.resource_id.map(Text::into_string),
        checked_at: checked_at.clone(),
        checked_at_camel: checked_at,
        logged: receipt.is_some(),
        decision_id: receipt_id.clone(),
        receipt_id,
        log_index: index,
        leaf_hash: receipt.as_ref().map(|receipt| receipt.leaf_hash.clone()),
        ack: receipt.map(|receipt| receipt.ack),
    };
    let reply = Reply::new(answer);
    Ok(match index {
        Some(index) => reply.at(index),
        None => reply,
    })
}

/// What stops an agent that is about to do this with this content, in a sentence; `None`: nothing does.
pub(crate) fn stopped(
    context: &Context,
    agent: AgentId,
    action: &Scope,
    content: &str,
) -> Result<Option<String>, ApiError> {
    for rule in about(context, agent, action)? {
        let found = faults(context, &rule, Some(content))?;
        if let Some(found) = found.filter(|found| found.severity >= ViolationSeverity::Error) {
            return Ok(Some(format!("{}: {}", found.rule, found.message)));
        }
    }
    Ok(None)
}

/// The action as the log can say it: every word of a caller has one.
fn action(text: Option<&Text<1, 256>>) -> Result<Scope, ApiError> {
    let Some(text) = text else {
        return Scope::parse(CONTENT).ok_or_else(|| ApiError::internal("no scope"));
    };
    let own = text.as_str().trim().to_ascii_lowercase();
    let exact = Scope::parse(&own).filter(Scope::is_exact);
    let legacy = || Scope::parse(&format!("legacy:{}", token(&own)));
    exact.or_else(legacy).ok_or_else(|| ApiError::unprocessable("makes no action").field("action"))
}

/// The rules that are about it, unless they are switched off.
fn about(context: &Context, agent: AgentId, action: &Scope) -> Result<Vec<GuardrailAt>, ApiError> {
    let mut rules = all(context)?;
    rules.retain(|rule| {
        rule.state != BreakerState::Disabled
            && rule.action.covers(action)
            && rule.agent.is_none_or(|own| own == agent)
    });
    Ok(rules)
}

/// What a rule has against it; an open breaker is asked about in any case.
fn asked(
    context: &Context,
    rule: &GuardrailAt,
    body: &CheckGuardrails,
) -> Result<Option<GuardrailViolation>, ApiError> {
    let wanted = body.rules.as_ref().is_none_or(|rules| rules.iter().any(|name| name.as_str() == rule.name));
    faults(context, rule, body.content.as_ref().filter(|_| wanted).map(Text::as_str))
}

fn faults(
    context: &Context,
    rule: &GuardrailAt,
    content: Option<&str>,
) -> Result<Option<GuardrailViolation>, ApiError> {
    if rule.state == BreakerState::Open {
        let message = format!("the breaker is open after {} denials", rule.threshold);
        return Ok(Some(violation(&rule.name, ViolationSeverity::Critical, message)));
    }
    let Some(text) = content else { return Ok(None) };
    let notes = notes(context, rule)?;
    let fault = notes.content.as_ref().and_then(|content| content.fault(text));
    Ok(fault.map(|message| violation(&rule.name, notes.severity, format!("the content {message}"))))
}

fn violation(rule: &str, severity: ViolationSeverity, message: String) -> GuardrailViolation {
    GuardrailViolation {
        rule_id: rule.to_owned(),
        rule: rule.to_owned(),
        severity,
        description: message.clone(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_an_action() {
        let of = |text: &str| action(Some(&Text::new(text).unwrap())).unwrap().to_string();
        assert_eq!(of("Mail:Send"), "mail:send");
        assert_eq!(of("tool_call"), "legacy:tool_call");
        assert_eq!(of("mail:*"), "legacy:mail__");
        assert_eq!(of("delete everything!"), "legacy:delete_everything_");
        assert_eq!(action(None).unwrap().to_string(), CONTENT);
    }
}
