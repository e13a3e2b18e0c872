//! The grants, link by link: each hangs on the one above and gives no more.

use std::collections::BTreeSet;

use super::crossing::{Crossings, DAY_MS};
use super::fault::{ChainFault, ChainReason as Reason, must};
use super::keys::{Keys, Signer};
use super::load::{Loaded, Stated};
use super::verify::TenantRoot;
use crate::record::{Actor, AgentId, Body, DelegationOffer, GRANT_DEPTH_MAX, Scope};

/// Longest life of a grant inside a tenant, in days of log time.
const TTL_DAYS_MAX: u64 = 365;

/// A grant of the chain, with what it needs to hold.
pub(super) struct Link<'a> {
    pub(super) stated: &'a Stated,
    pub(super) offer: &'a DelegationOffer,
    pub(super) signer: Signer,
    /// The log where the receiver acts.
    pub(super) to_origin: &'a str,
    /// The first index of that log at which it may be used.
    pub(super) usable_from: u64,
}

impl Link<'_> {
    /// Whether it goes to another tenant or to another log.
    pub(super) fn crosses(&self) -> bool {
        self.offer.to.tenant.0 != self.stated.record.tenant || self.to_origin != self.stated.origin
    }
}

/// Checks all links, the root first.
pub(super) fn check<'a>(
    loaded: &'a Loaded,
    keys: &Keys<'_>,
    roots: &[TenantRoot],
) -> Result<Vec<Link<'a>>, ChainFault> {
    must(!loaded.offers.is_empty(), Reason::NoLinks, || "the file has no grant".into())?;
    must(loaded.offers.len() as u64 <= GRANT_DEPTH_MAX + 1, Reason::TooDeep, || {
        format!("{} links, and a chain has at most {GRANT_DEPTH_MAX} below its root", loaded.offers.len())
    })?;
    let mut crossings = Crossings::new(loaded, keys);
    let mut links: Vec<Link<'a>> = Vec::new();
    let mut agents = BTreeSet::new();
    for stated in &loaded.offers {
        let mut link = read(stated, keys)?;
        match links.last() {
            None => check_root(&link, roots)?,
            Some(above) => check_below(above, &link)?,
        }
        check_cycle(&link, links.is_empty(), &mut agents)?;
        crossings.check(&mut link)?;
        check_life(&link)?;
        links.push(link);
    }
    Ok(links)
}

fn read<'a>(stated: &'a Stated, keys: &Keys<'_>) -> Result<Link<'a>, ChainFault> {
    let Body::DelegationOffer(offer) = &stated.record.body else {
        let detail = format!("{}: a {}, not a delegation.offer", stated.what, stated.record.type_name());
        return Err(ChainFault::new(Reason::WrongType, detail));
    };
    let signer = keys.judge(stated)?;
    let to_origin = offer.to.origin.as_deref().unwrap_or(&stated.origin);
    Ok(Link { stated, offer, signer, to_origin, usable_from: stated.index + 1 })
}

/// A root is given by a tenant, or by an agent of it in its own name.
fn check_root(link: &Link<'_>, roots: &[TenantRoot]) -> Result<(), ChainFault> {
    let Link { stated, offer, .. } = link;
    must(offer.parent.is_none(), Reason::Gap, || {
        format!("{}: the grant above it is not in the file", stated.what)
    })?;
    if let Actor::Agent(agent) = stated.record.actor {
        must(offer.from == Some(agent), Reason::NotItsGrantor, || {
            format!("{}: {agent} signs for somebody else", stated.what)
        })?;
    }
    if roots.is_empty() {
        return Ok(());
    }
    let pin = roots.iter().find(|root| root.origin == stated.origin && root.tenant.0 == stated.record.tenant);
    must(pin.is_some_and(|pin| link.signer.trail.contains(&pin.kid)), Reason::RootNotPinned, || {
        format!("{}: no root key that you trust vouches for it", stated.what)
    })
}

/// The key that a link grants to is the key that signs the next one.
fn check_below(above: &Link<'_>, link: &Link<'_>) -> Result<(), ChainFault> {
    let Link { stated, offer, .. } = link;
    let (what, wide) = (&stated.what, above.offer);
    must(offer.parent == Some(above.stated.hash), Reason::Gap, || {
        format!("{what} does not hang on {}", above.stated.what)
    })?;
    must(stated.origin == above.to_origin && stated.index >= above.usable_from, Reason::WrongPlace, || {
        format!("{what} is not in {} behind what it builds on", above.to_origin)
    })?;
    let by_receiver = stated.record.actor == Actor::Agent(wide.to.agent)
        && offer.from == Some(wide.to.agent)
        && stated.record.tenant == wide.to.tenant.0;
    must(by_receiver, Reason::NotItsGrantor, || format!("{what} is not given by {}", wide.to.agent))?;
    must(stated.record.sig.kid == wide.to.kid, Reason::KeySwapped, || {
        format!(
            "{what} is signed with key {}, and {} grants to {}",
            stated.record.sig.kid, above.stated.what, wide.to.kid
        )
    })?;
    must(offer.hops < wide.hops, Reason::HopsNotFalling, || {
        format!("{what} has {} hops left, the one above {}", offer.hops, wide.hops)
    })?;
    must(offer.scopes.iter().all(|scope| scope.as_str() != "*:*"), Reason::WildcardBelowRoot, || {
        format!("{what} grants *:* below the root")
    })?;
    must(all_covered(&offer.scopes, &wide.scopes), Reason::ScopeExceeded, || {
        format!("{what} is about more than the one above")
    })?;
    must(all_covered(&wide.deny, &offer.deny), Reason::DenyDropped, || {
        format!("{what} does not repeat what the one above denies")
    })?;
    must(offer.limits.are_within(&wide.limits), Reason::LimitsLoosened, || {
        format!("{what} is bounded less than the one above")
    })
}

/// Nobody stands in a chain twice.
fn check_cycle(link: &Link<'_>, is_root: bool, agents: &mut BTreeSet<AgentId>) -> Result<(), ChainFault> {
    if let Some(from) = link.offer.from.filter(|_| is_root) {
        agents.insert(from);
    }
    must(agents.insert(link.offer.to.agent), Reason::Cycle, || {
        format!("{}: {} stands in the chain already", link.stated.what, link.offer.to.agent)
    })
}

fn check_life(link: &Link<'_>) -> Result<(), ChainFault> {
    let days = if link.crosses() { 1 } else { TTL_DAYS_MAX };
    let end = link.stated.at_ms.saturating_add(days * DAY_MS);
    must(link.offer.limits.expires_at <= end, Reason::LivesTooLong, || {
        format!("{}: a grant of this kind lives at most {days} days", link.stated.what)
    })
}

/// Whether each of `narrow` is within one of `wide`.
pub(super) fn all_covered(narrow: &[Scope], wide: &[Scope]) -> bool {
    narrow.iter().all(|scope| wide.iter().any(|wide| wide.covers(scope)))
}
