//! From a chain file to a verdict.

use super::fault::ChainFault;
use super::file::Chain;
use super::keys::Keys;
use super::links::{self, Link};
use super::load::Loaded;
use super::{action, status};
use crate::policy::Policy;
use crate::record::{AgentId, DelegationId, Kid, Scope, TenantId};

/// What the verifier asks. All of it is the verifier's own: none may come from the file.
#[derive(Clone, Copy, Debug)]
pub struct ChainQuestion<'a> {
    /// The verifier's clock, seconds since 1970.
    pub now_s: u64,
    /// How old what is known of grants, agents, tenants and agreements may be, in seconds; `None` to take any.
    pub max_age_s: Option<u64>,
    /// The root keys that the verifier trusts. With at least one here, the root grant must come from one of them; with none, from
    /// whomever its log says is a tenant.
    pub tenant_roots: &'a [TenantRoot],
    /// As of when everything on the way must live.
    pub moment: ChainMoment,
}

/// As of when a chain is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChainMoment {
    /// Now: as of the statuses in the file.
    #[default]
    Now,
    /// When the receipt was logged: what ended at a later index of the same log does not count, and is named. The index decides, never a
    /// time that somebody states. What ended in another log than the receipt's counts, since indices of two logs have no order.
    Receipt,
}

/// Something on the way that ended after the receipt was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainEnd {
    /// Its log, which is the receipt's.
    pub origin: String,
    /// Its name.
    pub subject: String,
    /// What it is now.
    pub status: String,
    /// The index of that.
    pub since: u64,
}

/// A tenant's root key that the verifier trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRoot {
    /// The log where the tenant lives.
    pub origin: String,
    /// The tenant.
    pub tenant: TenantId,
    /// Its root key.
    pub kid: Kid,
}

/// Whether what is known is young enough. The later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChainFreshness {
    /// No staple is older than asked for.
    Fresh,
    /// The age of a staple is not known: no witness states a time, one is ahead of the clock, or changes waited to be sealed.
    Unknown,
    /// A staple is older than asked for.
    Stale,
}

impl ChainFreshness {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Unknown => "unknown",
            Self::Stale => "stale",
        }
    }
}

/// What is known of a log: the least of its staples in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainLog {
    /// Its origin.
    pub origin: String,
    /// Every change by an entry below this size is in the statuses.
    pub as_of_size: u64,
    /// When a quorum of witnesses vouched for that, seconds since 1970.
    pub witnessed_s: Option<u64>,
    /// Until when the statuses are known to have held, seconds since 1970.
    pub known_s: Option<u64>,
}

/// A grant of a chain that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainLink {
    /// The grant.
    pub grant: DelegationId,
    /// The log of its offer.
    pub origin: String,
    /// The offer's place there.
    pub index: u64,
    /// The tenant that grants.
    pub tenant: TenantId,
    /// The agent that grants; `None`: the tenant from its root.
    pub from: Option<AgentId>,
    /// The receiver.
    pub to: AgentId,
    /// Its tenant.
    pub to_tenant: TenantId,
    /// The log where it lives.
    pub to_origin: String,
    /// The key that uses it.
    pub to_kid: Kid,
    /// Log time at which it ends, ms since 1970.
    pub expires_at: u64,
}

/// The action that the chain is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReceipt {
    /// The log of its receipt.
    pub origin: String,
    /// The receipt's place there.
    pub index: u64,
    /// The log's time there, ms since 1970.
    pub at_ms: u64,
    /// Who did it.
    pub agent: AgentId,
    /// What was done.
    pub action: Scope,
}

