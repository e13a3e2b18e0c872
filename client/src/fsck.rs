//! Re-hashing the published files of a log in a directory.
//!
//! Spec: <https://c2sp.org/tlog-tiles>
//!
//! Goes from the top down, so that the first contradiction names the damaged file: the checkpoint fixes the root, the
//! root the tiles, each tile the tiles below it, the level-0 tiles the entries.

use ledger_format::{
    Checkpoint, Hash, Note, Policy, TILE_WIDTH, TileHashReader, TileId, full_tiles, leaf_hash, partial_width,
    tile_root, tree_root,
};

use crate::source::{
    CHECKPOINT_BYTES_MAX, DirSource, Source as _, SourceError, Tiles, bundles, read_bundle, read_tile,
    split_bundle,
};

/// What was found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Entries that were re-hashed.
    pub size: u64,
    /// Tiles that were checked, entry bundles not counted.
    pub tiles: u64,
    /// The checkpoint the files were held against; `None` when the directory has none.
    pub checkpoint: Option<Checkpoint>,
}

/// The first thing that is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A file is missing, unreadable or malformed.
    #[error("{0}")]
    File(#[from] SourceError),
    /// The checkpoint is none, or not one the policy accepts.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// The tiles at the right edge do not give the checkpoint's root.
    #[error("the tiles give root {found} at size {size}, the checkpoint says {signed}; look at {}", edge.join(", "))]
    Root {
        /// Size of the checkpoint.
        size: u64,
        /// Root of the tiles.
        found: Hash,
        /// Root of the checkpoint.
        signed: Hash,
        /// The tiles the root is made of.
        edge: Vec<String>,
    },
    /// A tile is not what its parent says.
    #[error("{path} is damaged: it hashes to {found}, hash {slot} of {parent} is {expected}")]
    Tile {
        /// The damaged tile.
        path: String,
        /// The tile above it.
        parent: String,
        /// Place in the parent.
        slot: usize,
        /// The tile's root.
        found: Hash,
        /// The parent's hash.
        expected: Hash,
    },
    /// An entry is not what its tile says.
    #[error("{path} is damaged: entry {index} hashes to {found}, {tile} says {expected}")]
    Entry {
        /// The damaged bundle.
        path: String,
        /// Index of the entry.
        index: u64,
        /// The level-0 tile.
        tile: String,
        /// Leaf hash of the entry.
        found: Hash,
        /// The tile's hash.
        expected: Hash,
    },
}

/// Checks every file. `progress` is told how many of how many entries are done.
///
/// Without a checkpoint in the directory (a node's own tile directory has none) all full tiles are checked against each
/// other.
///
/// # Errors
/// The first [`Fault`].
pub fn fsck(
    dir: &DirSource,
    policy: Option<&Policy>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, Fault> {
    let checkpoint = read_checkpoint(dir, policy)?;
    let size = match &checkpoint {
        Some(checkpoint) => checkpoint.size,
        None => full_size(dir),
    };
    if let Some(checkpoint) = &checkpoint {
        check_root(dir, checkpoint)?;
    }
    let mut tiles = 0;
    for level in (0..=top_level(size)).rev() {
        tiles += check_level(dir, level, size, checkpoint.is_some())?;
    }
    check_entries(dir, size, progress)?;
    Ok(Report { size, tiles, checkpoint })
}

fn read_checkpoint(dir: &DirSource, policy: Option<&Policy>) -> Result<Option<Checkpoint>, Fault> {
    let bytes = match dir.fetch("checkpoint", CHECKPOINT_BYTES_MAX) {
        Err(SourceError::Missing { .. }) if policy.is_none() => return Ok(None),
        other => other?,
    };
    let wrong = |why: String| Fault::Checkpoint(why);
    let note = Note::parse(&bytes).map_err(|e| wrong(e.to_string()))?;
    let checkpoint = match policy {
        Some(policy) => policy.check(&note).map_err(|e| wrong(e.to_string()))?.checkpoint,
        None => Checkpoint::parse(note.text()).map_err(|e| wrong(e.to_string()))?,
    };
    Ok(Some(checkpoint))
}

/// Entries in full level-0 tiles without a gap.
fn full_size(dir: &DirSource) -> u64 {
    let exists = |index: u64| dir.dir().join(TileId { level: 0, index, width: 256 }.path()).exists();
    (0..).take_while(|&index| exists(index)).count() as u64 * TILE_WIDTH
}

/// The highest level that has a tile.
fn top_level(size: u64) -> u8 {
    let mut level = 0;
    while full_tiles(level, size) > 0 {
        level += 1;
    }
    // Above the last full tile there is a partial one that holds its root.
    level
}

fn check_root(dir: &DirSource, checkpoint: &Checkpoint) -> Result<(), Fault> {
    let size = checkpoint.size;
    let tiles = Tiles(dir);
    let found = tree_root(&TileHashReader::new(&tiles, size), size).map_err(|e| match e {
        ledger_format::TileHashError::Read { source, .. } => Fault::File(source),
        other => Fault::Checkpoint(other.to_string()),
    })?;
    if found == checkpoint.root {
        return Ok(());
    }
    let edge = (0..=top_level(size)).rev().filter(|&level| partial_width(level, size) > 0);
    let edge = edge.map(|level| edge_tile(level, size).path()).collect();
    Err(Fault::Root { size, found, signed: checkpoint.root, edge })
}

fn edge_tile(level: u8, size: u64) -> TileId {
    TileId { level, index: full_tiles(level, size), width: partial_width(level, size) }
}

/// Every full tile of a level against its hash in the level above; partial ones are bound by the root. Without a
/// checkpoint (`rooted` is false) there are no partial ones.
fn check_level(dir: &DirSource, level: u8, size: u64, rooted: bool) -> Result<u64, Fault> {
    let (full, full_above) = (full_tiles(level, size), full_tiles(level + 1, size));
    let mut parent: Option<(TileId, Vec<Hash>)> = None;
    for index in 0..full {
        let id = TileId { level, index, width: 256 };
        let found = tile_root(&read_tile(dir, id)?);
        let above = index / TILE_WIDTH;
        if !rooted && above >= full_above {
            continue;
        }
        if parent.as_ref().is_none_or(|(p, _)| p.index != above) {
            let width = if above < full_above { 256 } else { partial_width(level + 1, size) };
            let id = TileId { level: level + 1, index: above, width };
            parent = Some((id, read_tile(dir, id)?));
        }
        let (parent_id, hashes) = parent.as_ref().expect("read above");
        let slot = usize::try_from(index % TILE_WIDTH).expect("below 256");
        if hashes[slot] != found {
            let (path, parent) = (id.path(), parent_id.path());
            return Err(Fault::Tile { path, parent, slot, found, expected: hashes[slot] });
        }
    }
    Ok(full + u64::from(rooted && partial_width(level, size) > 0))
}

fn check_entries(dir: &DirSource, size: u64, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Fault> {
    for id in bundles(0, size) {
        let entries = split_bundle(id, &read_bundle(dir, id)?)?;
        let tile = TileId { level: 0, index: id.index, width: id.width };
        let hashes = read_tile(dir, tile)?;
        for (slot, (entry, &expected)) in entries.iter().zip(&hashes).enumerate() {
            let found = leaf_hash(entry);
            if found != expected {
                let index = id.index * TILE_WIDTH + slot as u64;
                return Err(Fault::Entry { path: id.path(), index, tile: tile.path(), found, expected });
            }
        }
        progress((id.index * TILE_WIDTH + u64::from(id.width)).min(size), size);
    }
    Ok(())
}
