//! Agents: `agent.register`, `agent.key`. How they end: [`crate::agent_status`].

use std::rc::Rc;

use ledger_format::record::{AgentId, AgentKey, AgentRegister, GenesisLimits, Record, Scope};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::rejection::{Code, Rejection};
use crate::scores::{agent_name, tenant_name};
use crate::subject::Subject;
use crate::trust::{self, What};
use crate::values::{Agent, AgentStatus, KeySpan, SignerKey};
use crate::view::View;

pub(crate) fn register<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &AgentRegister,
) -> Result<(), Stop> {
    let tenant = batch.tenant(record.tenant)?;
    if let Some(known) = batch.find_agent(body.agent)? {
        let message = format!("agent {} is registered since index {}", body.agent, known.registered);
        let fix = "make a new agent id; the id of a revoked agent is never free again";
        return Err(Rejection::new(Code::AgentExists, "body.agent", message, fix).into());
    }
    let limits = batch.genesis()?.limits;
    check_number(&body.scopes, &limits, "body.scopes")?;
    check_number(&body.denies, &limits, "body.denies")?;
    let depth = match body.parent {
        None => 0,
        Some(parent) => {
            let above = batch.active_agent_of(record.tenant, parent, "body.parent")?;
            check_against_parent(&body.scopes, &body.denies, &above)?;
            check_depth(above.depth + 1, &limits)?;
            above.depth + 1
        }
    };
    let ancestors = ancestors(batch, body.parent)?;
    check_descendants(&ancestors, &limits)?;

    let index = batch.next_index();
    let key = SignerKey { public: *body.key.as_bytes(), kid: body.key.kid(), from: index };
    batch.put_agent_key(
        body.agent,
        key.kid,
        KeySpan { public: key.public, from: index, until: None, previous: None, number: 1 },
    );
    if let Some((parent, above)) = ancestors.first() {
        batch.put_child(*parent, above.children, body.agent);
    }
    for (place, (id, above)) in ancestors.into_iter().enumerate() {
        let mut above = Rc::unwrap_or_clone(above);
        above.children += u64::from(place == 0);
        above.descendants += 1;
        batch.put_agent(id, above);
    }
    let agent = Agent {
        tenant: record.tenant,
        agent_type: body.agent_type,
        name: body.name.clone(),
        runtime_type: body.runtime_type.clone(),
        scopes: body.scopes.clone(),
        denies: body.denies.clone(),
        critical: Vec::new(),
        parent: body.parent,
        depth,
        children: 0,
        descendants: 0,
        key,
        registered: index,
        sessions_end: 0,
        status: AgentStatus::Active,
    };
    batch.put_agent(body.agent, agent);
    batch.mark_dirty(Subject::Agent(body.agent))?;
    let mut tenant = Rc::unwrap_or_clone(tenant);
    tenant.agents += 1;
    batch.put_tenant(record.tenant, tenant);
    batch.count_agent(record.tenant)?;
    observe(batch, record, body)
}

/// Trust begins with the agent; an agent below another is trusted no more than that one was when it registered it.
fn observe<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &AgentRegister,
) -> Result<(), Stop> {
    let agent = agent_name(body.agent);
    batch.observe(What::Register { agent: agent.clone(), tenant: tenant_name(record.tenant) })?;
    if let Some(parent) = body.parent {
        let ceiling_bp = batch.trust_of(parent)?.score.unwrap_or(trust::constants::NEUTRAL_BP);
        batch.observe(What::Delegate { agent, ceiling_bp, cross_tenant: false })?;
    }
    Ok(())
}

pub(crate) fn rotate_key<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &AgentKey,
) -> Result<(), Stop> {
    let agent = batch.active_agent_of(record.tenant, body.agent, "body.agent")?;
    let (old, new) = (agent.key, body.key.kid());
    if old.kid != body.previous {
        let message = format!("the agent's current key is {}", old.kid);
        let fix = "name the current key in previous";
        return Err(Rejection::new(Code::PreviousKeyWrong, "body.previous", message, fix).into());
    }
    if batch.agent_key(body.agent, new)?.is_some() {
        let message = format!("key {new} is or was this agent's already");
        return Err(Rejection::new(Code::KeyReused, "body.key", message, "make a new key").into());
    }
    // The old key signs up to and with this record, the new one after it.
    let from = batch.next_index() + 1;
    let closed = close_key(batch, body.agent, &agent, from)?;
    let public = *body.key.as_bytes();
    let (previous, number) = (Some(old.kid), closed.number + 1);
    batch.put_agent_key(body.agent, new, KeySpan { public, from, until: None, previous, number });
    let mut agent = Rc::unwrap_or_clone(agent);
    agent.key = SignerKey { public, kid: new, from };
    batch.put_agent(body.agent, agent);
    batch.mark_dirty(Subject::Agent(body.agent))?;
    Ok(())
}

