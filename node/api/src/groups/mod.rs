//! The endpoints, one file a group.

mod agents;
mod api_keys;
mod platform;
mod receipts;
mod records;
mod service;
mod tenants;

use crate::endpoint::Routes;

/// Declares every group, in the order of the document.
pub(crate) fn declare(routes: &mut Routes) {
    agents::declare(routes);
    receipts::declare(routes);
    platform::declare(routes);
    records::declare(routes);
    tenants::declare(routes);
    api_keys::declare(routes);
    service::declare(routes);
}
