//! What a tenant was registered with: a sandbox that was reset is told it again.

use ledger_format::record::{Body, Plan, TenantId, TenantRegister, Ulid};
use serde::{Deserialize, Serialize};

use super::store::{Changes, Store};
use crate::ApiError;

/// A tenant's account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) plan: String,
    /// The credential that registered it.
    pub(crate) on_behalf_of: String,
}

impl Account {
    /// The record that registers it.
    pub(crate) fn record(&self) -> Body {
        Body::TenantRegister(TenantRegister {
            key: None,
            name: self.name.clone(),
            on_behalf_of: Some(self.on_behalf_of.clone()),
            plan: Plan::parse(&self.plan),
        })
    }

    /// Its plan when it was registered.
    pub(crate) fn plan(&self) -> Plan {
        Plan::parse(&self.plan).unwrap_or(Plan::Developer)
    }

    /// Keeps it.
    pub(crate) async fn keep(&self, store: &Store, tenant: Ulid) -> Result<(), ApiError> {
        store.change(Changes::default().put(&place(tenant), self, None)?).await?;
        Ok(())
    }

    /// The account of a tenant that was registered over this API.
    pub(crate) fn of(store: &Store, tenant: Ulid) -> Result<Option<Self>, ApiError> {
        Ok(store.get(&place(tenant))?.map(|(account, _)| account))
    }
}

fn place(tenant: Ulid) -> String {
    format!("account/{}", TenantId(tenant))
}
