//! The tenant family: `tenant.register`.

use super::declare::body;
use super::fields::words;
use super::keys::PublicKey;
use super::kinds::{Key, Name, OnBehalfOf, Word, word_kind};

words! {
    /// What a tenant has subscribed to. Quotas follow from it, so it is public.
    Plan, "one of developer, business, enterprise" {
        /// The plan without a contract; what every tenant that registers itself gets.
        Developer = "developer",
        /// Paid.
        Business = "business",
        /// Without quotas.
        Enterprise = "enterprise",
    }
}

word_kind!(Plan);

body! {
    /// Body of `tenant.register`. The record's `tenant` is the new tenant's id.
    TenantRegister = "tenant.register" by [Tenant, Operator], info REGISTER {
        /// The tenant's root key. Signs the record when the tenant registers itself, and then it must be there; without it
        /// only the operator can act for the tenant.
        optional key: PublicKey as Key,
        /// What people call the tenant.
        required name: String as Name,
        /// The credential that the operator acted for.
        optional on_behalf_of: String as OnBehalfOf,
        /// Absent means `developer`; anything else only the operator may state.
        optional plan: Plan as Word<Plan>,
    }
}
