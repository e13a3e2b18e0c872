//! Who signs a record: an agent, its tenant, or the operator for one of them.

use clap::Args;
use ledger_client::keys::KeyHandle;
use ledger_format::record::{Actor, AgentId, Body, Ulid};

use super::{Failure, Global, agent::agent_id, global::AdminKey, send::Stated, tenant::tenant_id};

fn read(global: &Global, name: &str) -> Result<KeyHandle, Failure> {
    global.signer(name)
}

/// An agent or a tenant.
#[derive(Debug, Args)]
pub(crate) struct AgentOrTenant {
    /// Sign as this agent, with --key.
    #[arg(long, value_parser = agent_id, requires = "key")]
    agent: Option<AgentId>,
    /// The agent's key: a key file, or a name in the key directory.
    #[arg(long, value_name = "FILE", requires = "agent")]
    key: Option<String>,
    /// Sign as the tenant, with this key.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    tenant_key: Option<String>,
}

impl AgentOrTenant {
    /// The actor and its key.
    pub(crate) fn actor(&self, global: &Global) -> Result<(Actor, KeyHandle), Failure> {
        match (self.agent, &self.key, &self.tenant_key) {
            (_, _, Some(name)) => Ok((Actor::Tenant, read(global, name)?)),
            (Some(agent), Some(name), None) => Ok((Actor::Agent(agent), read(global, name)?)),
            _ => Err(Failure::cannot("no key to sign with").next("give --agent and --key, or --tenant-key")),
        }
    }
}

/// A signer of any kind, for any type of record.
#[derive(Debug, Args)]
pub(crate) struct Signer {
    /// The tenant to which the record belongs. Not for records about the log.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    pub(crate) tenant: Option<Ulid>,
    #[command(flatten)]
    own: AgentOrTenant,
    /// Sign as the log's operator, with this key.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "tenant_key"])]
    operator_key: Option<String>,
}

impl Signer {
    /// The actor and its key.
    pub(crate) fn actor(&self, global: &Global) -> Result<(Actor, KeyHandle), Failure> {
        match &self.operator_key {
            Some(name) => Ok((Actor::Operator, read(global, name)?)),
            None => self.own.actor(global),
        }
    }
}

/// A tenant, or the operator on behalf of somebody.
#[derive(Debug, Args)]
pub(crate) struct TenantOrOperator {
    /// The tenant.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    tenant: Ulid,
    /// The tenant's root key: a key file, or a name in the key directory.
    #[arg(long, env = "MAIP_TENANT_KEY", value_name = "FILE", required_unless_present = "operator_key")]
    tenant_key: Option<String>,
    /// Sign as the log's operator instead, with this key.
    #[arg(long, value_name = "FILE", requires = "on_behalf_of")]
    operator_key: Option<String>,
    /// For whom the operator signs.
    #[arg(long, value_name = "WHO", requires = "operator_key")]
    on_behalf_of: Option<String>,
    #[command(flatten)]
    admin: AdminKey,
}

impl TenantOrOperator {
    /// The record with this body, and the key that signs it; the body is told on whose behalf.
    pub(crate) fn state(
        &self,
        global: &Global,
        body: impl FnOnce(Option<String>) -> Body,
    ) -> Result<(Stated<'_>, KeyHandle), Failure> {
        let body = body(self.on_behalf_of.clone());
        let (actor, name) = match (&self.operator_key, &self.tenant_key) {
            (Some(name), _) => (Actor::Operator, name),
            (None, Some(name)) => (Actor::Tenant, name),
            (None, None) => return Err(Failure::cannot("no key to sign with").next("give --tenant-key")),
        };
        let operator = (actor == Actor::Operator).then_some(&self.admin);
        let stated = Stated { operator, id: None, tenant: self.tenant, actor, prev: None, body };
        Ok((stated, read(global, name)?))
    }

    /// The tenant, in words.
    pub(crate) fn name(&self) -> String {
        ledger_format::record::TenantId(self.tenant).to_string()
    }
}
