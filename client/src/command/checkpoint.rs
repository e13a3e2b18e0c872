//! `maip checkpoint` and `maip consistency`: what the log says of itself, and that it never took a word back.

use std::{fmt::Write as _, fs, path::PathBuf};

use clap::{Args, ValueHint};
use ledger_client::source::{CHECKPOINT_BYTES_MAX, Tiles};
use ledger_format::{
    Checkpoint as Head, Hash, HashReader, Note, Policy, TileHashReader, TlogProof, prove_consistency,
    tree_root, verify_consistency,
};
use serde_json::json;

use super::{
    Done, Exit, Failure, Global, Out,
    global::block_on,
    time::{duration_text, now_s, utc},
};

#[derive(Debug, Args)]
pub(crate) struct Checkpoint {
    /// Check its signatures against the policy.
    #[arg(long)]
    verify: bool,
    /// Whom to trust. Default: the devnet's policy.
    #[arg(long, env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
    /// Wait for a checkpoint of at least this size.
    #[arg(long, value_name = "SIZE", default_value_t = 0)]
    min_size: u64,
}

impl Checkpoint {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let bytes = if global.reads_files() {
            global.source(None)?.fetch("checkpoint", CHECKPOINT_BYTES_MAX)?
        } else {
            block_on(async {
                Ok(global.nodes()?.checkpoint(&global.log, self.min_size, global.timeout).await?)
            })?
        };
        let note = parse_note(&bytes)?;
        let head = Head::parse(note.text()).map_err(|e| Failure::no("this is not a checkpoint").why(e))?;
        let text = note.to_string();
        let mut json = json!({
            "ok": true, "origin": head.origin, "size": head.size, "root": head.root.to_string(), "note": text,
        });
        let mut words = text.clone();
        if self.verify {
            let policy = global.policy_needed(self.policy.as_ref())?;
            let witnessed = policy
                .check(&note)
                .map_err(|e| Failure::no("the checkpoint does not satisfy the policy").why(e))?;
            let now = now_s();
            let _ = writeln!(words, "\n{} signed by {}", out.good("valid:"), witnessed.log.name());
            for (name, time) in &witnessed.cosigners {
                let ago = duration_text(now.saturating_sub(*time));
                let _ = writeln!(words, "  cosigned by {name} at {} ({ago} ago)", utc(*time));
            }
            json["verified"] = json!(true);
            json["cosigners"] = cosigners(&witnessed.cosigners);
        }
        out.answer(&words, &json);
        Ok(Exit::Ok)
    }
}

/// Witness names and times for JSON.
pub(crate) fn cosigners(list: &[(String, u64)]) -> serde_json::Value {
    list.iter().map(|(name, time)| json!({ "name": name, "time_s": time })).collect()
}

#[derive(Debug, Args)]
pub(crate) struct Consistency {
    /// The older tree: a size, or a file with a checkpoint or a proof.
    old: String,
    /// The newer tree: the same; or `latest`.
    #[arg(default_value = "latest")]
    new: String,
    /// Read the log from a directory.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// Whom to trust. Default: the devnet's policy; without any, signatures are not checked.
    #[arg(long, env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
}

/// A tree size, and the root somebody signed for it, if it came with one.
struct Tree {
    size: u64,
    claimed: Option<Hash>,
}

impl Consistency {
    /// Takes both roots from the log's tiles, ties them to its latest checkpoint, then to each other.
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let policy = global.policy(self.policy.as_ref())?;
        let source = global.source(self.dir.as_ref())?;
        let latest = open(&source.fetch("checkpoint", CHECKPOINT_BYTES_MAX)?, policy.as_ref())?;
        let tree = |given: &str| tree(given, &latest, policy.as_ref());
        let (old, new) = (tree(&self.old)?, tree(&self.new)?);
        if old.size > new.size {
            return Err(Failure::cannot(format!("{} is larger than {}", old.size, new.size))
                .next("name the older tree first"));
        }
        if new.size > latest.size {
            return Err(Failure::cannot(format!(
                "the log's checkpoint has {} entries, not {}",
                latest.size, new.size
            ))
            .next("wait for a later checkpoint, or ask a node that is not behind"));
        }
        let tiles = Tiles(&*source);
        let reader = TileHashReader::new(&tiles, latest.size);
        let old_root = proven_root(&reader, &old, &latest)?;
        let new_root = proven_root(&reader, &new, &latest)?;
        let proof = prove_consistency(&reader, old.size, new.size).map_err(tiles_failed)?;
        verify_consistency(old.size, new.size, &proof, old_root, new_root)
            .map_err(|e| Failure::no("the trees are not consistent").why(e))?;

