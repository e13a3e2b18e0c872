//! Making, changing and deleting guardrail rules, and setting their breakers. One at a time in a tenant.

use std::borrow::Cow;

use ledger_format::record::{AgentId, Body, BreakerState, GuardrailDefine, GuardrailStatus, Scope, Ulid};
use ledger_state::{GUARDRAILS_MAX, GuardrailAt};
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use super::{
    content::{ContentRule, TERMS_MAX},
    view::{
        BreakerNotes, BreakerWord, GuardrailRuleView, RuleNotes, ViolationSeverity, all, named, notes, own,
        rule_view,
    },
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Lease, NoBody, NoQuery, Reply},
    wire::{AgentRef, DescriptionText, ReasonText, ScopeText, Whole, token},
};

/// Denials that open a breaker when nothing is said.
const THRESHOLD: u64 = 5;
const WINDOW_S: u64 = 60;
const COOLDOWN_S: u64 = 300;

type Seconds = Whole<1, 31_536_000>;

/// The name of a guardrail rule: a word, as records have them.
#[derive(Clone, Debug)]
pub(super) struct RuleName(String);

impl<'de> Deserialize<'de> for RuleName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        match !text.is_empty() && token(&text) == *text {
            true => Ok(Self(text.into_owned())),
            false => Err(de::Error::custom("is not a word of 1 to 64 of a-z 0-9 . _ -")),
        }
    }
}

impl PartialSchema for RuleName {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z0-9._-]{1,64}$"));
        name.description(Some("Name of a guardrail rule, unique in the tenant."))
            .examples([serde_json::json!("outgoing-mail")])
            .into()
    }
}

impl ToSchema for RuleName {
    fn name() -> Cow<'static, str> {
        "GuardrailRuleName".into()
    }
}

/// A guardrail rule to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateGuardrailRule {
    name: RuleName,
    #[serde(default)]
    description: Option<DescriptionText>,
    /// The actions that it is about; all, when nothing is said.
    #[serde(default, alias = "scope")]
    action: Option<ScopeText>,
    /// The agent that it is about; all agents of the tenant together, when nothing is said.
    #[serde(default)]
    agent_id: Option<AgentRef>,
    #[serde(default)]
    severity: Option<ViolationSeverity>,
    /// Denied decisions that open the breaker; 5 when nothing is said.
    #[serde(default)]
    threshold: Option<Whole<1, 1_000_000_000>>,
    /// Within how many seconds; 60 when nothing is said.
    #[serde(default)]
    window_seconds: Option<Seconds>,
    /// How long the breaker stays open; 300 when nothing is said.
    #[serde(default)]
    cooldown_seconds: Option<Seconds>,
    /// What content may not hold.
    #[serde(default)]
    content: Option<ContentRule>,
}

impl BodyInput for CreateGuardrailRule {}

/// What is to change of a guardrail rule.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateGuardrailRule {
    #[serde(default)]
    description: Option<DescriptionText>,
    /// The actions that it is about.
    #[serde(default, alias = "scope")]
    action: Option<ScopeText>,
    #[serde(default)]
    severity: Option<ViolationSeverity>,
    /// Denied decisions that open the breaker.
    #[serde(default)]
    threshold: Option<Whole<1, 1_000_000_000>>,
    /// Within how many seconds.
    #[serde(default)]
    window_seconds: Option<Seconds>,
    /// How long the breaker stays open.
    #[serde(default)]
    cooldown_seconds: Option<Seconds>,
    /// What content may not hold.
    #[serde(default)]
    content: Option<ContentRule>,
    /// Whether it is looked at.
    #[serde(default)]
    enabled: Option<bool>,
}

impl BodyInput for UpdateGuardrailRule {}

/// How a breaker is to stand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetBreaker {
    state: BreakerWord,
    /// Why. Kept by the nodes, not in the log.
    #[serde(default)]
    reason: Option<ReasonText>,
}

impl BodyInput for SetBreaker {}

/// A definition that is to be logged.
struct Definition {
    name: String,
    action: Scope,
    agent: Option<AgentId>,
    threshold: u64,
    window_s: u64,
    cooldown_s: u64,
    notes: RuleNotes,
}

async fn lease(context: &Context) -> Result<Lease, ApiError> {
    context.lease(&format!("guardrails/{}", context.tenant()?)).await
}

