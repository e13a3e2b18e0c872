//! A segment file: a name, sixteen bytes of preamble, then frames; zeros after the last one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::frame::{ALIGN, HEADER_BYTES, Header};
use crate::StoreError;
use crate::disk::DiskFile;

/// Version of the segments this program writes, and the newest it reads.
pub(super) const VERSION: u32 = 1;
/// Bytes of the preamble.
pub(super) const PREAMBLE_BYTES: usize = 16;
const MAGIC: &[u8; 12] = b"maip raftlog";
const SUFFIX: &str = ".seg";
/// Recovery reads this much at a time.
const READ_BYTES: usize = 1 << 20;

/// `0000000000000001.seg`
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}{SUFFIX}"))
}

/// The number of a segment file, or `None` for other names.
pub(super) fn number(path: &Path) -> Option<u64> {
    let hex = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
    let number = u64::from_str_radix(hex, 16).ok()?;
    (format!("{number:016x}") == hex).then_some(number)
}

/// What every segment begins with.
pub(super) fn preamble() -> [u8; PREAMBLE_BYTES] {
    let mut bytes = [0; PREAMBLE_BYTES];
    bytes[..12].copy_from_slice(MAGIC);
    bytes[12..].copy_from_slice(&VERSION.to_le_bytes());
    bytes
}

/// What the log was when a segment began; the payload of [`Kind::Start`](super::frame::Kind::Start).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// Where the frames of the segment before end; 0 for the first.
    pub(super) previous_end: u64,
    /// The index the next append must have, if that was fixed.
    pub(super) next: Option<u64>,
    /// Highest purged index.
    pub(super) purged: Option<u64>,
}

impl Start {
    const BYTES: usize = 26;

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.previous_end.to_le_bytes());
        for (at, value) in [(8, self.next), (17, self.purged)] {
            bytes[at] = u8::from(value.is_some());
            bytes[at + 1..at + 9].copy_from_slice(&value.unwrap_or(0).to_le_bytes());
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let optional = |at: usize| (bytes[at] == 1).then(|| u64_at(at + 1));
        Some(Start { previous_end: u64_at(0), next: optional(8), purged: optional(17) })
    }
}

/// A frame found by a [`Scanner`].
pub(super) struct Found {
    pub(super) header: Header,
    pub(super) offset: u64,
    pub(super) payload: Bytes,
}

/// What is at an offset.
pub(super) enum Step {
    Frame(Found),
    /// Nothing but zeros up to the end of the file.
    End,
    /// Something that is not a frame; why.
    Bad(String),
}

/// Reads a segment from front to back through a window.
pub(super) struct Scanner {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    number: u64,
    pub(super) len: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Scanner {
    pub(super) fn new(file: Arc<dyn DiskFile>, path: &Path, number: u64) -> Result<Self, StoreError> {
        let len = file.len().map_err(|e| StoreError::io("read", path, e))?;
        Ok(Scanner { file, path: path.to_owned(), number, len, window: Vec::new(), window_at: 0 })
    }

    /// Checks the preamble: `None` when it is right, else what is wrong.
    pub(super) fn check_preamble(&mut self) -> Result<Option<String>, StoreError> {
        let Some(bytes) = self.bytes(0, PREAMBLE_BYTES)? else {
            return Ok(Some("shorter than its preamble".into()));
        };
        let found = u32::from_le_bytes(bytes[12..].try_into().expect("four bytes"));
        if bytes[..12] != *MAGIC {
            return Ok(Some("no raft log preamble".into()));
        }
        if found > VERSION {
            return Err(StoreError::Newer { dir: self.path.clone(), found, known: VERSION });
        }
        Ok(None)
    }

    /// The frame at `offset`.
    pub(super) fn at(&mut self, offset: u64) -> Result<Step, StoreError> {
        let number = self.number;
        let Some(raw) = self.bytes(offset, HEADER_BYTES)? else {
            return Ok(if self.zero_from(offset)? { Step::End } else { Step::Bad("a cut header".into()) });
        };
        let raw: [u8; HEADER_BYTES] = raw.try_into().expect("as long as asked");
        let Some(header) = Header::decode(&raw) else {
            let reason =
                if raw == [0; HEADER_BYTES] { "zeros before other bytes" } else { "not a frame header" };
            return Ok(if self.zero_from(offset)? { Step::End } else { Step::Bad(reason.into()) });
        };
        let body_len = header.frame_len() - HEADER_BYTES;
        let Some(body) = self.bytes(offset + HEADER_BYTES as u64, body_len)? else {
            return Ok(Step::Bad("a frame longer than the file".into()));
        };
        let (payload, padding) = body.split_at(header.payload_len);
        if !header.matches(number, &raw, payload) || padding.iter().any(|byte| *byte != 0) {
            return Ok(Step::Bad("wrong checksum".into()));
        }
        let payload = Bytes::copy_from_slice(payload);
        Ok(Step::Frame(Found { header, offset, payload }))
    }

    /// The highest group of any valid frame from `offset` on, wherever it begins, with its offset.
    ///
    /// Entries are opaque, so one that imitates a frame could make a torn group look damaged. The reverse is impossible.
    pub(super) fn highest_group_from(&mut self, offset: u64) -> Result<Option<(u64, u64)>, StoreError> {
        let mut highest = None;
        let mut offset = offset.next_multiple_of(ALIGN as u64);
        while offset + HEADER_BYTES as u64 <= self.len {
            let raw = self.bytes(offset, HEADER_BYTES)?.expect("within the file");
            let plausible = Header::decode(raw.try_into().expect("as long as asked")).is_some();
            match if plausible { self.at(offset)? } else { Step::End } {
                Step::Frame(found) => {
                    highest = highest.max(Some((found.header.group, offset)));
                    offset += found.header.frame_len() as u64;
                }
                _ => offset += ALIGN as u64,
            }
        }
        Ok(highest)
    }

    /// True when there is nothing but zeros from `offset` on.
    pub(super) fn zero_from(&mut self, mut offset: u64) -> Result<bool, StoreError> {
        while offset < self.len {
            let len = usize::try_from(self.len - offset).map_or(READ_BYTES, |rest| rest.min(READ_BYTES));
            let bytes = self.bytes(offset, len)?.expect("within the file");
            if bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            offset += len as u64;
        }
        Ok(true)
    }

    /// Bytes at an offset, or `None` when the file ends before.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<Option<&[u8]>, StoreError> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.len) {
            return Ok(None);
        }
        let inside =
            offset >= self.window_at && offset - self.window_at + len as u64 <= self.window.len() as u64;
        if !inside {
            self.window.resize(len.max(READ_BYTES), 0);
            let read = self.file.read_full_at(&mut self.window, offset);
            let read = read.map_err(|e| StoreError::io("read", &self.path, e))?;
            self.window.truncate(read);
            self.window_at = offset;
            if read < len {
                return Ok(None);
            }
        }
        let start = usize::try_from(offset - self.window_at).expect("inside the window");
        Ok(Some(&self.window[start..start + len]))
    }
}
