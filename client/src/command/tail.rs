//! `maip tail` and `maip entry`: what is in the log.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use ledger_client::{Nodes, transport::Which};
use ledger_format::{Frontier, Hash, Note, Policy, TlogProof, leaf_hash, record::Entry as LogEntry};
use ledger_proto::v1;
use serde_json::{Value, json};

use super::{Done, Exit, Failure, Global, Out, global::block_on};

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// First index.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    from: u64,
    /// Go on with new entries until stopped.
    #[arg(long, short)]
    follow: bool,
    /// Check what arrives against checkpoints of this policy. Default: the devnet's; without any, nothing is checked.
    #[arg(long, env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
}

impl Tail {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        block_on(async {
            let policy = global.policy(self.policy.as_ref())?;
            if policy.is_none() {
                out.remark("entries are not checked: no policy was given");
            }
            let nodes = global.nodes()?;
            let mut check = Check { next: self.from, frontier: None, waiting: Vec::new() };
            let mut stream = nodes.tail(&global.log, self.from, self.follow).await?;
            loop {
                let item = stream.message().await.map_err(|status| {
                    Failure::cannot("the stream broke off")
                        .why(status.message())
                        .next(format!("go on with `--from {}`", check.next))
                })?;
                match item.and_then(|i| i.item) {
                    None => break,
                    Some(v1::tail_response::Item::Entry(entry)) => {
                        check.entry(entry.index, &entry.entry)?;
                        out.line(&shown(entry.index, &entry.entry, out.is_json()));
                    }
                    Some(v1::tail_response::Item::Checkpoint(note)) => {
                        let Some(policy) = &policy else { continue };
                        let size = check.checkpoint(&nodes, &global.log, policy, &note, self.from).await?;
                        if let Some(size) = size {
                            out.remark(&format!("checked up to size {size}"));
                        }
                    }
                }
            }
            Ok(Exit::Ok)
        })
    }
}

/// Recomputes the root from the entries that passed by.
struct Check {
    next: u64,
    /// Known once the first entry has been proven.
    frontier: Option<Frontier>,
    /// Leaf hashes since the last checkpoint.
    waiting: Vec<Hash>,
}

impl Check {
    fn entry(&mut self, index: u64, entry: &[u8]) -> Result<(), Failure> {
        if index != self.next {
            return Err(Failure::no(format!("the node sent entry {index} where {} is next", self.next)));
        }
        self.next += 1;
        self.waiting.push(leaf_hash(entry));
        Ok(())
    }

    /// The entries so far must give the root of a checkpoint that covers exactly them; its size, if it does.
    async fn checkpoint(
        &mut self,
        nodes: &Nodes,
        log: &str,
        policy: &Policy,
        note: &[u8],
        from: u64,
    ) -> Result<Option<u64>, Failure> {
        let no = |what: &str, why: String| Failure::no(what.to_owned()).why(why);
        let note = Note::parse(note).map_err(|e| no("the node sent no checkpoint", e.to_string()))?;
        let witnessed =
            policy.check(&note).map_err(|e| no("a checkpoint does not satisfy the policy", e.to_string()))?;
        let head = witnessed.checkpoint;
        if head.size != self.next || self.waiting.is_empty() {
            return Ok(None);
        }
        if self.frontier.is_none() {
            self.frontier = Some(start(nodes, log, policy, from, self.waiting[0]).await?);
        }
        let frontier = self.frontier.as_mut().expect("set above");
        self.waiting.drain(..).for_each(|leaf| frontier.push(leaf));
        if frontier.root() != head.root {
            return Err(no(
                "the entries are not those of the checkpoint",
                format!("roots differ at size {}", head.size),
            ));
        }
        Ok(Some(head.size))
    }
}

