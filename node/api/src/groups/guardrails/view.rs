//! A guardrail rule as callers see it.

use ledger_format::record::{BreakerState, TenantId};
use ledger_state::GuardrailAt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::content::ContentRule;
use crate::{
    ApiError,
    endpoint::{Context, Listed, NoQuery, Paged, Reply},
    wire::{WriteReceipt, Written, time_text},
};

/// How bad a violation is. `error` and `critical` stop the action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ViolationSeverity {
    Info,
    Warning,
    #[default]
    Error,
    Critical,
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BreakerWord {
    Closed,
    HalfOpen,
    Open,
}

/// What was said of a rule that the record does not hold: kept under the id of its `guardrail.define` record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RuleNotes {
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) severity: ViolationSeverity,
    #[serde(default)]
    pub(super) content: Option<ContentRule>,
    /// Index of its first definition; of the first itself, nothing.
    #[serde(default)]
    pub(super) created: Option<u64>,
}

/// What was said when a breaker was set: kept under the id of its `guardrail.status` record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct BreakerNotes {
    #[serde(default)]
    pub(super) deleted: bool,
    #[serde(default)]
    pub(super) reason: String,
}

/// A guardrail rule.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct GuardrailRuleView {
    /// Its name.
    id: String,
    rule_id: String,
    /// The same.
    name: String,
    tenant_id: String,
    description: String,
    /// The actions that it is about.
    action: String,
    /// The agent that it is about; null: all agents of the tenant together.
    agent_id: Option<String>,
    severity: ViolationSeverity,
    /// Denied decisions that open the breaker.
    threshold: u64,
    /// Within how many seconds of log time.
    window_seconds: u64,
    /// How long the breaker stays open, in seconds of log time.
    cooldown_seconds: u64,
    /// What content may not hold; null when it is only a breaker.
    content: Option<ContentRule>,
    /// Whether it is looked at.
    enabled: bool,
    /// How its breaker stands.
    circuit_breaker_status: BreakerWord,
    /// Since when it stands so, by the log's time, RFC 3339 in UTC.
    breaker_since: String,
    /// Denied decisions that count now.
    denials: u64,
    /// Index of the newest record about it: what `ETag` says and `If-Match` takes.
    version: u64,
    log_index: u64,
    created_at: String,
    updated_at: String,
    #[serde(flatten)]
    written: Written,
}

impl Listed for GuardrailRuleView {
    const PLURAL: &'static str = "rules";
}

impl GuardrailRuleView {
    pub(super) fn logged(mut self, receipt: WriteReceipt) -> Self {
        self.written = receipt.into();
        self
    }

    pub(super) fn reply(self) -> Reply<Self> {
        let version = self.version;
        Reply::new(self).at(version).version(version)
    }
}

/// How a breaker stands, in a word. One that is switched off stops nothing.
pub(super) fn breaker(state: BreakerState) -> BreakerWord {
    match state {
        BreakerState::Open => BreakerWord::Open,
        BreakerState::HalfOpen => BreakerWord::HalfOpen,
        BreakerState::Closed | BreakerState::Disabled => BreakerWord::Closed,
    }
}

/// All rules of the caller, deleted ones included.
pub(super) fn all(context: &Context) -> Result<Vec<GuardrailAt>, ApiError> {
    let tenant = context.tenant()?;
    let now_ms = context.log.token_time_ms().map_err(ApiError::internal)?;
    context.view(|view| ledger_state::guardrails(view, tenant, now_ms))?.map_err(ApiError::internal)
}

/// The caller's rule of this name, unless it is deleted.
pub(super) fn named(context: &Context, name: &str) -> Result<Option<GuardrailAt>, ApiError> {
    let found = all(context)?.into_iter().find(|rule| rule.name == name);
    match found {
        Some(rule) if !is_deleted(context, &rule)? => Ok(Some(rule)),
        _ => Ok(None),
    }
}

/// The caller's rule by the name in the path.
pub(super) fn own(context: &Context) -> Result<GuardrailAt, ApiError> {
    named(context, context.word("rule_id"))?.ok_or_else(|| ApiError::missing("guardrail rule", "rule_id"))
}

pub(super) fn is_deleted(context: &Context, rule: &GuardrailAt) -> Result<bool, ApiError> {
    if rule.state != BreakerState::Disabled {
        return Ok(false);
    }
    let Some((_, record)) = context.entry(rule.changed)? else { return Ok(false) };
    Ok(context.kept::<BreakerNotes>(record.id)?.is_some_and(|notes| notes.deleted))
}

pub(super) fn notes(context: &Context, rule: &GuardrailAt) -> Result<RuleNotes, ApiError> {
    let Some((_, record)) = context.entry(rule.defined)? else { return Ok(RuleNotes::default()) };
    Ok(context.kept(record.id)?.unwrap_or_default())
}

/// A rule as callers see it.
pub(super) fn rule_view(context: &Context, rule: &GuardrailAt) -> Result<GuardrailRuleView, ApiError> {
    let notes = notes(context, rule)?;
    Ok(GuardrailRuleView {
        id: rule.name.clone(),
        rule_id: rule.name.clone(),
        name: rule.name.clone(),
        tenant_id: TenantId(context.tenant()?).to_string(),
        description: notes.description,
        action: rule.action.to_string(),
        agent_id: rule.agent.map(|agent| agent.to_string()),
        severity: notes.severity,
        threshold: rule.threshold,
        window_seconds: rule.window_s,
        cooldown_seconds: rule.cooldown_s,
        content: notes.content,
        enabled: rule.state != BreakerState::Disabled,
        circuit_breaker_status: breaker(rule.state),
        breaker_since: time_text(rule.since_ms),
        denials: rule.denials,
        version: rule.changed,
        log_index: rule.changed,
        created_at: context.log_time(notes.created.unwrap_or(rule.defined))?,
        updated_at: context.log_time(rule.changed)?,
        written: Written::default(),
    })
}

pub(super) async fn list(context: Context, _: NoQuery) -> Result<Reply<Paged<GuardrailRuleView>>, ApiError> {
    let mut views = Vec::new();
    for rule in all(&context)? {
        if !is_deleted(&context, &rule)? {
            views.push(rule_view(&context, &rule)?);
        }
    }
    Ok(Reply::new(Paged::of_all(views, context.page)))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<GuardrailRuleView>, ApiError> {
    let rule = own(&context)?;
    context.still(rule.changed)?;
    Ok(rule_view(&context, &rule)?.reply())
}
