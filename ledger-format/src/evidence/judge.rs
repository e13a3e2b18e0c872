//! Judging evidence against a policy: whose signatures contradict each other?

use super::{Evidence, EvidenceKind, PrefixProof, contradiction};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::merkle::{ProofError, leaf_hash, verify_inclusion, verify_subtree};
use crate::note::{Note, Vkey};
use crate::policy::Policy;
use crate::record::Entry;
use crate::record::json;

/// Who is convicted. At least one of `log` and `witnesses` is named.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// What was shown.
    pub kind: EvidenceKind,
    /// Origin of the log it is about.
    pub origin: String,
    /// Whether the log itself signed everything that contradicts.
    pub log: bool,
    /// Names in the policy of the witnesses that cosigned both sides.
    pub witnesses: Vec<String>,
}

/// Why evidence convicts nobody under this policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotEvidence {
    /// A note is not a checkpoint.
    #[error("a note is not a checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The two checkpoints are of two logs.
    #[error("the checkpoints are of two logs, {first:?} and {second:?}")]
    TwoLogs {
        /// One origin.
        first: String,
        /// The other.
        second: String,
    },
    /// Size and root are the same on both sides.
    #[error("the checkpoints do not contradict each other")]
    NoContradiction,
    /// The sizes do not fit this kind, or the smaller checkpoint is not the first.
    #[error("sizes {first} and {second} do not fit this kind of evidence")]
    Sizes {
        /// Size of the first checkpoint.
        first: u64,
        /// Size of the second.
        second: u64,
    },
    /// The prefix proof, or the inclusion proof, does not hold.
    #[error("the proof does not hold: {0}")]
    Proof(#[from] ProofError),
    /// No key of the policy signed all that contradicts.
    #[error("no log or witness of the policy signed everything that contradicts")]
    NoCulprit,
    /// The entry is canonical.
    #[error("the entry is canonical")]
    GoodEntry,
    /// The proof file does not carry the entry.
    #[error("the proof file does not carry the entry")]
    NoEntry,
    /// The entry ends nothing for good.
    #[error("the entry ends nothing for good")]
    EndsNothing,
    /// The staple is about something else than the entry ends.
    #[error("the staple is about {got}, the entry ends {ended}")]
    OtherSubject {
        /// Whom the staple is about.
        got: String,
        /// What the entry ends.
        ended: String,
    },
    /// The staple speaks of the time before the entry.
    #[error("the staple is as of size {as_of_size}, which does not include entry {index}")]
    StapleBefore {
        /// As of which size it speaks.
        as_of_size: u64,
        /// Index of the entry.
        index: u64,
    },
    /// The staple's entry is no `state.root`.
    #[error("the staple's entry is no state.root")]
    NoStateRoot,
    /// The status is not in the map that the `state.root` commits to.
    #[error("the staple's status is not in the map of its state.root")]
    NotInMap,
}

impl Evidence {
    /// Whom this convicts, trusting no key but those of `policy`.
    ///
    /// Needs no quorum: each culprit is convicted by its own signatures, and bad lines of others do not help it.
    pub fn judge(&self, policy: &Policy) -> Result<Verdict, NotEvidence> {
        match self {
            Self::LogForkSameSize { first, second } => self.judge_notes(policy, [first, second], None),
            Self::LogInconsistent { old, new, prefix } => self.judge_notes(policy, [old, new], Some(prefix)),
            Self::WitnessFork { first, second, prefix } => {
                self.judge_notes(policy, [first, second], prefix.as_ref())
            }
            Self::BadEntry { proof } => {
                let checkpoint = Checkpoint::parse(proof.note.text())?;
                let entry = proof.entry().ok_or(NotEvidence::NoEntry)?;
                let Checkpoint { origin, size, root, .. } = checkpoint;
                verify_inclusion(leaf_hash(entry), proof.index, size, &proof.hashes, root)?;
                if is_canonical_entry(entry) {
                    return Err(NotEvidence::GoodEntry);
                }
                if !signed_by_log(policy, &origin, &proof.note) {
                    return Err(NotEvidence::NoCulprit);
                }
                Ok(Verdict { kind: self.kind(), origin, log: true, witnesses: Vec::new() })
            }
            Self::StatusContradiction { ending, staple } => {
                let origin = contradiction::check(ending, staple)?;
                let notes = [&ending.note, &staple.inclusion.note];
                if !notes.into_iter().all(|note| signed_by_log(policy, &origin, note)) {
                    return Err(NotEvidence::NoCulprit);
                }
                Ok(Verdict { kind: self.kind(), origin, log: true, witnesses: Vec::new() })
            }
        }
    }

    fn judge_notes(
        &self,
        policy: &Policy,
        notes: [&Note; 2],
        prefix: Option<&PrefixProof>,
    ) -> Result<Verdict, NotEvidence> {
        let [first, second] = [Checkpoint::parse(notes[0].text())?, Checkpoint::parse(notes[1].text())?];
        check_contradiction(&first, &second, prefix)?;
        let origin = first.origin;
        let log = notes.iter().all(|note| signed_by_log(policy, &origin, note));
        let witnesses: Vec<String> = policy
            .witnesses()
            .iter()
            .filter(|witness| notes.iter().all(|note| signed_by(&witness.vkey, note)))
            .map(|witness| witness.name.clone())
            .collect();
        let convicted = match self.kind() {
            EvidenceKind::WitnessFork => !witnesses.is_empty(),
            _ => log,
        };
        if !convicted {
            return Err(NotEvidence::NoCulprit);
        }
        Ok(Verdict { kind: self.kind(), origin, log, witnesses })
    }
}

/// `Ok` if no log can honestly have had both trees.
fn check_contradiction(
    first: &Checkpoint,
    second: &Checkpoint,
    prefix: Option<&PrefixProof>,
) -> Result<(), NotEvidence> {
    if first.origin != second.origin {
        let (first, second) = (first.origin.clone(), second.origin.clone());
        return Err(NotEvidence::TwoLogs { first, second });
    }
    let sizes = NotEvidence::Sizes { first: first.size, second: second.size };
    let contradicts = match prefix {
        None if first.size == second.size => first.root != second.root,
        Some(prefix) if 0 < first.size && first.size < second.size => {
            let PrefixProof { root, hashes } = prefix;
            verify_subtree(0, first.size, second.size, hashes, *root, second.root)?;
            *root != first.root
        }
        _ => return Err(sizes),
    };
    if contradicts { Ok(()) } else { Err(NotEvidence::NoContradiction) }
}

fn signed_by_log(policy: &Policy, origin: &str, note: &Note) -> bool {
    policy.logs().iter().any(|log| log.vkey.name() == origin && signed_by(&log.vkey, note))
}

/// Any valid line convicts, not only the first: a second one of the same key is a signature too.
fn signed_by(vkey: &Vkey, note: &Note) -> bool {
    note.signatures().iter().any(|line| vkey.verify(note.text(), line).is_ok())
}

/// Only what holds for every version of the records: the form of an entry, and canonical JSON in it. A type of
/// record that this version does not know must not convict a newer log.
fn is_canonical_entry(entry: &[u8]) -> bool {
    Entry::parse(entry).is_ok_and(|entry| json::parse(entry.record).is_ok())
}