/// The frontier of the first `from` entries: the left-hand hashes of a proven path of entry `from` are exactly it.
async fn start(
    nodes: &Nodes,
    log: &str,
    policy: &Policy,
    from: u64,
    leaf: Hash,
) -> Result<Frontier, Failure> {
    if from == 0 {
        return Ok(Frontier::new());
    }
    let bytes = nodes.proof(log, &Which::Index(from), None).await?;
    let wrong = |why: String| Failure::no(format!("entry {from} is not proven")).why(why);
    let proof = TlogProof::parse(&bytes).map_err(|e| wrong(e.to_string()))?;
    let entry = proof.extra.clone().ok_or_else(|| wrong("the proof holds no entry".into()))?;
    let proven = ledger_format::verify(&entry, &proof, policy).map_err(|e| wrong(e.to_string()))?;
    if proven.leaf != leaf {
        return Err(wrong("the node sent another entry before".into()));
    }
    let mut left = left_hashes(from, proven.checkpoint.size, &proof.hashes);
    left.reverse();
    Frontier::from_parts(from, left).ok_or_else(|| wrong("its path does not fit its index".into()))
}

/// The hashes of an inclusion path that stand to the left of the way up, leaf side first.
///
/// Walks as RFC 9162 section 2.1.3.2 does.
fn left_hashes(index: u64, size: u64, path: &[Hash]) -> Vec<Hash> {
    let (mut fn_, mut sn) = (index, size - 1);
    let mut left = Vec::new();
    for &hash in path {
        if fn_ & 1 == 1 || fn_ == sn {
            left.push(hash);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    left
}

#[derive(Debug, Args)]
pub(crate) struct Entry {
    /// Its index, or the id of its record.
    which: String,
    /// The tenant of the record, when it is named by id.
    #[arg(long, env = "MAIP_TENANT", default_value = "")]
    tenant: String,
    /// Print the entry's exact bytes and nothing else.
    #[arg(long)]
    raw: bool,
}

impl Entry {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        block_on(async {
            let which = which(&self.which, &self.tenant);
            let (index, entry) = global.nodes()?.entry(&global.log, &which).await?;
            if self.raw {
                out.bytes(&entry);
                return Ok(Exit::Ok);
            }
            out.line(&shown(index, &entry, out.is_json()));
            Ok(Exit::Ok)
        })
    }
}

/// An index if it is a number, else a record id.
pub(crate) fn which(given: &str, tenant: &str) -> Which {
    match given.parse() {
        Ok(index) => Which::Index(index),
        Err(_) => Which::Record { id: given.to_owned(), tenant: tenant.to_owned() },
    }
}

/// One entry for a program.
pub(crate) fn facts(index: u64, entry: &[u8]) -> Value {
    let parsed: Value = serde_json::from_slice(entry).unwrap_or(Value::Null);
    json!({ "index": index, "leaf": leaf_hash(entry).to_string(), "entry": parsed })
}

/// One entry on one line.
pub(crate) fn shown(index: u64, entry: &[u8], as_json: bool) -> String {
    if as_json {
        return facts(index, entry).to_string();
    }
    let leaf = leaf_hash(entry).to_string();
    match LogEntry::parse(entry) {
        Ok(parsed) => {
            let at = super::time::utc(parsed.at / 1_000);
            format!("{index:>8}  {at}  {}", String::from_utf8_lossy(parsed.record))
        }
        Err(_) => format!("{index:>8}  (not an entry of ours, {} bytes, leaf {leaf})", entry.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger_format::prove_inclusion;

    #[test]
    fn the_left_side_of_a_path_is_the_frontier_before_it() {
        let leaves: Vec<Hash> = (0..70u8).map(|i| leaf_hash(&[i])).collect();
        let mut frontier = Frontier::new();
        for index in 0..leaves.len() as u64 {
            for size in index + 1..=leaves.len() as u64 {
                let path = prove_inclusion(&leaves[..], index, size).unwrap();
                let mut left = left_hashes(index, size, &path);
                left.reverse();
                assert_eq!(left, frontier.hashes(), "index {index} size {size}");
            }
            frontier.push(leaves[index as usize]);
        }
    }
}
