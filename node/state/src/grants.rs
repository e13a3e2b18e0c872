//! `delegation.offer`: what may be granted to whom.

use std::rc::Rc;

use ledger_format::record::{
    AGREEMENT_HOPS_MAX, Actor, AgentId, DelegationId, DelegationOffer, GRANT_DEPTH_MAX, Record, RecordHash,
    Scope,
};

use crate::applied::Alarm;
use crate::authority::{Chain, Grant, GrantStanding};
use crate::batch::{Batch, Stop, refuse};
use crate::calendar::MINUTE_MS;
use crate::fields::value;
use crate::keys;
use crate::rejection::Code;
use crate::scores::agent_name;
use crate::subject::Subject;
use crate::trust::{DAY_MS, What};
use crate::values::Flags;
use crate::view::View;

/// Longest life of a grant inside a tenant, in days of log time.
const TTL_DAYS_MAX: u64 = 365;

value! {
    /// The grant that an offer made.
    pub(crate) OfferOf {
        /// The grant.
        grant: DelegationId,
    }
}

pub(crate) fn offer<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &DelegationOffer,
    hash: RecordHash,
    flags: Flags,
) -> Result<Flags, Stop> {
    batch.active_tenant(record.tenant)?;
    if let Some(from) = body.from {
        batch.acting_agent_of(record.tenant, from, "body.from")?;
    }
    if let Some(known) = batch.find_grant(body.grant)? {
        let message = format!("grant {} is known since index {}", body.grant, known.index);
        return Err(refuse(Code::GrantExists, "body.grant", message, "make a new grant id"));
    }
    let above = parent(batch, record, body)?;
    check_receiver(batch, body, &above)?;
    let crosses = check_crossing(batch, record, body, &above)?;
    check_life(batch, body, crosses)?;
    let exceeded = exceeds(batch, body, &above)?;
    let index = batch.next_index();
    let depth = above.first().map_or(0, |(_, parent)| parent.depth + 1);
    let own_origin = batch.genesis()?.origin.clone();
    let grant = Grant {
        tenant: record.tenant,
        from: body.from,
        to_agent: body.to.agent,
        to_tenant: body.to.tenant,
        to_kid: body.to.kid,
        to_origin: body.to.origin.clone().filter(|origin| *origin != own_origin),
        foreign: None,
        parent: above.first().map(|(id, _)| *id),
        offer: hash,
        agreement: body.agreement,
        scopes: body.scopes.clone(),
        deny: body.deny.clone(),
        limits: body.limits.clone(),
        hops: body.hops,
        depth,
        index,
        offered_ms: batch.service.log_ms,
        accepted: None,
        standing: if exceeded { GrantStanding::Void } else { GrantStanding::Offered },
        since: index,
    };
    batch.put_grant(body.grant, grant)?;
    batch.put(keys::offer(hash), OfferOf { grant: body.grant });
    let Some(from) = body.from else { return Ok(flags.with(mark(exceeded))) };
    batch.note_interaction(from, body.to.agent)?;
    if !exceeded {
        return Ok(flags);
    }
    let harm = batch.observe_harm(from, What::Denial { agent: agent_name(from) })?;
    Ok(flags.with(mark(exceeded)).with(harm))
}

fn mark(exceeded: bool) -> Flags {
    if exceeded { Flags::GRANT_EXCEEDED } else { Flags::NONE }
}

/// The chain above; empty for a root. The key that the parent grants to is the key that signs.
fn parent<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &DelegationOffer,
) -> Result<Chain, Stop> {
    let Some(hash) = body.parent else { return Ok(Chain::new()) };
    let unknown = |message: String| {
        refuse(Code::GrantUnknown, "body.parent", message, "name the hash of the parent's offer")
    };
    let known = batch.get::<OfferOf>(keys::offer(hash))?;
    let id = known.ok_or_else(|| unknown(format!("no grant was offered by record {hash}")))?.grant;
    let chain = batch.grant_chain(id)?.ok_or_else(|| unknown(format!("there is no grant {id}")))?;
    let (_, above) = &chain[0];
    if Some(above.to_agent) != body.from || above.to_tenant.0 != record.tenant || above.to_origin.is_some() {
        let holder = above.to_agent;
        return Err(unknown(format!("grant {id} is agent {holder}'s to hand on, in the log where it lives")));
    }
    if !matches!(record.actor, Actor::Agent(_)) || record.sig.kid != above.to_kid {
        let message = format!("grant {id} is handed on with key {}", above.to_kid);
        return Err(refuse(Code::KeyNotValid, "sig.kid", message, "let the agent sign with that key"));
    }
    if let Some(fault) = batch.chain_fault(&chain, true)? {
        return Err(refuse(Code::GrantEnded, "body.parent", fault, "ask for a new grant"));
    }
    if above.depth >= GRANT_DEPTH_MAX {
        let message = format!("a chain has at most {GRANT_DEPTH_MAX} links below its root");
        return Err(refuse(Code::TooDeep, "body.parent", message, "grant from higher up"));
    }
    Ok(chain)
}

