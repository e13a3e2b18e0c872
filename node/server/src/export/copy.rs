//! The walk from the signed root down to every entry, copying what the destination lacks.
//!
//! Each level of the tree ends in at most one partial tile, its *edge*. The root is a function of the edges, so they
//! are checked first. Every full tile hangs below a hash of an edge, directly or through other full tiles.

use std::collections::HashMap;

use anyhow::{Context as _, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::ProgressBar;
use ledger_format::{
    BundleId, Checkpoint, Hash, TILE_WIDTH, TileHashReader, TileId, TileReader, full_tiles, leaf_hash,
    parse_bundle, partial_width, tile_root, tree_root,
};

use super::{sink::Sink, source::Source};

/// Level-0 tiles, with their bundles, that are copied at once.
const AT_ONCE: usize = 16;
/// Levels of tiles that a size of 64 bits can have.
const LEVELS: u8 = 8;
/// Width of a full tile.
const FULL: u16 = TILE_WIDTH as u16;

/// One run.
pub(super) struct Copy<'a> {
    source: &'a Source,
    sink: &'a Sink,
    new: &'a Checkpoint,
    old: Option<&'a Checkpoint>,
    progress: &'a ProgressBar,
    /// Edges of the new tree, and the tiles in which the old tree ended: enough for both roots.
    kept: Kept,
    files: u64,
}

/// What a run did.
pub(super) struct Copied {
    /// Files written.
    pub(super) files: u64,
    /// Whether the tree of the earlier checkpoint is a part of this one; true when there was none.
    pub(super) old_root_matches: bool,
}

/// A full tile still to be copied, with the hash that its parent holds for it.
struct Pending {
    level: u8,
    index: u64,
    expected: Hash,
}

impl<'a> Copy<'a> {
    pub(super) fn new(
        source: &'a Source,
        sink: &'a Sink,
        new: &'a Checkpoint,
        old: Option<&'a Checkpoint>,
        progress: &'a ProgressBar,
    ) -> Self {
        Self { source, sink, new, old, progress, kept: Kept::default(), files: 0 }
    }

    /// Copies everything but the checkpoint.
    pub(super) async fn run(mut self) -> anyhow::Result<Copied> {
        let edges = self.edges().await?;
        let mut pending = Vec::new();
        for (id, bytes, hashes) in edges {
            self.put(&id.path(), bytes).await?;
            if id.level == 0 {
                let bundle = self.source.bundle(BundleId { index: id.index, width: id.width }).await?;
                check_bundle(&bundle, id.index, &hashes)?;
                self.put(&BundleId { index: id.index, width: id.width }.path(), bundle).await?;
                self.progress.inc(u64::from(id.width));
            } else {
                pending.extend(children(id.level, id.index, &hashes));
            }
        }
        self.below(pending).await?;
        let old_root_matches = match self.old {
            Some(old) => self.kept.root(old.size).is_some_and(|root| root == old.root),
            None => true,
        };
        Ok(Copied { files: self.files, old_root_matches })
    }

    /// The edge tiles, lowest level first, checked against the signed root.
    async fn edges(&mut self) -> anyhow::Result<Vec<(TileId, bytes::Bytes, Vec<Hash>)>> {
        let mut edges = Vec::new();
        for level in 0..LEVELS {
            let width = partial_width(level, self.new.size);
            if width == 0 {
                continue;
            }
            let id = TileId { level, index: full_tiles(level, self.new.size), width };
            let (bytes, hashes) = self.source.tile(id).await?;
            self.kept.0.insert((level, id.index), hashes.clone());
            edges.push((id, bytes, hashes));
        }
        let root = self.kept.root(self.new.size).context("the source lacks tiles of its right edge")?;
        ensure!(
            root == self.new.root,
            "the source's tiles do not hash to its signed root: it is damaged or lies"
        );
        Ok(edges)
    }

    /// Copies full tiles and everything below them.
    async fn below(&mut self, mut pending: Vec<Pending>) -> anyhow::Result<()> {
        let mut leaves = Vec::new();
        while let Some(tile) = pending.pop() {
            if self.is_old(&tile) {
                self.progress.inc(entries_below(tile.level));
                continue;
            }
            if tile.level == 0 {
                leaves.push(tile);
            } else {
                let hashes = self.full_tile(&tile).await?;
                pending.extend(children(tile.level, tile.index, &hashes));
            }
            if leaves.len() >= TILE_WIDTH as usize {
                self.leaves(std::mem::take(&mut leaves)).await?;
            }
        }
        self.leaves(leaves).await
    }

    /// Copies a full tile above level 0.
    async fn full_tile(&mut self, tile: &Pending) -> anyhow::Result<Vec<Hash>> {
        let id = TileId { level: tile.level, index: tile.index, width: FULL };
        let (bytes, hashes) = self.source.tile(id).await?;
        check_tile(id, &hashes, tile.expected)?;
        let path = id.path();
        if !self.sink.has(&path).await? {
            self.put(&path, bytes).await?;
        }
        self.keep(tile.level, tile.index, &hashes);
        Ok(hashes)
    }

