//! The memory on disk: an append-only journal in two files that take turns.
//!
//! ```text
//! file    opening frame | frame | frame | frame | zeros or leftovers ...
//! frame   copy | copy                        each padded to whole blocks of 4 KiB
//! copy    magic 8 | crc32c 4 | length 4 | epoch 8 | sequence 8 | payload | zeros
//!         the CRC covers everything after itself, payload included; integers are little-endian
//! ```
//!
//! * The *opening frame* (sequence 0) holds the whole memory as it was when the file was begun; each later
//!   frame (sequence 1, 2, ...) holds what one group of answers added. The file whose opening frame has the
//!   higher epoch is the current one.
//! * When a file is full, an opening frame of the next epoch is written to the other file. Until that is
//!   durable the full file stays the current one, so there is no moment without a memory.
//! * A block that holds an acknowledged frame is not written again before the file's next turn: a torn
//!   write can only destroy what nobody was told.
//! * Every frame is written twice. One damaged copy is repaired. If both copies of a frame are damaged and
//!   a later one is whole, acknowledged answers are lost: that is corruption and the journal refuses to
//!   open. If nothing whole follows, the frame was being written when the machine died, and no answer
//!   depended on it.
//!
//! A leftover cannot pass for a frame: epochs only grow, and the magic holds control characters, which
//! cannot occur in the notes that strangers send us.

use std::io;

use super::disk::Disk;

/// Unit of writing. At least the sector of every disk, so that no two frames share one.
pub(crate) const BLOCK: usize = 4096;
/// Size of each file at the start. With one small frame an answer it lasts for 2,048 answers.
pub(crate) const FILE_BYTES_MIN: u64 = 16 << 20;
/// A file is made this many times as large as its opening frame, so that turns stay rare.
const FILE_TO_OPENING_RATIO: u64 = 4;
/// Largest payload: bounds what a damaged length can make us read.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 30;

const MAGIC: [u8; 8] = *b"\x01maipw1\x02";
const HEADER: usize = 32;

/// Why the journal does not open or went out of service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The disk failed. After this nothing more may be written: what is on it is unknown.
    #[error("the disk failed: {0}")]
    Io(#[from] io::Error),
    /// Acknowledged answers cannot be read any more.
    #[error(
        "the memory is corrupt: {0}; do not start from an empty one: restore it from a copy that is not \
         older than the last answer, or retire this witness's name and key"
    )]
    Corrupt(String),
    /// A newer program has written it.
    #[error(
        "the memory was written by a newer program (version {found}, this one reads {known}); run that one, or a newer \
         one; do not start from an empty memory"
    )]
    Newer {
        /// Version of the memory.
        found: u16,
        /// The one that this program reads.
        known: u16,
    },
}

/// What [`Journal::open`] found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Payload of the opening frame.
    pub(crate) opening: Vec<u8>,
    /// Payloads of the frames after it, in order.
    pub(crate) frames: Vec<Vec<u8>>,
    /// Copies that were damaged and whose twin was used.
    pub(crate) repaired: u64,
}

/// The journal, open for appending.
#[derive(Debug)]
pub(crate) struct Journal<D> {
    disk: D,
    file: usize,
    epoch: u64,
    sequence: u64,
    /// Where the next frame goes in the current file.
    offset: u64,
    capacity: u64,
}

impl<D: Disk> Journal<D> {
    /// Begins a journal on empty files, with `opening` as its memory.
    pub(crate) fn create(mut disk: D, opening: &[u8]) -> Result<Self, JournalError> {
        for file in 0..2 {
            disk.reserve(file, FILE_BYTES_MIN)?;
        }
        // `turn` takes the other file, so the first opening frame goes to file 0.
        let mut journal = Self { disk, file: 1, epoch: 0, sequence: 0, offset: 0, capacity: 0 };
        journal.turn(opening)?;
        Ok(journal)
    }

    /// Reads what is remembered. The caller must write it back with [`Journal::turn`] before it appends:
    /// that repairs damaged copies and leaves the remains of an interrupted write behind.
    pub(crate) fn open(mut disk: D) -> Result<(Self, Found), JournalError> {
        let contents = [disk.read(0)?, disk.read(1)?];
        let openings = [find_opening(&contents[0]), find_opening(&contents[1])];
        let epoch_of = |opening: &Option<Frame>| opening.as_ref().map_or(0, |frame| frame.epoch);
        let file = usize::from(epoch_of(&openings[1]) > epoch_of(&openings[0]));
        let Some(opening) = openings.into_iter().nth(file).flatten() else {
            return Err(JournalError::Corrupt("neither file has a readable beginning".into()));
        };
        // If the other file's opening frame is unreadable, it was either being written when the machine
        // died (then this file is complete) or it was the current one and has been damaged.
        if let Some(newer) = newest_epoch(&contents[1 - file])
            && newer > opening.epoch
        {
            return Err(JournalError::Corrupt(format!(
                "a file of epoch {newer} has lost its beginning, and the other one ends at epoch {}",
                opening.epoch
            )));
        }
        let mut found = Found { opening: Vec::new(), frames: Vec::new(), repaired: opening.repaired };
        let (mut offset, mut sequence) = (opening.next, 1);
        while let Some(frame) = find_frame(&contents[file], offset, opening.epoch, sequence)? {
            found.repaired += frame.repaired;
            offset = frame.next;
            sequence += 1;
            found.frames.push(frame.payload);
        }
        let epoch = opening.epoch;
        found.opening = opening.payload;
        let capacity = contents[file].len() as u64;
        Ok((Self { disk, file, epoch, sequence, offset: offset as u64, capacity }, found))
    }

