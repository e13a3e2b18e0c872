//! A policy as callers see it.

use ledger_format::record::{Body, PolicyId, PolicyState, TenantId};
use ledger_state::PolicyAt;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::rules::{WrittenRule, recorded_json};
use crate::{
    ApiError,
    endpoint::{Context, Listed, NoQuery, Paged, QueryInput, Reply},
    wire::{WriteReceipt, Written},
};

/// What state a policy can be in. Only active ones are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PolicyStatusWord {
    Active,
    Disabled,
    Archived,
}

/// What a policy is about, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PolicyCategory {
    Scope,
    Trust,
    Rate,
    #[default]
    Custom,
}

/// What was said of one version that the record does not hold: kept under the id of its `policy.put` record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct VersionNotes {
    /// The whole name, if the record holds a shorter one.
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) category: PolicyCategory,
    /// The rules as they were written.
    #[serde(default)]
    pub(super) rules: Vec<serde_json::Value>,
}

/// What was said of a change of status that the record does not hold: kept under the id of its `policy.status` record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct StatusNotes {
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) reason: String,
}

/// A policy.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct PolicyView {
    pub(super) id: String,
    pub(super) policy_id: String,
    pub(super) tenant_id: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) category: PolicyCategory,
    pub(super) status: PolicyStatusWord,
    /// Why it was switched off or on, last.
    pub(super) status_reason: Option<String>,
    /// Smaller comes first.
    pub(super) priority: u64,
    /// The rules, as they were written.
    #[schema(value_type = Vec<WrittenRule>)]
    pub(super) rules: Vec<serde_json::Value>,
    /// The same rules as the record holds them: these are what is evaluated.
    #[schema(value_type = Vec<super::recorded::RecordedRule>)]
    pub(super) recorded_rules: Vec<serde_json::Value>,
    /// Hash of the `policy.put` record that is in force; decisions name it.
    pub(super) policy_hash: String,
    /// Index of the newest record about it: what `ETag` says and `If-Match` takes.
    pub(super) version: u64,
    pub(super) log_index: u64,
    pub(super) created_at: String,
    pub(super) updated_at: String,
    #[serde(flatten)]
    pub(super) written: Written,
}

impl Listed for PolicyView {
    const PLURAL: &'static str = "policies";
}

impl PolicyView {
    pub(super) fn logged(mut self, receipt: WriteReceipt) -> Self {
        self.written = receipt.into();
        self
    }

    pub(super) fn reply(self) -> Reply<Self> {
        let version = self.version;
        Reply::new(self).at(version).version(version)
    }
}

/// The caller's policy by the id in the path.
pub(super) fn own(context: &Context) -> Result<PolicyAt, ApiError> {
    let (tenant, id) = (context.tenant()?, context.id::<PolicyId>("policy_id")?);
    let policy = context.view(|view| ledger_state::policy(view, tenant, id))?.map_err(ApiError::internal)?;
    policy.ok_or_else(|| ApiError::missing("policy", "policy_id"))
}

/// All of the caller's policies, in the order of evaluation.
pub(super) fn all(context: &Context) -> Result<Vec<PolicyAt>, ApiError> {
    let tenant = context.tenant()?;
    context.view(|view| ledger_state::policies(view, tenant))?.map_err(ApiError::internal)
}

/// What was said of the version in force.
pub(super) fn notes(context: &Context, policy: &PolicyAt) -> Result<VersionNotes, ApiError> {
    let Some((_, record)) = context.entry(policy.put_at)? else { return Ok(VersionNotes::default()) };
    Ok(context.kept(record.id)?.unwrap_or_default())
}

/// What was said with the newest change of status, if that is the newest record about the policy.
fn status_notes(context: &Context, policy: &PolicyAt) -> Result<StatusNotes, ApiError> {
    match context.entry(policy.changed)? {
        Some((_, record)) if matches!(record.body, Body::PolicyStatus(_)) => {
            Ok(context.kept(record.id)?.unwrap_or_default())
        }
        _ => Ok(StatusNotes::default()),
    }
}

/// Whether it is archived.
pub(super) fn status(context: &Context, policy: &PolicyAt) -> Result<PolicyStatusWord, ApiError> {
    Ok(match policy.state {
        PolicyState::Active => PolicyStatusWord::Active,
        PolicyState::Disabled if status_notes(context, policy)?.archived => PolicyStatusWord::Archived,
        PolicyState::Disabled => PolicyStatusWord::Disabled,
    })
}

/// The whole name.
pub(super) fn name(context: &Context, policy: &PolicyAt) -> Result<String, ApiError> {
    Ok(notes(context, policy)?.name.unwrap_or_else(|| policy.name.clone()))
}

/// A policy as callers see it.
pub(super) fn policy_view(context: &Context, policy: &PolicyAt) -> Result<PolicyView, ApiError> {
    let put = context.entry(policy.put_at)?.map(|(_, record)| record);
    let notes = notes(context, policy)?;
    let said = status_notes(context, policy)?;
    let recorded_rules = put.as_ref().map(recorded_json).unwrap_or_default();
    let written = !notes.rules.is_empty();
    Ok(PolicyView {
        id: policy.policy.0.uuid(),
        policy_id: policy.policy.to_string(),
        tenant_id: TenantId(context.tenant()?).to_string(),
        name: notes.name.unwrap_or_else(|| policy.name.clone()),
        description: notes.description,
        category: notes.category,
        status: status(context, policy)?,
        status_reason: (!said.reason.is_empty()).then_some(said.reason),
        priority: policy.priority,
        rules: if written { notes.rules } else { recorded_rules.clone() },
        recorded_rules,
        policy_hash: policy.put.to_string(),
        version: policy.changed,
        log_index: policy.changed,
        created_at: context.log_time(policy.created)?,
        updated_at: context.log_time(policy.changed)?,
        written: Written::default(),
    })
}

/// Which policies.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListPolicies {
    /// Only with this status; active and disabled ones, when nothing is said.
    #[serde(default)]
    status: Option<PolicyStatusWord>,
    /// Only of this category.
    #[serde(default)]
    category: Option<PolicyCategory>,
}

impl QueryInput for ListPolicies {}

pub(super) async fn list(
    context: Context,
    query: ListPolicies,
) -> Result<Reply<Paged<PolicyView>>, ApiError> {
    let mut views = Vec::new();
    for policy in all(&context)? {
        let view = policy_view(&context, &policy)?;
        let fits = match query.status {
            Some(wanted) => view.status == wanted,
            None => view.status != PolicyStatusWord::Archived,
        };
        if fits && query.category.is_none_or(|wanted| view.category == wanted) {
            views.push(view);
        }
    }
    Ok(Reply::new(Paged::of_all(views, context.page)))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<PolicyView>, ApiError> {
    let policy = own(&context)?;
    context.still(policy.changed)?;
    Ok(policy_view(&context, &policy)?.reply())
}