    /// Copies level-0 tiles and their bundles, several at once.
    async fn leaves(&mut self, tiles: Vec<Pending>) -> anyhow::Result<()> {
        let (source, sink, progress) = (self.source, self.sink, self.progress);
        let old_edge = self.old.map(|old| full_tiles(0, old.size));
        let copied: Vec<(u64, Option<Vec<Hash>>, u64)> = stream::iter(tiles)
            .map(|tile| async move {
                let needed = old_edge == Some(tile.index);
                let outcome = leaf(source, sink, &tile, needed).await?;
                progress.inc(TILE_WIDTH);
                anyhow::Ok((tile.index, outcome.0, outcome.1))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (index, hashes, files) in copied {
            self.files += files;
            if let Some(hashes) = hashes {
                self.keep(0, index, &hashes);
            }
        }
        Ok(())
    }

    /// Whether the earlier export has copied everything below: its checkpoint was written last.
    fn is_old(&self, tile: &Pending) -> bool {
        let end = (u128::from(tile.index) + 1) * u128::from(entries_below(tile.level));
        self.old.is_some_and(|old| end <= u128::from(old.size))
    }

    /// Remembers the tiles in which the old tree ended.
    fn keep(&mut self, level: u8, index: u64, hashes: &[Hash]) {
        if self.old.is_some_and(|old| full_tiles(level, old.size) == index) {
            self.kept.0.insert((level, index), hashes.to_vec());
        }
    }

    async fn put(&mut self, path: &str, bytes: bytes::Bytes) -> anyhow::Result<()> {
        self.files += 1;
        self.sink.put(path, bytes).await
    }
}

/// Copies one full level-0 tile and its bundle unless both are there; its hashes when it was read, and files written.
async fn leaf(
    source: &Source,
    sink: &Sink,
    tile: &Pending,
    needed: bool,
) -> anyhow::Result<(Option<Vec<Hash>>, u64)> {
    let id = TileId { level: 0, index: tile.index, width: FULL };
    let bundle_id = BundleId { index: tile.index, width: FULL };
    let (tile_path, bundle_path) = (id.path(), bundle_id.path());
    if !needed && sink.has(&bundle_path).await? && sink.has(&tile_path).await? {
        return Ok((None, 0));
    }
    let (bytes, hashes) = source.tile(id).await?;
    check_tile(id, &hashes, tile.expected)?;
    let bundle = source.bundle(bundle_id).await?;
    check_bundle(&bundle, tile.index, &hashes)?;
    sink.put(&bundle_path, bundle).await?;
    sink.put(&tile_path, bytes).await?;
    Ok((Some(hashes), 2))
}

fn children(level: u8, index: u64, hashes: &[Hash]) -> impl Iterator<Item = Pending> {
    (index * TILE_WIDTH..).zip(hashes.iter().copied()).map(move |(index, expected)| Pending {
        level: level - 1,
        index,
        expected,
    })
}

/// Entries below one full tile of a level.
fn entries_below(level: u8) -> u64 {
    TILE_WIDTH.saturating_pow(u32::from(level) + 1)
}

fn check_tile(id: TileId, hashes: &[Hash], expected: Hash) -> anyhow::Result<()> {
    ensure!(
        tile_root(hashes) == expected,
        "{} does not hash to what its parent says: the source is damaged",
        id.path()
    );
    Ok(())
}

fn check_bundle(bundle: &[u8], index: u64, hashes: &[Hash]) -> anyhow::Result<()> {
    // At most 256, so it fits.
    let entries = parse_bundle(bundle, hashes.len() as u16)?;
    for (place, (entry, hash)) in entries.iter().zip(hashes).enumerate() {
        if leaf_hash(entry) != *hash {
            bail!(
                "entry {} does not hash to its leaf: the source is damaged",
                index * TILE_WIDTH + place as u64
            );
        }
    }
    Ok(())
}

/// Tiles by level and index, as wide as they were read.
#[derive(Default)]
struct Kept(HashMap<(u8, u64), Vec<Hash>>);

impl Kept {
    /// The root of the first `size` entries, when the tiles for it are here.
    fn root(&self, size: u64) -> Option<Hash> {
        tree_root(&TileHashReader::new(self, size), size).ok()
    }
}

impl TileReader for Kept {
    type Error = anyhow::Error;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Vec<Hash>, Self::Error> {
        let hashes = self.0.get(&(level, index)).context("a tile that was not kept")?;
        // A wider tile begins with the narrower one.
        Ok(hashes.get(..usize::from(width)).context("a tile narrower than asked")?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_full_tile_hangs_below_one_hash_of_an_edge() {
        for size in [1u64, 255, 256, 257, 65_535, 65_536, 65_537, 70_000, 16_777_216 + 300] {
            let mut covered = 0u64;
            for level in 0..LEVELS {
                let width = partial_width(level, size);
                let below_each = TILE_WIDTH.saturating_pow(u32::from(level));
                covered += u64::from(width) * below_each;
                let index = full_tiles(level, size);
                let hashes = vec![leaf_hash(b""); usize::from(width)];
                if level > 0 {
                    for child in children(level, index, &hashes) {
                        assert!(child.index < full_tiles(level - 1, size), "size {size} level {level}");
                    }
                }
            }
            assert_eq!(covered, size);
        }
    }
}
