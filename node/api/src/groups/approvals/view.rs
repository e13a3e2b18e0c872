//! What was asked for and what was said, as callers see it.

use ledger_format::record::{AgentId, ApprovalVerdict, Body, Decision, DecisionResult, ReceiptId, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::policies::sentence;
use crate::{
    ApiError,
    endpoint::{Context, Listed},
    wire::{ReasonText, Text, WriteReceipt, Written, time_text},
};

/// Where it stands. `used`: as often as it was good. `expired`: its time was over before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ApprovalStatus {
    Pending,
    Approved,
    Rejected,
    Used,
    Expired,
}

/// What was said of a verdict that the record does not hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct VerdictNotes {
    #[serde(default)]
    approver: Option<String>,
    #[serde(default)]
    comment: Option<String>,
}

impl VerdictNotes {
    pub(super) fn new(approver: Option<Text<1, 256>>, comment: Option<ReasonText>) -> Self {
        let comment = comment.filter(|text| !text.is_empty()).map(ReasonText::into_string);
        Self { approver: approver.map(Text::into_string), comment }
    }
}

/// A decision that asked for an approval.
pub(super) struct Waiting {
    id: ReceiptId,
    index: u64,
    log_ms: u64,
    decision: Box<Decision>,
    answered: Option<ReceiptId>,
}

impl Waiting {
    /// The caller's decision by the id in the path.
    pub(super) fn own(context: &Context) -> Result<Self, ApiError> {
        let id: ReceiptId = context.id("approval_id")?;
        Self::find(context, id)?.ok_or_else(|| ApiError::missing("approval", "approval_id"))
    }

    pub(super) fn find(context: &Context, id: ReceiptId) -> Result<Option<Self>, ApiError> {
        let tenant = context.tenant()?;
        let (decision, said) = context.view(|view| {
            (ledger_state::decision(view, tenant, id), ledger_state::verdict(view, tenant, id))
        })?;
        let Some(at) = decision.filter(|at| at.result == DecisionResult::NeedsApproval) else {
            return Ok(None);
        };
        let Some((log_ms, record)) = context.entry(at.index)? else { return Ok(None) };
        let Body::Decision(decision) = record.body else { return Ok(None) };
        Ok(Some(Self { id, index: at.index, log_ms, decision, answered: said.map(|said| said.approval) }))
    }

    pub(super) fn id(&self) -> ReceiptId {
        self.id
    }

    pub(super) fn index(&self) -> u64 {
        self.index
    }

    pub(super) fn agent(&self) -> AgentId {
        self.decision.agent
    }

    pub(super) fn action(&self) -> &Scope {
        &self.decision.action
    }

    /// The `approval` record that answers it.
    pub(super) fn answered(&self) -> Option<ReceiptId> {
        self.answered
    }
}

/// What an approval costs or moves.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AmountView {
    /// Currency, three letters of ISO 4217.
    currency: String,
    /// How much, in the currency's smallest unit.
    minor: u64,
}

/// What was asked for, and what was said.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ApprovalView {
    id: String,
    /// What is answered: the id of the decision that waits.
    approval_id: String,
    /// The same.
    decision_id: String,
    pub(super) status: ApprovalStatus,
    agent_id: String,
    /// What the agent wants to do.
    action: String,
    /// The tool that it wants to use.
    tool_id: Option<String>,
    /// Name of the tool.
    tool_name: Option<String>,
    session_id: Option<String>,
    delegation_id: Option<String>,
    amount: Option<AmountView>,
    /// Why it is asked, in a sentence.
    reason: String,
    /// The log's time of the question, RFC 3339 in UTC.
    requested_at: String,
    /// The log's time of the verdict, RFC 3339 in UTC; null while it waits.
    decided_at: Option<String>,
    /// Who said it, in the caller's words.
    approver: Option<String>,
    /// What was said with it.
    comment: Option<String>,
    /// The `approval` record; null while it waits.
    verdict_id: Option<String>,
    /// How often it is still good.
    uses_left: Option<u64>,
    expires_at: Option<String>,
    /// Index of the newest record about it.
    log_index: u64,
    #[serde(flatten)]
    written: Written,
}

impl Listed for ApprovalView {
    const PLURAL: &'static str = "approvals";
}

impl ApprovalView {
    pub(super) fn logged(mut self, receipt: WriteReceipt) -> Self {
        self.written = receipt.into();
        self
    }
}

/// What was said, and how much of it is left.
struct Verdict {
    id: ReceiptId,
    index: u64,
    log_ms: u64,
    approved: bool,
    left: u64,
    expires_at: u64,
    notes: VerdictNotes,
}

fn verdict(context: &Context, waiting: &Waiting) -> Result<Option<Verdict>, ApiError> {
    let Some(id) = waiting.answered else { return Ok(None) };
    let tenant = context.tenant()?;
    let (said, at) = context.view(|view| {
        (ledger_state::verdict(view, tenant, waiting.id), ledger_state::approval_of(view, tenant, id))
    })?;
    let Some((said, at)) = said.zip(at) else { return Ok(None) };
    let Some((log_ms, record)) = context.entry(said.index)? else { return Ok(None) };
    let Body::Approval(body) = record.body else { return Ok(None) };
    let notes = context.kept(id.0)?.unwrap_or_default();
    let approved = body.verdict == ApprovalVerdict::Approved;
    Ok(Some(Verdict {
        id,
        index: said.index,
        log_ms,
        approved,
        left: at.left,
        expires_at: at.expires_at,
        notes,
    }))
}

/// What was asked for, and what was said.
pub(super) fn approval_view(context: &Context, waiting: &Waiting) -> Result<ApprovalView, ApiError> {
    let said = verdict(context, waiting)?;
    let (log_ms, tool) = context.view(|view| {
        let tool = waiting.decision.tool.and_then(|id| ledger_state::tool(view, id));
        (ledger_state::log_ms(view), tool)
    })?;
    let status = match &said {
        None => ApprovalStatus::Pending,
        Some(said) if !said.approved => ApprovalStatus::Rejected,
        Some(said) if said.left == 0 => ApprovalStatus::Used,
        Some(said) if said.expires_at <= log_ms => ApprovalStatus::Expired,
        Some(_) => ApprovalStatus::Approved,
    };
    let good = said.as_ref().filter(|said| said.approved);
    let decision = &waiting.decision;
    Ok(ApprovalView {
        id: waiting.id.0.uuid(),
        approval_id: waiting.id.to_string(),
        decision_id: waiting.id.to_string(),
        status,
        agent_id: decision.agent.to_string(),
        action: decision.action.to_string(),
        tool_id: decision.tool.map(|id| id.to_string()),
        tool_name: tool.map(|tool| tool.name),
        session_id: decision.session.map(|id| id.to_string()),
        delegation_id: decision.grant.map(|id| id.to_string()),
        amount: decision
            .amount
            .as_ref()
            .map(|amount| AmountView { currency: amount.currency.clone(), minor: amount.minor }),
        reason: sentence(decision.reason, &decision.action),
        requested_at: time_text(waiting.log_ms),
        decided_at: said.as_ref().map(|said| time_text(said.log_ms)),
        uses_left: good.map(|said| said.left),
        expires_at: good.map(|said| time_text(said.expires_at)),
        verdict_id: said.as_ref().map(|said| said.id.to_string()),
        log_index: said.as_ref().map_or(waiting.index, |said| said.index),
        approver: said.as_ref().and_then(|said| said.notes.approver.clone()),
        comment: said.and_then(|said| said.notes.comment),
        written: Written::default(),
    })
}
