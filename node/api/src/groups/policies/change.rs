//! Making, changing and switching policies. One at a time in a tenant: names are unique and versions follow each other.

use ledger_format::record::{Body, PolicyId, PolicyPut, PolicyRule, PolicyState, PolicyStatus, Ulid};
use ledger_state::{POLICIES_MAX, PolicyAt};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    rules::{WrittenRule, record_rules},
    view::{
        PolicyCategory, PolicyStatusWord, PolicyView, StatusNotes, VersionNotes, all, name, notes, own,
        policy_view, status,
    },
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Lease, NoBody, NoQuery, Reply},
    wire::{DescriptionText, NameText, ReasonText, Whole, record_name},
};

/// Priority when nothing is said.
const PRIORITY: u64 = 100;

type Priority = Whole<1, 1_000>;

/// A policy as a whole.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WholePolicy {
    /// What people call it; there is no other of this name in the tenant.
    name: NameText,
    #[serde(default)]
    description: Option<DescriptionText>,
    #[serde(default)]
    category: Option<PolicyCategory>,
    /// Smaller comes first; 100 when nothing is said.
    #[serde(default)]
    priority: Option<Priority>,
    /// Each is looked at by itself.
    #[schema(min_items = 1, max_items = 32)]
    rules: Vec<WrittenRule>,
}

impl BodyInput for WholePolicy {}

/// What is to change of a policy.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdatePolicy {
    /// What people call it; there is no other of this name in the tenant.
    #[serde(default)]
    name: Option<NameText>,
    #[serde(default)]
    description: Option<DescriptionText>,
    #[serde(default)]
    category: Option<PolicyCategory>,
    /// Smaller comes first.
    #[serde(default)]
    priority: Option<Priority>,
    /// All rules anew.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 32)]
    rules: Option<Vec<WrittenRule>>,
    #[serde(default)]
    status: Option<PolicyStatusWord>,
    /// Why the status changes.
    #[serde(default)]
    reason: Option<ReasonText>,
}

impl BodyInput for UpdatePolicy {}

/// Why a policy is switched.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhyPolicy {
    /// Why. Kept by the nodes, not in the log.
    #[serde(default)]
    reason: Option<ReasonText>,
}

impl BodyInput for WhyPolicy {
    const REQUIRED: bool = false;
}

/// A version that is to be logged.
struct Version {
    policy: PolicyId,
    /// The id of its record.
    record: Ulid,
    name: String,
    priority: u64,
    rules: Vec<PolicyRule>,
    notes: VersionNotes,
}

async fn lease(context: &Context) -> Result<Lease, ApiError> {
    context.lease(&format!("policies/{}", context.tenant()?)).await
}

pub(super) async fn create(
    mut context: Context,
    _: NoQuery,
    body: WholePolicy,
) -> Result<Reply<PolicyView>, ApiError> {
    let rules = checked_rules(&context, &body.rules)?;
    let lease = lease(&context).await?;
    let made = create_alone(&mut context, body, rules).await;
    lease.end().await;
    made
}

async fn create_alone(
    context: &mut Context,
    body: WholePolicy,
    rules: Vec<PolicyRule>,
) -> Result<Reply<PolicyView>, ApiError> {
    let (policy, record) = (PolicyId(context.new_id()?), context.new_id()?);
    let known = all(context)?;
    let is_new = known.iter().all(|other| other.policy != policy);
    if is_new && known.len() >= POLICIES_MAX {
        let message = format!("the tenant has {POLICIES_MAX} policies, archived ones included");
        return Err(ApiError::conflict("TOO_MANY_POLICIES", message).fix("put more rules into one policy"));
    }
    let version = whole(policy, record, body, rules);
    free_name(context, policy, &version.name, &known)?;
    log(context, version, None).await
}

fn whole(policy: PolicyId, record: Ulid, body: WholePolicy, rules: Vec<PolicyRule>) -> Version {
    let notes = VersionNotes {
        name: None,
        description: body.description.map(DescriptionText::into_string).unwrap_or_default(),
        category: body.category.unwrap_or_default(),
        rules: body.rules.into_iter().map(|rule| rule.written).collect(),
    };
    let priority = body.priority.map_or(PRIORITY, Whole::get);
    Version { policy, record, name: body.name.into_string(), priority, rules, notes }
}

pub(super) async fn replace(
    mut context: Context,
    _: NoQuery,
    body: WholePolicy,
) -> Result<Reply<PolicyView>, ApiError> {
    own(&context)?;
    let rules = checked_rules(&context, &body.rules)?;
    let lease = lease(&context).await?;
    let changed = replace_alone(&mut context, body, rules).await;
    lease.end().await;
    changed
}

