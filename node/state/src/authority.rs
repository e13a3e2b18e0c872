//! Grants: what one is worth, worked out from its whole chain.
//!
//! Effective authority is the intersection of all links. Nothing is written when a grant ends because something above it ended: every
//! use walks the chain, which is at most nine links long.

use std::rc::Rc;

use ledger_format::ChainReason;
use ledger_format::record::{
    AgentId, DelegationId, GRANT_DEPTH_MAX, GrantLimits, Kid, RecordHash, Scope, TenantId, Ulid,
};

use crate::applied::Alarm;
use crate::batch::Batch;
use crate::codec::{DecodeError, Decoder, Encoder};
use crate::fields::{Part, value, word_parts};
use crate::keys;
use crate::view::View;

/// What the log says of a grant by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantStanding {
    /// Given.
    Offered,
    /// Given and taken.
    Accepted,
    /// The receiver did not want it.
    Rejected,
    /// Taken back.
    Revoked,
    /// It was for more than its grantor has, and is worth nothing.
    Void,
}

impl GrantStanding {
    /// All of them. Grows at its end only: the place is what is stored.
    pub const ALL: &'static [Self] =
        &[Self::Offered, Self::Accepted, Self::Rejected, Self::Revoked, Self::Void];

    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
            Self::Void => "void",
        }
    }
}

word_parts!(GrantStanding);

impl Part for GrantLimits {
    fn write(&self, e: &mut Encoder) {
        for number in [self.approval_over, self.calls] {
            number.write(e);
        }
        self.currency.write(e);
        self.env.write(e);
        self.expires_at.write(e);
        for number in [self.min_trust_bp, self.not_before] {
            number.write(e);
        }
        self.purpose.write(e);
        for number in [self.spend_minor, self.window_s] {
            number.write(e);
        }
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            approval_over: Part::read(d)?,
            calls: Part::read(d)?,
            currency: Part::read(d)?,
            env: Part::read(d)?,
            expires_at: Part::read(d)?,
            min_trust_bp: Part::read(d)?,
            not_before: Part::read(d)?,
            purpose: Part::read(d)?,
            spend_minor: Part::read(d)?,
            window_s: Part::read(d)?,
        })
    }
}

value! {
    /// A grant.
    pub Grant {
        /// The tenant that grants.
        tenant: Ulid,
        /// The agent that grants; `None`: the tenant from its root.
        from: Option<AgentId>,
        /// The receiver.
        to_agent: AgentId,
        /// The receiver's tenant.
        to_tenant: TenantId,
        /// The key that uses it.
        to_kid: Kid,
        /// The log where the receiver lives; `None`: this log.
        to_origin: Option<String>,
        /// The log where it was offered; `None`: this log.
        foreign: Option<String>,
        /// The grant above.
        parent: Option<DelegationId>,
        /// Hash of the offer's record.
        offer: RecordHash,
        /// The agreement that lets it pass.
        agreement: Option<RecordHash>,
        /// What may be done. Sorted.
        scopes: Vec<Scope>,
        /// What must not be done. Sorted.
        deny: Vec<Scope>,
        /// Its bounds.
        limits: GrantLimits,
        /// Re-delegations left.
        hops: u64,
        /// Links above.
        depth: u64,
        /// Index of the record that made it known here.
        index: u64,
        /// Log time of the offer here, ms since 1970.
        offered_ms: u64,
        /// Index of its acceptance here.
        accepted: Option<u64>,
        /// What the log says of it.
        standing: GrantStanding,
        /// Index since when that is so.
        since: u64,
    }
}

impl Grant {
    /// Whether it goes from one tenant to another.
    pub fn crosses(&self) -> bool {
        self.tenant != self.to_tenant.0 || self.to_origin.is_some() || self.foreign.is_some()
    }
}

/// Why a chain of grants does not hold, and which of its links does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("grant {grant} {detail}")]
pub struct GrantFault {
    /// The link.
    pub grant: DelegationId,
    /// For programs: the same words as for a chain file.
    pub reason: ChainReason,
    /// For people.
    pub detail: String,
}

/// A grant and those above it, the grant first.
pub(crate) type Chain = Vec<(DelegationId, Rc<Grant>)>;