        let signed = if policy.is_some() { "" } else { " (signatures not checked: no policy was given)" };
        let mut text = format!(
            "{} the log of {} entries only added to the log of {}{signed}\n",
            out.good("consistent:"),
            new.size,
            old.size
        );
        let _ = writeln!(text, "  {:>12}  {old_root}\n  {:>12}  {new_root}\n  proof:", old.size, new.size);
        for hash in &proof {
            let _ = writeln!(text, "  {}", hash.to_base64());
        }
        let json = json!({
            "ok": true, "origin": latest.origin, "signatures_checked": policy.is_some(),
            "old": { "size": old.size, "root": old_root.to_string() },
            "new": { "size": new.size, "root": new_root.to_string() },
            "proof": proof.iter().map(|h| h.to_base64()).collect::<Vec<_>>(),
        });
        out.answer(&text, &json);
        Ok(Exit::Ok)
    }
}

/// The root at a size, tied to the latest checkpoint; equal to what a file claims for it.
fn proven_root<R>(reader: &R, tree: &Tree, latest: &Head) -> Result<Hash, Failure>
where
    R: HashReader,
    R::Error: std::fmt::Display,
{
    let root = tree_root(reader, tree.size).map_err(tiles_failed)?;
    let proof = prove_consistency(reader, tree.size, latest.size).map_err(tiles_failed)?;
    verify_consistency(tree.size, latest.size, &proof, root, latest.root)
        .map_err(|e| Failure::no("the log's tiles do not belong to its checkpoint").why(e))?;
    match tree.claimed {
        Some(claimed) if claimed != root => {
            Err(Failure::no(format!("the log forked at or before size {}", tree.size))
                .why(format!("the file's root is {claimed}, the log's is {root}"))
                .next("keep the file: both are signed; `maip monitor` writes evidence of it"))
        }
        _ => Ok(root),
    }
}

fn tree(given: &str, latest: &Head, policy: Option<&Policy>) -> Result<Tree, Failure> {
    if given == "latest" {
        return Ok(Tree { size: latest.size, claimed: Some(latest.root) });
    }
    if let Ok(size) = given.parse() {
        return Ok(Tree { size, claimed: None });
    }
    let bytes = fs::read(given)
        .map_err(|e| Failure::cannot(format!("{given:?} is neither a size nor a file")).why(e))?;
    let head = match TlogProof::parse(&bytes) {
        Ok(proof) => open(&proof.note.to_bytes(), policy)?,
        Err(_) => open(&bytes, policy)?,
    };
    if head.origin != latest.origin {
        return Err(Failure::cannot(format!("{given} is of another log, {}", head.origin)));
    }
    Ok(Tree { size: head.size, claimed: Some(head.root) })
}

/// Parses a checkpoint and, with a policy, checks its signatures.
fn open(bytes: &[u8], policy: Option<&Policy>) -> Result<Head, Failure> {
    let note = parse_note(bytes)?;
    match policy {
        Some(policy) => policy
            .check(&note)
            .map(|w| w.checkpoint)
            .map_err(|e| Failure::no("the checkpoint does not satisfy the policy").why(e)),
        None => Head::parse(note.text()).map_err(|e| Failure::no("this is not a checkpoint").why(e)),
    }
}

fn parse_note(bytes: &[u8]) -> Result<Note, Failure> {
    Note::parse(bytes).map_err(|e| Failure::no("this is not a signed note").why(e))
}

fn tiles_failed(error: impl std::fmt::Display) -> Failure {
    Failure::cannot("the log's tiles cannot be read").why(error)
}
