//! Receipts: `receipt.action`.

use ledger_format::record::{ActionVerdict, ReceiptAction, Record, RecordHash};

use crate::batch::{Batch, Stop};
use crate::scores::agent_name;
use crate::subject::Subject;
use crate::trust::{ActionOutcome, SessionOutcome, What};
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
    let flags = flags.with(judge(&agent, body)).with(judge_session(batch, &agent, body)?);
    let mut chain = batch.chain(body.agent)?;
    chain.extend(hash, batch.next_index(), !flags.is_empty());
    batch.put_chain(body.agent, chain);
    batch.mark_dirty(Subject::Agent(body.agent))?;
    if let Some(what) = meaning(body, flags) {
        batch.observe(what)?;
    }
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
    if !agent.is_active() {
        flags = flags.with(Flags::SUSPENDED);
    }
    flags
}

fn judge_session<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    agent: &Agent,
    body: &ReceiptAction,
) -> Result<Flags, Stop> {
    let Some(id) = body.session else { return Ok(Flags::NONE) };
    let Some(session) = batch.session(id)?.filter(|session| session.agent == body.agent) else {
        return Ok(Flags::SESSION_UNKNOWN);
    };
    let mut flags = Flags::NONE;
    if !session.is_live(agent, batch.service.log_ms) {
        flags = flags.with(Flags::SESSION_ENDED);
    }
    if !session.scopes.iter().any(|scope| scope.covers(&body.action)) {
        flags = flags.with(Flags::OUT_OF_SCOPE);
    }
    Ok(flags)
}

/// What a receipt means for trust. What the agent says of itself means nothing, but for what the log sees by itself.
fn meaning(body: &ReceiptAction, flags: Flags) -> Option<What> {
    let agent = agent_name(body.agent);
    if flags.contains(Flags::SESSION_ENDED) {
        return Some(What::Session { agent, outcome: SessionOutcome::UseAfterEnd });
    }
    let outcome = match body.verdict {
        Some(ActionVerdict::Critical) => ActionOutcome::Critical,
        Some(ActionVerdict::Major) => ActionOutcome::Major,
        _ if flags.has_any(Flags::OUT_OF_SCOPE.with(Flags::DENIED)) => ActionOutcome::Major,
        Some(ActionVerdict::Minor) => ActionOutcome::Minor,
        Some(ActionVerdict::Ok) => ActionOutcome::Ok,
        None => return None,
    };
    Some(What::Action { agent, outcome })
}
