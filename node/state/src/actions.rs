//! `receipt.action`: what an agent did, judged by what it was allowed.

use ledger_format::record::{ActionVerdict, Actor, AgentType, ReceiptAction, Record, RecordHash, Scope};

use crate::authority::Chain;
use crate::batch::{Batch, Stop};
use crate::scores::agent_name;
use crate::trust::{ActionOutcome, SessionOutcome, What};
use crate::values::{Agent, Flags};
use crate::view::View;

/// What goes beyond what the agent was given.
const BEYOND: Flags = Flags::OUT_OF_SCOPE
    .with(Flags::DENIED)
    .with(Flags::GRANT_UNKNOWN)
    .with(Flags::GRANT_ENDED)
    .with(Flags::GRANT_EXCEEDED)
    .with(Flags::NO_GRANT);

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
    let flags = flags
        .with(judge_agent(batch, record, &agent, body)?)
        .with(judge_authority(batch, record, &agent, body)?)
        .with(judge_session(batch, record, &agent, body)?)
        .with(judge_approval(batch, record, &agent, body)?);
    let flags = match receipt_meaning(body, flags) {
        Some(What::Action { agent, outcome: ActionOutcome::Ok }) => {
            batch.observe(What::Action { agent, outcome: ActionOutcome::Ok })?;
            flags
        }
        Some(harm) => flags.with(batch.observe_harm(body.agent, harm)?),
        None => flags,
    };
    batch.extend_chain(body.agent, hash, flags)?;
    Ok(flags)
}

fn covers(list: &[Scope], action: &Scope) -> bool {
    list.iter().any(|scope| scope.covers(action))
}

/// Denies win: an action can be within a scope and denied.
fn judge_agent<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    agent: &Agent,
    body: &ReceiptAction,
) -> Result<Flags, Stop> {
    let mut flags = Flags::NONE;
    if covers(&agent.denies, &body.action) {
        flags = flags.with(Flags::DENIED);
    }
    if !agent.is_active() || !batch.tenant(record.tenant)?.is_active() {
        flags = flags.with(Flags::SUSPENDED);
    }
    Ok(flags)
}

/// The scopes of the grant, if there is one, and the agent's own if not.
fn judge_authority<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    agent: &Agent,
    body: &ReceiptAction,
) -> Result<Flags, Stop> {
    let Some(id) = body.grant else {
        let mut flags = Flags::NONE;
        if agent.agent_type == AgentType::Delegated {
            flags = flags.with(Flags::NO_GRANT);
        }
        if !covers(&agent.scopes, &body.action) {
            flags = flags.with(Flags::OUT_OF_SCOPE);
        }
        return Ok(flags);
    };
    let Some(chain) = batch.grant_chain(id)?.filter(|chain| is_own(chain, record, body)) else {
        return Ok(Flags::GRANT_UNKNOWN);
    };
    let mut flags = Flags::NONE;
    if batch.chain_fault(&chain, true)?.is_some() {
        flags = flags.with(Flags::GRANT_ENDED);
    }
    let (within, denied) = batch.chain_allows(&chain, &body.action)?;
    if !within {
        flags = flags.with(Flags::OUT_OF_SCOPE);
    }
    if denied {
        flags = flags.with(Flags::DENIED);
    }
    if let Some(from) = chain[0].1.from {
        batch.note_interaction(from, body.agent)?;
    }
    // What a decision has allowed it has counted.
    if body.decision.is_none() {
        let min = chain.iter().filter_map(|(_, grant)| grant.limits.min_trust_bp).max();
        let trusted = match min {
            Some(min) => batch.trust_of(body.agent)?.score.is_some_and(|score| score >= min),
            None => true,
        };
        if !trusted || !batch.usage_fits(&chain, None)? {
            flags = flags.with(Flags::GRANT_EXCEEDED);
        }
        batch.charge(&chain, None)?;
    }
    Ok(flags)
}

/// Whether the grant is the agent's, and used with the key that it names.
fn is_own(chain: &Chain, record: &Record, body: &ReceiptAction) -> bool {
    let (_, leaf) = &chain[0];
    let key_fits = !matches!(record.actor, Actor::Agent(_)) || record.sig.kid == leaf.to_kid;
    leaf.to_agent == body.agent && leaf.to_tenant.0 == record.tenant && key_fits
}

fn judge_session<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    agent: &Agent,
    body: &ReceiptAction,
) -> Result<Flags, Stop> {
    let Some(id) = body.session else { return Ok(Flags::NONE) };
    let Some(session) = batch.session(id)?.filter(|session| session.agent == body.agent) else {
        return Ok(Flags::SESSION_UNKNOWN);
    };
    let tenant = batch.tenant(record.tenant)?;
    let mut flags = Flags::NONE;
    if !session.is_live(agent, &tenant, batch.service.log_ms) {
        flags = flags.with(Flags::SESSION_ENDED);
    }
    if !covers(&session.scopes, &body.action) {
        flags = flags.with(Flags::OUT_OF_SCOPE);
    }
    Ok(flags)
}

/// A decision that allows it stands for its approval; without one, a critical action of a supervised agent needs an approval.
fn judge_approval<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    agent: &Agent,
    body: &ReceiptAction,
) -> Result<Flags, Stop> {
    if let Some(id) = body.decision {
        let allows = batch.decision_at(record.tenant, id)?.is_some_and(|decision| {
            let is_about = decision.agent == body.agent && decision.action == body.action;
            is_about && decision.result == ledger_format::record::DecisionResult::Allowed
        });
        return Ok(if allows { Flags::NONE } else { Flags::DECISION_MISMATCH });
    }
    let has = match body.approval {
        Some(id) => batch.use_approval(record.tenant, id, body.agent, &body.action)?,
        None => false,
    };
    let must =
        agent.agent_type == AgentType::Supervised && batch.is_critical(record.tenant, agent, &body.action)?;
    Ok(if must && !has { Flags::NO_APPROVAL } else { Flags::NONE })
}

/// What a receipt with these flags means for trust. What the agent says of itself means nothing, but for what the log sees by itself.
pub fn receipt_meaning(body: &ReceiptAction, flags: Flags) -> Option<What> {
    let agent = agent_name(body.agent);
    if flags.contains(Flags::SESSION_ENDED) {
        return Some(What::Session { agent, outcome: SessionOutcome::UseAfterEnd });
    }
    let outcome = match body.verdict {
        Some(ActionVerdict::Critical) => ActionOutcome::Critical,
        Some(ActionVerdict::Major) => ActionOutcome::Major,
        _ if flags.has_any(BEYOND) => ActionOutcome::Major,
        Some(ActionVerdict::Minor) => ActionOutcome::Minor,
        Some(ActionVerdict::Ok) => ActionOutcome::Ok,
        None => return None,
    };
    Some(What::Action { agent, outcome })
}
