//! Grants: `delegation.offer`, `.accept`, `.reject`, `.revoke`.

use super::RecordHash;
use super::declare::{Kind, body, object};
use super::federation::Origin;
use super::fields;
use super::ids::{AgentId, DelegationId, TenantId};
use super::json::{JsonError, Reader, Reason, Writer};
use super::keys::Kid;
use super::kinds::{
    BasisPoints, Count, Currency, Hash, Id, KeyId, Minor, OnBehalfOf, Scopes, Time, Token, Tokens,
    WindowSeconds, numbers,
};
use super::scope::Scope;

/// Longest chain of grants.
pub const GRANT_DEPTH_MAX: u64 = 8;

/// Longest record of another log that an acceptance may carry, in bytes.
pub const FOREIGN_BYTES_MAX: usize = 16_384;

numbers! {
    /// Re-delegations that are left.
    Hops: 0, GRANT_DEPTH_MAX, "0 to 8";
}

/// A record of another log, as it stands there.
pub(crate) struct ForeignRecord;

impl Kind for ForeignRecord {
    type Value = String;
    const RULE: &'static str = "a record's canonical text, at most 16384 bytes";

    fn read(r: &mut Reader<'_>) -> Result<String, JsonError> {
        fields::lines(r, FOREIGN_BYTES_MAX, "a record's canonical text of at most 16384 bytes")
    }

    fn write(value: &String, w: &mut Writer) {
        w.string(value);
    }
}

object! {
    /// To whom a grant goes, and with which key it is used.
    GrantTo is "the receiver" {
        /// the agent
        required agent: AgentId as Id<AgentId>,
        /// the key that signs the next link, and what is done under the grant
        required kid: Kid as KeyId,
        /// the log where the agent lives; absent: this log
        optional origin: String as Origin,
        /// the agent's tenant
        required tenant: TenantId as Id<TenantId>,
    }
}

object! {
    /// Bounds of a grant. A child's are at most its parent's; what a parent bounds, a child bounds too.
    GrantLimits is "bounds", check complete {
        /// amounts above it need an approval; needs `currency`
        optional approval_over: u64 as Minor,
        /// most calls in each window; needs `window_s`
        optional calls: u64 as Count,
        /// the currency of the amounts
        optional currency: String as Currency,
        /// environments in which it holds
        optional env: Vec<String> as Tokens,
        /// log time at which it ends
        required expires_at: u64 as Time,
        /// trust that the receiver must have
        optional min_trust_bp: u64 as BasisPoints,
        /// log time at which it begins
        optional not_before: u64 as Time,
        /// what it is for
        optional purpose: String as Token,
        /// most to spend in each window; needs `currency` and `window_s`
        optional spend_minor: u64 as Minor,
        /// length of a window of log time; windows follow each other from the offer on
        optional window_s: u64 as WindowSeconds,
    }
}

impl GrantLimits {
    fn complete(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        let needs = |field: &str, rule| Err(r.field_error(field, Reason::Invalid { rule }));
        if (self.calls.is_some() || self.spend_minor.is_some()) && self.window_s.is_none() {
            return needs("window_s", "there, because calls or spend_minor is");
        }
        if (self.spend_minor.is_some() || self.approval_over.is_some()) && self.currency.is_none() {
            return needs("currency", "there, because spend_minor or approval_over is");
        }
        if self.not_before.is_some_and(|from| from >= self.expires_at) {
            return needs("not_before", "before expires_at");
        }
        Ok(())
    }

    /// No bound but the log time at which the grant ends, ms since 1970.
    pub fn until(expires_at: u64) -> Self {
        Self {
            approval_over: None,
            calls: None,
            currency: None,
            env: None,
            expires_at,
            min_trust_bp: None,
            not_before: None,
            purpose: None,
            spend_minor: None,
            window_s: None,
        }
    }

    /// Whether these bound everything that `above` bounds, and at least as tightly.
    pub fn are_within(&self, above: &GrantLimits) -> bool {
        let at_most =
            |own: Option<u64>, above: Option<u64>| above.is_none_or(|max| own.is_some_and(|n| n <= max));
        let at_least =
            |own: Option<u64>, above: Option<u64>| above.is_none_or(|min| own.is_some_and(|n| n >= min));
        fn same<T: PartialEq>(own: &Option<T>, above: &Option<T>) -> bool {
            above.is_none() || own == above
        }
        let env = above.env.as_ref().is_none_or(|wide| {
            self.env.as_ref().is_some_and(|own| own.iter().all(|name| wide.contains(name)))
        });
        self.expires_at <= above.expires_at
            && at_most(self.approval_over, above.approval_over)
            && at_most(self.calls, above.calls)
            && at_most(self.spend_minor, above.spend_minor)
            && at_least(self.min_trust_bp, above.min_trust_bp)
            && at_least(self.not_before, above.not_before)
            && same(&self.currency, &above.currency)
            && same(&self.purpose, &above.purpose)
            && same(&self.window_s, &above.window_s)
            && env
    }
}

