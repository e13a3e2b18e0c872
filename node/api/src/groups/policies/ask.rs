//! Asking whether an agent may do something, and putting the answer on record.

use std::{borrow::Cow, time::Duration};

use ledger_format::record::{
    AgentId, Amount, Body, Decision, DecisionKind, DecisionReason, DecisionResult, DelegationId, Digest,
    ReceiptId, Scope, SessionId, ToolId, Ulid,
};
use ledger_state::{Answer, Question};
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::{
    ApiError,
    endpoint::{Context, Lease, Logged},
    wire::{ScopeText, Whole, WriteReceipt, hex, time_text},
};

/// How often a question is asked again when its moment has passed before the answer was in the log.
const ASKS_MAX: u32 = 6;
/// The first pause before that, which doubles: this node may be a moment behind the leader.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
/// What the log says to an answer that is not its own.
const DECISION_DIFFERS: &str = "DECISION_DIFFERS";

/// A currency of ISO 4217.
#[derive(Clone, Debug)]
pub(crate) struct CurrencyCode(String);

impl CurrencyCode {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for CurrencyCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        match text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            true => Ok(Self(text.into_owned())),
            false => Err(de::Error::custom("is not three capital letters, such as EUR")),
        }
    }
}

impl PartialSchema for CurrencyCode {
    fn schema() -> RefOr<Schema> {
        let code = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Z]{3}$"));
        code.description(Some("Currency, three letters of ISO 4217."))
            .examples([serde_json::json!("EUR")])
            .into()
    }
}

impl ToSchema for CurrencyCode {}

/// An amount of money.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AmountBody {
    currency: CurrencyCode,
    /// How much, in the currency's smallest unit.
    minor: Whole<0, 9_007_199_254_740_991>,
}

impl From<&AmountBody> for Amount {
    fn from(body: &AmountBody) -> Self {
        Amount { currency: body.currency.0.clone(), minor: body.minor.get() }
    }
}

/// What is asked, before it is known to make sense for the caller.
pub(crate) struct Asked<'a> {
    pub(crate) kind: DecisionKind,
    pub(crate) agent: AgentId,
    pub(crate) scope: &'a ScopeText,
    /// Where the scope stands in the request.
    pub(crate) scope_field: &'a str,
    pub(crate) amount: Option<&'a AmountBody>,
    pub(crate) approval: Option<ReceiptId>,
    pub(crate) grant: Option<DelegationId>,
    pub(crate) session: Option<SessionId>,
    pub(crate) tool: Option<ToolId>,
}

impl Asked<'_> {
    /// The question, about things that the caller may know of.
    pub(crate) fn question(&self, context: &Context) -> Result<Question, ApiError> {
        let tenant = context.tenant()?;
        let (action, denied) =
            self.scope.scope().map_err(|error| ApiError::unprocessable(error).field(self.scope_field))?;
        if denied || !action.is_exact() {
            return Err(ApiError::unprocessable("is not one action: write resource:action, without ! and *")
                .field(self.scope_field));
        }
        context.own_agent(self.agent, "agent_id")?;
        context.caller()?.may_act_as(self.agent)?;
        if let Some(id) = self.session {
            let session = context.view(|view| ledger_state::session(view, id))?;
            session
                .filter(|session| session.tenant == tenant)
                .ok_or_else(|| ApiError::missing("session", "session_id"))?;
        }
        if let Some(id) = self.grant {
            let grant = context.view(|view| ledger_state::grant(view, id))?;
            grant
                .filter(|grant| grant.tenant == tenant || grant.to_tenant.0 == tenant)
                .ok_or_else(|| ApiError::missing("delegation", "delegation_id"))?;
        }
        let approval = self.approval.map(|id| approval(context, tenant, id)).transpose()?;
        Ok(Question {
            tenant,
            agent: self.agent,
            action,
            kind: self.kind,
            amount: self.amount.map(Amount::from),
            approval,
            grant: self.grant,
            session: self.session,
            tool: self.tool,
        })
    }
}