pub(super) async fn create(
    mut context: Context,
    _: NoQuery,
    body: CreateGuardrailRule,
) -> Result<Reply<GuardrailRuleView>, ApiError> {
    if let Some(agent) = body.agent_id {
        context.own_agent(agent.0, "agent_id")?;
    }
    let definition = Definition {
        name: body.name.0,
        action: covered(body.action.as_ref())?,
        agent: body.agent_id.map(|agent| agent.0),
        threshold: body.threshold.map_or(THRESHOLD, Whole::get),
        window_s: body.window_seconds.map_or(WINDOW_S, Whole::get),
        cooldown_s: body.cooldown_seconds.map_or(COOLDOWN_S, Whole::get),
        notes: RuleNotes {
            description: body.description.map(DescriptionText::into_string).unwrap_or_default(),
            severity: body.severity.unwrap_or_default(),
            content: checked(body.content)?,
            created: None,
        },
    };
    let lease = lease(&context).await?;
    let made = create_alone(&mut context, definition).await;
    lease.end().await;
    made
}

async fn create_alone(
    context: &mut Context,
    definition: Definition,
) -> Result<Reply<GuardrailRuleView>, ApiError> {
    let id = context.new_id()?;
    let known = all(context)?;
    match known.iter().find(|rule| rule.name == definition.name) {
        Some(rule) => {
            // The same call again, whose answer was lost, has defined it itself.
            let defined = context.entry(rule.defined)?.map(|(_, record)| record.id);
            if defined != Some(id) && named(context, &rule.name)?.is_some() {
                return Err(ApiError::conflict("RULE_EXISTS", "there is a guardrail rule of this name")
                    .field("name")
                    .fix("choose another name, or change that rule"));
            }
        }
        None if known.len() >= GUARDRAILS_MAX => {
            let message = format!("the tenant has {GUARDRAILS_MAX} guardrail rules, deleted ones included");
            return Err(ApiError::conflict("TOO_MANY_GUARDRAILS", message)
                .field("name")
                .fix("use the name of a deleted rule again"));
        }
        None => {}
    }
    log(context, id, definition, None).await
}

pub(super) async fn update(
    mut context: Context,
    _: NoQuery,
    body: UpdateGuardrailRule,
) -> Result<Reply<GuardrailRuleView>, ApiError> {
    own(&context)?;
    let action = body.action.as_ref().map(|action| covered(Some(action))).transpose()?;
    let content = checked(body.content.clone())?;
    let lease = lease(&context).await?;
    let changed = update_alone(&mut context, body, action, content).await;
    lease.end().await;
    changed
}

async fn update_alone(
    context: &mut Context,
    body: UpdateGuardrailRule,
    action: Option<Scope>,
    content: Option<ContentRule>,
) -> Result<Reply<GuardrailRuleView>, ApiError> {
    let rule = own(context)?;
    context.still(rule.changed)?;
    let mut notes = notes(context, &rule)?;
    notes.created = notes.created.or(Some(rule.defined));
    notes.description = body.description.map_or(notes.description, DescriptionText::into_string);
    notes.severity = body.severity.unwrap_or(notes.severity);
    notes.content = content.or(notes.content);
    let definition = Definition {
        name: rule.name,
        action: action.unwrap_or(rule.action),
        agent: rule.agent,
        threshold: body.threshold.map_or(rule.threshold, Whole::get),
        window_s: body.window_seconds.map_or(rule.window_s, Whole::get),
        cooldown_s: body.cooldown_seconds.map_or(rule.cooldown_s, Whole::get),
        notes,
    };
    let enabled = body.enabled.unwrap_or(rule.state != BreakerState::Disabled);
    let off = (!enabled).then(BreakerNotes::default);
    let id = context.new_id()?;
    log(context, id, definition, off).await
}

