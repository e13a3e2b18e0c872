//! Reading a log's published files: checkpoint, tiles, entry bundles, from a directory or over HTTP.
//!
//! Spec: <https://c2sp.org/tlog-tiles>
//!
//! A [`Source`] hands out bytes and vouches for nothing. [`Tiles`] turns it into a reader of tiles for
//! `ledger_format`; whoever uses it must hold the result against a signed root.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ledger_format::{
    BundleId, Hash, TILE_WIDTH, TileId, TileReader, parse_bundle, parse_tile, partial_width,
};

/// Largest checkpoint accepted, in bytes.
pub const CHECKPOINT_BYTES_MAX: usize = ledger_format::NOTE_BYTES_MAX;
/// Largest entry bundle: 256 entries with their lengths.
pub const BUNDLE_BYTES_MAX: usize = 256 * (2 + ledger_format::ENTRY_BYTES_MAX);

/// Why a published file could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It is not there.
    #[error("{place} has no {path}")]
    Missing {
        /// The directory or URL.
        place: String,
        /// Below it.
        path: String,
    },
    /// It could not be read; a later retry may work.
    #[error("{why}")]
    Unreachable {
        /// In plain words.
        why: String,
        /// What to try.
        next: String,
    },
    /// It is not what its name says.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// Below the prefix.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// Something that hands out the published files of one log.
pub trait Source {
    /// The bytes at `path` below the prefix, e.g. `tile/0/000.p/5`.
    ///
    /// # Errors
    /// Missing, unreachable, or larger than `max` bytes.
    fn fetch(&self, path: &str, max: usize) -> Result<Vec<u8>, SourceError>;

    /// Several files at once; sources with a slow way to them fetch in parallel.
    fn fetch_many(&self, paths: &[String], max: usize) -> Vec<Result<Vec<u8>, SourceError>> {
        paths.iter().map(|path| self.fetch(path, max)).collect()
    }

    /// The directory or URL, for people.
    fn place(&self) -> String;
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn fetch(&self, path: &str, max: usize) -> Result<Vec<u8>, SourceError> {
        (**self).fetch(path, max)
    }

    fn fetch_many(&self, paths: &[String], max: usize) -> Vec<Result<Vec<u8>, SourceError>> {
        (**self).fetch_many(paths, max)
    }

    fn place(&self) -> String {
        (**self).place()
    }
}

/// A directory in the C2SP layout: an export, a mirror, or the tile directory of a node.
#[derive(Clone, Debug)]
pub struct DirSource(PathBuf);

impl DirSource {
    /// The files below `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    /// Where the files are.
    pub fn dir(&self) -> &Path {
        &self.0
    }
}

impl Source for DirSource {
    fn fetch(&self, path: &str, max: usize) -> Result<Vec<u8>, SourceError> {
        let file = self.0.join(path);
        let too_large =
            || SourceError::Damaged { path: path.into(), reason: format!("more than {max} bytes") };
        match fs::metadata(&file) {
            Ok(meta) if meta.len() > max as u64 => return Err(too_large()),
            _ => {}
        }
        fs::read(&file).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                SourceError::Missing { place: self.place(), path: path.into() }
            }
            _ => SourceError::Unreachable {
                why: format!("{} cannot be read: {e}", file.display()),
                next: "check the directory and its permissions".into(),
            },
        })
    }

    fn place(&self) -> String {
        self.0.display().to_string()
    }
}

/// A source as a reader of tiles.
#[derive(Debug)]
pub struct Tiles<'a, S: ?Sized>(pub &'a S);

impl<S: Source + ?Sized> TileReader for Tiles<'_, S> {
    type Error = SourceError;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Vec<Hash>, SourceError> {
        read_tile(self.0, TileId { level, index, width })
    }
}