/// The approval that an id means: of an `approval` record, or of the decision that waited for it.
pub(crate) fn approval(context: &Context, tenant: Ulid, id: ReceiptId) -> Result<ReceiptId, ApiError> {
    let (own, said, decision) = context.view(|view| {
        let own = ledger_state::approval_of(view, tenant, id).is_some();
        let said = ledger_state::verdict(view, tenant, id).map(|said| said.approval);
        (own, said, ledger_state::decision(view, tenant, id))
    })?;
    match (own, said, decision) {
        (true, ..) => Ok(id),
        (false, Some(approval), _) => Ok(approval),
        (false, None, Some(decision)) if decision.result == DecisionResult::NeedsApproval => {
            Err(ApiError::conflict("APPROVAL_PENDING", "nobody has said yes or no yet")
                .field("approval_id")
                .fix("ask again when it is approved, or leave it out"))
        }
        _ => Err(ApiError::missing("approval", "approval_id")),
    }
}

/// A question with its answer.
pub(crate) struct Decided {
    pub(crate) question: Question,
    pub(crate) answer: Answer,
    pub(crate) inputs: Digest,
    /// The log's time of the answer.
    pub(crate) log_ms: u64,
    /// Entries that were looked at.
    pub(crate) size: u64,
    /// Where the answer is in the log, if it was logged.
    pub(crate) logged: Option<Logged>,
}

/// Asks, and logs the answer if `log`. The log takes no answer but its own, so a question whose moment has passed is asked again.
pub(crate) async fn ask(
    context: &mut Context,
    question: Question,
    inputs: Digest,
    log: bool,
) -> Result<Decided, ApiError> {
    let id = context.new_id()?;
    if log && let Some(decided) = told_before(context, &question, inputs, id)? {
        return Ok(decided);
    }
    let mut pause = PAUSE_FIRST;
    for asked in 1..=ASKS_MAX {
        let evaluated = context.reader.evaluate(&question).map_err(ApiError::internal)?;
        let evaluated = evaluated.map_err(|rejection| {
            ApiError::not_found(rejection.message)
                .field(rejection.field.trim_start_matches("body.").to_owned())
        })?;
        let (answer, log_ms, size) = (evaluated.answer, evaluated.log_ms, evaluated.size);
        if !log {
            return Ok(Decided { question, answer, inputs, log_ms, size, logged: None });
        }
        let body = decision(&question, &answer, inputs, context.on_behalf_of()?);
        match context.record_as(id, Body::Decision(Box::new(body))).await {
            Ok(logged) => {
                let (log_ms, size) = (logged.log_ms, logged.index);
                return Ok(Decided { question, answer, inputs, log_ms, size, logged: Some(logged) });
            }
            Err(error) if error.code == DECISION_DIFFERS && asked < ASKS_MAX => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(error) if error.code == DECISION_DIFFERS => break,
            Err(error) => return Err(error),
        }
    }
    Err(ApiError::not_yet("STATE_MOVES", "the state changed between question and answer, time and again", 1))
}

/// The lease on the approval that a question names: between looking at it and using it up, nobody else uses it.
pub(crate) async fn approval_lease(
    context: &Context,
    question: &Question,
) -> Result<Option<Lease>, ApiError> {
    match question.approval {
        Some(id) => context.lease(&format!("approval/{}/{}", question.tenant, id.0)).await.map(Some),
        None => Ok(None),
    }
}

/// Whether the approval that a question names is good for it. Nobody uses it up meanwhile: its lease is held.
pub(crate) fn is_approved(context: &Context, question: &Question) -> Result<bool, ApiError> {
    let Some(id) = question.approval else { return Ok(false) };
    let now_ms = context.log.token_time_ms().map_err(ApiError::internal)?;
    let approval = context.view(|view| ledger_state::approval_of(view, question.tenant, id))?;
    Ok(approval.is_some_and(|approval| {
        let is_about = approval.agent == question.agent && approval.action == question.action;
        is_about && approval.approved && approval.left > 0 && now_ms < approval.expires_at
    }))
}

