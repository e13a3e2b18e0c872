//! `maip agent update|suspend|reactivate`: what an agent may do, and whether it may. Its end: `kill`.

use clap::Args;
use ledger_format::record::{AgentId, AgentReactivate, AgentSuspend, AgentUpdate, Body, Scope};
use serde_json::json;

use super::{
    Done, Global, Out,
    agent::{TenantSigner, agent_id, by_tenant, scope, sorted},
    send::Send,
};

/// Which agent, who signs, and why.
#[derive(Debug, Args)]
pub(crate) struct Standing {
    #[command(flatten)]
    signer: TenantSigner,
    /// The agent.
    #[arg(long, value_parser = agent_id)]
    agent: AgentId,
    /// Why, in a word.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    send: Send,
}

impl Standing {
    pub(crate) fn suspend(&self, global: &Global, out: &Out) -> Done {
        let body = AgentSuspend { agent: self.agent, on_behalf_of: None, reason: self.reason.clone() };
        self.log(global, out, Body::AgentSuspend(body), "is suspended, and its sessions have ended")
    }

    pub(crate) fn reactivate(&self, global: &Global, out: &Out) -> Done {
        let body = AgentReactivate { agent: self.agent, on_behalf_of: None, reason: self.reason.clone() };
        self.log(global, out, Body::AgentReactivate(body), "may act again")
    }

    fn log(&self, global: &Global, out: &Out, body: Body, words: &str) -> Done {
        let stated = by_tenant(self.signer.tenant, body);
        let words = format!("{} {words}", self.agent);
        let extra = json!({ "agent": self.agent.to_string() });
        self.send.log(global, out, stated, &self.signer.key(global)?, &words, extra)
    }
}

/// What is given replaces what was.
#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    signer: TenantSigner,
    /// The agent.
    #[arg(long, value_parser = agent_id)]
    agent: AgentId,
    /// What people call it.
    #[arg(long)]
    name: Option<String>,
    /// What kind of program it is.
    #[arg(long)]
    runtime_type: Option<String>,
    /// What it may do, all of it. May be repeated.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    scopes: Vec<Scope>,
    /// What it must never do, all of it. May be repeated.
    #[arg(long = "deny", value_name = "SCOPE", value_parser = scope)]
    denies: Vec<Scope>,
    /// Actions for which it needs an approval, if it is supervised; all of them. May be repeated.
    #[arg(long = "critical", value_name = "SCOPE", value_parser = scope)]
    critical: Vec<Scope>,
    /// It may do nothing.
    #[arg(long, conflicts_with = "scopes")]
    no_scopes: bool,
    #[command(flatten)]
    send: Send,
}

impl Update {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let given = |list: &[Scope]| (!list.is_empty()).then(|| sorted(list));
        let scopes = if self.no_scopes { Some(Vec::new()) } else { given(&self.scopes) };
        let body = AgentUpdate {
            agent: self.agent,
            critical: given(&self.critical),
            denies: given(&self.denies),
            name: self.name.clone(),
            on_behalf_of: None,
            runtime_type: self.runtime_type.clone(),
            scopes,
        };
        let stated = by_tenant(self.signer.tenant, Body::AgentUpdate(Box::new(body)));
        let words = format!("{} is described anew", self.agent);
        let extra = json!({ "agent": self.agent.to_string() });
        self.send.log(global, out, stated, &self.signer.key(global)?, &words, extra)
    }
}
