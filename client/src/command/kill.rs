//! How agents end for good: `maip kill`, in full `maip agent kill`, with what it ended, and `maip agent revoke`.

use std::fmt::Write as _;

use clap::Args;
use ledger_client::transport::Ended;
use ledger_format::record::{self, AgentId, Body};
use serde_json::json;

use super::{
    Done, Exit, Global, Out,
    agent::{TenantSigner, agent_id, by_tenant},
    global::block_on,
    send::Send,
};

/// Agents that are named to a person; a program gets them all.
const NAMED_MAX: usize = 10;

/// How an agent ends for good, revoked or killed: who signs, why, and how far it reaches.
#[derive(Debug, Args)]
struct Ending {
    #[command(flatten)]
    signer: TenantSigner,
    /// Why, in a word.
    #[arg(long, value_name = "WORD")]
    reason: String,
    /// Leave the agents below it as they are.
    #[arg(long)]
    no_cascade: bool,
    /// Since when its key is not to be trusted: a log time in ms.
    #[arg(long, value_name = "MS")]
    compromised_at: Option<u64>,
    #[command(flatten)]
    send: Send,
}

/// `maip agent revoke`.
#[derive(Debug, Args)]
pub(crate) struct AgentRevoke {
    /// The agent.
    #[arg(long, value_parser = agent_id)]
    agent: AgentId,
    #[command(flatten)]
    ending: Ending,
}

/// `maip agent kill`.
#[derive(Debug, Args)]
pub(crate) struct AgentKill {
    /// The agent.
    #[arg(long, value_parser = agent_id)]
    agent: AgentId,
    #[command(flatten)]
    ending: Ending,
}

/// `maip kill`.
#[derive(Debug, Args)]
pub(crate) struct Kill {
    /// The agent.
    #[arg(value_parser = agent_id)]
    agent: AgentId,
    #[command(flatten)]
    ending: Ending,
}

impl AgentKill {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        self.ending.kill(self.agent, global, out)
    }
}

impl Kill {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        self.ending.kill(self.agent, global, out)
    }
}

impl AgentRevoke {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let (agent, ending) = (self.agent, &self.ending);
        let body = record::AgentRevoke {
            agent,
            cascade: !ending.no_cascade,
            compromised_at: ending.compromised_at,
            on_behalf_of: None,
            reason: ending.reason.clone(),
        };
        let stated = by_tenant(ending.signer.tenant, Body::AgentRevoke(body));
        let extra = json!({ "agent": agent.to_string() });
        let key = ending.signer.key(global)?;
        ending.send.log(global, out, stated, &key, &format!("{agent} is revoked"), extra)
    }
}

impl Ending {
    fn kill(&self, agent: AgentId, global: &Global, out: &Out) -> Done {
        let body = record::AgentKill {
            agent,
            cascade: !self.no_cascade,
            compromised_at: self.compromised_at,
            on_behalf_of: None,
            reason: self.reason.clone(),
        };
        let stated = by_tenant(self.signer.tenant, Body::AgentKill(body));
        let Some(sent) = self.send.send(global, out, stated, &self.signer.key(global)?)? else {
            return Ok(Exit::Ok);
        };
        let (name, index) = (agent.to_string(), sent.submitted.index);
        // The agent is dead whatever becomes of this question.
        let ended =
            block_on(async { Ok(global.nodes()?.ended(&global.log, &name, index, global.timeout).await?) });
        let mut json = json!({ "agent": name });
        let more = match ended {
            Ok(ended) => {
                json["ended"] = json!({ "agents": ended.agents, "agents_total": ended.agents.len(), "sessions": ended.sessions });
                in_words(&ended)
            }
            Err(failure) => {
                let why = failure.why.unwrap_or(failure.what);
                out.remark(&format!("what it ended could not be asked: {why}"));
                String::new()
            }
        };
        let below = if self.no_cascade { "" } else { ", and so is every agent below it" };
        self.send.answer(out, &sent, &format!("{name} is killed{below}"), &more, json);
        Ok(Exit::Ok)
    }
}

fn in_words(ended: &Ended) -> String {
    let count = |number: u64, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    let mut text = format!(
        "  ended    {} and {}\n",
        count(ended.agents.len() as u64, "agent"),
        count(ended.sessions, "session")
    );
    for agent in ended.agents.iter().take(NAMED_MAX) {
        let _ = writeln!(text, "           {agent}");
    }
    if let Some(more) = ended.agents.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        let _ = writeln!(text, "           and {more} more; --json names them all");
    }
    text
}
