//! The tenant family: `tenant.register`.

use super::body::{ActorKind, FieldInfo, TypeInfo};
use super::fields::{self, words};
use super::json::{JsonError, Reader, Writer};
use super::keys::PublicKey;

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

/// Facts for documents and tests.
pub(super) const REGISTER: TypeInfo = TypeInfo {
    name: "tenant.register",
    about: "",
    actors: &[ActorKind::Tenant, ActorKind::Operator],
    fields: &[
        FieldInfo::optional("key"),
        FieldInfo::required("name"),
        FieldInfo::optional("on_behalf_of"),
        FieldInfo::optional("plan"),
    ],
};

/// Body of `tenant.register`. The record's `tenant` is the new tenant's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRegister {
    /// The tenant's root key. Signs the record when the tenant registers itself, and then it must be there; without it
    /// only the operator can act for the tenant.
    pub key: Option<PublicKey>,
    /// What people call the tenant.
    pub name: String,
    /// The credential that the operator acted for.
    pub on_behalf_of: Option<String>,
    /// Absent means `developer`; anything else only the operator may state.
    pub plan: Option<Plan>,
}

impl TenantRegister {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, JsonError> {
        let (mut public_key, mut name, mut on_behalf_of, mut plan) = (None, None, None, None);
        r.object(|r, key| {
            match key {
                "key" => public_key = Some(fields::public_key(r)?),
                "name" => name = Some(fields::name(r)?),
                "on_behalf_of" => on_behalf_of = Some(fields::on_behalf_of(r)?),
                "plan" => plan = Some(Plan::read(r)?),
                _ => return fields::unknown(r),
            }
            Ok(())
        })?;
        Ok(Self { key: public_key, name: r.required("name", name)?, on_behalf_of, plan })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.open_object();
        if let Some(key) = &self.key {
            w.text_field("key", &key.to_string());
        }
        w.text_field("name", &self.name);
        fields::write_optional(w, "on_behalf_of", self.on_behalf_of.as_deref());
        fields::write_optional(w, "plan", self.plan.map(Plan::as_str));
        w.close_object();
    }
}
