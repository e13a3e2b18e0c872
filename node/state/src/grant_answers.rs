//! What becomes of an offer: `delegation.accept`, `.reject`, `.revoke`.

use std::rc::Rc;

use ledger_format::record::{
    Actor, AgentId, Body, DelegationAccept, DelegationId, DelegationOffer, DelegationReject,
    DelegationRevoke, Record, RecordHash, Scope,
};

use crate::authority::{Grant, GrantStanding};
use crate::batch::{Batch, Stop, refuse};
use crate::calendar::MINUTE_MS;
use crate::grants::OfferOf;
use crate::keys;
use crate::rejection::Code;
use crate::scores::agent_name;
use crate::trust::{self, DAY_MS, What};
use crate::view::View;

pub(crate) fn accept<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &DelegationAccept,
) -> Result<(), Stop> {
    batch.active_tenant(record.tenant)?;
    batch.acting_agent_of(record.tenant, body.agent, "body.agent")?;
    if let (Some(text), Some(origin), Some(agreement)) = (&body.foreign, &body.foreign_origin, body.agreement)
    {
        return accept_foreign(batch, record, body, text, origin, agreement);
    }
    let grant = offered_to(batch, record, body.grant, body.agent, body.offer)?;
    if grant.standing == GrantStanding::Accepted {
        let message = format!("grant {} is accepted since index {}", body.grant, grant.since);
        return Err(refuse(Code::GrantAccepted, "body.grant", message, "nothing is left to do"));
    }
    if batch.service.log_ms >= grant.offered_ms.saturating_add(DAY_MS) {
        let message = "an offer is to be taken within 24 hours";
        return Err(refuse(Code::OfferLapsed, "body.grant", message, "ask for a new offer"));
    }
    if let Some(chain) = batch.grant_chain(body.grant)?
        && let Some(fault) = batch.chain_fault(&chain, false)?
    {
        return Err(refuse(Code::GrantEnded, "body.grant", fault, "ask for a new offer"));
    }
    let (from, crosses, since) = (grant.from, grant.crosses(), batch.next_index());
    let standing = GrantStanding::Accepted;
    let accepted = Grant { accepted: Some(since), standing, since, ..Rc::unwrap_or_clone(grant) };
    batch.put_grant(body.grant, accepted)?;
    if let Some(from) = from {
        batch.note_interaction(from, body.agent)?;
        let ceiling_bp = batch.trust_of(from)?.score.unwrap_or(trust::constants::NEUTRAL_BP);
        cap(batch, body.agent, ceiling_bp, crosses)?;
    }
    Ok(())
}

/// Trust in who acts for another is capped by trust in that one.
fn cap<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    agent: AgentId,
    ceiling_bp: u64,
    cross_tenant: bool,
) -> Result<(), Stop> {
    Ok(batch.observe(What::Delegate { agent: agent_name(agent), ceiling_bp, cross_tenant })?)
}

/// A grant of another log. What that log says of it is for its readers to check: here stands what its offer says.
fn accept_foreign<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &DelegationAccept,
    text: &str,
    origin: &str,
    agreement: RecordHash,
) -> Result<(), Stop> {
    let mismatch = |message: &str| {
        refuse(
            Code::OfferMismatch,
            "body.foreign",
            message,
            "send the offer's record as it stands in its log",
        )
    };
    let (foreign, offer) = foreign_offer(text).ok_or_else(|| mismatch("it is no delegation.offer record"))?;
    if ledger_format::record::record_hash(text.as_bytes()) != body.offer || offer.grant != body.grant {
        return Err(mismatch("it is another offer"));
    }
    let own_origin = batch.genesis()?.origin.clone();
    let is_for_us = offer.to.agent == body.agent
        && offer.to.tenant.0 == record.tenant
        && offer.to.origin.as_deref() == Some(own_origin.as_str())
        && origin != own_origin;
    if !is_for_us {
        return Err(mismatch("it is for somebody else, or of this log"));
    }
    check_receiver_key(record, offer.to.kid)?;
    if let Some(known) = batch.find_grant(body.grant)? {
        let message = format!("grant {} is known since index {}", body.grant, known.index);
        return Err(refuse(Code::GrantAccepted, "body.grant", message, "nothing is left to do"));
    }
    let now = batch.service.log_ms;
    let unknown = || {
        refuse(
            Code::AgreementUnknown,
            "body.agreement",
            "there is no such agreement with the tenant that grants",
            "log federation.agree first",
        )
    };
    let agreement_value = batch.agreement(agreement)?.ok_or_else(unknown)?;
    if !agreement_value.is_between(record.tenant, foreign.tenant, Some(origin)) {
        return Err(unknown());
    }
    if !agreement_value.is_live(now) {
        return Err(refuse(Code::AgreementEnded, "body.agreement", "it has ended", "make a new agreement"));
    }
    let signs_as_root = foreign.actor == Actor::Tenant;
    if signs_as_root && foreign.sig.kid != agreement_value.peer_kid {
        return Err(mismatch("it is not signed with the root key that the agreement names"));
    }
    let covered = |scope: &Scope| agreement_value.scopes.iter().any(|wide| wide.covers(scope));
    if !offer.scopes.iter().all(covered) {
        return Err(mismatch("it is about more than the agreement"));
    }
    let (end, ttl_ms) = (offer.limits.expires_at, agreement_value.ttl_min * MINUTE_MS);
    if end <= now || end > now.saturating_add(ttl_ms) {
        return Err(refuse(
            Code::GrantEnded,
            "body.foreign",
            "it has ended, or lives longer than the agreement allows",
            "ask for a new offer",
        ));
    }
    let grant = from_foreign(batch, record, body, (&foreign, &offer), origin, agreement);
    batch.put_grant(body.grant, grant)?;
    batch.put(keys::offer(body.offer), OfferOf { grant: body.grant });
    // Nothing is known here of the one who grants: as for somebody without a score.
    cap(batch, body.agent, trust::constants::NEUTRAL_BP, true)
}

