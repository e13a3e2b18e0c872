//! Grants that go to another tenant or another log: the agreement that lets them pass, and the acceptance.

use super::fault::{ChainFault, ChainReason as Reason, must};
use super::keys::Keys;
use super::links::{Link, all_covered};
use super::load::{Loaded, Stated};
use crate::record::{
    AGREEMENT_HOPS_MAX, Actor, Body, DelegationAccept, FederationAgree, RecordHash, Ulid, record_hash,
};

pub(super) const DAY_MS: u64 = 86_400_000;

const MINUTE_MS: u64 = 60_000;

/// One side of an agreement, as a log has it: who agrees with whom, and where the other one lives if not here.
struct Sides<'a> {
    origin: &'a str,
    own: Ulid,
    peer: Ulid,
    peer_origin: Option<&'a str>,
}

/// What is known of the crossings so far.
pub(super) struct Crossings<'a> {
    loaded: &'a Loaded,
    keys: &'a Keys<'a>,
    /// Tenants that may follow, by the agreement of each crossing.
    hops: Vec<u64>,
}

impl<'a> Crossings<'a> {
    pub(super) fn new(loaded: &'a Loaded, keys: &'a Keys<'a>) -> Self {
        Self { loaded, keys, hops: Vec::new() }
    }

    /// Checks a link that crosses, and notes from where on it may be used. One that stays names no agreement.
    pub(super) fn check(&mut self, link: &mut Link<'_>) -> Result<(), ChainFault> {
        let what = &link.stated.what;
        if !link.crosses() {
            return must(link.offer.agreement.is_none(), Reason::AgreementMismatch, || {
                format!("{what} stays in its tenant and names an agreement")
            });
        }
        let hash = link.offer.agreement.ok_or_else(|| {
            ChainFault::new(
                Reason::NoAgreement,
                format!("{what} goes to another tenant without an agreement"),
            )
        })?;
        let (origin, tenant, to) = (link.stated.origin.as_str(), link.stated.record.tenant, &link.offer.to);
        let is_far = link.to_origin != origin;
        let sides = Sides {
            origin,
            own: tenant,
            peer: to.tenant.0,
            peer_origin: Some(link.to_origin).filter(|_| is_far),
        };
        let mut hops = self.agreement(link, hash, &sides, link.stated)?;
        let (accepted, accept) = self.accept(link)?;
        if is_far {
            let own =
                accept.agreement.ok_or_else(|| mismatch(accepted, "it does not say whose offer it takes"))?;
            let sides =
                Sides { origin: link.to_origin, own: to.tenant.0, peer: tenant, peer_origin: Some(origin) };
            hops = hops.min(self.agreement(link, own, &sides, accepted)?);
        }
        link.usable_from = accepted.index + 1;
        self.count(what, hops)
    }

    /// Each agreement says through how many tenants more a grant may pass.
    fn count(&mut self, what: &str, hops: u64) -> Result<(), ChainFault> {
        self.hops.push(hops);
        let may = self.hops.iter().rev().zip(0u64..).all(|(hops, later)| later <= *hops);
        must(may && self.hops.len() as u64 <= AGREEMENT_HOPS_MAX, Reason::TooManyCrossings, || {
            format!(
                "{what} goes through more tenants than the agreements and the limit of {AGREEMENT_HOPS_MAX} allow"
            )
        })
    }

    /// The agreement in one log, in force when `user` was logged there; gives its hops.
    fn agreement(
        &self,
        link: &Link<'_>,
        hash: RecordHash,
        sides: &Sides<'_>,
        user: &Stated,
    ) -> Result<u64, ChainFault> {
        let what = &user.what;
        let found = self.loaded.agreements.iter().find(|a| a.hash == hash && a.origin == sides.origin);
        let found = found.ok_or_else(|| {
            ChainFault::new(
                Reason::NoAgreement,
                format!("{what} names agreement {hash}, which is not in the file"),
            )
        })?;
        let Body::FederationAgree(agreed) = &found.record.body else {
            let detail = format!("{}: a {}, not a federation.agree", found.what, found.record.type_name());
            return Err(ChainFault::new(Reason::WrongType, detail));
        };
        self.keys.judge(found)?;
        self.check_sides(found, agreed, sides)?;
        must(found.index < user.index, Reason::WrongPlace, || format!("{what} is older than its agreement"))?;
        must(user.at_ms < agreed.expires_at, Reason::AgreementEnded, || {
            format!("{what}: its agreement had ended by time")
        })?;
        let end = user.at_ms.saturating_add(agreed.ttl_min.saturating_mul(MINUTE_MS));
        let within = all_covered(&link.offer.scopes, &agreed.scopes) && link.offer.limits.expires_at <= end;
        must(within, Reason::AgreementExceeded, || {
            format!("{} is about more, or lives longer, than {} allows", link.stated.what, found.what)
        })?;
        Ok(agreed.hops)
    }

