//! Hashes of subtrees, read from tiles.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{TILE_WIDTH, full_tiles, partial_width, tile_root};
use crate::merkle::{Hash, HashReader};

/// Fetches tiles: from files, a store or a server.
pub trait TileReader {
    /// What can go wrong when fetching.
    type Error;

    /// The first `width` hashes of a tile; `width` is 1 to 256. A reader that only has a wider tile cuts it.
    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Vec<Hash>, Self::Error>;
}

/// Why no hash came from tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileHashError<E> {
    /// The tile could not be fetched.
    #[error("tile {level}/{index} of width {width} could not be read: {source}")]
    Read {
        /// Level of the tile.
        level: u8,
        /// Index of the tile.
        index: u64,
        /// Width asked for.
        width: u16,
        /// Why.
        source: E,
    },
    /// The reader gave another number of hashes than it was asked for.
    #[error("tile {level}/{index} has {got} hashes, not the {width} asked for")]
    Width {
        /// Level of the tile.
        level: u8,
        /// Index of the tile.
        index: u64,
        /// Width asked for.
        width: u16,
        /// Hashes received.
        got: usize,
    },
    /// The subtree is not complete in a tree of this size: the caller asked past the end.
    #[error("the subtree of 2^{level} leaves number {index} is not in a tree of {size} entries")]
    OutsideTree {
        /// Level of the subtree.
        level: u8,
        /// Index of the subtree.
        index: u64,
        /// Entries in the tree.
        size: u64,
    },
}

/// A [`HashReader`] over tiles of a tree of known size.
///
/// A subtree of `2^level` leaves lies inside one tile of level `level / 8` and is hashed up from there. Tiles
/// are asked for once, no wider than the size allows, and kept until the reader is dropped.
///
/// Tiles are not checked against a root here: verify the finished proof against the checkpoint before
/// handing it on.
pub struct TileHashReader<'a, T> {
    tiles: &'a T,
    size: u64,
    read: RefCell<BTreeMap<(u8, u64), Vec<Hash>>>,
}

impl<'a, T: TileReader> TileHashReader<'a, T> {
    /// Reads tiles of the tree of `size` entries.
    pub fn new(tiles: &'a T, size: u64) -> Self {
        Self { tiles, size, read: RefCell::default() }
    }

    /// Width of a tile in this tree, 0 if it has none.
    #[expect(clippy::cast_possible_truncation, reason = "256")]
    fn width(&self, level: u8, index: u64) -> u16 {
        let full = full_tiles(level, self.size);
        match index.cmp(&full) {
            std::cmp::Ordering::Less => TILE_WIDTH as u16,
            std::cmp::Ordering::Equal => partial_width(level, self.size),
            std::cmp::Ordering::Greater => 0,
        }
    }

    fn fetch(&self, level: u8, index: u64, width: u16) -> Result<Vec<Hash>, TileHashError<T::Error>> {
        let hashes = self.tiles.tile(level, index, width).map_err(|source| TileHashError::Read {
            level,
            index,
            width,
            source,
        })?;
        if hashes.len() != usize::from(width) {
            return Err(TileHashError::Width { level, index, width, got: hashes.len() });
        }
        Ok(hashes)
    }
}

impl<T: TileReader> HashReader for TileHashReader<'_, T> {
    type Error = TileHashError<T::Error>;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let (tile_level, height) = (level / 8, level % 8);
        // The subtree is hashes [first, first + 2^height) of its level of tiles.
        let first = index.checked_mul(1 << height).ok_or(TileHashError::OutsideTree {
            level,
            index,
            size: self.size,
        })?;
        let (tile_index, offset) = (first / TILE_WIDTH, first % TILE_WIDTH);
        let (from, to) = (offset as usize, offset as usize + (1 << height));
        let width = self.width(tile_level, tile_index);
        if to > usize::from(width) {
            return Err(TileHashError::OutsideTree { level, index, size: self.size });
        }
        if let Some(hashes) = self.read.borrow().get(&(tile_level, tile_index)) {
            return Ok(tile_root(&hashes[from..to]));
        }
        let hashes = self.fetch(tile_level, tile_index, width)?;
        let hash = tile_root(&hashes[from..to]);
        self.read.borrow_mut().insert((tile_level, tile_index), hashes);
        Ok(hash)
    }
}
