//! Tiles: the tree cut into files of 256 hashes, and bundles: the entries below one lowest tile.
//!
//! Spec: <https://c2sp.org/tlog-tiles>
//!
//! ```text
//! tile/<level>/<index>[.p/<width>]     width hashes of 32 bytes; hash i of tile n at level l is the root of
//!                                      entries [(n*256+i)*256^l, (n*256+i+1)*256^l)
//! tile/entries/<index>[.p/<width>]     width times (u16 big-endian length || entry)
//! ```
//!
//! A full tile (256) never changes. A narrower one starts like every wider one, so a server keeps one growing
//! tile per level and serves slices of it.

mod bundle;
mod path;
mod reader;

use crate::merkle::{Hash, node_hash};

pub use bundle::{BundleError, ENTRY_BYTES_MAX, parse_bundle, push_bundle_entry};
pub use path::{BundleId, TileId, TilePathError};
pub use reader::{TileHashError, TileHashReader, TileReader};

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// Bytes of one hash in a tile.
pub const HASH_BYTES: usize = 32;

/// Full tiles at `level` of a tree of `size` entries: floor(size / 256^(level+1)).
pub fn full_tiles(level: u8, size: u64) -> u64 {
    hashes_at(level, size) / TILE_WIDTH
}

/// Width of the tile at the right edge of `level`: floor(size / 256^level) mod 256. 0 when there is none;
/// a tile of width 0 is never served.
pub fn partial_width(level: u8, size: u64) -> u16 {
    (hashes_at(level, size) % TILE_WIDTH) as u16
}

/// Hashes at one level of tiles: complete subtrees of 256^level entries.
fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// Why bytes are not a tile. The server that sent them is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// The width asked for is not 1 to 256.
    #[error("a tile is 1 to 256 hashes wide, not {width}")]
    Width {
        /// Width asked for.
        width: u16,
    },
    /// The bytes are not `width` hashes.
    #[error("a tile of {width} hashes is not {got} bytes long")]
    Length {
        /// Width asked for.
        width: u16,
        /// Bytes received.
        got: usize,
    },
}

/// The bytes of a tile: its hashes one after another.
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Reads a tile of exactly `width` hashes.
pub fn parse_tile(bytes: &[u8], width: u16) -> Result<Vec<Hash>, TileError> {
    if !is_width(width) {
        return Err(TileError::Width { width });
    }
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if hashes.len() != usize::from(width) || !rest.is_empty() {
        return Err(TileError::Length { width, got: bytes.len() });
    }
    Ok(hashes.iter().copied().map(Hash).collect())
}

fn is_width(width: u16) -> bool {
    (1..=TILE_WIDTH).contains(&u64::from(width))
}

/// The root over the hashes of a tile; of a full tile it is one hash of the level above.
///
/// # Panics
/// If there is no hash: a tile of width 0 does not exist.
pub fn tile_root(hashes: &[Hash]) -> Hash {
    assert!(!hashes.is_empty(), "a tile of width 0 does not exist");
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        let pairs = row.len() / 2;
        for i in 0..pairs {
            row[i] = node_hash(row[2 * i], row[2 * i + 1]);
        }
        // An odd hash at the end goes up as it is.
        if row.len() % 2 == 1 {
            row[pairs] = row[row.len() - 1];
        }
        row.truncate(pairs + row.len() % 2);
    }
    row[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_of_the_example_in_the_spec() {
        let size = 70_000;
        assert_eq!((full_tiles(0, size), partial_width(0, size)), (273, 112));
        assert_eq!((full_tiles(1, size), partial_width(1, size)), (1, 17));
        assert_eq!((full_tiles(2, size), partial_width(2, size)), (0, 1));
        assert_eq!((full_tiles(3, size), partial_width(3, size)), (0, 0));
        assert_eq!((full_tiles(63, u64::MAX), partial_width(63, u64::MAX)), (0, 0));
    }

    #[test]
    fn a_tile_is_exactly_as_wide_as_asked() {
        let hashes = vec![Hash([7; 32]); 3];
        let bytes = encode_tile(&hashes);
        assert_eq!(parse_tile(&bytes, 3), Ok(hashes));
        assert_eq!(parse_tile(&bytes, 2), Err(TileError::Length { width: 2, got: 96 }));
        assert_eq!(parse_tile(&bytes[..95], 3), Err(TileError::Length { width: 3, got: 95 }));
        assert_eq!(parse_tile(&[], 0), Err(TileError::Width { width: 0 }));
        assert_eq!(parse_tile(&[], 257), Err(TileError::Width { width: 257 }));
    }
}
