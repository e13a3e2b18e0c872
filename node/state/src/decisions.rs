//! `decision` and `approval`: the answers on record, and what they are good for.

use std::rc::Rc;

use ledger_format::record::{
    AgentId, Approval, ApprovalVerdict, Decision, DecisionKind, DecisionReason, DecisionResult, ReceiptId,
    Record, Scope, Ulid,
};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::decide::{Answer, Question};
use crate::fields::{value, word_parts};
use crate::keys::{self, Kept};
use crate::rejection::{Code, Rejection};
use crate::scores::{Number, agent_name};
use crate::trust::What;
use crate::values::Flags;
use crate::view::{View, load};

word_parts!(DecisionResult, DecisionReason);

value! {
    /// A decision on record.
    pub DecisionAt {
        /// About whom.
        agent: AgentId,
        /// About what.
        action: Scope,
        /// The answer.
        result: DecisionResult,
        /// Why.
        reason: DecisionReason,
        /// Its index.
        index: u64,
    }
}

value! {
    /// An approval on record.
    pub ApprovalAt {
        /// For whom.
        agent: AgentId,
        /// For what.
        action: Scope,
        /// Whether it is a yes.
        approved: bool,
        /// Log time at which it ends, ms since 1970.
        expires_at: u64,
        /// How often it is still good.
        left: u64,
    }
}

value! {
    /// A decision that asked for an approval.
    AskedAt {
        /// Its id.
        decision: ReceiptId,
    }
}

value! {
    /// What was said to a decision that waited.
    pub VerdictAt {
        /// The `approval` record, newest.
        approval: ReceiptId,
        /// Its index.
        index: u64,
    }
}

pub(crate) fn decision<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &Decision,
    mut flags: Flags,
) -> Result<Flags, Stop> {
    let question = Question::from_record(record.tenant, body);
    let answer = match body.kind {
        DecisionKind::Guardrail => guardrail_answer(batch, record, body)?,
        DecisionKind::Policy | DecisionKind::Tool => batch.decide(&question)?,
    };
    check_same(body, &answer)?;
    let key = keys::kept(Kept::Decision, &record.tenant.to_bytes(), &record.id.to_bytes());
    let index = batch.next_index();
    let Answer { result, reason, .. } = answer;
    batch.put(key, DecisionAt { agent: body.agent, action: body.action.clone(), result, reason, index });
    batch.judge_breakers(&question, &answer)?;
    match result {
        DecisionResult::Allowed => {
            batch.count_for_rules(&question)?;
            if let Some(chain) = body.grant.map_or(Ok(None), |id| batch.grant_chain(id))? {
                batch.charge(&chain, body.amount.as_ref())?;
            }
            if let Some(id) = body.approval {
                batch.use_approval(record.tenant, id, body.agent, &body.action)?;
            }
        }
        DecisionResult::Denied => {
            let lacks = [DecisionReason::NoScope, DecisionReason::DeniedScope, DecisionReason::GrantEnded];
            if lacks.contains(&reason) {
                let harm = What::Denial { agent: agent_name(body.agent) };
                flags = flags.with(batch.observe_harm(body.agent, harm)?);
            }
        }
        DecisionResult::NeedsApproval => note_asked(batch, record, index)?,
    }
    Ok(flags)
}

/// A guardrail stands outside the log: its word is taken as it is, for an agent that exists.
fn guardrail_answer<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &Decision,
) -> Result<Answer, Stop> {
    batch.agent_of(record.tenant, body.agent, "body.agent")?;
    let reason = match body.result {
        DecisionResult::Allowed => DecisionReason::WithinScope,
        DecisionResult::Denied => DecisionReason::Guardrail,
        DecisionResult::NeedsApproval => DecisionReason::ApprovalNeeded,
    };
    Ok(Answer { result: body.result, reason, policies: Vec::new(), rules: Vec::new() })
}

fn check_same(body: &Decision, answer: &Answer) -> Result<(), Rejection> {
    let same = body.result == answer.result
        && body.reason == answer.reason
        && body.policies == answer.policies
        && body.rules == answer.rules;
    if same {
        return Ok(());
    }
    let rules: Vec<_> = answer.rules.iter().map(ToString::to_string).collect();
    let message = format!(
        "at this index the answer is {} ({}), rules [{}], {} policies looked at",
        answer.result.as_str(),
        answer.reason.as_str(),
        rules.join(", "),
        answer.policies.len()
    );
    Err(Rejection::new(Code::DecisionDiffers, "body.result", message, "ask again and log what the log says"))
}

pub(crate) fn approval<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &Approval,
) -> Result<(), Stop> {
    batch.agent_of(record.tenant, body.agent, "body.agent")?;
    if let Some(id) = body.decision {
        let known = batch.decision_at(record.tenant, id)?;
        if known.is_none_or(|known| known.agent != body.agent || known.action != body.action) {
            let message = format!("there is no decision {id} about this action of the agent");
            let fix = "name the decision that asked for the approval, or leave it out";
            return Err(Rejection::new(Code::DecisionUnknown, "body.decision", message, fix).into());
        }
    }
    let now = batch.service.log_ms;
    if body.expires_at <= now {
        let message = format!("it would end at {}, and the log's time is {now}", body.expires_at);
        return Err(
            Rejection::new(Code::ExpiresTooSoon, "body.expires_at", message, "name a later time").into()
        );
    }
    let key = keys::kept(Kept::Approval, &record.tenant.to_bytes(), &record.id.to_bytes());
    if let Some(id) = body.decision {
        let said = VerdictAt { approval: ReceiptId(record.id), index: batch.next_index() };
        batch.put(verdict_key(record.tenant, id), said);
    }
    batch.put(
        key,
        ApprovalAt {
            agent: body.agent,
            action: body.action.clone(),
            approved: body.verdict == ApprovalVerdict::Approved,
            expires_at: body.expires_at,
            left: body.uses,
        },
    );
    Ok(())
}