body! {
    /// Body of `delegation.offer`: a grant, from a tenant or an agent to an agent.
    ///
    /// Effect: the grant holds from here on; if receiver and grantor are of different tenants, from its acceptance on, which must come
    /// within 24 hours and needs a live `agreement`. A child (`parent`) is signed by the very key that its parent grants to. An offer of
    /// more than its grantor has is logged, flagged `grant_exceeded`, counts as a denial, and grants nothing. Refused: `grant_exists`,
    /// `grant_unknown`, `grant_ended`, `key_not_valid`, `delegation_cycle`, `too_deep`, `agreement_unknown`, `agreement_ended`,
    /// `expires_too_soon`, `expires_too_late`.
    DelegationOffer = "delegation.offer" by [Agent, Tenant, Operator], info OFFER {
        /// hash of the agreement, across tenants only
        optional agreement: RecordHash as Hash,
        /// what the receiver must not do; repeats every deny of the parent
        required deny: Vec<Scope> as Scopes,
        /// the agent that grants; absent: the tenant itself, from its root
        optional from: AgentId as Id<AgentId>,
        /// the new grant's id, unique in the log, for ever
        required grant: DelegationId as Id<DelegationId>,
        /// re-delegations that are left
        required hops: u64 as Hops,
        /// its bounds
        required limits: GrantLimits as GrantLimits,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// hash of the parent's offer; absent in a root
        optional parent: RecordHash as Hash,
        /// what the receiver may do; nothing, if empty
        required scopes: Vec<Scope> as Scopes,
        /// the receiver
        required to: GrantTo as GrantTo,
    }
}

body! {
    /// Body of `delegation.accept`: the receiver takes the grant. For a grant of another log the offer's record comes along.
    ///
    /// Effect: the grant is accepted; trust in the receiver is capped by the grantor's. Refused: `grant_unknown`, `grant_ended`,
    /// `grant_accepted`, `offer_lapsed`, `offer_mismatch`, `agreement_unknown`, `agreement_ended`.
    DelegationAccept = "delegation.accept" by [Agent, Tenant, Operator], info ACCEPT, check foreign_is_whole {
        /// the receiver
        required agent: AgentId as Id<AgentId>,
        /// hash of the agreement in this log, with `foreign`
        optional agreement: RecordHash as Hash,
        /// the offer, when it stands in another log
        optional foreign: String as ForeignRecord,
        /// that log
        optional foreign_origin: String as Origin,
        /// the grant
        required grant: DelegationId as Id<DelegationId>,
        /// hash of the offer's record
        required offer: RecordHash as Hash,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
    }
}

impl DelegationAccept {
    fn foreign_is_whole(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        let there = [self.agreement.is_some(), self.foreign.is_some(), self.foreign_origin.is_some()];
        if there == [true; 3] || there == [false; 3] {
            return Ok(());
        }
        let rule = "there together with agreement and foreign_origin, or none of the three";
        Err(r.field_error("foreign", Reason::Invalid { rule }))
    }
}

body! {
    /// Body of `delegation.reject`: the receiver does not want the grant.
    ///
    /// Effect: the grant has ended. Refused: `grant_unknown`, `grant_ended`, `offer_mismatch`.
    DelegationReject = "delegation.reject" by [Agent, Tenant, Operator], info REJECT {
        /// the receiver
        required agent: AgentId as Id<AgentId>,
        /// the grant
        required grant: DelegationId as Id<DelegationId>,
        /// hash of the offer's record
        required offer: RecordHash as Hash,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// why
        required reason: String as Token,
    }
}

body! {
    /// Body of `delegation.revoke`: from this index on the grant and whatever hangs below it do not hold. Not reversible.
    ///
    /// Effect: as it says. The grantor, whoever granted to it, and the tenants on the path may do it; others are refused:
    /// `not_yours_to_revoke`, `grant_unknown`, `grant_ended`.
    DelegationRevoke = "delegation.revoke" by [Agent, Tenant, Operator], info REVOKE {
        /// the grant
        required grant: DelegationId as Id<DelegationId>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// why
        required reason: String as Token,
    }
}
