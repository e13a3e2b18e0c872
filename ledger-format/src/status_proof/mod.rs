//! Staples: one file that proves the status of one subject, or that the log knows no such subject, as of one size of the log.
//!
//! ```text
//! status of the subject --map proof--> root of the status map --in--> state.root entry --.tlog-proof--> witnessed checkpoint
//! ```
//!
//! The status map is a sparse Merkle tree over SHA-256 in the form of the crate `jmt`: its place for a subject is the SHA-256
//! of the subject's name, bit by bit from the most significant; a subtree with one leaf is that leaf, one with none is a
//! fixed hash. [`MapProof`] verifies what `jmt` proves and shares no code with it. The file:
//!
//! ```text
//! maip-staple/1
//! origin <origin of the log>
//! subject <name>
//! value <base64>                  the status, canonical JSON; or, where the map has none:
//! other <base64> <base64>           key and value hash of the only leaf where the subject's would be; or
//! empty                             there is no leaf at all there
//! <base64 hash>                   0 to 256 lines, the leaf's sibling first
//!
//! <.tlog-proof of the state.root entry, with the entry as extra>
//! ```
//!
//! [`verify_staple`] takes nothing from the file on trust: neither which log and subject it is about, nor how old it is.

mod map;
mod staple;
mod verify;

pub use map::{
    EMPTY_MAP_ROOT, MAP_SIBLINGS_MAX, MapLeaf, MapProof, MapProofError, map_key, map_leaf_hash,
    map_node_hash, map_value_hash,
};
pub use staple::{
    STAPLE_BYTES_MAX, STAPLE_HEADER, STATUS_BYTES_MAX, SUBJECT_BYTES_MAX, Standing, Staple, StapleError,
    is_subject,
};
pub use verify::{StapleFailure, StapleQuestion, StapleVerdict, verify_staple};
