//! Receipts: `receipt.action` and the other statements, and what becomes of them.

use ledger_format::record::{
    Actor, AgentId, Body, ReceiptId, ReceiptRevoke, ReceiptStatement, ReceiptSupersede, Record, RecordHash,
    Ulid,
};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::fields::value;
use crate::keys::{self, Kept};
use crate::overlay::Raw;
use crate::rejection::{Code, Rejection};
use crate::subject::Subject;
use crate::values::Flags;
use crate::view::View;

pub(crate) use crate::actions::action;

value! {
    /// What became of a receipt.
    pub ReceiptMark {
        /// The receipt that counts instead.
        superseded_by: Option<ReceiptId>,
        /// Index since when it is revoked.
        revoked: Option<u64>,
    }
}

/// A statement about an agent's work that is no action.
pub(crate) fn statement<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &ReceiptStatement,
    hash: RecordHash,
    flags: Flags,
) -> Result<Flags, Stop> {
    let agent = batch.active_agent_of(record.tenant, body.agent, "body.agent")?;
    let may_act = agent.is_active() && batch.tenant(record.tenant)?.is_active();
    let flags = if may_act { flags } else { flags.with(Flags::SUSPENDED) };
    batch.extend_chain(body.agent, hash, flags)?;
    Ok(flags)
}

/// The agent that a receipt is about; `None` for a record that is no receipt. Whatever it answers for is in that agent's chain.
pub fn receipt_about(body: &Body) -> Option<AgentId> {
    match body {
        Body::ReceiptAction(body) => Some(body.agent),
        Body::ReceiptGenesis(body)
        | Body::ReceiptDelegation(body)
        | Body::ReceiptRevocation(body)
        | Body::ReceiptDataset(body)
        | Body::ReceiptModel(body)
        | Body::ReceiptCompliance(body)
        | Body::ReceiptClaim(body)
        | Body::ReceiptApproval(body) => Some(body.agent),
        _ => None,
    }
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// The entry at hand is a receipt about an agent: its chain, and the index of its receipts, grow by it.
    pub(crate) fn extend_chain(
        &mut self,
        agent: AgentId,
        hash: RecordHash,
        flags: Flags,
    ) -> Result<(), Alarm> {
        let (mut chain, index) = (self.chain(agent)?, self.next_index());
        chain.extend(hash, index, !flags.is_empty());
        self.put_chain(agent, chain);
        self.put(keys::receipt(agent, index), Raw(Vec::new()));
        self.mark_dirty(Subject::Agent(agent))
    }
}

pub(crate) fn supersede<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &ReceiptSupersede,
) -> Result<(), Stop> {
    check_speaker(batch, record, body.agent)?;
    receipt_of(batch, record.tenant, body.agent, body.replacement, "body.replacement")?;
    let mut mark = receipt_of(batch, record.tenant, body.agent, body.receipt, "body.receipt")?;
    if let Some(other) = mark.superseded_by {
        let message = format!("receipt {} is superseded by {other}", body.receipt);
        let fix = "supersede the one that counts";
        return Err(Rejection::new(Code::ReceiptSuperseded, "body.receipt", message, fix).into());
    }
    mark.superseded_by = Some(body.replacement);
    batch.put(mark_key(record.tenant, body.receipt), mark);
    Ok(())
}

pub(crate) fn revoke<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &ReceiptRevoke,
) -> Result<(), Stop> {
    check_speaker(batch, record, body.agent)?;
    let mut mark = receipt_of(batch, record.tenant, body.agent, body.receipt, "body.receipt")?;
    mark.revoked = Some(batch.next_index());
    batch.put(mark_key(record.tenant, body.receipt), mark);
    Ok(())
}

/// An agent speaks for itself while it may act; its tenant and the operator also after its end.
fn check_speaker<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    agent: AgentId,
) -> Result<(), Stop> {
    match record.actor {
        Actor::Agent(_) => batch.acting_agent_of(record.tenant, agent, "body.agent")?,
        Actor::Tenant | Actor::Operator => batch.agent_of(record.tenant, agent, "body.agent")?,
    };
    Ok(())
}

fn mark_key(tenant: Ulid, id: ReceiptId) -> Vec<u8> {
    keys::kept(Kept::ReceiptMark, &tenant.to_bytes(), &id.0.to_bytes())
}

/// A receipt of that agent, which is not revoked, and its mark.
fn receipt_of<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    tenant: Ulid,
    agent: AgentId,
    id: ReceiptId,
    field: &str,
) -> Result<ReceiptMark, Stop> {
    let known = batch.find_record(tenant, id.0)?.and_then(|at| at.receipt_of);
    let Some(owner) = known else {
        let message = format!("the tenant has no receipt {id}");
        return Err(Rejection::new(Code::ReceiptUnknown, field, message, "name a receipt in the log").into());
    };
    if owner != agent {
        let message = format!("receipt {id} is agent {owner}'s");
        return Err(Rejection::new(
            Code::ReceiptOfOtherAgent,
            field,
            message,
            "name the agent's own receipt",
        )
        .into());
    }
    let mark = batch.get::<ReceiptMark>(mark_key(tenant, id))?;
    let mark = mark.map_or(ReceiptMark { superseded_by: None, revoked: None }, |mark| (*mark).clone());
    if let Some(index) = mark.revoked {
        let message = format!("receipt {id} is revoked since index {index}");
        return Err(Rejection::new(Code::ReceiptRevoked, field, message, "name a receipt that counts").into());
    }
    Ok(mark)
}
