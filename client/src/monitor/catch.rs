//! Turning a contradiction into a file that convicts.

use std::path::PathBuf;

use ledger_format::{
    Evidence, HashReader, PrefixProof, TILE_WIDTH, TileHashReader, TileId, TlogProof, leaf_hash,
    prove_inclusion, prove_subtree, tree_root, verify_inclusion, verify_subtree,
};
use ledger_state::ReplayError;

use super::{Head, Mirror, Trouble};
use crate::source::{Source, Tiles, bundles, read_bundle, read_tile, split_bundle};

/// A log that was caught, and the file that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// What it did, a sentence.
    pub words: String,
    /// Name of the file.
    pub name: String,
    /// Its content: an evidence file, or the proof of an entry that breaks the log's rules.
    pub file: Vec<u8>,
    /// `maip evidence check` convicts by this file alone; else a replay of the log is needed, too.
    pub stands_alone: bool,
    /// Where it was written.
    pub path: PathBuf,
}

impl Caught {
    fn evidence(words: String, size: u64, evidence: &Evidence) -> Self {
        Self {
            words,
            name: format!("evidence-{size}.txt"),
            file: evidence.to_bytes(),
            stands_alone: true,
            path: PathBuf::new(),
        }
    }
}

/// A checkpoint no larger than the head, held against our own copy.
pub(super) fn older(head: &Head, new: &Head, mirror: &Mirror) -> Result<Option<Caught>, Trouble> {
    let (size, root) = (new.checkpoint.size, new.checkpoint.root);
    if size == head.checkpoint.size {
        return Ok((root != head.checkpoint.root).then(|| fork(head, new)));
    }
    let own = mirror.source();
    let tiles = Tiles(&own);
    let reader = TileHashReader::new(&tiles, head.checkpoint.size);
    let memory = |e: String| Trouble::Memory(e);
    let ours = tree_root(&reader, size).map_err(|e| memory(e.to_string()))?;
    if ours == root || size == 0 {
        return Ok(None);
    }
    let hashes = prove_subtree(&reader, 0, size, head.checkpoint.size).map_err(|e| memory(e.to_string()))?;
    let prefix = PrefixProof { root: ours, hashes };
    let words = format!(
        "the log signed a tree of {size} entries that is not the beginning of its tree of {} entries",
        head.checkpoint.size
    );
    let evidence = Evidence::LogInconsistent { old: new.note.clone(), new: head.note.clone(), prefix };
    Ok(Some(Caught::evidence(words, size, &evidence)))
}

fn fork(head: &Head, new: &Head) -> Caught {
    let size = head.checkpoint.size;
    let words = format!("the log signed two different trees of {size} entries");
    let evidence = Evidence::LogForkSameSize { first: head.note.clone(), second: new.note.clone() };
    Caught::evidence(words, size, &evidence)
}

/// A larger checkpoint, held against the head by the log's own tiles. `None` if they show no contradiction, or cannot
/// be read.
pub(super) fn newer<S: Source + ?Sized>(head: &Head, new: &Head, source: &S) -> Option<Caught> {
    let (old, size) = (head.checkpoint.size, new.checkpoint.size);
    if old == 0 {
        return None;
    }
    let tiles = Tiles(source);
    let reader = TileHashReader::new(&tiles, size);
    let root = tree_root(&reader, old).ok()?;
    let hashes = prove_subtree(&reader, 0, old, size).ok()?;
    // The tiles must be those of the signed root, or they show nothing.
    verify_subtree(0, old, size, &hashes, root, new.checkpoint.root).ok()?;
    if root == head.checkpoint.root {
        return None;
    }
    let words =
        format!("the log signed a tree of {size} entries that does not begin with its tree of {old} entries");
    let prefix = PrefixProof { root, hashes };
    let evidence = Evidence::LogInconsistent { old: head.note.clone(), new: new.note.clone(), prefix };
    Some(Caught::evidence(words, size, &evidence))
}

/// An entry that does not replay, if the signed tree really holds it.
pub(super) fn entry<S: Source + ?Sized>(
    new: &Head,
    index: u64,
    entry: &[u8],
    source: &S,
    error: &ReplayError,
) -> Option<Caught> {
    let size = new.checkpoint.size;
    let tiles = Tiles(source);
    let hashes = prove_inclusion(&TileHashReader::new(&tiles, size), index, size).ok()?;
    verify_inclusion(leaf_hash(entry), index, size, &hashes, new.checkpoint.root).ok()?;
    let proof = TlogProof { extra: Some(entry.to_vec()), index, hashes, note: new.note.clone() };
    let words = format!("the log holds an entry that its own rules forbid: {error}");
    if is_canonical(entry) {
        // Only a replay of everything before it shows that it is wrong.
        return Some(Caught {
            words,
            name: format!("forbidden-{index}.tlog-proof"),
            file: proof.to_bytes(),
            stands_alone: false,
            path: PathBuf::new(),
        });
    }
    Some(Caught::evidence(words, size, &Evidence::BadEntry { proof }))
}

/// The form that every version of the records has; a file convicts by itself only where it is broken.
fn is_canonical(entry: &[u8]) -> bool {
    use ledger_format::record::{Entry, json};
    Entry::parse(entry).is_ok_and(|e| json::parse(e.record).is_ok())
}

/// Names the first file that does not fit the signed root.
pub(super) fn first_damage<S: Source + ?Sized>(new: &Head, source: &S, from: u64) -> String {
    let size = new.checkpoint.size;
    let tiles = Tiles(source);
    let reader = TileHashReader::new(&tiles, size);
    match reader_root(&reader, size) {
        Err(e) => {
            return format!("the entries do not give the signed root, and the tiles cannot be read: {e}");
        }
        Ok(root) if root != new.checkpoint.root => {
            return format!("entries and tiles give another root at size {size} than the log signed");
        }
        Ok(_) => {}
    }
    for id in bundles(from, size) {
        let tile = TileId { level: 0, index: id.index, width: id.width };
        let both = read_bundle(source, id)
            .and_then(|bytes| split_bundle(id, &bytes))
            .and_then(|entries| Ok((entries, read_tile(source, tile)?)));
        let Ok((entries, hashes)) = both else {
            return format!("{} cannot be read", id.path());
        };
        let wrong = entries.iter().zip(&hashes).position(|(entry, &hash)| leaf_hash(entry) != hash);
        if let Some(slot) = wrong {
            let index = id.index * TILE_WIDTH + slot as u64;
            return format!(
                "{} serves another entry {index} than the log committed to ({} of {})",
                source.place(),
                id.path(),
                tile.path()
            );
        }
    }
    format!("the entries served changed while they were read, up to size {size}")
}

fn reader_root<R: HashReader>(reader: &R, size: u64) -> Result<ledger_format::Hash, String>
where
    R::Error: std::fmt::Display,
{
    tree_root(reader, size).map_err(|e| e.to_string())
}
