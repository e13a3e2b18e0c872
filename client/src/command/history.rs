//! `maip history`: all receipts about an agent, and proof that these are all.

use std::{fmt::Write as _, fs, path::PathBuf};

use clap::{Args, ValueHint};
use ledger_client::{
    Nodes,
    history::{History as Chain, Stated},
    offline::{Finding, StatusFinding},
};
use ledger_format::{Staple, record::AgentId};
use ledger_proto::v1::GetEntryResponse;
use serde_json::json;

use super::{
    Done, Exit, Failure, Global, Out,
    agent::agent_id,
    checkpoint::cosigners,
    global::block_on,
    staple::judge,
    tail::{facts, shown},
};

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The agent.
    #[arg(value_parser = agent_id)]
    agent: AgentId,
    /// Prove that these are all receipts about the agent up to a witnessed checkpoint.
    #[arg(long)]
    verify: bool,
    /// Hold the receipts against this staple of the agent. Default: a fresh one from a node.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "verify")]
    staple: Option<PathBuf>,
    /// Whom to trust. Default: the devnet's policy.
    #[arg(long, env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
}

/// What a proven status says, and who vouches for it.
struct Proven {
    stated: Stated,
    finding: Finding,
    /// Size that holds all of it.
    size: u64,
}

impl History {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        block_on(async {
            let nodes = global.nodes()?;
            let proven = match self.verify {
                true => Some(self.prove(global, &nodes).await?),
                false => None,
            };
            let receipts = self.fetch(global, &nodes, proven.as_ref(), out).await?;
            let mut json = json!({
                "ok": true, "agent": self.agent.to_string(), "verified": proven.is_some(),
                "receipts": receipts.iter().map(|e| facts(e.index, &e.entry)).collect::<Vec<_>>(),
            });
            let mut text = String::new();
            for entry in &receipts {
                let _ = writeln!(text, "{}", shown(entry.index, &entry.entry, false));
            }
            match &proven {
                Some(proven) => self.complete(proven, out, &mut text, &mut json),
                None => {
                    let _ = write!(text, "{} receipts", receipts.len());
                    out.remark("whether these are all is not checked: --verify proves it");
                }
            }
            out.answer(&text, &json);
            Ok(Exit::Ok)
        })
    }

    /// The staple, fetched or given, under the policy.
    async fn prove(&self, global: &Global, nodes: &Nodes) -> Result<Proven, Failure> {
        let policy = global.policy_needed(self.policy.as_ref())?;
        let name = self.agent.to_string();
        let staple = match &self.staple {
            None => nodes.staple(&global.log, &name, 0, global.timeout).await?,
            Some(path) => {
                let bytes = fs::read(path)
                    .map_err(|e| Failure::cannot(format!("{} cannot be read", path.display())).why(e))?;
                Staple::parse(&bytes)
                    .map_err(|e| Failure::no(format!("{} is no staple", path.display())).why(e))?
            }
        };
        if staple.subject != name {
            return Err(Failure::no(format!("the staple is about {}", staple.subject))
                .next(format!("`maip proof status {name}` fetches the right one")));
        }
        let finding = judge(&staple, &policy)?;
        let Some(StatusFinding { value: Some(value), as_of_size, index, .. }) = &finding.status else {
            return Err(Failure::no(format!("the log knows no agent {name}")).next("check the id and --log"));
        };
        let stated = Stated::of_status(value, *as_of_size)
            .ok_or_else(|| Failure::no("the status says nothing of receipts"))?;
        Ok(Proven { stated, size: index + 1, finding })
    }

    /// All pages. With a status to hold them against, its receipts, and none that is newer.
    async fn fetch(
        &self,
        global: &Global,
        nodes: &Nodes,
        proven: Option<&Proven>,
        out: &Out,
    ) -> Result<Vec<GetEntryResponse>, Failure> {
        let bar = out.progress("receipts", proven.map_or(0, |proven| proven.stated.count));
        let (name, size) = (self.agent.to_string(), proven.map_or(0, |proven| proven.size));
        let (mut chain, mut receipts, mut from) = (Chain::new(self.agent), Vec::new(), 0);
        let lied = |fault| {
            let next = "ask another node; if it repeats, tell the log's operator and a witness";
            Failure::no("these are not the receipts about the agent").why(fault).next(next)
        };
        loop {
            let page = nodes.history(&global.log, &name, from, size, global.timeout).await?.entries;
            let Some(last) = page.last() else { break };
            from = last.index.saturating_add(1);
            for entry in page {
                match proven {
                    Some(proven) if chain.count() == proven.stated.count => {
                        chain.push_newer(&proven.stated, entry.index, &entry.entry).map_err(lied)?;
                    }
                    _ => {
                        chain.push(entry.index, &entry.entry).map_err(lied)?;
                        receipts.push(entry);
                        bar.inc(1);
                    }
                }
            }
            if proven.is_some_and(|proven| from >= proven.size) {
                break;
            }
        }
        bar.finish_and_clear();
        if let Some(proven) = proven {
            chain.finish(&proven.stated).map_err(lied)?;
        }
        Ok(receipts)
    }

    fn complete(&self, proven: &Proven, out: &Out, text: &mut String, json: &mut serde_json::Value) {
        let Proven { stated, finding, .. } = proven;
        let names: Vec<_> = finding.cosigners.iter().map(|(name, _)| name.as_str()).collect();
        let _ = writeln!(
            text,
            "{} these {} receipts are all that {} holds about {} in its first {} entries",
            out.good("complete:"),
            stated.count,
            finding.checkpoint.origin,
            self.agent,
            stated.as_of_size
        );
        let _ = writeln!(text, "  chain head   {}", stated.head.to_hex());
        let _ = writeln!(text, "  witnessed by {}", names.join(", "));
        json["count"] = json!(stated.count);
        json["head"] = json!(stated.head.to_hex());
        json["as_of_size"] = json!(stated.as_of_size);
        json["origin"] = json!(finding.checkpoint.origin);
        json["cosigners"] = cosigners(&finding.cosigners);
    }
}
