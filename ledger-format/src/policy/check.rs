//! Applying a policy to a note.

use super::Policy;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::{Note, SignatureError, Vkey};

/// A checkpoint that a policy accepts. Only [`Policy::check`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Witnessed {
    /// What the log signed.
    pub checkpoint: Checkpoint,
    /// The key it signed with.
    pub log: Vkey,
    /// Witnesses of the policy that cosigned, by their name in the policy, each with the time it stated in
    /// seconds since 1970. May be more than the quorum needs.
    pub cosigners: Vec<(String, u64)>,
}

/// Why a policy does not accept a note. None is worth a retry with the same note.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFailure {
    /// The text of the note is not a checkpoint.
    #[error("the note is not a checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint says 0 entries with another root than that of nothing.
    #[error("the checkpoint has size 0 but not the root of the empty tree")]
    EmptyTreeRoot,
    /// No log of the policy has this origin.
    #[error("the policy lists no log {origin:?}")]
    UnknownLog {
        /// Origin of the checkpoint.
        origin: String,
    },
    /// The log's key has no line in the note.
    #[error("the note is not signed by log {origin:?}")]
    NoLogSignature {
        /// Origin of the checkpoint.
        origin: String,
    },
    /// A line under a key of the policy is wrong: somebody tampers, or a witness is broken.
    #[error("the signature of {name:?} is bad: {error}")]
    BadSignature {
        /// Name of the key.
        name: String,
        /// What is wrong.
        error: SignatureError,
    },
    /// Valid cosignatures, but not enough.
    #[error("{} cosignatures do not reach the quorum {quorum}", cosigners.len())]
    Quorum {
        /// Names of the witnesses that did cosign.
        cosigners: Vec<String>,
        /// What is needed, in words.
        quorum: String,
    },
}

impl Policy {
    /// Whether this note is a checkpoint of a listed log with enough cosignatures.
    ///
    /// Lines of unknown keys are ignored. A line of a known key must be right, whether the quorum needs it or
    /// not. Of several lines of one key the first counts. A cosignature with time 0 is right but does not
    /// count: it does not say that the tree was the largest the witness knew. Lines this build cannot verify
    /// (type 0x06 without feature `ml-dsa`) are ignored as if their keys were unknown.
    pub fn check(&self, note: &Note) -> Result<Witnessed, PolicyFailure> {
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.is_empty_tree_with_other_root() {
            return Err(PolicyFailure::EmptyTreeRoot);
        }
        let log = self.check_log(note, &checkpoint.origin)?;
        let cosigners = self.check_cosigners(note)?;
        Ok(Witnessed { checkpoint, log: log.clone(), cosigners })
    }

    /// Whether these witnesses, by name, would satisfy the quorum: to ask before anything is signed, for example
    /// whether enough of them can be reached.
    pub fn quorum_met_by(&self, names: &[&str]) -> bool {
        let named: Vec<bool> =
            self.witnesses.iter().map(|witness| names.contains(&witness.name.as_str())).collect();
        self.is_quorum(&named)
    }

    /// The key of the log that signed. Does not look at witnesses.
    pub(crate) fn check_log(&self, note: &Note, origin: &str) -> Result<&Vkey, PolicyFailure> {
        let mut signer = None;
        let mut listed = false;
        for log in self.logs.iter().filter(|log| log.vkey.name() == origin) {
            listed = true;
            if verify_known(note, &log.vkey)?.is_some() {
                signer = signer.or(Some(&log.vkey));
            }
        }
        signer.ok_or_else(|| match listed {
            true => PolicyFailure::NoLogSignature { origin: origin.to_owned() },
            false => PolicyFailure::UnknownLog { origin: origin.to_owned() },
        })
    }

    /// The witnesses that have cosigned, when they are a quorum. Does not look at the log's signature.
    pub fn check_cosigners(&self, note: &Note) -> Result<Vec<(String, u64)>, PolicyFailure> {
        let mut cosigned = vec![false; self.witnesses.len()];
        let mut cosigners = Vec::new();
        for (witness, cosigned) in self.witnesses.iter().zip(&mut cosigned) {
            if let Some(Some(time_s)) = verify_known(note, &witness.vkey)?
                && time_s != 0
            {
                *cosigned = true;
                cosigners.push((witness.name.clone(), time_s));
            }
        }
        if self.is_quorum(&cosigned) {
            return Ok(cosigners);
        }
        let cosigners = cosigners.into_iter().map(|(name, _)| name).collect();
        Err(PolicyFailure::Quorum { cosigners, quorum: self.quorum() })
    }
}

/// Verifies the line of a key: `None` if it has none (or none that this build can judge), else its time.
fn verify_known(note: &Note, vkey: &Vkey) -> Result<Option<Option<u64>>, PolicyFailure> {
    let Some(line) = note.signature_of(vkey) else { return Ok(None) };
    match vkey.verify(note.text(), line) {
        Ok(time_s) => Ok(Some(time_s)),
        Err(SignatureError::Unsupported { .. }) => Ok(None),
        Err(error) => Err(PolicyFailure::BadSignature { name: vkey.name().to_owned(), error }),
    }
}
