//! `maip history`: all receipts about an agent, and proof that these are all.
//!
//! A node lists them; published files are read whole, from the agent's registration on. Either way the list is held against the chain's
//! head in the staple, so nobody is believed.

use std::{fmt::Write as _, fs, path::PathBuf};

use clap::{Args, ValueHint};
use ledger_client::{
    Nodes, Source as _,
    history::{History as Chain, Stated},
    offline::{Finding, StatusFinding},
    source::{CHECKPOINT_BYTES_MAX, bundles, read_bundle, split_bundle},
};
use ledger_format::{
    Checkpoint, Note, Staple, TILE_WIDTH,
    record::{AgentId, Entry, Record},
};
use ledger_proto::v1::GetEntryResponse;
use ledger_state::receipt_about;
use serde_json::json;

use super::{
    Done, Exit, Failure, Global, Out,
    agent::agent_id,
    chain::{Files, blocking, files, sealed},
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
    /// Index of the agent's registration: it has no receipts before.
    registered: u64,
}

/// Where receipts are read.
enum Door<'f> {
    /// Nodes, which list them.
    Nodes(Nodes),
    /// Published files with so many entries, which are searched.
    Files(&'f Files, u64),
}

impl History {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let files = files(global)?;
        block_on(async {
            let door = match &files {
                None => Door::Nodes(global.nodes()?),
                Some(files) => Door::Files(files, published(files)?),
            };
            let proven = match self.verify {
                true => Some(self.prove(global, &door).await?),
                false => None,
            };
            let receipts = self.fetch(global, door, proven.as_ref(), out).await?;
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
    async fn prove(&self, global: &Global, door: &Door<'_>) -> Result<Proven, Failure> {
        let policy = global.policy_needed(self.policy.as_ref())?;
        let name = self.agent.to_string();
        let staple = match &self.staple {
            None => newest(global, door, &name).await?,
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
        let registered = first_key(value).unwrap_or(0);
        Ok(Proven { stated, size: index + 1, registered, finding })
    }

    /// All pages. With a status to hold them against, its receipts, and none that is newer.
    async fn fetch(
        &self,
        global: &Global,
        door: Door<'_>,
        proven: Option<&Proven>,
        out: &Out,
    ) -> Result<Vec<GetEntryResponse>, Failure> {
        let bar = out.progress("receipts", proven.map_or(0, |proven| proven.stated.count));
        let (name, size) = (self.agent.to_string(), proven.map_or(0, |proven| proven.size));
        let (mut chain, mut receipts) = (Chain::new(self.agent), Vec::new());
        let mut from = match door {
            Door::Nodes(_) => 0,
            Door::Files(..) => proven.map_or(0, |proven| proven.registered),
        };
        // Of a staple that is newer than the checkpoint that was read first.
        let door = match (door, proven) {
            (Door::Files(files, end), Some(proven)) if end < proven.size => {
                Door::Files(files, published(files)?)
            }
            (door, _) => door,
        };
        let lied = |fault| {
            let next = "ask another node; if it repeats, tell the log's operator and a witness";
            Failure::no("these are not the receipts about the agent").why(fault).next(next)
        };
        loop {
            let page = match &door {
                Door::Nodes(nodes) => {
                    nodes.history(&global.log, &name, from, size, global.timeout).await?.entries
                }
                Door::Files(files, end) => {
                    let end = proven.map_or(*end, |proven| proven.size.min(*end));
                    blocking(|| search(files, self.agent, from, end))?
                }
            };
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

/// The newest staple about an agent. An agent that was registered since the last seal is waited for: the log knows it, and its
/// staples do not yet.
async fn newest(global: &Global, door: &Door<'_>, name: &str) -> Result<Staple, Failure> {
    match door {
        Door::Nodes(nodes) => {
            let staple = nodes.staple(&global.log, name, 0, global.timeout).await?;
            if staple.value().is_some() {
                return Ok(staple);
            }
            let present = nodes.status(&global.log, name, true, global.timeout).await?;
            match first_key(&present.status) {
                Some(registered) => {
                    let min_size = registered.saturating_add(1);
                    Ok(nodes.staple(&global.log, name, min_size, global.timeout).await?)
                }
                None => Ok(staple),
            }
        }
        Door::Files(files, end) => {
            let staple = blocking(|| sealed(files, name, 0, false, global.timeout))?;
            if staple.value().is_some() {
                return Ok(staple);
            }
            // What is published ends with a seal, unless something came after it, which a seal will follow.
            blocking(|| sealed(files, name, end.saturating_sub(1), false, global.timeout))
        }
    }
}

/// Entries of the published checkpoint. Whether it is one, the staple shows.
fn published(files: &Files) -> Result<u64, Failure> {
    let bad = |why: String| Failure::no("the log's checkpoint cannot be used").why(why);
    let bytes = blocking(|| files.fetch("checkpoint", CHECKPOINT_BYTES_MAX))?;
    let note = Note::parse(&bytes).map_err(|e| bad(e.to_string()))?;
    Ok(Checkpoint::parse(note.text()).map_err(|e| bad(e.to_string()))?.size)
}

/// Where an agent's first key is valid from, which is its registration; `None` when its status no longer names that key.
fn first_key(status: &[u8]) -> Option<u64> {
    let status: serde_json::Value = serde_json::from_slice(status).ok()?;
    let keys = status["keys"].as_array()?;
    (status["key_count"].as_u64()? == keys.len() as u64).then(|| keys.first()?["from"].as_u64()).flatten()
}

/// The receipts about an agent in the first bundle that has any, from index `from` on and below `end`; none when there are no more.
fn search(files: &Files, agent: AgentId, from: u64, end: u64) -> Result<Vec<GetEntryResponse>, Failure> {
    for id in bundles(from, end) {
        let entries = split_bundle(id, &read_bundle(files, id)?)?;
        let first = id.index * TILE_WIDTH;
        let found: Vec<GetEntryResponse> = (first..)
            .zip(entries)
            .filter(|(index, entry)| (from..end).contains(index) && is_about(entry, agent))
            .map(|(index, entry)| GetEntryResponse { index, entry: entry.into() })
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

fn is_about(entry: &[u8], agent: AgentId) -> bool {
    let record = Entry::parse(entry).ok().and_then(|entry| Record::parse(entry.record).ok());
    record.is_some_and(|record| receipt_about(&record.body) == Some(agent))
}
