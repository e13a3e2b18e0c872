//! The MAIP API over HTTP.

use std::path::PathBuf;

use serde::Deserialize;

/// The MAIP API on the client listener, which is TLS, and if asked on the plain one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Serve it at all. Without it, no timeline of tenants' records is kept either.
    pub enabled: bool,
    /// Serve it on `http_listen`, too: credentials then travel in the clear, so only on loopback or behind a proxy.
    pub plain: bool,
    /// Let anybody register a tenant of the sandbox.
    pub open_registration: bool,
    /// Calls a minute of one credential on this node; twice that many in a burst.
    pub calls_a_minute: u64,
    /// Let webhooks and steps of workflows reach addresses that are not of the public internet: a tenant could look around in this
    /// network.
    pub private_targets: bool,
    /// PEM file of an authority: whoever shows a certificate of it, whose URI is the id of a tenant or of an agent, calls as that one.
    pub client_ca: Option<PathBuf>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            enabled: true,
            plain: false,
            open_registration: false,
            calls_a_minute: ledger_api::CALLS_A_MINUTE,
            private_targets: false,
            client_ca: None,
        }
    }
}
