//! `maip proof batch`: one file that proves many entries under one checkpoint.

use std::{collections::BTreeSet, path::PathBuf};

use clap::{Args, ValueHint};
use ledger_client::{
    Source,
    source::{CHECKPOINT_BYTES_MAX, Tiles, bundles, read_bundle, split_bundle},
};
use ledger_format::{
    Checkpoint, MultiProof, Note, TILE_WIDTH, TileHashReader, multiproof::MULTI_PROOF_ENTRIES_MAX,
};
use serde_json::json;

use super::{Done, Exit, Failure, Global, Out, proof::write_file};

#[derive(Debug, Args)]
pub(crate) struct Batch {
    /// Indexes of the entries.
    #[arg(value_name = "INDEX", required_unless_present = "from")]
    indexes: Vec<u64>,
    /// First index of a range.
    #[arg(long, value_name = "INDEX", requires = "to", conflicts_with = "indexes")]
    from: Option<u64>,
    /// End of the range, itself not in it.
    #[arg(long, value_name = "INDEX", requires = "from")]
    to: Option<u64>,
    /// Where to write it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
    /// Read the log from a directory.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// Verify against this policy before writing. Default: the devnet's.
    #[arg(long, env = "MAIP_POLICY", value_name = "FILE", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
}

impl Batch {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let indexes = self.wanted()?;
        let policy = global.policy(self.policy.as_ref())?;
        let source = global.source(self.dir.as_ref())?;
        let bytes = source.fetch("checkpoint", CHECKPOINT_BYTES_MAX)?;
        let bad = |why: String| Failure::no("the log's checkpoint cannot be used").why(why);
        let note = Note::parse(&bytes).map_err(|e| bad(e.to_string()))?;
        let size = Checkpoint::parse(note.text()).map_err(|e| bad(e.to_string()))?.size;
        if let Some(&last) = indexes.last().filter(|&&last| last >= size) {
            return Err(Failure::cannot(format!(
                "entry {last} is not published: the checkpoint has {size} entries"
            )));
        }
        let entries = read_entries(&*source, &indexes, size, out)?;
        let tiles = Tiles(&*source);
        let proof = MultiProof::build(&TileHashReader::new(&tiles, size), note, entries)
            .map_err(|e| Failure::no("the log's files do not give a proof").why(e))?;
        if let Some(policy) = &policy {
            proof.verify(policy).map_err(|e| Failure::no("the proof does not satisfy the policy").why(e))?;
        }
        let bytes = proof.to_bytes();
        write_file(&self.out, &bytes)?;
        let verified = if policy.is_some() {
            "verified"
        } else {
            "verified but for the signatures: no policy was given"
        };
        let text = format!(
            "wrote {}: {} entries, {} hashes, {} bytes ({verified})",
            self.out.display(),
            indexes.len(),
            proof.hashes.len(),
            bytes.len()
        );
        let json = json!({
            "ok": true, "file": self.out, "entries": indexes.len(), "hashes": proof.hashes.len(), "size": size,
            "verified": policy.is_some(),
        });
        out.answer(&text, &json);
        Ok(Exit::Ok)
    }

    /// Ascending, each once.
    fn wanted(&self) -> Result<Vec<u64>, Failure> {
        let indexes: Vec<u64> = match (self.from, self.to) {
            (Some(from), Some(to)) if to.saturating_sub(from) <= MULTI_PROOF_ENTRIES_MAX as u64 => {
                (from..to).collect()
            }
            (Some(from), Some(to)) => return Err(too_many(to.saturating_sub(from))),
            _ => self.indexes.iter().copied().collect::<BTreeSet<_>>().into_iter().collect(),
        };
        match indexes.len() {
            0 => Err(Failure::cannot("the range is empty").next("--to is the first index that is not in it")),
            n if n > MULTI_PROOF_ENTRIES_MAX => Err(too_many(n as u64)),
            _ => Ok(indexes),
        }
    }
}

fn too_many(got: u64) -> Failure {
    Failure::cannot(format!("{got} entries are too many for one file, which holds {MULTI_PROOF_ENTRIES_MAX}"))
        .next("make several files")
}

fn read_entries(
    source: &dyn Source,
    indexes: &[u64],
    size: u64,
    out: &Out,
) -> Result<Vec<(u64, Vec<u8>)>, Failure> {
    let bar = out.progress("entries", indexes.len() as u64);
    let mut entries = Vec::with_capacity(indexes.len());
    for same_bundle in indexes.chunk_by(|a, b| a / TILE_WIDTH == b / TILE_WIDTH) {
        let first = same_bundle[0] / TILE_WIDTH * TILE_WIDTH;
        let id = bundles(first, size).next().expect("the index is below the size");
        let bundle = split_bundle(id, &read_bundle(source, id)?)?;
        for &index in same_bundle {
            let slot = usize::try_from(index - first).expect("below 256");
            entries.push((index, bundle[slot].clone()));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(entries)
}
