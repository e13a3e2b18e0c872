//! Client certificates as credentials: a certificate of the tenants' authority whose URI names a tenant or an agent.
//!
//! The node has checked the certificate in the handshake. What its agent may do, and whether it may act at all, is asked of the state of the
//! moment, so that a kill ends what a certificate opens as it ends tokens.

use std::sync::Arc;

use axum::http::HeaderMap;
use ledger_format::record::{AgentId, Scope, TenantId, Ulid};

use super::{
    Environment,
    caller::{Caller, Principal},
};
use crate::{ApiError, maip::Shared};

/// The URIs of the client certificate of a connection, which its authority has signed: an extension of each request on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientUris(pub Arc<[String]>);

/// Whom a certificate names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Tenant(TenantId),
    Agent(AgentId),
}

/// Who calls by a certificate, which is of one log as `X-Environment` says.
///
/// # Errors
/// 401: it names nobody, or more than one, or who may not act.
pub(super) fn caller(shared: &Shared, headers: &HeaderMap, uris: &ClientUris) -> Result<Caller, ApiError> {
    let environment = Environment::of_header(headers)?;
    let refused = |message: &str| ApiError::unauthenticated().because(message.to_owned());
    let read = |uri: &String| {
        let tenant = TenantId::parse(uri).map(Named::Tenant);
        tenant.or_else(|| AgentId::parse(uri).map(Named::Agent))
    };
    let mut named = uris.0.iter().filter_map(read);
    let who = named.next().ok_or_else(|| {
        refused("the certificate names nobody")
            .fix("put maip-agent:<ulid> or maip-tenant:<ulid> into its URI")
    })?;
    if named.any(|other| other != who) {
        return Err(refused("the certificate names more than one"));
    }
    let log = shared.logs.named(environment.log_name())?;
    let state = log.reader().state(|view| {
        let (tenant, agent) = match who {
            Named::Tenant(tenant) => (tenant.0, None),
            Named::Agent(id) => {
                let agent = ledger_state::agent(view, id)?;
                (agent.tenant, Some((id, agent)))
            }
        };
        Some((tenant, ledger_state::tenant(view, tenant)?, agent))
    });
    let (id, tenant, agent) = state
        .map_err(ApiError::internal)?
        .ok_or_else(|| refused("this log does not know whom the certificate names"))?;
    let Some((agent_id, agent)) = agent else {
        return Ok(Caller {
            tenant: id,
            environment,
            principal: Principal::Certificate { agent: None, denies: Vec::new() },
            name: format!("certificate:{}", TenantId(id)),
            scopes: Scope::parse("*:*").into_iter().collect(),
        });
    };
    if !agent.is_active() || !tenant.is_active() {
        return Err(refused("the certificate's agent may not act"));
    }
    Ok(Caller {
        tenant: id,
        environment,
        principal: Principal::Certificate { agent: Some(agent_id), denies: agent.denies },
        name: format!("certificate:{agent_id}"),
        scopes: agent.scopes,
    })
}

/// Whether whom a certificate names may still act, by what this node has applied.
pub(super) fn is_live(
    shared: &Shared,
    environment: Environment,
    tenant: Ulid,
    agent: Option<AgentId>,
) -> bool {
    let Ok(log) = shared.logs.named(environment.log_name()) else { return false };
    let live = log.reader().state(|view| {
        let Some(agent) = agent else { return true };
        let agent = ledger_state::agent(view, agent);
        let tenant = ledger_state::tenant(view, tenant);
        agent.is_some_and(|agent| agent.is_active()) && tenant.is_some_and(|tenant| tenant.is_active())
    });
    live.unwrap_or(false)
}
