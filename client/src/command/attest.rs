//! `maip attest`: an agent says of another how it was to deal with it.

use clap::Args;
use ledger_format::record::{Actor, AgentId, AttestPeer, Body, PeerVerdict, Ulid};
use serde_json::json;

use super::{
    Done, Global, Out,
    agent::agent_id,
    send::{Send, Stated},
    tenant::tenant_id,
};

#[derive(Debug, Args)]
pub(crate) struct Attest {
    /// Of whom it is said.
    #[arg(value_name = "AGENT", value_parser = agent_id)]
    subject: AgentId,
    /// The agent that says it.
    #[arg(long, value_name = "AGENT", value_parser = agent_id)]
    by: AgentId,
    /// That agent's key: a key file, or a name in the key directory.
    #[arg(long, value_name = "FILE")]
    key: String,
    /// That agent's tenant.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    tenant: Ulid,
    /// Index of the entry in which the two had to do with each other.
    #[arg(long, value_name = "INDEX")]
    interaction: u64,
    /// How it went: good or bad.
    #[arg(long, value_parser = verdict)]
    verdict: PeerVerdict,
    #[command(flatten)]
    send: Send,
}

impl Attest {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let key = global.signer(&self.key)?;
        let body = AttestPeer {
            agent: self.by,
            interaction: self.interaction,
            on_behalf_of: None,
            subject: self.subject,
            verdict: self.verdict,
        };
        let stated = Stated {
            operator: None,
            id: None,
            tenant: self.tenant,
            actor: Actor::Agent(self.by),
            prev: None,
            body: Body::AttestPeer(Box::new(body)),
        };
        let words = format!("{} says that {} did {}", self.by, self.subject, adverb(self.verdict));
        let extra = json!({ "agent": self.subject.to_string(), "verdict": self.verdict.as_str() });
        self.send.log(global, out, stated, &key, &words, extra)
    }
}

fn adverb(verdict: PeerVerdict) -> &'static str {
    match verdict {
        PeerVerdict::Good => "well",
        PeerVerdict::Bad => "badly",
    }
}

fn verdict(text: &str) -> Result<PeerVerdict, String> {
    PeerVerdict::parse(text).ok_or_else(|| "one of good, bad".into())
}