/// Puts a decision on the list of those that asked for an approval.
fn note_asked<V: View + ?Sized>(batch: &mut Batch<'_, V>, record: &Record, index: u64) -> Result<(), Alarm> {
    let count_key = keys::kept(Kept::Asked, &record.tenant.to_bytes(), &[]);
    let count = batch.get::<Number>(count_key.clone())?.map_or(0, |number| number.value);
    batch.put(count_key, Number { value: count + 1 });
    batch.put(asked_key(record.tenant, index), AskedAt { decision: ReceiptId(record.id) });
    Ok(())
}

/// The newest comes first.
fn asked_key(tenant: Ulid, index: u64) -> Vec<u8> {
    keys::kept(Kept::Asked, &tenant.to_bytes(), &(u64::MAX - index).to_be_bytes())
}

/// How many decisions of a tenant have asked for an approval.
pub fn asked_count(view: &(impl View + ?Sized), tenant: Ulid) -> u64 {
    let count: Option<Number> = load(view, &keys::kept(Kept::Asked, &tenant.to_bytes(), &[])).ok().flatten();
    count.map_or(0, |number| number.value)
}

/// The newest decision of a tenant before `index` that asked for an approval: its index and its id.
pub fn asked_before(view: &(impl View + ?Sized), tenant: Ulid, index: u64) -> Option<(u64, ReceiptId)> {
    let from = asked_key(tenant, index.checked_sub(1)?);
    let key = view.next_key(&from, &keys::kept(Kept::Asked, &tenant.to_bytes(), &[255; 9]))?;
    let at = u64::MAX - u64::from_be_bytes(*key.last_chunk::<8>()?);
    let asked: AskedAt = load(view, &key).ok().flatten()?;
    Some((at, asked.decision))
}

fn verdict_key(tenant: Ulid, decision: ReceiptId) -> Vec<u8> {
    keys::kept(Kept::Verdict, &tenant.to_bytes(), &decision.0.to_bytes())
}

/// An approval on record.
pub fn approval_of(view: &(impl View + ?Sized), tenant: Ulid, id: ReceiptId) -> Option<ApprovalAt> {
    let key = keys::kept(Kept::Approval, &tenant.to_bytes(), &id.0.to_bytes());
    load(view, &key).ok().flatten()
}

/// What was said to a decision, last.
pub fn verdict(view: &(impl View + ?Sized), tenant: Ulid, decision: ReceiptId) -> Option<VerdictAt> {
    load(view, &verdict_key(tenant, decision)).ok().flatten()
}

impl Question {
    /// The question that a decision record answers.
    pub fn from_record(tenant: Ulid, body: &Decision) -> Question {
        Question {
            tenant,
            agent: body.agent,
            action: body.action.clone(),
            kind: body.kind,
            amount: body.amount.clone(),
            approval: body.approval,
            grant: body.grant,
            session: body.session,
            tool: body.tool,
        }
    }
}

impl<V: View + ?Sized> Batch<'_, V> {
    pub(crate) fn decision_at(
        &mut self,
        tenant: Ulid,
        id: ReceiptId,
    ) -> Result<Option<Rc<DecisionAt>>, Alarm> {
        self.get(keys::kept(Kept::Decision, &tenant.to_bytes(), &id.0.to_bytes()))
    }

    fn approval_at(&mut self, tenant: Ulid, id: ReceiptId) -> Result<Option<Rc<ApprovalAt>>, Alarm> {
        self.get(keys::kept(Kept::Approval, &tenant.to_bytes(), &id.0.to_bytes()))
    }

    /// Whether the approval is good for this action of this agent now.
    pub(crate) fn approval_fits(
        &mut self,
        tenant: Ulid,
        id: ReceiptId,
        agent: AgentId,
        action: &Scope,
    ) -> Result<bool, Alarm> {
        let now = self.service.log_ms;
        Ok(self.approval_at(tenant, id)?.is_some_and(|approval| {
            let is_about = approval.agent == agent && approval.action == *action;
            is_about && approval.approved && approval.left > 0 && now < approval.expires_at
        }))
    }

    /// Uses the approval once, if it is good for this.
    pub(crate) fn use_approval(
        &mut self,
        tenant: Ulid,
        id: ReceiptId,
        agent: AgentId,
        action: &Scope,
    ) -> Result<bool, Alarm> {
        if !self.approval_fits(tenant, id, agent, action)? {
            return Ok(false);
        }
        if let Some(approval) = self.approval_at(tenant, id)? {
            let key = keys::kept(Kept::Approval, &tenant.to_bytes(), &id.0.to_bytes());
            self.put(key, ApprovalAt { left: approval.left - 1, ..Rc::unwrap_or_clone(approval) });
        }
        Ok(true)
    }
}
