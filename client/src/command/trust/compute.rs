//! `maip trust compute`: a tenant asks for a score, and reads it from the entries.

use clap::Args;
use ledger_format::record::{AgentId, Body, TrustCompute};
use ledger_proto::v1;
use serde_json::json;

use super::text;
use crate::command::{
    Done, Exit, Failure, Global, Out, agent::agent_id, copy::LogCopy, send::Send, signer::TenantOrOperator,
};

/// Whose score, and who asks.
#[derive(Debug, Args)]
pub(crate) struct Compute {
    /// The agent, in any spelling of its id.
    #[arg(value_parser = agent_id)]
    agent: AgentId,
    #[command(flatten)]
    signer: TenantOrOperator,
    #[command(flatten)]
    send: Send,
}

impl Compute {
    /// Logs the record; then replays the entries up to it, since no record says a score.
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let agent = self.agent;
        let (stated, key) = self.signer.state(global, |on_behalf_of| {
            Body::TrustCompute(Box::new(TrustCompute { agent, on_behalf_of }))
        })?;
        let Some(sent) = self.send.send(global, out, stated, &key)? else { return Ok(Exit::Ok) };
        let words = format!("the score of {agent} as of this entry");
        let size = sent.submitted.index + 1;
        let show = format!("maip trust show {agent} --to {size}");
        if sent.submitted.ack == v1::Ack::Sequenced {
            let more = format!("  score    not published yet: `{show}`\n");
            self.send.answer(out, &sent, &words, &more, json!({ "agent": agent.to_string(), "claim": null }));
            return Ok(Exit::Ok);
        }
        let copy = LogCopy::published(self.send.policy().cloned());
        let unread = |failure: Failure| {
            failure.next(format!("the record is logged at index {}; `{show}` reads its score", size - 1))
        };
        let replayed = copy.replay(global, out, Some(size), &mut ()).map_err(unread)?;
        let standing = replayed.standing(agent, replayed.last_entry_ms()).ok_or_else(|| {
            Failure::no(format!("{agent} is not in the log"))
                .why("the node took a record about it: the published log is another one")
        })?;
        let claim = replayed.claim(agent, &standing);
        let more = text::standing(out, agent, &replayed, &standing);
        self.send.answer(out, &sent, &words, &more, json!({ "agent": agent.to_string(), "claim": claim }));
        Ok(Exit::Ok)
    }
}