fn check_receiver<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    body: &DelegationOffer,
    above: &Chain,
) -> Result<(), Stop> {
    let stands = |agent: AgentId| {
        Some(agent) == body.from || above.iter().any(|(_, g)| g.from == Some(agent) || g.to_agent == agent)
    };
    if stands(body.to.agent) {
        let message = format!("agent {} stands in the chain already", body.to.agent);
        return Err(refuse(Code::DelegationCycle, "body.to.agent", message, "grant to somebody else"));
    }
    if !batch.is_here(body.to.origin.as_deref())? {
        return Ok(());
    }
    let agent = batch.acting_agent_of(body.to.tenant.0, body.to.agent, "body.to.agent")?;
    if agent.key.kid != body.to.kid {
        let message = format!("agent {} signs with key {}", body.to.agent, agent.key.kid);
        return Err(refuse(Code::KeyNotValid, "body.to.kid", message, "name the receiver's current key"));
    }
    Ok(())
}

/// Whether the grant goes to another tenant, and if so, that a live agreement lets it pass.
fn check_crossing<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &DelegationOffer,
    above: &Chain,
) -> Result<bool, Stop> {
    let is_here = batch.is_here(body.to.origin.as_deref())?;
    let crosses = body.to.tenant.0 != record.tenant || !is_here;
    let unknown = |message: String| {
        refuse(
            Code::AgreementUnknown,
            "body.agreement",
            message,
            "name the hash of a live federation.agree record",
        )
    };
    let Some(hash) = body.agreement else {
        if crosses {
            return Err(unknown("a grant to another tenant needs an agreement".into()));
        }
        return Ok(false);
    };
    if !crosses {
        return Err(unknown("a grant inside a tenant passes under no agreement".into()));
    }
    let agreement = batch.agreement(hash)?.ok_or_else(|| unknown(format!("there is no agreement {hash}")))?;
    let origin = body.to.origin.as_deref().filter(|_| !is_here);
    if !agreement.is_between(record.tenant, body.to.tenant.0, origin) {
        return Err(unknown(format!("agreement {hash} is between other tenants")));
    }
    let now = batch.service.log_ms;
    if !agreement.is_live(now) {
        let message = format!("agreement {hash} has ended");
        return Err(refuse(Code::AgreementEnded, "body.agreement", message, "make a new agreement"));
    }
    if body.limits.expires_at > now.saturating_add(agreement.ttl_min * MINUTE_MS) {
        let message = format!("agreement {hash} lets grants live {} minutes", agreement.ttl_min);
        return Err(refuse(Code::ExpiresTooLate, "body.limits.expires_at", message, "name an earlier time"));
    }
    check_hops_of_agreements(batch, above)?;
    Ok(true)
}

/// Each agreement above says through how many tenants more a grant may pass.
fn check_hops_of_agreements<V: View + ?Sized>(batch: &mut Batch<'_, V>, above: &Chain) -> Result<(), Stop> {
    for (later, hash) in (1..).zip(above.iter().filter_map(|(_, grant)| grant.agreement)) {
        let hops = batch.agreement(hash)?.map_or(0, |agreement| agreement.hops);
        if later > hops || later > AGREEMENT_HOPS_MAX - 1 {
            let message = format!("agreement {hash} lets a grant pass through {hops} tenants more");
            return Err(refuse(Code::TooDeep, "body.to.tenant", message, "grant inside the tenant"));
        }
    }
    Ok(())
}

fn check_life<V: View + ?Sized>(
    batch: &Batch<'_, V>,
    body: &DelegationOffer,
    crosses: bool,
) -> Result<(), Stop> {
    let (now, end) = (batch.service.log_ms, body.limits.expires_at);
    let days = if crosses { 1 } else { TTL_DAYS_MAX };
    if end <= now {
        let message = format!("it would end at {end}, and the log's time is {now}");
        return Err(refuse(Code::ExpiresTooSoon, "body.limits.expires_at", message, "name a later time"));
    }
    if end > now.saturating_add(days * DAY_MS) {
        let message = format!("a grant of this kind lives at most {days} days");
        return Err(refuse(Code::ExpiresTooLate, "body.limits.expires_at", message, "name an earlier time"));
    }
    Ok(())
}

/// Whether the offer is for more than its grantor has.
fn exceeds<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    body: &DelegationOffer,
    above: &Chain,
) -> Result<bool, Stop> {
    let covered = |list: &[Scope], scope: &Scope| list.iter().any(|wide| wide.covers(scope));
    if let Some(hash) = body.agreement {
        let scopes = batch.agreement(hash)?.map(|agreement| agreement.scopes.clone()).unwrap_or_default();
        if !body.scopes.iter().all(|scope| covered(&scopes, scope)) {
            return Ok(true);
        }
    }
    let Some((_, parent)) = above.first() else {
        let Some(from) = body.from else { return Ok(false) };
        let scopes =
            batch.find_agent(from)?.map(|agent| Rc::unwrap_or_clone(agent).scopes).unwrap_or_default();
        return Ok(!body.scopes.iter().all(|scope| covered(&scopes, scope)));
    };
    let everything = body.scopes.iter().any(|scope| scope.as_str() == "*:*");
    let within = body.scopes.iter().all(|scope| covered(&parent.scopes, scope));
    let repeats = parent.deny.iter().all(|deny| covered(&body.deny, deny));
    let narrower = body.limits.are_within(&parent.limits);
    Ok(everything || !within || !repeats || !narrower || body.hops >= parent.hops)
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// Whether that origin is this log's; absent means it is.
    pub(crate) fn is_here(&mut self, origin: Option<&str>) -> Result<bool, Stop> {
        let genesis = self.genesis()?;
        Ok(origin.is_none_or(|origin| origin == genesis.origin))
    }

    pub(crate) fn put_grant(&mut self, id: DelegationId, grant: Grant) -> Result<(), Alarm> {
        self.put(keys::grant(id), grant);
        self.mark_dirty(Subject::Grant(id))
    }
}
