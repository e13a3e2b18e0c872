//! What the frames of the journal hold: records, and in an opening frame the owner before them.
//!
//! ```text
//! opening   version 2 | length 2 | vkey of the witness | records
//! record    time in seconds 8 | length 4 | note          integers are little-endian
//! ```
//! Origin, size and root are not stored beside the note: one copy of a fact cannot contradict itself.

use super::Remembered;

/// Raised when the payloads change. An older program refuses a newer memory.
pub(super) const VERSION: u16 = 1;

pub(super) fn encode_opening<'a>(
    identity: &str,
    records: impl IntoIterator<Item = &'a Remembered>,
) -> Vec<u8> {
    let mut out = VERSION.to_le_bytes().to_vec();
    let length = u16::try_from(identity.len()).expect("a vkey line is far below 64 KiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(identity.as_bytes());
    out.extend(encode_records(records));
    out
}

pub(super) fn encode_records<'a>(records: impl IntoIterator<Item = &'a Remembered>) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        out.extend_from_slice(&record.time_s.to_le_bytes());
        let length = u32::try_from(record.note.len()).expect("notes are limited to 1 MiB");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&record.note);
    }
    out
}

/// Time in seconds and note.
pub(super) type Record = (u64, Vec<u8>);

/// The version of an opening frame, whatever else is in it.
pub(super) fn version(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

/// The owner and the records of an opening frame.
pub(super) fn decode_opening(payload: &[u8]) -> Option<(String, Vec<Record>)> {
    let (version, rest) = payload.split_first_chunk::<2>()?;
    if u16::from_le_bytes(*version) != VERSION {
        return None;
    }
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (identity, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((String::from_utf8(identity.to_vec()).ok()?, decode_records(rest)?))
}

/// The records of a frame.
pub(super) fn decode_records(mut rest: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (time, after) = rest.split_first_chunk::<8>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let (note, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        records.push((u64::from_le_bytes(*time), note.to_vec()));
        rest = after;
    }
    Some(records)
}
