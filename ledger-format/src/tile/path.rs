//! Names of tiles and bundles in a URL or a directory.

use std::fmt;

use super::{TILE_WIDTH, is_width};
use crate::text::parse_decimal;

/// Levels are 0 to 63 in the spec.
const LEVEL_MAX: u64 = 63;

/// Which tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 for leaf hashes; one more is 256 times wider. 0 to 63.
    pub level: u8,
    /// Place among the tiles of its level.
    pub index: u64,
    /// Hashes in it, 1 to 256.
    pub width: u16,
}

/// Which entry bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId {
    /// Place among the bundles: its first entry is 256 times this.
    pub index: u64,
    /// Entries in it, 1 to 256.
    pub width: u16,
}

/// Why a path names no tile or bundle. The client that asked is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TilePathError {
    /// Does not start with `tile/<level>/` or `tile/entries/`.
    #[error("the path does not start with tile/ and a level or \"entries\"")]
    Prefix,
    /// The level is not a canonical decimal from 0 to 63.
    #[error("the level is not a decimal from 0 to 63 without leading zeros")]
    Level,
    /// The index is not groups of three digits, all but the last with an `x`, in their only spelling.
    #[error("the index is not spelled as groups of three digits, all but the last with an x")]
    Index,
    /// The width is not a canonical decimal from 1 to 255.
    #[error("the width of a partial tile is not a decimal from 1 to 255 without leading zeros")]
    Width,
}

impl TileId {
    /// `tile/0/x001/234` for a full tile, `tile/0/x001/234.p/5` for a partial one.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, Place { index: self.index, width: self.width })
    }

    /// Reads the one spelling [`TileId::path`] writes, without a leading slash.
    pub fn parse(path: &str) -> Result<Self, TilePathError> {
        let rest = path.strip_prefix("tile/").ok_or(TilePathError::Prefix)?;
        let (level, place) = rest.split_once('/').ok_or(TilePathError::Prefix)?;
        let level = parse_decimal(level).filter(|&level| level <= LEVEL_MAX).ok_or(TilePathError::Level)?;
        let Place { index, width } = Place::parse(place)?;
        #[expect(clippy::cast_possible_truncation, reason = "at most 63")]
        Ok(Self { level: level as u8, index, width })
    }
}

impl BundleId {
    /// `tile/entries/x001/234` for a full bundle, `tile/entries/x001/234.p/5` for a partial one.
    pub fn path(&self) -> String {
        format!("tile/entries/{}", Place { index: self.index, width: self.width })
    }

    /// Reads the one spelling [`BundleId::path`] writes, without a leading slash.
    pub fn parse(path: &str) -> Result<Self, TilePathError> {
        let place = path.strip_prefix("tile/entries/").ok_or(TilePathError::Prefix)?;
        let Place { index, width } = Place::parse(place)?;
        Ok(Self { index, width })
    }
}

/// The part of a path that tiles and bundles share: `x001/234.p/5`.
struct Place {
    index: u64,
    width: u16,
}

impl Place {
    fn parse(text: &str) -> Result<Self, TilePathError> {
        let (groups, width) = match text.split_once(".p/") {
            Some((groups, width)) => (groups, parse_partial_width(width)?),
            None => (text, full_width()),
        };
        let mut index = 0u64;
        let mut parts = groups.split('/').peekable();
        let mut leading = true;
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let digits = if last { part } else { part.strip_prefix('x').ok_or(TilePathError::Index)? };
            let group = parse_group(digits).ok_or(TilePathError::Index)?;
            // `x000/001` is another spelling of `001`.
            if leading && !last && group == 0 {
                return Err(TilePathError::Index);
            }
            leading = false;
            index = index
                .checked_mul(1_000)
                .and_then(|index| index.checked_add(u64::from(group)))
                .ok_or(TilePathError::Index)?;
        }
        Ok(Self { index, width })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups = Vec::new();
        let mut rest = self.index;
        loop {
            groups.push(rest % 1_000);
            rest /= 1_000;
            if rest == 0 {
                break;
            }
        }
        for group in groups.iter().skip(1).rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        debug_assert!(is_width(self.width), "a tile is 1 to 256 wide");
        if u64::from(self.width) < TILE_WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

fn parse_group(digits: &str) -> Option<u16> {
    let bytes = digits.as_bytes();
    if bytes.len() != 3 || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.parse().ok()
}

#[expect(clippy::cast_possible_truncation, reason = "below 256")]
fn parse_partial_width(text: &str) -> Result<u16, TilePathError> {
    match parse_decimal(text) {
        Some(width) if (1..TILE_WIDTH).contains(&width) => Ok(width as u16),
        _ => Err(TilePathError::Width),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "256")]
const fn full_width() -> u16 {
    TILE_WIDTH as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_both_ways() {
        for (id, path) in [
            (TileId { level: 0, index: 0, width: 256 }, "tile/0/000"),
            (TileId { level: 0, index: 1_234_067, width: 256 }, "tile/0/x001/x234/067"),
            (TileId { level: 1, index: 1_234, width: 5 }, "tile/1/x001/234.p/5"),
            (TileId { level: 63, index: 999, width: 255 }, "tile/63/999.p/255"),
            (TileId { level: 0, index: 1_000, width: 1 }, "tile/0/x001/000.p/1"),
            (TileId { level: 0, index: u64::MAX, width: 256 }, "tile/0/x018/x446/x744/x073/x709/x551/615"),
        ] {
            assert_eq!(id.path(), path);
            assert_eq!(TileId::parse(path), Ok(id), "{path}");
        }
        let bundle = BundleId { index: 1_234, width: 5 };
        assert_eq!(bundle.path(), "tile/entries/x001/234.p/5");
        assert_eq!(BundleId::parse("tile/entries/x001/234.p/5"), Ok(bundle));
    }

    #[test]
    fn other_spellings_are_refused() {
        use TilePathError::{Index, Level, Prefix, Width};
        for (path, want) in [
            ("", Prefix),
            ("/tile/0/000", Prefix),
            ("tile/000", Prefix),
            ("tile/00/000", Level),
            ("tile/64/000", Level),
            ("tile/-1/000", Level),
            ("tile/0/0", Index),
            ("tile/0/0000", Index),
            ("tile/0/x000/001", Index),
            ("tile/0/001/002", Index),
            ("tile/0/x001", Index),
            ("tile/0/X001/002", Index),
            ("tile/0/x001/", Index),
            ("tile/0/../001", Index),
            ("tile/0/x018/x446/x744/x073/x709/x551/616", Index),
            ("tile/0/000.p/0", Width),
            ("tile/0/000.p/256", Width),
            ("tile/0/000.p/01", Width),
            ("tile/0/000.p/", Width),
            ("tile/0/000.p/1.p/1", Width),
            ("tile/0/000.p", Index),
        ] {
            assert_eq!(TileId::parse(path), Err(want), "{path}");
        }
    }
}