    /// Between these two, signed by the peer with its root key.
    fn check_sides(
        &self,
        found: &Stated,
        agreed: &FederationAgree,
        sides: &Sides<'_>,
    ) -> Result<(), ChainFault> {
        let wrong = |why: &str| ChainFault::new(Reason::AgreementMismatch, format!("{}: {why}", found.what));
        let (own, peer) = (found.record.tenant, agreed.peer.0);
        let peer_origin = agreed.origin.as_deref().filter(|origin| *origin != sides.origin);
        let straight = own == sides.own && peer == sides.peer && peer_origin == sides.peer_origin;
        let turned =
            sides.peer_origin.is_none() && peer_origin.is_none() && own == sides.peer && peer == sides.own;
        if !straight && !turned {
            return Err(wrong("it is between others"));
        }
        agreed.verify_peer(own).map_err(|_| wrong("the peer has not signed it"))?;
        let home = peer_origin.unwrap_or(sides.origin);
        if !self.keys.is_root_of(home, peer, agreed.peer_key.kid()) {
            return Err(wrong("the key that signed for the peer is not its root key"));
        }
        Ok(())
    }

    fn accept(&self, link: &Link<'_>) -> Result<(&'a Stated, &'a DelegationAccept), ChainFault> {
        let (what, offer) = (&link.stated.what, link.offer);
        let mut taken = self.loaded.accepts.iter().filter_map(|stated| match &stated.record.body {
            Body::DelegationAccept(body) if body.grant == offer.grant => Some((stated, &**body)),
            _ => None,
        });
        let (stated, body) = taken
            .next()
            .ok_or_else(|| ChainFault::new(Reason::NotAccepted, format!("{what} is not accepted")))?;
        self.keys.judge(stated)?;
        must(stated.origin == link.to_origin, Reason::WrongPlace, || {
            format!("{} is not in {}, where the receiver lives", stated.what, link.to_origin)
        })?;
        check_accept(link, stated, body)?;
        if stated.origin == link.stated.origin {
            must(stated.index > link.stated.index, Reason::WrongPlace, || {
                format!("{} is older than {what}", stated.what)
            })?;
        }
        must(stated.at_ms < link.stated.at_ms.saturating_add(DAY_MS), Reason::OfferLapsed, || {
            format!("{} came later than 24 hours after {what}", stated.what)
        })?;
        Ok((stated, body))
    }
}

fn mismatch(accept: &Stated, why: &str) -> ChainFault {
    ChainFault::new(Reason::AcceptMismatch, format!("{}: {why}", accept.what))
}

fn check_accept(link: &Link<'_>, stated: &Stated, body: &DelegationAccept) -> Result<(), ChainFault> {
    let to = &link.offer.to;
    if body.offer != link.stated.hash {
        return Err(mismatch(stated, "it takes another offer of that name"));
    }
    if body.agent != to.agent || stated.record.tenant != to.tenant.0 {
        return Err(mismatch(stated, "it is somebody else's"));
    }
    if matches!(stated.record.actor, Actor::Agent(_)) && stated.record.sig.kid != to.kid {
        return Err(mismatch(stated, "it is not signed with the key that the offer names"));
    }
    let is_far = link.to_origin != link.stated.origin;
    let carried = body.foreign.as_deref().map(|text| record_hash(text.as_bytes()));
    let whole =
        carried == Some(link.stated.hash) && body.foreign_origin.as_deref() == Some(&*link.stated.origin);
    if is_far && !whole || !is_far && body.foreign.is_some() {
        return Err(mismatch(stated, "it does not carry the offer of that log"));
    }
    Ok(())
}