async fn replace_alone(
    context: &mut Context,
    body: WholePolicy,
    rules: Vec<PolicyRule>,
) -> Result<Reply<PolicyView>, ApiError> {
    let policy = own(context)?;
    context.still(policy.changed)?;
    let status = not_archived(context, &policy)?;
    let version = whole(policy.policy, context.new_id()?, body, rules);
    free_name(context, policy.policy, &version.name, &all(context)?)?;
    log(context, version, switched(status, String::new())).await
}

pub(super) async fn update(
    mut context: Context,
    _: NoQuery,
    body: UpdatePolicy,
) -> Result<Reply<PolicyView>, ApiError> {
    own(&context)?;
    let rules = body.rules.as_deref().map(|rules| checked_rules(&context, rules)).transpose()?;
    let lease = lease(&context).await?;
    let changed = update_alone(&mut context, body, rules).await;
    lease.end().await;
    changed
}

async fn update_alone(
    context: &mut Context,
    body: UpdatePolicy,
    rules: Option<Vec<PolicyRule>>,
) -> Result<Reply<PolicyView>, ApiError> {
    let policy = own(context)?;
    context.still(policy.changed)?;
    let reason = body.reason.map(ReasonText::into_string).unwrap_or_default();
    let is_content = body.name.is_some()
        || body.description.is_some()
        || body.category.is_some()
        || body.priority.is_some()
        || rules.is_some();
    let now = status(context, &policy)?;
    if !is_content {
        return match body.status {
            Some(wanted) if wanted != now => switch_found(context, &policy, wanted, reason).await,
            _ => Ok(policy_view(context, &policy)?.reply()),
        };
    }
    if body.status != Some(PolicyStatusWord::Active) {
        not_archived(context, &policy)?;
    }
    let mut notes = notes(context, &policy)?;
    let name = match body.name {
        Some(name) => name.into_string(),
        None => notes.name.take().unwrap_or_else(|| policy.name.clone()),
    };
    free_name(context, policy.policy, &name, &all(context)?)?;
    notes.description = body.description.map_or(notes.description, DescriptionText::into_string);
    notes.category = body.category.unwrap_or(notes.category);
    if let Some(rules) = body.rules {
        notes.rules = rules.into_iter().map(|rule| rule.written).collect();
    }
    let rules = match rules {
        Some(rules) => rules,
        None => rules_in_force(context, &policy)?,
    };
    let priority = body.priority.map_or(policy.priority, Whole::get);
    let record = context.new_id()?;
    let version = Version { policy: policy.policy, record, name, priority, rules, notes };
    log(context, version, switched(body.status.unwrap_or(now), reason)).await
}

fn rules_in_force(context: &Context, policy: &PolicyAt) -> Result<Vec<PolicyRule>, ApiError> {
    match context.entry(policy.put_at)?.map(|(_, record)| record.body) {
        Some(Body::PolicyPut(put)) => Ok(put.rules),
        _ => Err(ApiError::internal("a policy's version is not in the log")),
    }
}

/// Logs a version; a `policy.put` switches its policy on, so one that is to be off is switched off behind it.
async fn log(
    context: &mut Context,
    version: Version,
    status: Option<(PolicyState, StatusNotes)>,
) -> Result<Reply<PolicyView>, ApiError> {
    let Version { policy, record, name, priority, rules, mut notes } = version;
    let on_behalf_of = context.on_behalf_of()?;
    let (name, whole) = record_name(&name);
    notes.name = whole;
    let put = PolicyPut { name, on_behalf_of: on_behalf_of.clone(), policy, priority, rules };
    let mut records = vec![(record, Body::PolicyPut(Box::new(put)), json(&notes)?)];
    if let Some((state, notes)) = status {
        let id = context.new_id()?;
        let status = Box::new(PolicyStatus { on_behalf_of, policy, status: state });
        records.push((id, Body::PolicyStatus(status), json(&notes)?));
    }
    answer(context, policy, records).await
}

fn json(notes: &impl Serialize) -> Result<serde_json::Value, ApiError> {
    serde_json::to_value(notes).map_err(ApiError::internal)
}

async fn answer(
    context: &mut Context,
    policy: PolicyId,
    records: Vec<(Ulid, Body, serde_json::Value)>,
) -> Result<Reply<PolicyView>, ApiError> {
    let logged = context.records_each_noted(records).await?;
    let last = logged.into_iter().last().ok_or_else(|| ApiError::internal("no record was logged"))?;
    let tenant = context.tenant()?;
    let at = context.view(|view| ledger_state::policy(view, tenant, policy))?.map_err(ApiError::internal)?;
    let at = at.ok_or_else(|| ApiError::missing("policy", "policy_id"))?;
    Ok(policy_view(context, &at)?.logged(last.receipt).reply())
}

