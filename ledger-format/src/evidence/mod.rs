//! Evidence: files that convict a log or a witness by its own signatures.
//!
//! The format is ours. Whoever finds a contradiction writes one; anybody with a policy can judge it offline.
//!
//! ```text
//! maip-evidence/1
//! kind <kind>
//! prefix <base64 hash>        where the kind has a prefix proof: root of the first entries of the larger tree,
//! <base64 hash>               as many as there are entries in the smaller one, and its proof
//! note <bytes>                then so many bytes: a signed checkpoint, the smaller (or first) one
//! ...
//! note <bytes>                the other checkpoint
//! ...
//! ```
//!
//! | kind | holds | what it shows |
//! |---|---|---|
//! | `log-fork-same-size` | two notes of one log | one size, two roots, both signed by the log |
//! | `log-inconsistent` | an older and a newer note, a prefix proof | the newer tree does not begin with the older one, both signed by the log |
//! | `witness-fork` | two notes, and a prefix proof if the sizes differ | a witness cosigned both; the log need not have signed |
//! | `bad-entry` | instead of notes one line `proof <bytes>` and a proof file with the entry | the log holds bytes that are not a canonical entry |
//! | `status-contradiction` | such a proof file, one line `staple <bytes>` and a staple | the log ended something for good, and sealed a later status by which it goes on |
//!
//! Why a prefix proof convicts: it is a subtree proof of the first `m` entries under the newer root. The nodes it
//! names are fixed by that root, so the prefix has exactly one root; if it is not the one in the older note, no
//! consistency proof can exist.

mod contradiction;
mod judge;
mod text_form;

use crate::merkle::Hash;
use crate::note::{NOTE_BYTES_MAX, Note, NoteError};
use crate::proof::{PROOF_BYTES_MAX, TlogProof, TlogProofError};
use crate::status_proof::{STAPLE_BYTES_MAX, Staple, StapleError};

pub use judge::{NotEvidence, Verdict};

/// First line of an evidence file.
pub const EVIDENCE_HEADER: &str = "maip-evidence/1";

/// Largest evidence file that is read, in bytes: two notes and 64 hashes, or a proof file and a staple.
pub const EVIDENCE_BYTES_MAX: usize = {
    let (with_staple, notes) = (PROOF_BYTES_MAX + STAPLE_BYTES_MAX, 2 * NOTE_BYTES_MAX);
    (if with_staple > notes { with_staple } else { notes }) + 4_096
};

/// What a piece of evidence is about: the word in its second line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvidenceKind {
    /// A log signed two roots for one size.
    LogForkSameSize,
    /// A log signed a tree that does not begin with one it signed before.
    LogInconsistent,
    /// A witness cosigned two trees of one log that contradict each other.
    WitnessFork,
    /// A log holds bytes that are not a canonical entry.
    BadEntry,
    /// A log ended something for good and sealed a later status by which it goes on.
    StatusContradiction,
}

impl EvidenceKind {
    /// The word in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogForkSameSize => "log-fork-same-size",
            Self::LogInconsistent => "log-inconsistent",
            Self::WitnessFork => "witness-fork",
            Self::BadEntry => "bad-entry",
            Self::StatusContradiction => "status-contradiction",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let all = [
            Self::LogForkSameSize,
            Self::LogInconsistent,
            Self::WitnessFork,
            Self::BadEntry,
            Self::StatusContradiction,
        ];
        all.into_iter().find(|kind| kind.name() == name)
    }
}

/// The root of the first entries of a larger tree, as many as there are in the smaller one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixProof {
    /// That root, which must not be the one in the smaller note.
    pub root: Hash,
    /// Subtree proof of `[0, smaller size)` under the larger root.
    pub hashes: Vec<Hash>,
}

/// What contradicts; not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// One log, one size, two roots.
    LogForkSameSize {
        /// One checkpoint.
        first: Note,
        /// The other.
        second: Note,
    },
    /// One log, two sizes, the larger tree does not begin with the smaller one.
    LogInconsistent {
        /// The smaller checkpoint.
        old: Note,
        /// The larger checkpoint.
        new: Note,
        /// What the larger tree begins with instead.
        prefix: PrefixProof,
    },
    /// One witness on two checkpoints that contradict each other.
    WitnessFork {
        /// One checkpoint; the smaller if the sizes differ.
        first: Note,
        /// The other.
        second: Note,
        /// What the larger tree begins with instead, if the sizes differ.
        prefix: Option<PrefixProof>,
    },
    /// An entry that no correct log takes.
    BadEntry {
        /// A proof file that carries the entry as `extra`. Cosignatures are not needed.
        proof: TlogProof,
    },
    /// Something that the log ended for good, and a later status by which it goes on.
    StatusContradiction {
        /// A proof file that carries the entry which ended it. Cosignatures are not needed.
        ending: TlogProof,
        /// The staple, as of a size that includes that entry.
        staple: Box<Staple>,
    },
}

impl Evidence {
    /// Which kind this is.
    pub fn kind(&self) -> EvidenceKind {
        match self {
            Self::LogForkSameSize { .. } => EvidenceKind::LogForkSameSize,
            Self::LogInconsistent { .. } => EvidenceKind::LogInconsistent,
            Self::WitnessFork { .. } => EvidenceKind::WitnessFork,
            Self::BadEntry { .. } => EvidenceKind::BadEntry,
            Self::StatusContradiction { .. } => EvidenceKind::StatusContradiction,
        }
    }
}

/// Why bytes are not an evidence file. The sender is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Over [`EVIDENCE_BYTES_MAX`].
    #[error("an evidence file of {got} bytes is over the limit of {EVIDENCE_BYTES_MAX}")]
    TooLong {
        /// Bytes received.
        got: usize,
    },
    /// Not UTF-8.
    #[error("the evidence file is not utf-8")]
    Utf8,
    /// The first line is another.
    #[error("the first line is not {EVIDENCE_HEADER:?}")]
    Header,
    /// The second line names no kind.
    #[error("the second line names no kind of evidence")]
    Kind,
    /// The prefix proof is missing where the kind needs one, there where it has none, or malformed.
    #[error("the prefix proof is missing, misplaced or malformed")]
    Prefix,
    /// A `note` or `proof` line is missing, or its number of bytes is not there.
    #[error("a note or proof is missing or shorter than its line says")]
    Part,
    /// A note is malformed.
    #[error("a checkpoint is malformed: {0}")]
    Note(NoteError),
    /// The proof file is malformed.
    #[error("the proof file is malformed: {0}")]
    Proof(TlogProofError),
    /// The staple is malformed.
    #[error("the staple is malformed: {0}")]
    Staple(StapleError),
    /// The proof file carries no entry.
    #[error("the proof file does not carry the entry")]
    NoEntry,
    /// Something follows the last part.
    #[error("something follows the last part")]
    Trailing,
}