fn from_foreign<V: View + ?Sized>(
    batch: &Batch<'_, V>,
    record: &Record,
    body: &DelegationAccept,
    (foreign, offer): (&Record, &DelegationOffer),
    origin: &str,
    agreement: RecordHash,
) -> Grant {
    let index = batch.next_index();
    Grant {
        tenant: foreign.tenant,
        from: offer.from,
        to_agent: body.agent,
        to_tenant: ledger_format::record::TenantId(record.tenant),
        to_kid: offer.to.kid,
        to_origin: None,
        foreign: Some(origin.to_owned()),
        parent: None,
        offer: body.offer,
        agreement: Some(agreement),
        scopes: offer.scopes.clone(),
        deny: offer.deny.clone(),
        limits: offer.limits.clone(),
        hops: offer.hops,
        depth: u64::from(offer.parent.is_some()),
        index,
        offered_ms: batch.service.log_ms,
        accepted: Some(index),
        standing: GrantStanding::Accepted,
        since: index,
    }
}

fn foreign_offer(text: &str) -> Option<(Record, DelegationOffer)> {
    let record = Record::parse(text.as_bytes()).ok()?;
    let Body::DelegationOffer(offer) = record.body.clone() else { return None };
    Some((record, *offer))
}

/// The grant that a receiver answers to.
fn offered_to<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    id: DelegationId,
    agent: AgentId,
    offer: RecordHash,
) -> Result<Rc<Grant>, Stop> {
    let unknown = || {
        let message = format!("agent {agent} was offered no grant {id}");
        refuse(Code::GrantUnknown, "body.grant", message, "name a grant that was offered to the agent")
    };
    let grant = batch.find_grant(id)?.ok_or_else(unknown)?;
    if grant.to_agent != agent || grant.to_tenant.0 != record.tenant || grant.to_origin.is_some() {
        return Err(unknown());
    }
    if grant.offer != offer {
        let message = format!("grant {id} was offered by record {}", grant.offer);
        return Err(refuse(
            Code::OfferMismatch,
            "body.offer",
            message,
            "name the hash of the offer's record",
        ));
    }
    check_receiver_key(record, grant.to_kid)?;
    if !matches!(grant.standing, GrantStanding::Offered | GrantStanding::Accepted) {
        let message = format!("grant {id} is {} since index {}", grant.standing.as_str(), grant.since);
        return Err(refuse(Code::GrantEnded, "body.grant", message, "ask for a new offer"));
    }
    Ok(grant)
}

/// The receiver answers with the key that the grant names.
fn check_receiver_key(record: &Record, kid: ledger_format::record::Kid) -> Result<(), Stop> {
    if matches!(record.actor, Actor::Agent(_)) && record.sig.kid != kid {
        let message = format!("the grant is for key {kid}");
        return Err(refuse(Code::KeyNotValid, "sig.kid", message, "ask for a grant to the current key"));
    }
    Ok(())
}

pub(crate) fn reject<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &DelegationReject,
) -> Result<(), Stop> {
    batch.active_agent_of(record.tenant, body.agent, "body.agent")?;
    let grant = offered_to(batch, record, body.grant, body.agent, body.offer)?;
    let since = batch.next_index();
    let rejected = Grant { standing: GrantStanding::Rejected, since, ..Rc::unwrap_or_clone(grant) };
    Ok(batch.put_grant(body.grant, rejected)?)
}

pub(crate) fn revoke<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &DelegationRevoke,
) -> Result<(), Stop> {
    batch.tenant(record.tenant)?;
    let unknown = || {
        let message = format!("there is no grant {}", body.grant);
        refuse(Code::GrantUnknown, "body.grant", message, "name a grant of this log")
    };
    let chain = batch.grant_chain(body.grant)?.ok_or_else(unknown)?;
    let may = match record.actor {
        Actor::Agent(agent) => {
            chain.iter().any(|(_, grant)| grant.from == Some(agent) && grant.tenant == record.tenant)
        }
        Actor::Tenant | Actor::Operator => {
            chain.iter().any(|(_, grant)| grant.tenant == record.tenant || grant.to_tenant.0 == record.tenant)
        }
    };
    if !may {
        let message =
            format!("{} is neither a grantor nor a tenant on the path of grant {}", record.actor, body.grant);
        return Err(refuse(
            Code::NotYoursToRevoke,
            "body.grant",
            message,
            "let the grantor or its tenant revoke it",
        ));
    }
    let grant = chain[0].1.clone();
    if !matches!(grant.standing, GrantStanding::Offered | GrantStanding::Accepted) {
        let message =
            format!("grant {} is {} since index {}", body.grant, grant.standing.as_str(), grant.since);
        return Err(refuse(Code::GrantEnded, "body.grant", message, "nothing is left to do"));
    }
    let since = batch.next_index();
    let revoked = Grant { standing: GrantStanding::Revoked, since, ..Rc::unwrap_or_clone(grant) };
    batch.put_grant(body.grant, revoked)?;
    batch.seal_now = true;
    Ok(())
}