/// What a chain proves. Only [`verify_chain`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainVerdict {
    /// Whether what is known is young enough.
    pub freshness: ChainFreshness,
    /// What is known, by log.
    pub logs: Vec<ChainLog>,
    /// What was done.
    pub receipt: ChainReceipt,
    /// The grants, the root first: what the verdict rests on.
    pub links: Vec<ChainLink>,
    /// What the leaf's receiver may do by the whole chain, without what is denied as a whole.
    pub effective_scopes: Vec<Scope>,
    /// What it must not do, by the whole chain.
    pub denied: Vec<Scope>,
    /// What nobody but an operator vouches for.
    pub operator_vouches: Vec<String>,
    /// What has ended since; with [`ChainMoment::Receipt`] only.
    pub ended: Vec<ChainEnd>,
}

impl ChainVerdict {
    /// The chain holds, or held when the receipt was logged if that was the question, and what is known is as young as asked for.
    pub fn is_valid(&self) -> bool {
        self.freshness == ChainFreshness::Fresh
    }

    /// Why it is valid or not, for programs.
    pub fn reason(&self) -> &'static str {
        match self.freshness {
            ChainFreshness::Fresh if !self.ended.is_empty() => "held",
            ChainFreshness::Fresh => "holds",
            ChainFreshness::Unknown => "age_unknown",
            ChainFreshness::Stale => "stale",
        }
    }
}

/// Verifies that the receipt's action was allowed by the whole chain, and that nothing on the way is taken back, or was when the receipt
/// was logged ([`ChainMoment`]).
///
/// A status that is too old does not make the chain invalid: the verdict says so.
pub fn verify_chain(
    chain: &Chain,
    policy: &Policy,
    question: &ChainQuestion<'_>,
) -> Result<ChainVerdict, ChainFault> {
    let loaded = Loaded::of(chain, policy)?;
    let keys = Keys::of(&loaded.identities)?;
    let links = links::check(&loaded, &keys, question.tenant_roots)?;
    let (body, by_operator) = action::check(&loaded.receipt, &links, &keys)?;
    let status::Known { logs, freshness, ended } =
        status::check(&chain.staples, &loaded, &links, policy, question)?;
    let mut operator_vouches = keys.by_operator.clone();
    let signed = loaded.accepts.iter().chain(&loaded.agreements);
    let signed = signed.filter(|stated| stated.record.actor == crate::record::Actor::Operator);
    operator_vouches.extend(signed.map(|stated| stated.what.clone()));
    operator_vouches.extend(links.iter().filter(|l| l.signer.is_operator).map(|l| l.stated.what.clone()));
    operator_vouches.extend(by_operator.then(|| loaded.receipt.what.clone()));
    let (effective_scopes, denied) = effective(&links);
    let receipt = ChainReceipt {
        origin: loaded.receipt.origin.clone(),
        index: loaded.receipt.index,
        at_ms: loaded.receipt.at_ms,
        agent: body.agent,
        action: body.action.clone(),
    };
    let links = links.iter().map(finding).collect();
    Ok(ChainVerdict { freshness, logs, receipt, links, effective_scopes, denied, operator_vouches, ended })
}

/// Each link is within the one above, so what is left of all is the leaf's, less what any denies.
fn effective(links: &[Link<'_>]) -> (Vec<Scope>, Vec<Scope>) {
    let mut denied: Vec<Scope> = links.iter().flat_map(|link| link.offer.deny.iter().cloned()).collect();
    denied.sort_unstable();
    denied.dedup();
    let scopes = links.last().map_or(&[][..], |leaf| &leaf.offer.scopes);
    let left = scopes.iter().filter(|scope| !denied.iter().any(|deny| deny.covers(scope)));
    (left.cloned().collect(), denied)
}

fn finding(link: &Link<'_>) -> ChainLink {
    let (stated, offer) = (link.stated, link.offer);
    ChainLink {
        grant: offer.grant,
        origin: stated.origin.clone(),
        index: stated.index,
        tenant: TenantId(stated.record.tenant),
        from: offer.from,
        to: offer.to.agent,
        to_tenant: offer.to.tenant,
        to_origin: link.to_origin.to_owned(),
        to_kid: offer.to.kid,
        expires_at: offer.limits.expires_at,
    }
}