/// The agents at and below `top` that `wanted` picks, in the order of registration within each level. Bounded by the genesis limit
/// on descendants, which registration keeps.
pub(crate) fn agents_below<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    top: AgentId,
    wanted: impl Fn(&Agent) -> bool,
) -> Result<Vec<AgentId>, Stop> {
    let (mut found, mut waiting) = (Vec::new(), std::collections::VecDeque::from([top]));
    while let Some(id) = waiting.pop_front() {
        let agent = must_exist(batch, id)?;
        if wanted(&agent) {
            found.push(id);
        }
        for number in 0..agent.children {
            waiting.push_back(batch.child(id, number)?);
        }
    }
    Ok(found)
}

/// The agents above, nearest first.
fn ancestors<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    parent: Option<AgentId>,
) -> Result<Vec<(AgentId, Rc<Agent>)>, Stop> {
    let (mut list, mut next) = (Vec::new(), parent);
    while let Some(id) = next {
        let agent = must_exist(batch, id)?;
        next = agent.parent;
        list.push((id, agent));
    }
    Ok(list)
}

/// An agent that another value of the state points to.
fn must_exist<V: View + ?Sized>(batch: &mut Batch<'_, V>, id: AgentId) -> Result<Rc<Agent>, Alarm> {
    let key = crate::keys::agent(id);
    batch
        .find_agent(id)?
        .ok_or(Alarm::CorruptState { key, reason: "an agent that others refer to is missing".into() })
}

/// Ends the validity of the agent's current key; what is known of it then.
pub(crate) fn close_key<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    id: AgentId,
    agent: &Agent,
    until: u64,
) -> Result<KeySpan, Alarm> {
    let key = crate::keys::agent_key(id, agent.key.kid);
    let corrupt = Alarm::CorruptState { key, reason: "the current key of an agent is missing".into() };
    let span = batch.agent_key(id, agent.key.kid)?.ok_or(corrupt)?;
    let closed = KeySpan { until: Some(until), ..span };
    batch.put_agent_key(id, agent.key.kid, closed);
    Ok(closed)
}

pub(crate) fn check_number(list: &[Scope], limits: &GenesisLimits, field: &str) -> Result<(), Rejection> {
    let max = limits.agent_scopes;
    if list.len() as u64 <= max {
        return Ok(());
    }
    let message = format!("{} scopes are more than this log's {max}", list.len());
    Err(Rejection::new(Code::TooManyScopes, field, message, "use resource:* or fewer resources"))
}

fn check_depth(depth: u64, limits: &GenesisLimits) -> Result<(), Rejection> {
    if depth <= limits.agent_depth {
        return Ok(());
    }
    let message = format!("depth {depth} is more than this log's {}", limits.agent_depth);
    Err(Rejection::new(Code::TooDeep, "body.parent", message, "register the agent higher up"))
}

fn check_descendants(ancestors: &[(AgentId, Rc<Agent>)], limits: &GenesisLimits) -> Result<(), Rejection> {
    let Some((id, _)) = ancestors.iter().find(|(_, above)| above.descendants >= limits.agent_descendants)
    else {
        return Ok(());
    };
    let message =
        format!("agent {id} has the {} agents below it that this log allows", limits.agent_descendants);
    Err(Rejection::new(
        Code::TooManyDescendants,
        "body.parent",
        message,
        "register the agent under another parent",
    ))
}

/// A child may do no more than its parent, and whatever the parent is denied it is denied too.
pub(crate) fn check_against_parent(
    scopes: &[Scope],
    denies: &[Scope],
    parent: &Agent,
) -> Result<(), Rejection> {
    let covered_by = |list: &[Scope], scope: &Scope| list.iter().any(|wide| wide.covers(scope));
    if let Some(i) = scopes.iter().position(|scope| !covered_by(&parent.scopes, scope)) {
        let message = format!("{} is not within the parent's scopes", scopes[i]);
        let fix = "ask for scopes that the parent has";
        return Err(Rejection::new(Code::ScopeExceedsParent, format!("body.scopes[{i}]"), message, fix));
    }
    if let Some(deny) = parent.denies.iter().find(|deny| !covered_by(denies, deny)) {
        let message = format!("the parent is denied {deny}");
        let fix = "repeat every deny of the parent";
        return Err(Rejection::new(Code::DenyDropped, "body.denies", message, fix));
    }
    if let Some(i) = scopes.iter().position(|scope| scope.as_str() == "*:*") {
        let message = "*:* is for agents without a parent";
        let fix = "name the resources";
        return Err(Rejection::new(Code::ScopeExceedsParent, format!("body.scopes[{i}]"), message, fix));
    }
    Ok(())
}
