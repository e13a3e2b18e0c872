//! What one command did: answers, new entries, writes, and alarms.

use std::fmt;
use std::ops::Range;

use ledger_format::Hash;

use crate::private::Transacted;
use crate::rejection::Rejection;
use crate::trust::Input;

/// A key and its new value; `None` deletes.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// Everything that follows from one command. The caller stores `entries` and `writes` in one atomic write (rule S3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// One per record of an `Append`, in its order; one for every other command. Empty when there is an alarm.
    pub outcomes: Vec<Outcome>,
    /// New entries, by ascending index.
    pub entries: Vec<NewEntry>,
    /// New state, by ascending key, each key once.
    pub writes: Vec<Write>,
    /// What the entries meant for trust, in order, each with the index of its entry: what ends by time goes with the entry that ends it.
    pub trust_inputs: Vec<(u64, Input)>,
    /// From the first to behind the last of the entries that revoked, killed, suspended or ended something: the subjects that wait
    /// since these indexes should be sealed at once.
    pub seal_now: Option<Range<u64>>,
    /// Set when the command published a checkpoint.
    pub published: Option<Published>,
    /// Set when this node must stop: nothing of the command may be stored.
    pub alarm: Option<Alarm>,
}

/// One entry, as it goes into tiles and bundles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// Its place in the log.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The answer to one record or one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The record is in the log, now or since before.
    Sequenced {
        /// Its index.
        index: u64,
        /// The leaf hash of its entry.
        leaf: Hash,
        /// The log's time in its entry, ms since 1970.
        log_ms: u64,
        /// Whether it was there already; the values above are then those of the first time.
        duplicate: bool,
    },
    /// Refused: nothing was logged.
    Rejected(Rejection),
    /// Done; nothing to say.
    Done,
    /// A checkpoint that was not published. Counted, otherwise without effect.
    Ignored(Ignored),
    /// What became of a transaction on the private state.
    Transacted(Transacted),
}

/// Why a checkpoint was not published (rule S5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Ignored {
    /// There is no genesis yet, so no key to check with.
    #[error("the log has no genesis entry")]
    NoGenesis,
    /// Not a signed note, or its text is not a checkpoint.
    #[error("not a signed checkpoint")]
    Malformed,
    /// Carries extension lines, which this log never signs.
    #[error("the checkpoint has extension lines")]
    Extensions,
    /// Without a good signature of one of the log's keys.
    #[error("no valid signature of the log")]
    Signature,
    /// Of another log.
    #[error("the origin is another log's")]
    Origin,
    /// Larger than what is applied here.
    #[error("the size is larger than the log")]
    Ahead,
    /// Smaller than what is published.
    #[error("a larger checkpoint is published")]
    Behind,
}

impl Ignored {
    /// A stable code for machines.
    pub fn code(self) -> &'static str {
        match self {
            Ignored::NoGenesis => "no_genesis",
            Ignored::Malformed => "malformed",
            Ignored::Extensions => "extensions",
            Ignored::Signature => "signature",
            Ignored::Origin => "origin",
            Ignored::Ahead => "ahead",
            Ignored::Behind => "behind",
        }
    }
}

/// A checkpoint that the log has published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The log's time when it was published, ms since 1970.
    pub log_ms: u64,
    /// Whether its cosignatures satisfied the log's policy.
    pub witnessed: bool,
    /// The signed note, byte for byte.
    pub note: Vec<u8>,
}

/// This node is damaged or computes something else than the others: it must stop and a person must look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The log has validly signed another root for a size that this node holds.
    RootMismatch {
        /// The size.
        size: u64,
        /// The root computed here.
        ours: Hash,
        /// The root that was signed.
        signed: Hash,
    },
    /// A stored value does not decode.
    CorruptState {
        /// Its key.
        key: Vec<u8>,
        /// What is wrong.
        reason: String,
    },
    /// A hash of the tree that must be there is not.
    MissingSubtree {
        /// Level of the subtree: it has 2^level leaves.
        level: u8,
        /// Its place on that level.
        index: u64,
    },
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Alarm::RootMismatch { size, ours, signed } => {
                write!(f, "the log has signed root {signed} at size {size}, this node computes {ours}")
            }
            Alarm::CorruptState { key, reason } => {
                f.write_str("state under key ")?;
                key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                write!(f, " is damaged: {reason}")
            }
            Alarm::MissingSubtree { level, index } => {
                write!(f, "the tree hash at level {level}, index {index} is missing")
            }
        }
    }
}
