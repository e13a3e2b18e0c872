//! Small damage to good input.

use proptest::prelude::*;

/// One change; places are taken modulo the length.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Set(usize, u8),
    Flip(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    /// Repeats a range behind itself.
    Double(usize, usize),
    Truncate(usize),
    /// Goes on like another input from here.
    Splice(usize),
}

/// Bytes that mean something in one format or another.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), prop::sample::select(b" \n\t\r+=/0-:,{}[]\"x\x00\x18\x5f\xa0\xe2\xff".to_vec())]
}

pub(crate) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = any::<usize>;
    let edit = prop_oneof![
        (place(), byte()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (place(), 0..8u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (place(), byte()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        place().prop_map(Edit::Remove),
        (place(), place()).prop_map(|(from, to)| Edit::Double(from, to)),
        place().prop_map(Edit::Truncate),
        place().prop_map(Edit::Splice),
    ];
    prop::collection::vec(edit, 1..4)
}

pub(crate) fn apply(seed: &[u8], other: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for edit in edits {
        let length = bytes.len().max(1);
        match *edit {
            _ if bytes.is_empty() => bytes.push(0),
            Edit::Set(at, byte) => bytes[at % length] = byte,
            Edit::Flip(at, bit) => bytes[at % length] ^= 1 << bit,
            Edit::Insert(at, byte) => bytes.insert(at % length, byte),
            Edit::Remove(at) => drop(bytes.remove(at % length)),
            Edit::Double(from, to) => {
                let (from, to) = (from % length, to % length);
                let range = bytes[from.min(to)..=from.max(to)].to_vec();
                bytes.splice(from.max(to)..from.max(to), range);
            }
            Edit::Truncate(at) => bytes.truncate(at % length),
            Edit::Splice(at) => {
                bytes.truncate(at % length);
                bytes.extend_from_slice(&other[other.len().min(at % length)..]);
            }
        }
    }
    bytes
}
