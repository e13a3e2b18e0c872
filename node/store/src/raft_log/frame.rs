//! One frame of a segment.
//!
//! ```text
//! offset  size
//!      0     4   CRC-32C of: segment number (8, LE) ‖ everything below ‖ payload
//!      4     4   payload length, LE
//!      8     1   kind
//!      9     1   1 in the last frame of a group, else 0
//!     10     6   zero
//!     16     8   group number, LE
//!     24     8   number, LE: raft_index, meta key or segment number, by kind
//!     32         payload, then zeros up to a multiple of 8
//! ```
//!
//! A *group* is what was written by one write and made durable by one `fdatasync`. Group n+1 is written only after group
//! n is durable, so at most the last group can be torn.

use std::ops::Range;

/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 32;
/// Frames begin at multiples of this.
pub(super) const ALIGN: usize = 8;
/// Largest payload.
pub(super) const PAYLOAD_BYTES_MAX: usize = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// First frame of a segment: where its predecessor ended and what the log was then.
    Start = 1,
    /// One raft_entry, opaque.
    Entry = 2,
    /// Every index from `number` on is gone.
    TruncateFrom = 3,
    /// Every index up to and with `number` is gone.
    PurgeTo = 4,
    /// The value of the key `number`.
    Meta = 5,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Kind::Start, Kind::Entry, Kind::TruncateFrom, Kind::PurgeTo, Kind::Meta]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// The fixed part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    crc: u32,
    pub(super) payload_len: usize,
    pub(super) kind: Kind,
    pub(super) ends_group: bool,
    pub(super) group: u64,
    pub(super) number: u64,
}

impl Header {
    /// Reads a header; `None` when it cannot be one, whatever its checksum.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let payload_len = u32_at(bytes, 4) as usize;
        let ends_group = match bytes[9] {
            0 => false,
            1 => true,
            _ => return None,
        };
        if payload_len > PAYLOAD_BYTES_MAX || bytes[10..16] != [0; 6] {
            return None;
        }
        Some(Header {
            crc: u32_at(bytes, 0),
            payload_len,
            kind: Kind::from_byte(bytes[8])?,
            ends_group,
            group: u64_at(bytes, 16),
            number: u64_at(bytes, 24),
        })
    }

    /// Length of the whole frame, with padding.
    pub(super) fn frame_len(&self) -> usize {
        frame_len(self.payload_len)
    }

    /// True when header and payload are what was written to this segment.
    pub(super) fn matches(&self, segment: u64, header: &[u8; HEADER_BYTES], payload: &[u8]) -> bool {
        payload.len() == self.payload_len && checksum(segment, &header[4..], payload) == self.crc
    }
}

/// Length of a frame with such a payload, with padding.
pub(super) fn frame_len(payload_len: usize) -> usize {
    (HEADER_BYTES + payload_len).next_multiple_of(ALIGN)
}

/// Appends a frame; returns where in `out` its payload is.
pub(super) fn encode(
    out: &mut Vec<u8>,
    segment: u64,
    group: u64,
    ends_group: bool,
    (kind, number, payload): (Kind, u64, &[u8]),
) -> Range<usize> {
    let start = out.len();
    let mut header = [0; HEADER_BYTES];
    let payload_len = u32::try_from(payload.len()).expect("payloads are checked against PAYLOAD_BYTES_MAX");
    header[4..8].copy_from_slice(&payload_len.to_le_bytes());
    header[8] = kind as u8;
    header[9] = u8::from(ends_group);
    header[16..24].copy_from_slice(&group.to_le_bytes());
    header[24..].copy_from_slice(&number.to_le_bytes());
    let crc = checksum(segment, &header[4..], payload);
    header[..4].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    out.resize(start + frame_len(payload.len()), 0);
    start + HEADER_BYTES..start + HEADER_BYTES + payload.len()
}

fn checksum(segment: u64, header: &[u8], payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&segment.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, header), payload)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Option<(Header, bool)> {
        let header: &[u8; HEADER_BYTES] = bytes[..HEADER_BYTES].try_into().unwrap();
        let decoded = Header::decode(header)?;
        let valid = decoded.matches(7, header, bytes.get(HEADER_BYTES..HEADER_BYTES + decoded.payload_len)?);
        Some((decoded, valid))
    }

    #[test]
    fn a_frame_reads_back_and_every_flipped_bit_shows() {
        let mut bytes = Vec::new();
        let payload = encode(&mut bytes, 7, 3, true, (Kind::Entry, 42, b"hello"));
        assert_eq!((&bytes[payload], bytes.len()), (&b"hello"[..], 40));
        let (header, valid) = decode(&bytes).unwrap();
        assert!(valid && header.ends_group);
        assert_eq!((header.kind, header.group, header.number, header.frame_len()), (Kind::Entry, 3, 42, 40));
        for bit in 0..(HEADER_BYTES + 5) * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(decode(&flipped), Some((_, true))), "bit {bit}");
        }
    }

    #[test]
    fn a_frame_of_another_segment_does_not_match() {
        let mut bytes = Vec::new();
        encode(&mut bytes, 8, 3, true, (Kind::Entry, 42, b"hello"));
        assert!(!decode(&bytes).unwrap().1);
    }
}
