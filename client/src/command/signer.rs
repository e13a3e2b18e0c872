//! Who signs a record: an agent, its tenant, or the operator for one of them.

use clap::Args;
use ledger_client::keys;
use ledger_format::record::{Actor, AgentId, SigningKey, Ulid};

use super::{Failure, Global, agent::agent_id, tenant::tenant_id};

/// A signer of any kind.
#[derive(Debug, Args)]
pub(crate) struct Signer {
    /// The tenant to which the record belongs. Not for records about the log.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    pub(crate) tenant: Option<Ulid>,
    /// Sign as this agent, with --key.
    #[arg(long, value_parser = agent_id, requires = "key")]
    agent: Option<AgentId>,
    /// The agent's key: a key file, or a name in the key directory.
    #[arg(long, value_name = "FILE", requires = "agent")]
    key: Option<String>,
    /// Sign as the tenant, with this key.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    tenant_key: Option<String>,
    /// Sign as the log's operator, with this key.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "tenant_key"])]
    operator_key: Option<String>,
}

impl Signer {
    /// The actor and its key.
    pub(crate) fn actor(&self, global: &Global) -> Result<(Actor, SigningKey), Failure> {
        let (actor, name) = match (self.agent, &self.key, &self.tenant_key, &self.operator_key) {
            (_, _, _, Some(name)) => (Actor::Operator, name),
            (_, _, Some(name), None) => (Actor::Tenant, name),
            (Some(agent), Some(name), None, None) => (Actor::Agent(agent), name),
            _ => {
                return Err(Failure::cannot("no key to sign with")
                    .next("give --agent and --key, or --tenant-key, or --operator-key"));
            }
        };
        Ok((actor, keys::read_seed(&keys::locate(&global.key_directory(), name))?))
    }
}
