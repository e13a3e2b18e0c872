//! Changes of a tenant: `tenant.update`, `.key`, `.suspend`, `.reactivate`.

use super::declare::{body, object};
use super::json::{JsonError, Reader, Reason};
use super::keys::{Kid, PublicKey};
use super::kinds::{BasisPoints, Key, KeyId, Name, OnBehalfOf, Token, Word};
use super::tenant::Plan;

object! {
    /// Below which scores a tenant's agents are watched, need approvals, and are suspended.
    TrustThresholds is "three scores", check in_order {
        /// below it each critical or sensitive action needs an approval
        required approval: u64 as BasisPoints,
        /// below it the tenant is alerted
        required monitor: u64 as BasisPoints,
        /// below it the agent is suspended
        required suspend: u64 as BasisPoints,
    }
}

impl TrustThresholds {
    /// What a tenant has that says nothing: 70, 50 and 30 of 100.
    pub const DEFAULT: TrustThresholds = TrustThresholds { approval: 5_000, monitor: 7_000, suspend: 3_000 };

    fn in_order(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        if self.suspend <= self.approval && self.approval <= self.monitor {
            return Ok(());
        }
        Err(r.field_error("approval", Reason::Invalid { rule: "at least suspend and at most monitor" }))
    }
}

body! {
    /// Body of `tenant.update`: what is given replaces what was.
    ///
    /// Effect: the tenant's name, plan or thresholds change. At least one of the fields that can change; only the operator changes a plan.
    TenantUpdate = "tenant.update" by [Tenant, Operator], info UPDATE, check changes_something {
        /// what people call the tenant
        optional name: String as Name,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// what it has subscribed to
        optional plan: Plan as Word<Plan>,
        /// scores at which something happens to its agents
        optional thresholds: TrustThresholds as TrustThresholds,
    }
}

impl TenantUpdate {
    fn changes_something(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        if self.name.is_some() || self.plan.is_some() || self.thresholds.is_some() {
            return Ok(());
        }
        let rule = "a change: at least one of name, plan, thresholds";
        Err(r.field_error("name", Reason::Invalid { rule }))
    }
}

body! {
    /// Body of `tenant.key`: the tenant's root key changes; the old one signs up to and with this record.
    ///
    /// Effect: from the next index on only the new key signs for the tenant. Refused: `previous_key_wrong`, `key_reused`. Grants that the
    /// old key gave stay what they are.
    TenantKey = "tenant.key" by [Tenant, Operator], info KEY {
        /// the new root key
        required key: PublicKey as Key,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the current root key; absent if the tenant has none, and then only the operator may give it one
        optional previous: Kid as KeyId,
        /// why
        required reason: String as Token,
    }
}

body! {
    /// Body of `tenant.suspend`: no agent of the tenant may act until it is reactivated.
    ///
    /// Effect: sessions of its agents end, grants that pass through it do not hold, its attestations weigh nothing. What its agents still
    /// log is flagged `suspended`. Refused: `tenant_suspended`.
    TenantSuspend = "tenant.suspend" by [Tenant, Operator], info SUSPEND {
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// why
        required reason: String as Token,
    }
}

body! {
    /// Body of `tenant.reactivate`: a suspended tenant's agents may act again.
    ///
    /// Effect: as it says; sessions that ended stay ended. Refused: `tenant_not_suspended`.
    TenantReactivate = "tenant.reactivate" by [Operator], info REACTIVATE {
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// why
        required reason: String as Token,
    }
}
