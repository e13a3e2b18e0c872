//! The endpoints, one file a group.

mod agents;
mod anomalies;
mod api_keys;
mod approvals;
mod attested;
mod audit;
mod billing;
mod claims;
mod compliance;
mod datasets;
mod delegations;
mod documents;
mod federation;
pub(crate) mod guardrails;
mod lineage;
mod logged_at;
mod models;
mod observability;
mod orchestrations;
mod platform;
pub(crate) mod policies;
mod receipts;
mod records;
mod scopes;
mod service;
mod sessions;
mod tenants;
mod tools;
mod trust;
mod webhooks;
mod witness;
mod workflows;

pub(crate) use receipts::ReceiptNotes;

use crate::endpoint::Routes;

/// Declares every group, in the order of the document.
pub(crate) fn declare(routes: &mut Routes) {
    agents::declare(routes);
    sessions::declare(routes);
    tools::declare(routes);
    trust::declare(routes);
    witness::declare(routes);
    policies::declare(routes);
    approvals::declare(routes);
    scopes::declare(routes);
    claims::declare(routes);
    documents::declare(routes);
    compliance::declare(routes);
    anomalies::declare(routes);
    audit::declare(routes);
    datasets::declare(routes);
    models::declare(routes);
    orchestrations::declare(routes);
    workflows::declare(routes);
    guardrails::declare(routes);
    delegations::declare(routes);
    federation::declare(routes);
    observability::declare(routes);
    webhooks::declare(routes);
    billing::declare(routes);
    receipts::declare(routes);
    platform::declare(routes);
    records::declare(routes);
    tenants::declare(routes);
    api_keys::declare(routes);
    service::declare(routes);
}
