//! `sign-subtree`: a cosignature on a part of a tree that this witness cosigned as a whole.
//!
//! Spec: <https://c2sp.org/tlog-witness#sign-subtree> (optional)
//!
//! Nothing is remembered: whatever tree this witness cosigned, its subtrees are facts. Only ML-DSA-44 has
//! a statement for a subtree, so a witness without such a key does not offer the call.

use ledger_format::merkle::is_subtree;
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
            self.signer()
                .vkeys()
                .any(|vkey| note.signatures().iter().any(|line| vkey.verify(note.text(), line).is_ok()))
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