impl<V: View + ?Sized> Batch<'_, V> {
    pub(crate) fn find_grant(&mut self, id: DelegationId) -> Result<Option<Rc<Grant>>, Alarm> {
        self.get(keys::grant(id))
    }

    /// The grant with all above it; `None` for an unknown one.
    pub(crate) fn grant_chain(&mut self, id: DelegationId) -> Result<Option<Chain>, Alarm> {
        let Some(leaf) = self.find_grant(id)? else { return Ok(None) };
        let mut chain = vec![(id, leaf)];
        while let Some(parent) = chain.last().and_then(|(_, grant)| grant.parent) {
            let key = keys::grant(parent);
            let missing = |reason: &str| Alarm::CorruptState { key: key.clone(), reason: reason.into() };
            if chain.len() as u64 > GRANT_DEPTH_MAX {
                return Err(missing("a chain of grants is longer than it can be"));
            }
            let above =
                self.find_grant(parent)?.ok_or_else(|| missing("a grant that others hang on is missing"))?;
            chain.push((parent, above));
        }
        Ok(Some(chain))
    }

    /// Why the chain does not hold at the entry at hand; `None`: it does. What its leaf's acceptance is worth is asked with
    /// `is_used`: a grant that is only being accepted need not be accepted yet.
    pub(crate) fn chain_fault(&mut self, chain: &Chain, is_used: bool) -> Result<Option<String>, Alarm> {
        Ok(self.first_fault(chain, is_used)?.map(|fault| fault.to_string()))
    }

    /// As [`Self::chain_fault`], with its place and its word.
    pub(crate) fn first_fault(&mut self, chain: &Chain, is_used: bool) -> Result<Option<GrantFault>, Alarm> {
        for (place, (id, grant)) in chain.iter().enumerate() {
            if let Some((reason, detail)) = self.link_fault(grant, is_used || place > 0)? {
                return Ok(Some(GrantFault { grant: *id, reason, detail }));
            }
        }
        Ok(None)
    }

    fn link_fault(&mut self, grant: &Grant, is_used: bool) -> Result<Option<(ChainReason, String)>, Alarm> {
        let now = self.service.log_ms;
        let standing = grant.standing;
        let fault = |reason, detail: String| Ok(Some((reason, detail)));
        if !matches!(standing, GrantStanding::Offered | GrantStanding::Accepted) {
            return fault(
                ChainReason::NotLive,
                format!("is {} since index {}", standing.as_str(), grant.since),
            );
        }
        // A grant that goes to another log is accepted there.
        let must_be_accepted = is_used && grant.crosses() && grant.to_origin.is_none();
        if must_be_accepted && standing != GrantStanding::Accepted {
            return fault(ChainReason::NotAccepted, "is not accepted".into());
        }
        if now >= grant.limits.expires_at {
            return fault(ChainReason::OutOfTime, format!("ended at {}", grant.limits.expires_at));
        }
        if is_used && grant.limits.not_before.is_some_and(|from| now < from) {
            return fault(ChainReason::OutOfTime, "has not begun".into());
        }
        if let Some(hash) = grant.agreement
            && !self.agreement(hash)?.is_some_and(|agreement| agreement.is_live(now))
        {
            return fault(
                ChainReason::AgreementEnded,
                format!("passed under agreement {hash}, which has ended"),
            );
        }
        let here = [
            (grant.foreign.is_none(), grant.tenant, grant.from),
            (grant.to_origin.is_none(), grant.to_tenant.0, Some(grant.to_agent)),
        ];
        for (is_here, tenant, agent) in here {
            if is_here && !self.may_act(tenant, agent)? {
                return fault(ChainReason::NotLive, "passes through somebody who may not act".into());
            }
        }
        Ok(None)
    }

    /// Whether a tenant, and an agent of it, may act.
    pub(crate) fn may_act(&mut self, tenant: Ulid, agent: Option<AgentId>) -> Result<bool, Alarm> {
        let tenant = self.find_tenant(tenant)?;
        let agent = match agent {
            Some(id) => self.find_agent(id)?.is_some_and(|agent| agent.is_active()),
            None => true,
        };
        Ok(agent && tenant.is_some_and(|tenant| tenant.is_active()))
    }

    /// Whether an action is within every link, and whether one denies it: `(within, denied)`.
    pub(crate) fn chain_allows(&mut self, chain: &Chain, action: &Scope) -> Result<(bool, bool), Alarm> {
        let covers = |list: &[Scope]| list.iter().any(|scope| scope.covers(action));
        let mut within = chain.iter().all(|(_, grant)| covers(&grant.scopes));
        let mut denied = chain.iter().any(|(_, grant)| covers(&grant.deny));
        for (_, grant) in chain {
            let Some(from) = grant.from.filter(|_| grant.foreign.is_none()) else { continue };
            let Some(agent) = self.find_agent(from)? else { continue };
            denied |= covers(&agent.denies);
            // Whoever re-delegates needs no scope of its own: the grant above is what it hands on.
            within &= grant.parent.is_some() || covers(&agent.scopes);
        }
        Ok((within, denied))
    }
}
