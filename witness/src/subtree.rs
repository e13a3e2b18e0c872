//! `sign-subtree`: a cosignature on a part of a tree that this witness cosigned as a whole.
//!
//! Spec: <https://c2sp.org/tlog-witness#sign-subtree> (optional)
//!
//! Nothing is remembered: whatever tree this witness cosigned, its subtrees are facts. Only ML-DSA-44 has
//! a statement for a subtree, so a witness without such a key does not offer the call.

use ledger_format::{Checkpoint, ProofError, SignSubtree, verify_subtree};

use crate::witness::Witness;

/// Why a subtree is not signed. The caller is wrong in every variant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubtreeRefusal {
    /// The body is not a request, or the range is no subtree of the checkpoint.
    #[error("request is malformed: {0}")]
    Malformed(String),
    /// This witness is not configured for the log.
    #[error("this witness does not know a log with origin {0:?}")]
    UnknownOrigin(String),
    /// This witness has no key that can sign subtrees.
    #[error("this witness has no ML-DSA-44 key and signs no subtrees")]
    NotOffered,
    /// The checkpoint does not carry a cosignature of this witness.
    #[error("the checkpoint carries no cosignature of this witness")]
    NotCosigned,
    /// The subtree is not a part of the checkpoint's tree.
    #[error("the proof does not hold: {0}")]
    Proof(ProofError),
}

impl Witness {
    /// Answers a `sign-subtree` with a signature line, or says why not.
    pub fn sign_subtree(&self, body: &[u8]) -> Result<String, SubtreeRefusal> {
        let malformed = |reason: String| SubtreeRefusal::Malformed(reason);
        let request = SignSubtree::parse(body).map_err(|error| malformed(error.to_string()))?;
        let checkpoint =
            Checkpoint::parse(request.note.text()).map_err(|error| malformed(error.to_string()))?;
        let (start, end, size) = (request.start, request.end, checkpoint.size);
        if !is_subtree(start, end, size) {
            return Err(malformed(format!("[{start}, {end}) is not a subtree of a tree of size {size}")));
        }
        if self.logs().get(&checkpoint.origin).is_none() {
            return Err(SubtreeRefusal::UnknownOrigin(checkpoint.origin));
        }
        // SPEC: 403 unless the checkpoint carries a cosignature of this witness. It is the proof that the
        // log's signature and the consistency of the tree were checked once.
        let ours = |note: &ledger_format::Note| {
            self.signer().vkeys().any(|vkey| {
                note.signatures().iter().any(|line| vkey.verify(note.text(), line).is_ok())
            })
        };
        if !ours(&request.note) {
            return Err(SubtreeRefusal::NotCosigned);
        }
        verify_subtree(start, end, size, &request.proof, request.hash, checkpoint.root)
            .map_err(SubtreeRefusal::Proof)?;
        let line = self
            .signer()
            .cosign_subtree(&checkpoint.origin, (start, end), request.hash)
            .ok_or(SubtreeRefusal::NotOffered)?;
        self.metrics().subtrees.add(1);
        Ok(format!("{line}\n"))
    }
}

/// Whether `[start, end)` is a subtree of a tree of `size` entries: a range that is aligned to the smallest
/// power of two that holds it.
fn is_subtree(start: u64, end: u64, size: u64) -> bool {
    if start > end || end > size {
        return false;
    }
    match (end - start).max(1).checked_next_power_of_two() {
        Some(width) => start.is_multiple_of(width),
        // Wider than 2^63: only a range from the very beginning is aligned.
        None => start == 0,
    }
}

#[test]
fn subtrees_are_aligned() {
    let check = |range: (u64, u64), size, want| assert_eq!(is_subtree(range.0, range.1, size), want, "{range:?}");
    check((0, 0), 0, true);
    check((5, 5), 9, true);
    check((4, 7), 7, true);
    check((4, 9), 9, false);
    check((8, 16), 16, true);
    check((2, 5), 9, false);
    check((3, 4), 3, false);
    check((4, 3), 9, false);
    check((0, u64::MAX), u64::MAX, true);
    check((1 << 62, u64::MAX), u64::MAX, false);
}
