//! Receipts: `receipt.action`.

use ledger_format::record::{ReceiptAction, Record, RecordHash};

use crate::batch::{Batch, Stop};
use crate::subject::Subject;
use crate::values::{Agent, Flags};
use crate::view::View;

/// Logs an action of an agent that exists and is not revoked. What the agent should not have done is logged all the same, and
/// flagged.
pub(crate) fn action<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &ReceiptAction,
    hash: RecordHash,
    flags: Flags,
) -> Result<Flags, Stop> {
    let agent = batch.active_agent_of(record.tenant, body.agent, "body.agent")?;
    let flags = flags.with(judge(&agent, body));
    let mut chain = batch.chain(body.agent)?;
    chain.extend(hash, batch.next_index(), !flags.is_empty());
    batch.put_chain(body.agent, chain);
    batch.mark_dirty(Subject::Agent(body.agent))?;
    Ok(flags)
}

/// Denies win: an action can be within a scope and denied.
fn judge(agent: &Agent, body: &ReceiptAction) -> Flags {
    let mut flags = Flags::NONE;
    if agent.denies.iter().any(|deny| deny.covers(&body.action)) {
        flags = flags.with(Flags::DENIED);
    }
    if !agent.scopes.iter().any(|scope| scope.covers(&body.action)) {
        flags = flags.with(Flags::OUT_OF_SCOPE);
    }
    flags
}