/// Reads one tile; a partial one may be cut from the full one, which replaces it once the log has grown.
///
/// # Errors
/// As [`Source::fetch`], or [`SourceError::Damaged`] when the length is wrong.
pub fn read_tile<S: Source + ?Sized>(source: &S, id: TileId) -> Result<Vec<Hash>, SourceError> {
    let path = id.path();
    let bytes = or_full(source, &path, 8192, id.width, || TileId { width: 256, ..id }.path())?;
    let cut = usize::from(id.width) * 32;
    if bytes.len() < cut {
        let reason = format!("{} bytes where {cut} are needed", bytes.len());
        return Err(SourceError::Damaged { path, reason });
    }
    parse_tile(&bytes[..cut], id.width).map_err(|e| SourceError::Damaged { path, reason: e.to_string() })
}

/// The entries of one bundle, in order.
///
/// # Errors
/// As [`Source::fetch`], or [`SourceError::Damaged`] when it does not hold that many entries.
pub fn split_bundle(id: BundleId, bytes: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
    let damaged = |reason: String| SourceError::Damaged { path: id.path(), reason };
    let cut = bundle_prefix(bytes, id.width)
        .ok_or_else(|| damaged(format!("it ends before its {} entries do", id.width)))?;
    let entries = parse_bundle(&bytes[..cut], id.width).map_err(|e| damaged(e.to_string()))?;
    Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
}

/// Bytes of one bundle; a partial one may be had from the full one.
///
/// # Errors
/// As [`Source::fetch`].
pub fn read_bundle<S: Source + ?Sized>(source: &S, id: BundleId) -> Result<Vec<u8>, SourceError> {
    or_full(source, &id.path(), BUNDLE_BYTES_MAX, id.width, || BundleId { width: 256, ..id }.path())
}

fn or_full<S: Source + ?Sized>(
    source: &S,
    path: &str,
    max: usize,
    width: u16,
    full: impl FnOnce() -> String,
) -> Result<Vec<u8>, SourceError> {
    match source.fetch(path, max) {
        Err(missing @ SourceError::Missing { .. }) if u64::from(width) < TILE_WIDTH => {
            source.fetch(&full(), max).map_err(|e| match e {
                SourceError::Missing { .. } => missing,
                other => other,
            })
        }
        other => other,
    }
}

/// Length in bytes of the first `width` entries of a bundle, if it has them.
fn bundle_prefix(bytes: &[u8], width: u16) -> Option<usize> {
    let mut at = 0usize;
    for _ in 0..width {
        let length = bytes.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        (at <= bytes.len()).then_some(())?;
    }
    Some(at)
}

/// The bundles (or level-0 tiles) that hold the entries `from..to`, with their widths in a tree of `to` entries.
pub fn bundles(from: u64, to: u64) -> impl Iterator<Item = BundleId> {
    let first = from / TILE_WIDTH;
    let last = to.div_ceil(TILE_WIDTH);
    (first..last).map(move |index| {
        let width = if (index + 1) * TILE_WIDTH <= to { 256 } else { partial_width(0, to) };
        BundleId { index, width }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_cover_a_range_once() {
        let ids = |from, to| bundles(from, to).map(|b| (b.index, b.width)).collect::<Vec<_>>();
        assert_eq!(ids(0, 0), []);
        assert_eq!(ids(0, 1), [(0, 1)]);
        assert_eq!(ids(0, 256), [(0, 256)]);
        assert_eq!(ids(255, 257), [(0, 256), (1, 1)]);
        assert_eq!(ids(256, 257), [(1, 1)]);
        assert_eq!(ids(300, 700), [(1, 256), (2, 188)]);
    }

    #[test]
    fn a_partial_bundle_is_a_prefix_of_the_full_one() {
        let bytes = [0, 1, b'a', 0, 2, b'b', b'c'];
        assert_eq!(bundle_prefix(&bytes, 1), Some(3));
        assert_eq!(bundle_prefix(&bytes, 2), Some(7));
        assert_eq!(bundle_prefix(&bytes, 3), None);
        assert_eq!(bundle_prefix(&bytes[..6], 2), None);
    }
}
