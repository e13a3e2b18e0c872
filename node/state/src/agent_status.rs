//! An agent's standing and description over time: `agent.update`, `.suspend`, `.reactivate`, `.revoke`, `.kill`.

use std::rc::Rc;

use ledger_format::record::{
    AgentId, AgentKill, AgentReactivate, AgentRevoke, AgentSuspend, AgentUpdate, Record,
};

use crate::agents::{self, agents_below};
use crate::batch::{Batch, Stop};
use crate::ending::Ending;
use crate::rejection::{Code, Rejection};
use crate::scores::agent_name;
use crate::subject::Subject;
use crate::trust::{StatusChange, What};
use crate::values::{Agent, AgentStatus};
use crate::view::View;

pub(crate) fn update<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &AgentUpdate,
) -> Result<(), Stop> {
    let mut agent = Rc::unwrap_or_clone(batch.active_agent_of(record.tenant, body.agent, "body.agent")?);
    let limits = batch.genesis()?.limits;
    for (list, new, field) in [
        (&mut agent.scopes, &body.scopes, "body.scopes"),
        (&mut agent.denies, &body.denies, "body.denies"),
        (&mut agent.critical, &body.critical, "body.critical"),
    ] {
        if let Some(new) = new {
            agents::check_number(new, &limits, field)?;
            list.clone_from(new);
        }
    }
    if let Some(parent) = agent.parent {
        let above = batch.agent_of(record.tenant, parent, "body.agent")?;
        agents::check_against_parent(&agent.scopes, &agent.denies, &above)?;
    }
    if let Some(name) = &body.name {
        agent.name.clone_from(name);
    }
    if let Some(runtime_type) = &body.runtime_type {
        agent.runtime_type = Some(runtime_type.clone());
    }
    batch.put_agent(body.agent, agent);
    Ok(batch.mark_dirty(Subject::Agent(body.agent))?)
}

pub(crate) fn suspend<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &AgentSuspend,
) -> Result<(), Stop> {
    let agent = batch.acting_agent_of(record.tenant, body.agent, "body.agent")?;
    suspend_for(batch, body.agent, Rc::unwrap_or_clone(agent), &body.reason)
}

/// Suspends an agent by the entry at hand.
pub(crate) fn suspend_for<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    id: AgentId,
    mut agent: Agent,
    reason: &str,
) -> Result<(), Stop> {
    let index = batch.next_index();
    agent.sessions_end = index;
    batch.set_open_sessions(id, 0);
    agent.status = AgentStatus::Suspended { index, at: batch.service.log_ms, reason: reason.to_owned() };
    batch.seal_now = true;
    change(batch, id, agent, StatusChange::Suspend)
}

pub(crate) fn reactivate<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &AgentReactivate,
) -> Result<(), Stop> {
    let mut agent = Rc::unwrap_or_clone(batch.active_agent_of(record.tenant, body.agent, "body.agent")?);
    if agent.is_active() {
        let message = format!("agent {} is not suspended", body.agent);
        return Err(
            Rejection::new(Code::AgentNotSuspended, "body.agent", message, "nothing is left to do").into()
        );
    }
    agent.status = AgentStatus::Active;
    change(batch, body.agent, agent, StatusChange::Reactivate)
}

pub(crate) fn revoke<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &AgentRevoke,
) -> Result<(), Stop> {
    let AgentRevoke { agent, cascade, compromised_at, ref reason, .. } = *body;
    let (index, at) = (batch.next_index(), batch.service.log_ms);
    let reason = reason.clone();
    let ending = Ending { top: agent, cascade, killed: false, index, at, reason, compromised_at };
    end(batch, record, &ending)
}

pub(crate) fn kill<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &AgentKill,
) -> Result<(), Stop> {
    let AgentKill { agent, cascade, compromised_at, ref reason, .. } = *body;
    let (index, at) = (batch.next_index(), batch.service.log_ms);
    let reason = reason.clone();
    let ending = Ending { top: agent, cascade, killed: true, index, at, reason, compromised_at };
    end(batch, record, &ending)
}

/// Ends an agent and, with `cascade`, those below it. Sessions end with their agents, without a write of their own: however many
/// there are, a kill costs what its agents cost.
fn end<V: View + ?Sized>(batch: &mut Batch<'_, V>, record: &Record, ending: &Ending) -> Result<(), Stop> {
    let top = ending.top;
    let named = batch.agent_of(record.tenant, top, "body.agent")?;
    let concerned = ending.concerns(&named);
    if concerned {
        // From here on only a damaged state stops it: readers hear of it before it is worked out.
        batch.view().ending(ending);
    }
    let mut ended = if ending.cascade {
        agents_below(batch, top, |agent| ending.concerns(agent))?
    } else if concerned {
        vec![top]
    } else {
        Vec::new()
    };
    if ended.is_empty() {
        let message = format!("agent {top} has ended already, and so has every agent that this would end");
        let fix = "nothing is left to do";
        return Err(Rejection::new(Code::AgentRevoked, "body.agent", message, fix).into());
    }
    if !concerned {
        batch.view().ending(ending);
    }
    // Trust hears of the named agent first, then of the others by id.
    ended.sort_unstable_by_key(|id| (*id != top, *id));
    for id in ended {
        let agent = batch.agent_of(record.tenant, id, "body.agent")?;
        if agent.is_revoked() {
            // Its sessions ended with the revocation, not now.
            batch.set_open_sessions(id, 0);
        } else {
            agents::close_key(batch, id, &agent, ending.index)?;
            batch.discount_agent(record.tenant)?;
        }
        let mut agent = Rc::unwrap_or_clone(agent);
        ending.end(&mut agent);
        change(batch, id, agent, if ending.killed { StatusChange::Kill } else { StatusChange::Revoke })?;
    }
    batch.seal_now = true;
    Ok(())
}

fn change<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    id: AgentId,
    agent: Agent,
    change: StatusChange,
) -> Result<(), Stop> {
    batch.put_agent(id, agent);
    batch.mark_dirty(Subject::Agent(id))?;
    Ok(batch.observe(What::Status { agent: agent_name(id), change })?)
}
