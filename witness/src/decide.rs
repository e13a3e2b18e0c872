//! Whether to cosign: a pure decision, with the sentences of the specification beside it.
//!
//! Spec: <https://c2sp.org/tlog-witness>
//!
//! ```text
//! body malformed                                        400   Refusal::Malformed
//! origin unknown                                        404   Refusal::UnknownOrigin
//! no trusted signature, or a trusted one that fails     403   Refusal::NoTrustedSignature, BadTrustedSignature
//! old size above the checkpoint's                       400   Refusal::OldSizeTooLarge
//! old size is not the size last cosigned                409   Refusal::Conflict
//! size 0 with a root that is not the empty tree's       422   Refusal::EmptyTreeRoot
//! same size, another root                               422   Refusal::Fork
//! proof does not hold                                   422   Refusal::Proof
//! ```
//!
//! The rows are checked in this order. [`decide`] is the only maker of an [`Advance`], and nothing is
//! stored or signed without one: see [`crate::persist`] and [`crate::sign`].

use ledger_format::{
    Checkpoint, Hash, Note, ProofError, SignatureLine, Vkey, empty_root, verify_consistency,
};

/// What the witness remembers of the last checkpoint it cosigned for one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latest {
    /// Number of entries.
    pub size: u64,
    /// Root of the tree of that size.
    pub root: Hash,
}

/// Permission to cosign `to`, given by [`decide`] on the assumption that `from` is what is remembered.
///
/// The memory accepts it only while that still holds: the check and the write are apart in time, and
/// another request for the same log may come between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    from: Option<Latest>,
    to: Latest,
}

impl Advance {
    /// What was remembered when the decision was made; `None` if this log was never cosigned.
    pub fn from(&self) -> Option<Latest> {
        self.from
    }

    /// What may be cosigned and must be remembered first.
    pub fn to(&self) -> Latest {
        self.to
    }

    /// Whether the tree was cosigned before, and only the time of the cosignature can be news.
    pub fn is_refresh(&self) -> bool {
        self.from == Some(self.to)
    }
}

/// Why a request is not cosigned. Each variant is one answer of the specification.
///
/// The caller is wrong in every variant but [`Refusal::Conflict`], which is the ordinary way of telling
/// a log what size to prove from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The body is not an `add-checkpoint` request with a checkpoint.
    #[error("request is malformed: {0}")]
    Malformed(String),
    /// This witness is not configured for the log.
    #[error("this witness does not know a log with origin {0:?}")]
    UnknownOrigin(String),
    /// None of the signatures is by a key that is trusted for the origin.
    #[error("the checkpoint has no signature by a key trusted for its origin")]
    NoTrustedSignature,
    /// A signature that names a trusted key does not verify.
    #[error("the signature by {0} does not verify")]
    BadTrustedSignature(String),
    /// The old size is above the checkpoint's size.
    #[error("old size {old} is larger than the checkpoint's size {size}")]
    OldSizeTooLarge {
        /// Old size of the request.
        old: u64,
        /// Size of the submitted checkpoint.
        size: u64,
    },
    /// The old size is not what this witness last cosigned. The answer carries `latest`.
    #[error("the size last cosigned is {latest}")]
    Conflict {
        /// Size last cosigned, 0 if none.
        latest: u64,
    },
    /// The empty tree has one root, and this is not it.
    #[error("a tree of size 0 has the root SHA-256(\"\")")]
    EmptyTreeRoot,
    /// The log has signed two roots for one size.
    #[error("the log has signed another root for size {size}: this is a fork")]
    Fork {
        /// The size with two roots.
        size: u64,
    },
    /// The consistency proof does not lead from the tree last cosigned to this one.
    #[error("the consistency proof does not hold: {0}")]
    Proof(ProofError),
}

/// Checks that a key trusted for the origin has signed, and gives back the lines that are by such keys.
///
/// `trusted` are the keys configured for the origin of the note. Lines by other keys are dropped: they
/// mean nothing here, and keeping them would let strangers fill the memory.
pub fn authenticate(trusted: &[Vkey], note: &Note) -> Result<Vec<SignatureLine>, Refusal> {
    // SPEC: The witness MUST verify the checkpoint signature against the public key(s) it trusts for the
    // checkpoint origin, and it MUST ignore signatures from unknown keys.
    let mut signed = Vec::new();
    for line in note.signatures() {
        let Some(key) = trusted.iter().find(|key| key.name() == line.name && key.key_id() == line.key_id)
        else {
            continue;
        };
        // SPEC (signed-note): a line that names a known key MUST verify, else the note is rejected.
        if key.verify(note.text(), line).is_err() {
            return Err(Refusal::BadTrustedSignature(key.name().to_owned()));
        }
        // One line a key is enough to remember.
        if !signed.iter().any(|known: &SignatureLine| known.name == line.name && known.key_id == line.key_id)
        {
            signed.push(line.clone());
        }
    }
    // SPEC: If none of the signatures verify against a trusted public key, the witness MUST respond with
    // a "403 Forbidden" HTTP status code.
    if signed.is_empty() {
        return Err(Refusal::NoTrustedSignature);
    }
    Ok(signed)
}

/// Decides on a checkpoint whose signature has already been verified with [`authenticate`].
///
/// `latest` is what is remembered for the checkpoint's origin, `old` and `proof` are the request's.
pub fn decide(
    latest: Option<Latest>,
    old: u64,
    new: &Checkpoint,
    proof: &[Hash],
) -> Result<Advance, Refusal> {
    // SPEC: The old size MUST be equal to or lower than the checkpoint size. Otherwise, the witness MUST
    // respond with a "400 Bad Request" HTTP status code.
    if old > new.size {
        return Err(Refusal::OldSizeTooLarge { old, size: new.size });
    }
    // SPEC: The witness MUST check that the old size matches the size of the latest checkpoint it cosigned
    // for the checkpoint's origin (or zero if it never cosigned a checkpoint for that origin). If it
    // doesn't match, the witness MUST respond with a "409 Conflict" HTTP status code.
    let latest_size = latest.map_or(0, |latest| latest.size);
    if old != latest_size {
        return Err(Refusal::Conflict { latest: latest_size });
    }
    // The empty tree has no consistency proof that could fail, so its root is checked by name. Without
    // this row a log could commit to a tree of size 0 that no later tree extends.
    if new.size == 0 && new.root != empty_root() {
        return Err(Refusal::EmptyTreeRoot);
    }
    // SPEC: If the old size matches the checkpoint size, the witness MUST check that the root hashes are
    // also identical. (422 since the text of 2026; 409 in v1.0.0, which left no way to tell the cases apart.)
    if let Some(latest) = latest
        && latest.size == new.size
        && latest.root != new.root
    {
        return Err(Refusal::Fork { size: new.size });
    }
    // SPEC: The proof MUST be empty if the old size is zero. If the Merkle Consistency Proof doesn't verify,
    // the witness MUST respond with a "422 Unprocessable Entity" HTTP status code.
    let old_root = latest.map_or_else(empty_root, |latest| latest.root);
    verify_consistency(old, new.size, proof, old_root, new.root).map_err(Refusal::Proof)?;

    Ok(Advance { from: latest, to: Latest { size: new.size, root: new.root } })
}

#[cfg(test)]
mod tests;