    /// Whether a frame with this payload fits in what is left of the current file.
    pub(crate) fn fits(&self, payload_len: usize) -> bool {
        self.offset + 2 * blocks_for(payload_len) as u64 <= self.capacity
    }

    /// Appends a frame and returns when it is durable. The caller has checked [`Journal::fits`].
    ///
    /// After an error nothing may be appended: the disk's state is unknown.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<(), JournalError> {
        let bytes = encode(self.epoch, self.sequence, payload);
        self.disk.write(self.file, self.offset, &bytes)?;
        self.disk.sync(self.file)?;
        self.offset += bytes.len() as u64;
        self.sequence += 1;
        Ok(())
    }

    /// Goes on in the other file, which begins with the whole memory. Durable on return.
    pub(crate) fn turn(&mut self, opening: &[u8]) -> Result<(), JournalError> {
        let (other, epoch) = (1 - self.file, self.epoch + 1);
        let bytes = encode(epoch, 0, opening);
        self.disk.reserve(other, FILE_BYTES_MIN.max(bytes.len() as u64 * FILE_TO_OPENING_RATIO))?;
        self.disk.write(other, 0, &bytes)?;
        self.disk.sync(other)?;
        let capacity = self.disk.len(other)?;
        (self.file, self.epoch, self.sequence, self.offset) = (other, epoch, 1, bytes.len() as u64);
        self.capacity = capacity;
        Ok(())
    }
}

/// A frame as read.
#[derive(Debug)]
struct Frame {
    epoch: u64,
    payload: Vec<u8>,
    /// Offset of the frame after it.
    next: usize,
    /// 1 if only one copy was whole.
    repaired: u64,
}

/// Bytes of one copy: header and payload, padded to whole blocks.
fn blocks_for(payload_len: usize) -> usize {
    (HEADER + payload_len).div_ceil(BLOCK) * BLOCK
}

fn encode(epoch: u64, sequence: u64, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX, "the caller bounds payloads");
    let mut copy = Vec::with_capacity(2 * blocks_for(payload.len()));
    copy.extend_from_slice(&MAGIC);
    copy.extend_from_slice(&[0; 4]);
    copy.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    copy.extend_from_slice(&epoch.to_le_bytes());
    copy.extend_from_slice(&sequence.to_le_bytes());
    copy.extend_from_slice(payload);
    let crc = crc32c::crc32c(&copy[12..]);
    copy[8..12].copy_from_slice(&crc.to_le_bytes());
    copy.resize(blocks_for(payload.len()), 0);
    copy.extend_from_within(..);
    copy
}

/// Reads one copy at `offset`, if a whole one is there.
fn copy_at(file: &[u8], offset: usize) -> Option<(u64, u64, &[u8])> {
    let header = file.get(offset..offset + HEADER)?;
    if header[..8] != MAGIC {
        return None;
    }
    let number = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
    let length = u32::from_le_bytes(header[12..16].try_into().expect("four bytes")) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return None;
    }
    let covered = file.get(offset + 12..offset + HEADER + length)?;
    let crc = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
    (crc32c::crc32c(covered) == crc).then(|| (number(16), number(24), &covered[HEADER - 12..]))
}

/// The frame whose first copy starts at `offset`, from whichever copy is whole.
fn frame_at(file: &[u8], offset: usize, want: impl Fn(u64, u64) -> bool) -> Option<Frame> {
    let (epoch, sequence, payload) =
        copy_at(file, offset).filter(|&(epoch, sequence, _)| want(epoch, sequence))?;
    let second = offset + blocks_for(payload.len());
    let twin = copy_at(file, second);
    let twin_is_whole = twin == Some((epoch, sequence, payload));
    Some(Frame {
        epoch,
        payload: payload.to_vec(),
        next: second + blocks_for(payload.len()),
        repaired: u64::from(!twin_is_whole),
    })
}

/// The frame of this epoch and sequence at `offset`, or `None` at the end of the journal.
fn find_frame(file: &[u8], offset: usize, epoch: u64, sequence: u64) -> Result<Option<Frame>, JournalError> {
    if let Some(frame) = frame_at(file, offset, |e, s| (e, s) == (epoch, sequence)) {
        return Ok(Some(frame));
    }
    // The first copy is damaged, or this is the end. Look at everything that follows.
    for at in (offset..file.len()).step_by(BLOCK).skip(1) {
        match copy_at(file, at) {
            Some((e, s, payload)) if (e, s) == (epoch, sequence) => {
                let next = at + blocks_for(payload.len());
                return Ok(Some(Frame { epoch, payload: payload.to_vec(), next, repaired: 1 }));
            }
            Some((e, s, _)) if e == epoch && s > sequence => {
                return Err(JournalError::Corrupt(format!(
                    "both copies of frame {sequence} of epoch {epoch} are damaged and frame {s} follows"
                )));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// The opening frame of the newest epoch in a file, or `None` if it has none that is whole.
///
/// Not simply what is at offset 0: when a turn is cut short, the first copy of the older opening frame may
/// still be there while the second copy of the newer one is already whole.
fn find_opening(file: &[u8]) -> Option<Frame> {
    // Frames without a beginning count as none: `open` decides whether the other file makes up for it.
    find_frame(file, 0, newest_epoch(file)?, 0).ok().flatten()
}

/// The highest epoch of any whole copy in a file.
fn newest_epoch(file: &[u8]) -> Option<u64> {
    (0..file.len()).step_by(BLOCK).filter_map(|at| copy_at(file, at)).map(|(epoch, ..)| epoch).max()
}

#[cfg(test)]
pub(super) mod tests;