/// The rules in the record's form; the agents that they name are the caller's own.
fn checked_rules(context: &Context, rules: &[WrittenRule]) -> Result<Vec<PolicyRule>, ApiError> {
    let rules = record_rules(rules)?;
    for (at, rule) in rules.iter().enumerate() {
        for agent in rule.agents.iter().flatten() {
            context.own_agent(*agent, &format!("rules[{at}]"))?;
        }
    }
    Ok(rules)
}

fn free_name(context: &Context, policy: PolicyId, wanted: &str, known: &[PolicyAt]) -> Result<(), ApiError> {
    for other in known {
        if other.policy != policy
            && name(context, other)? == wanted
            && status(context, other)? != PolicyStatusWord::Archived
        {
            return Err(ApiError::conflict("NAME_TAKEN", format!("policy {} is called so", other.policy))
                .field("name")
                .fix("choose another name, or change that policy"));
        }
    }
    Ok(())
}

fn not_archived(context: &Context, policy: &PolicyAt) -> Result<PolicyStatusWord, ApiError> {
    match status(context, policy)? {
        PolicyStatusWord::Archived => Err(ApiError::conflict("POLICY_ARCHIVED", "the policy is archived")
            .field("policy_id")
            .fix("enable it first, or create another one")),
        status => Ok(status),
    }
}

/// What must follow a `policy.put` for this status.
fn switched(status: PolicyStatusWord, reason: String) -> Option<(PolicyState, StatusNotes)> {
    match status {
        PolicyStatusWord::Active => None,
        PolicyStatusWord::Disabled => Some((PolicyState::Disabled, StatusNotes { archived: false, reason })),
        PolicyStatusWord::Archived => Some((PolicyState::Disabled, StatusNotes { archived: true, reason })),
    }
}

pub(super) async fn disable(
    context: Context,
    _: NoQuery,
    body: WhyPolicy,
) -> Result<Reply<PolicyView>, ApiError> {
    switch(context, PolicyStatusWord::Disabled, body).await
}

pub(super) async fn enable(
    context: Context,
    _: NoQuery,
    body: WhyPolicy,
) -> Result<Reply<PolicyView>, ApiError> {
    switch(context, PolicyStatusWord::Active, body).await
}

pub(super) async fn archive(
    context: Context,
    _: NoQuery,
    body: WhyPolicy,
) -> Result<Reply<PolicyView>, ApiError> {
    switch(context, PolicyStatusWord::Archived, body).await
}

pub(super) async fn delete(context: Context, _: NoQuery, _: NoBody) -> Result<Reply<PolicyView>, ApiError> {
    switch(context, PolicyStatusWord::Archived, WhyPolicy::default()).await
}

async fn switch(
    mut context: Context,
    wanted: PolicyStatusWord,
    body: WhyPolicy,
) -> Result<Reply<PolicyView>, ApiError> {
    own(&context)?;
    let reason = body.reason.map(ReasonText::into_string).unwrap_or_default();
    let lease = lease(&context).await?;
    let switched = switch_alone(&mut context, wanted, reason).await;
    lease.end().await;
    switched
}

async fn switch_alone(
    context: &mut Context,
    wanted: PolicyStatusWord,
    reason: String,
) -> Result<Reply<PolicyView>, ApiError> {
    let policy = own(context)?;
    context.still(policy.changed)?;
    switch_found(context, &policy, wanted, reason).await
}

async fn switch_found(
    context: &mut Context,
    policy: &PolicyAt,
    wanted: PolicyStatusWord,
    reason: String,
) -> Result<Reply<PolicyView>, ApiError> {
    let id = context.new_id()?;
    let newest = context.entry(policy.changed)?.map(|(_, record)| record.id);
    // The same call again, whose answer was lost, has switched it itself.
    if newest != Some(id) && status(context, policy)? == wanted {
        return Err(
            ApiError::conflict("POLICY_STATUS", "the policy has this status already").field("policy_id")
        );
    }
    let (state, notes) = switched(wanted, reason.clone())
        .unwrap_or((PolicyState::Active, StatusNotes { archived: false, reason }));
    if wanted == PolicyStatusWord::Active {
        free_name(context, policy.policy, &name(context, policy)?, &all(context)?)?;
    }
    let body = PolicyStatus { on_behalf_of: context.on_behalf_of()?, policy: policy.policy, status: state };
    answer(context, policy.policy, vec![(id, Body::PolicyStatus(Box::new(body)), json(&notes)?)]).await
}
