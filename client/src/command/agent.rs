//! `maip agent`: register agents, rotate their keys, revoke them. Their standing: `agent_status`.

use clap::{Args, Subcommand};
use ledger_client::keys::KeyHandle;
use ledger_format::record::{Actor, AgentId, AgentKey, AgentRegister, AgentType, Body, Scope, Ulid};
use serde_json::json;

use super::{
    Done, Failure, Global, Out,
    agent_status::{Standing, Update},
    kill::{AgentKill, AgentRevoke},
    send::{Send, Stated, new_id},
    tenant::tenant_id,
};

/// Which tenant, and the key that signs for it.
#[derive(Debug, Args)]
pub(crate) struct TenantSigner {
    /// The tenant.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    pub(crate) tenant: Ulid,
    /// The tenant's root key: a key file, or a name in the key directory.
    #[arg(long, env = "MAIP_TENANT_KEY", value_name = "FILE")]
    tenant_key: String,
}

impl TenantSigner {
    pub(crate) fn key(&self, global: &Global) -> Result<KeyHandle, Failure> {
        global.signer(&self.tenant_key)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// Register an agent, signed by its tenant.
    Register {
        #[command(flatten)]
        signer: TenantSigner,
        /// What people call it.
        #[arg(long)]
        name: String,
        /// The agent's key: its public half, a file, or a name in the key directory. The private half is not sent.
        #[arg(long)]
        key: String,
        /// How much it acts by itself.
        #[arg(long = "type", value_name = "TYPE", default_value = "autonomous", value_parser = agent_type)]
        agent_type: AgentType,
        /// What it may do, resource:action or resource:*. May be repeated.
        #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
        scopes: Vec<Scope>,
        /// What it must never do. May be repeated.
        #[arg(long = "deny", value_name = "SCOPE", value_parser = scope)]
        denies: Vec<Scope>,
        /// The agent above it.
        #[arg(long, value_parser = agent_id)]
        parent: Option<AgentId>,
        /// What kind of program it is, e.g. orchestrator.
        #[arg(long)]
        runtime_type: Option<String>,
        /// Its id. Default: a new one.
        #[arg(long, value_parser = agent_id)]
        id: Option<AgentId>,
        #[command(flatten)]
        send: Send,
    },
    /// Give an agent a new key. Signed by its old key, or by its tenant when that is lost.
    RotateKey {
        /// The agent.
        #[arg(long, value_parser = agent_id)]
        agent: AgentId,
        /// The tenant.
        #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
        tenant: Ulid,
        /// The agent's present key; with --tenant-key its public half is enough.
        #[arg(long, value_name = "FILE")]
        key: String,
        /// The new key: its public half, a file, or a name in the key directory.
        #[arg(long, value_name = "KEY")]
        new_key: String,
        /// Sign as the tenant.
        #[arg(long, value_name = "FILE")]
        tenant_key: Option<String>,
        /// Why: scheduled, compromised, lost, ...
        #[arg(long, default_value = "scheduled")]
        reason: String,
        #[command(flatten)]
        send: Send,
    },
    /// Revoke an agent for ever; signed by its tenant.
    Revoke(Box<AgentRevoke>),
    /// Change what an agent may do, or what it is called; signed by its tenant.
    Update(Box<Update>),
    /// Let an agent do nothing until it is reactivated; its sessions end.
    Suspend(Box<Standing>),
    /// Let a suspended agent act again; its former sessions stay ended.
    Reactivate(Box<Standing>),
    /// The kill switch: end an agent and every agent below it, at once and for ever.
    Kill(Box<AgentKill>),
}

impl Agent {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        match self {
            Self::Update(update) => update.run(global, out),
            Self::Suspend(standing) => standing.suspend(global, out),
            Self::Reactivate(standing) => standing.reactivate(global, out),
            Self::Kill(kill) => kill.run(global, out),
            Self::Register {
                signer,
                name,
                key,
                agent_type,
                scopes,
                denies,
                parent,
                runtime_type,
                id,
                send,
            } => {
                let agent = match id {
                    Some(id) => *id,
                    None => AgentId(new_id()?),
                };
                let key = global.public_key(key)?;
                let body = AgentRegister {
                    agent,
                    denies: sorted(denies),
                    key,
                    name: name.clone(),
                    on_behalf_of: None,
                    parent: *parent,
                    runtime_type: runtime_type.clone(),
                    scopes: sorted(scopes),
                    agent_type: *agent_type,
                };
                let stated = by_tenant(signer.tenant, Body::AgentRegister(Box::new(body)));
                let words = format!("agent {name:?} is registered as {agent}");
                send.log(
                    global,
                    out,
                    stated,
                    &signer.key(global)?,
                    &words,
                    json!({ "agent": agent.to_string() }),
                )
            }
            Self::RotateKey { agent, tenant, key, new_key, tenant_key, reason, send } => {
                let previous = global.public_key(key)?;
                let (actor, signing) = match tenant_key {
                    Some(file) => (Actor::Tenant, global.signer(file)?),
                    None => (Actor::Agent(*agent), global.signer(key)?),
                };
                let new = global.public_key(new_key)?;
                let body = AgentKey {
                    agent: *agent,
                    key: new,
                    on_behalf_of: None,
                    previous: previous.kid(),
                    reason: reason.clone(),
                };
                let stated = Stated {
                    operator: None,
                    id: None,
                    tenant: *tenant,
                    actor,
                    prev: None,
                    body: Body::AgentKey(body),
                };
                let words = format!("{agent} signs with key {} from now on", new.kid());
                send.log(global, out, stated, &signing, &words, json!({ "kid": new.kid().to_string() }))
            }
            Self::Revoke(revoke) => revoke.run(global, out),
        }
    }
}

pub(crate) fn by_tenant(tenant: Ulid, body: Body) -> Stated<'static> {
    Stated { operator: None, id: None, tenant, actor: Actor::Tenant, prev: None, body }
}

/// In the order a record needs, each once.
pub(crate) fn sorted(scopes: &[Scope]) -> Vec<Scope> {
    let mut scopes = scopes.to_vec();
    scopes.sort();
    scopes.dedup();
    scopes
}

/// Any spelling of an agent's id.
pub(crate) fn agent_id(text: &str) -> Result<AgentId, String> {
    AgentId::parse_any(text)
        .ok_or_else(|| "not an agent's id: maip-agent:<26 characters>, the bare ULID or the UUID".into())
}

/// One scope.
pub(crate) fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text)
        .ok_or_else(|| "a scope is resource:action or resource:* in a-z 0-9 . _ -, or *:*".into())
}

fn agent_type(text: &str) -> Result<AgentType, String> {
    AgentType::parse(text).ok_or_else(|| {
        let all: Vec<_> = AgentType::ALL.iter().map(|t| t.as_str()).collect();
        format!("one of {}", all.join(", "))
    })
}