/// Logs what a guardrail outside the log says: its word is taken as it is.
pub(crate) async fn ask_guardrail(
    context: &mut Context,
    question: Question,
    inputs: Digest,
    result: DecisionResult,
) -> Result<Decided, ApiError> {
    let question = Question { kind: DecisionKind::Guardrail, ..question };
    let id = context.new_id()?;
    if let Some(decided) = told_before(context, &question, inputs, id)? {
        return Ok(decided);
    }
    let reason = match result {
        DecisionResult::Allowed => DecisionReason::WithinScope,
        DecisionResult::Denied => DecisionReason::Guardrail,
        DecisionResult::NeedsApproval => DecisionReason::ApprovalNeeded,
    };
    let answer = Answer { result, reason, policies: Vec::new(), rules: Vec::new() };
    let body = decision(&question, &answer, inputs, context.on_behalf_of()?);
    let logged = context.record_as(id, Body::Decision(Box::new(body))).await?;
    let (log_ms, size) = (logged.log_ms, logged.index);
    Ok(Decided { question, answer, inputs, log_ms, size, logged: Some(logged) })
}

/// The answer that this very call has logged before, when it is repeated under its idempotency key.
fn told_before(
    context: &Context,
    question: &Question,
    inputs: Digest,
    id: Ulid,
) -> Result<Option<Decided>, ApiError> {
    if context.seed.is_none() {
        return Ok(None);
    }
    let tenant = question.tenant;
    let Some(at) = context.view(|view| ledger_state::record_at(view, tenant, id))? else { return Ok(None) };
    let Some((log_ms, record)) = context.entry(at.index)? else { return Ok(None) };
    let Body::Decision(body) = record.body else { return Ok(None) };
    let answer =
        Answer { result: body.result, reason: body.reason, policies: body.policies, rules: body.rules };
    let receipt = WriteReceipt {
        receipt_id: ReceiptId(id).to_string(),
        log_index: at.index,
        leaf_hash: hex(&at.leaf.0),
        ack: "sequenced",
    };
    let logged = Some(Logged { id, index: at.index, log_ms, duplicate: true, receipt });
    Ok(Some(Decided { question: question.clone(), answer, inputs, log_ms, size: at.index, logged }))
}

/// The record of an answer.
pub(crate) fn decision(
    question: &Question,
    answer: &Answer,
    inputs: Digest,
    on_behalf_of: Option<String>,
) -> Decision {
    let Question { action, agent, amount, approval, grant, kind, session, tool, tenant: _ } =
        question.clone();
    let Answer { result, reason, policies, rules } = answer.clone();
    Decision {
        action,
        agent,
        amount,
        approval,
        grant,
        inputs,
        kind,
        on_behalf_of,
        policies,
        reason,
        result,
        rules,
        session,
        tool,
    }
}

/// A rule that decided.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DecidingRule {
    policy_id: String,
    /// Name of the policy.
    policy: String,
    /// The rule's place in the policy, from 0.
    place: u64,
}

/// An answer as callers see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DecidedView {
    /// Whether it may be done now. What waits for an approval may not.
    pub(crate) allowed: bool,
    /// `allowed`, `denied` or `needs_approval`.
    pub(crate) result: &'static str,
    /// Why, in a sentence.
    pub(crate) reason: String,
    /// Why, as a word of the record.
    pub(crate) reason_code: &'static str,
    /// Names of the policies that deny it.
    pub(crate) denied_by: Vec<String>,
    /// Whether it needs an approval that is not there.
    pub(crate) requires_approval: bool,
    /// What an approval is given to, under `/v1/approvals`; null when none is waited for or nothing was logged.
    pub(crate) approval_id: Option<String>,
    /// Hashes of the `policy.put` records that were looked at.
    pub(crate) policies: Vec<String>,
    /// The rules that decided, in the order in which they were looked at.
    pub(crate) rules: Vec<DecidingRule>,
    /// SHA-256 of the question in its canonical JSON.
    pub(crate) inputs_digest: String,
    /// The log's time of the answer, RFC 3339 in UTC.
    pub(crate) evaluated_at: String,
    /// Entries of the log that were looked at.
    pub(crate) evaluated_size: u64,
    /// Whether the answer is in the log.
    pub(crate) logged: bool,
    /// The decision's record; null when nothing was logged.
    pub(crate) decision_id: Option<String>,
    pub(crate) receipt_id: Option<String>,
    pub(crate) log_index: Option<u64>,
    pub(crate) leaf_hash: Option<String>,
    pub(crate) ack: Option<&'static str>,
}

