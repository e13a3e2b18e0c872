//! How far the log is known to be durable: what tells a torn last group from one that rotted after it was acknowledged.
//!
//! ```text
//! synced, 8 KiB      two slots, at 0 and at 4096; group g is noted in slot g % 2
//! offset  size
//!      0     4   CRC-32C of: "maip raft synced" ‖ everything below
//!      4     4   zero
//!      8     8   group number, LE
//!     16     8   segment it is in, LE
//!     24     8   where it ends there, LE
//! ```
//!
//! A mark is written after its group is durable and before anybody is told so; it is not synced itself. So no mark ever
//! names a group that was not durable, in whatever order writes reach the medium; a power cut may leave an older mark or
//! none, and then less is known, nothing wrong. The one before stays whole while the next is written. Truncations are
//! groups like all others and purges remove groups from the front, so the highest group never goes back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::segment;
use crate::StoreError;
use crate::disk::{Disk, DiskFile};
use crate::error::is_no_space;

const FILE: &str = "synced";
const CRC_SEED: &[u8] = b"maip raft synced";
const SLOT_BYTES: usize = 32;
/// Far enough apart that no write of a sector or a page touches both.
const SLOT_STRIDE: u64 = 4096;
const FILE_BYTES: usize = 8192;

/// The last group that is known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) group: u64,
    /// The segment that holds it.
    pub(super) segment: u64,
    /// Where it ends in that segment.
    pub(super) end: u64,
}

impl Mark {
    fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[8..16].copy_from_slice(&self.group.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.segment.to_le_bytes());
        bytes[24..].copy_from_slice(&self.end.to_le_bytes());
        let crc = checksum(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The mark in a slot; `None` when it is torn, damaged or was never written.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SLOT_BYTES] = bytes.get(..SLOT_BYTES)?.try_into().ok()?;
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let crc = u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"));
        (crc == checksum(&bytes[4..])).then(|| Mark {
            group: u64_at(8),
            segment: u64_at(16),
            end: u64_at(24),
        })
    }

    /// The error when not even the segment is there.
    pub(super) fn lost_with_its_segment(&self, dir: &Path) -> StoreError {
        let reason = format!("it is missing, but was durable up to byte {} (group {})", self.end, self.group);
        StoreError::corrupt(&segment::path(dir, self.segment), 0, reason)
    }

    fn slot(&self) -> u64 {
        self.group % 2 * SLOT_STRIDE
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(CRC_SEED), bytes)
}

/// The newest mark in `dir`; `None` in a log of an older program, after a power cut that took the file, and whenever the
/// file cannot be made sense of: a good log must open without it.
pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Option<Mark> {
    let file = disk.open_read(&dir.join(FILE)).ok()?;
    let slot = |at: u64| {
        let mut bytes = [0; SLOT_BYTES];
        file.read_full_at(&mut bytes, at).ok()?;
        Mark::decode(&bytes)
    };
    slot(0).max(slot(SLOT_STRIDE))
}

/// The open file of marks.
pub(super) struct Synced {
    path: PathBuf,
    /// `None` when there was no room for it.
    file: Option<Arc<dyn DiskFile>>,
}

impl Synced {
    /// Opens the file, or makes it, and notes durably what is durable at this moment, if anything is.
    pub(super) fn open(disk: &dyn Disk, dir: &Path, mark: Option<Mark>) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let failed = |e| StoreError::io("write", &path, e);
        let whole = |file: &Arc<dyn DiskFile>| file.len().is_ok_and(|len| len == FILE_BYTES as u64);
        let file = match disk.open(&path).ok().filter(whole) {
            Some(file) => Some(file),
            None => match make(disk, dir, &path) {
                Ok(file) => Some(file),
                Err(e) if is_no_space(&e) => None,
                Err(e) => return Err(failed(e)),
            },
        };
        let synced = Synced { path: path.clone(), file };
        if let Some(mark) = mark {
            synced.note(mark)?;
        }
        synced.sync().map_err(failed)?;
        Ok(synced)
    }

    /// Notes that everything up to a mark is durable.
    ///
    /// A full disk is no failure: the mark before this one stays true.
    pub(super) fn note(&self, mark: Mark) -> Result<(), StoreError> {
        let Some(file) = &self.file else { return Ok(()) };
        match file.write_all_at(&mark.encode(), mark.slot()) {
            Err(e) if !is_no_space(&e) => Err(StoreError::io("write", &self.path, e)),
            _ => Ok(()),
        }
    }

    /// Makes the last mark durable itself.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.sync_data())
    }
}

/// An empty file, of full length at once, so that a mark changes no metadata of the file.
fn make(disk: &dyn Disk, dir: &Path, path: &Path) -> std::io::Result<Arc<dyn DiskFile>> {
    let file = disk.create(path)?;
    file.write_all_at(&[0; FILE_BYTES], 0)?;
    file.sync_data()?;
    disk.sync_dir(dir)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    fn mark(group: u64) -> Mark {
        Mark { group, segment: 3, end: group * 40 }
    }

    #[test]
    fn a_slot_reads_back_and_every_flipped_bit_shows() {
        let bytes = mark(7).encode();
        assert_eq!(Mark::decode(&bytes), Some(mark(7)));
        for bit in 0..SLOT_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Mark::decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(Mark::decode(&[0; SLOT_BYTES]), None, "zeros are no mark");
    }

    #[test]
    fn the_newest_whole_mark_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(&RealDisk, dir.path()), None);
        let synced = Synced::open(&RealDisk, dir.path(), None).unwrap();
        assert_eq!(read(&RealDisk, dir.path()), None);
        for group in 1..=5 {
            synced.note(mark(group)).unwrap();
            assert_eq!(read(&RealDisk, dir.path()), Some(mark(group)));
        }
        drop(synced);
        let path = dir.path().join(FILE);
        let good = std::fs::read(&path).unwrap();
        // Torn in the middle of group 5, which lies in the second slot: group 4 is left.
        let mut torn = good.clone();
        torn[SLOT_STRIDE as usize + 16..].fill(0);
        for (bytes, left) in [(torn, Some(mark(4))), (good[..100].to_vec(), Some(mark(4))), (vec![], None)] {
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(read(&RealDisk, dir.path()), left);
            Synced::open(&RealDisk, dir.path(), Some(mark(6))).unwrap();
            assert_eq!(read(&RealDisk, dir.path()), Some(mark(6)), "it is made anew");
        }
    }
}