/// Logs a definition, which closes the breaker; and, if the rule is to be off, that it is.
async fn log(
    context: &mut Context,
    id: Ulid,
    definition: Definition,
    off: Option<BreakerNotes>,
) -> Result<Reply<GuardrailRuleView>, ApiError> {
    let Definition { name, action, agent, threshold, window_s, cooldown_s, notes } = definition;
    let on_behalf_of = context.on_behalf_of()?;
    let define = GuardrailDefine {
        action,
        agent,
        cooldown_s,
        guardrail: name.clone(),
        on_behalf_of: on_behalf_of.clone(),
        threshold,
        window_s,
    };
    let mut records = vec![(id, Body::GuardrailDefine(Box::new(define)), json(&notes)?)];
    if let Some(notes) = off {
        let id = context.new_id()?;
        let status = GuardrailStatus { guardrail: name.clone(), on_behalf_of, state: BreakerState::Disabled };
        records.push((id, Body::GuardrailStatus(Box::new(status)), json(&notes)?));
    }
    write(context, &name, records).await
}

fn json(notes: &impl Serialize) -> Result<serde_json::Value, ApiError> {
    serde_json::to_value(notes).map_err(ApiError::internal)
}

async fn write(
    context: &mut Context,
    name: &str,
    records: Vec<(Ulid, Body, serde_json::Value)>,
) -> Result<Reply<GuardrailRuleView>, ApiError> {
    let logged = context.records_each_noted(records).await?;
    let last = logged.into_iter().last().ok_or_else(|| ApiError::internal("no record was logged"))?;
    let rule = all(context)?.into_iter().find(|rule| rule.name == name);
    let rule = rule.ok_or_else(|| ApiError::missing("guardrail rule", "rule_id"))?;
    Ok(rule_view(context, &rule)?.logged(last.receipt).reply())
}

pub(super) async fn delete(
    context: Context,
    _: NoQuery,
    _: NoBody,
) -> Result<Reply<GuardrailRuleView>, ApiError> {
    set(context, BreakerState::Disabled, BreakerNotes { deleted: true, reason: String::new() }).await
}

pub(super) async fn set_breaker(
    context: Context,
    _: NoQuery,
    body: SetBreaker,
) -> Result<Reply<GuardrailRuleView>, ApiError> {
    let state = match body.state {
        BreakerWord::Closed => BreakerState::Closed,
        BreakerWord::HalfOpen => BreakerState::HalfOpen,
        BreakerWord::Open => BreakerState::Open,
    };
    let reason = body.reason.map(ReasonText::into_string).unwrap_or_default();
    set(context, state, BreakerNotes { deleted: false, reason }).await
}

async fn set(
    mut context: Context,
    state: BreakerState,
    notes: BreakerNotes,
) -> Result<Reply<GuardrailRuleView>, ApiError> {
    own(&context)?;
    let lease = lease(&context).await?;
    let done = match own(&context) {
        Ok(rule) => set_alone(&mut context, &rule, state, notes).await,
        Err(error) => Err(error),
    };
    lease.end().await;
    done
}

async fn set_alone(
    context: &mut Context,
    rule: &GuardrailAt,
    state: BreakerState,
    notes: BreakerNotes,
) -> Result<Reply<GuardrailRuleView>, ApiError> {
    context.still(rule.changed)?;
    if rule.state == BreakerState::Disabled && !notes.deleted {
        return Err(ApiError::conflict("RULE_DISABLED", "the rule is switched off")
            .field("rule_id")
            .fix("enable it first"));
    }
    let id = context.new_id()?;
    let on_behalf_of = context.on_behalf_of()?;
    let status = GuardrailStatus { guardrail: rule.name.clone(), on_behalf_of, state };
    write(context, &rule.name, vec![(id, Body::GuardrailStatus(Box::new(status)), json(&notes)?)]).await
}

fn covered(action: Option<&ScopeText>) -> Result<Scope, ApiError> {
    let wrong = |message: String| ApiError::unprocessable(message).field("action");
    let Some(text) = action else {
        return Scope::parse("*:*").ok_or_else(|| ApiError::internal("*:* is no scope"));
    };
    match text.scope().map_err(wrong)? {
        (scope, false) => Ok(scope),
        (_, true) => Err(wrong("has no `!`".into())),
    }
}

fn checked(content: Option<ContentRule>) -> Result<Option<ContentRule>, ApiError> {
    let Some(content) = content else { return Ok(None) };
    if content.blocked_terms.len() > TERMS_MAX {
        return Err(
            ApiError::unprocessable(format!("must be at most {TERMS_MAX}")).field("content.blocked_terms")
        );
    }
    if content.detect.len() > 2 {
        return Err(ApiError::unprocessable("must be at most 2").field("content.detect"));
    }
    Ok(Some(content))
}