/// An answer as callers see it.
pub(crate) fn decided_view(context: &Context, decided: &Decided) -> Result<DecidedView, ApiError> {
    let Decided { question, answer, inputs, log_ms, size, logged } = decided;
    let mut rules = Vec::with_capacity(answer.rules.len());
    for rule in &answer.rules {
        let policy = context.view(|view| ledger_state::policy(view, question.tenant, rule.policy))?;
        let policy = policy.map_err(ApiError::internal)?;
        let name = policy.map(|policy| super::view::name(context, &policy)).transpose()?;
        rules.push(DecidingRule {
            policy_id: rule.policy.to_string(),
            policy: name.unwrap_or_default(),
            place: rule.place,
        });
    }
    let mut denied_by: Vec<String> = Vec::new();
    if answer.reason == DecisionReason::Policy {
        for rule in &rules {
            if !denied_by.contains(&rule.policy) {
                denied_by.push(rule.policy.clone());
            }
        }
    }
    let waits = answer.result == DecisionResult::NeedsApproval;
    let receipt = logged.as_ref().map(|logged| logged.receipt.clone());
    let receipt_id = receipt.as_ref().map(|receipt| receipt.receipt_id.clone());
    Ok(DecidedView {
        allowed: answer.result == DecisionResult::Allowed,
        result: answer.result.as_str(),
        reason: sentence(answer.reason, &question.action),
        reason_code: answer.reason.as_str(),
        denied_by,
        requires_approval: waits,
        approval_id: receipt_id.clone().filter(|_| waits),
        policies: answer.policies.iter().map(ToString::to_string).collect(),
        rules,
        inputs_digest: inputs.to_string(),
        evaluated_at: time_text(*log_ms),
        evaluated_size: *size,
        logged: logged.is_some(),
        decision_id: receipt_id.clone(),
        receipt_id,
        log_index: receipt.as_ref().map(|receipt| receipt.log_index),
        leaf_hash: receipt.as_ref().map(|receipt| receipt.leaf_hash.clone()),
        ack: receipt.map(|receipt| receipt.ack),
    })
}

/// A reason for people.
pub(crate) fn sentence(reason: DecisionReason, action: &Scope) -> String {
    match reason {
        DecisionReason::AgentNotActive => "the agent or its tenant is suspended or has ended".into(),
        DecisionReason::SessionEnded => "the session has ended or is another agent's".into(),
        DecisionReason::GrantEnded => "the delegation does not hold or is another agent's".into(),
        DecisionReason::NoGrant => "the agent acts under delegations only, and none is named".into(),
        DecisionReason::DeniedScope => format!("{action} is denied to the agent"),
        DecisionReason::NoScope => format!("no scope covers {action}"),
        DecisionReason::GrantExceeded => "the delegation does not go that far: calls, amount or trust".into(),
        DecisionReason::Trust => "trust in the agent is below what the tenant allows".into(),
        DecisionReason::Policy => "a policy denies it, or what a policy requires does not hold".into(),
        DecisionReason::Guardrail => "a guardrail stops it".into(),
        DecisionReason::ApprovalNeeded => "it needs an approval".into(),
        DecisionReason::WithinScope => "nothing stands against it".into(),
    }
}
