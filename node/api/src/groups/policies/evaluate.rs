//! May an agent do this?

use ledger_format::record::DecisionKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::{AmountBody, Asked, DecidedView, approval_lease, ask, decided_view};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::{AgentRef, DelegationRef, ReceiptRef, ScopeText, SessionRef, Text},
};

/// A question.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluatePolicies {
    agent_id: AgentRef,
    /// What it wants to do: one `resource:action`.
    scope: ScopeText,
    /// The action in the caller's own words; repeated in the answer, decides nothing.
    #[serde(default)]
    action: Option<Text<1, 256>>,
    /// The thing it is about, in the caller's own words; repeated in the answer, decides nothing.
    #[serde(default)]
    resource: Option<Text<1, 256>>,
    /// The session in which it would happen.
    #[serde(default)]
    session_id: Option<SessionRef>,
    /// The delegation that it acts under.
    #[serde(default)]
    delegation_id: Option<DelegationRef>,
    /// The approval that it has; used up if the answer is logged.
    #[serde(default)]
    approval_id: Option<ReceiptRef>,
    /// What it costs.
    #[serde(default)]
    amount: Option<AmountBody>,
    /// Whether the answer is logged and counted. Otherwise it is only said.
    #[serde(default)]
    log: Option<bool>,
}

impl BodyInput for EvaluatePolicies {}

/// The answer to a question.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyAnswer {
    agent_id: String,
    /// What was asked about.
    scope: String,
    /// As it was asked.
    action: Option<String>,
    /// As it was asked.
    resource: Option<String>,
    #[serde(flatten)]
    decided: DecidedView,
}

pub(super) async fn evaluate(
    mut context: Context,
    _: NoQuery,
    body: EvaluatePolicies,
) -> Result<Reply<PolicyAnswer>, ApiError> {
    let asked = Asked {
        kind: DecisionKind::Policy,
        agent: body.agent_id.0,
        scope: &body.scope,
        scope_field: "scope",
        amount: body.amount.as_ref(),
        approval: body.approval_id.map(|id| id.0),
        grant: body.delegation_id.map(|id| id.0),
        session: body.session_id.map(|id| id.0),
        tool: None,
    };
    let question = asked.question(&context)?;
    let inputs = question.digest();
    let log = body.log.unwrap_or(true);
    let lease = if log { approval_lease(&context, &question).await? } else { None };
    let decided = ask(&mut context, question, inputs, log).await;
    if let Some(lease) = lease {
        lease.end().await;
    }
    let decided = decided?;
    let index = decided.logged.as_ref().map(|logged| logged.index);
    let answer = PolicyAnswer {
        agent_id: decided.question.agent.to_string(),
        scope: decided.question.action.to_string(),
        action: body.action.map(Text::into_string),
        resource: body.resource.map(Text::into_string),
        decided: decided_view(&context, &decided)?,
    };
    let reply = Reply::new(answer);
    Ok(match index {
        Some(index) => reply.at(index),
        None => reply,
    })
}
