//! COSE receipts: the proofs of the tree as signed CBOR, for software of the SCITT family.
//!
//! Spec: RFC 9942 (COSE Receipts) with the verifiable data structure `RFC9162_SHA256`; RFC 9052 (COSE).
//!
//! ```text
//! 18([                                          COSE_Sign1
//!   << {1: -8, 4: key id, 395: 1} >>,           protected: Ed25519, key, tree of RFC 9162
//!   {396: {-1: [ << [size, index, [+ hash]] >> ]}},   or -2: [ << [old size, new size, [+ hash]] >> ]
//!   nil,                                        the root is signed but detached
//!   signature                                   of ["Signature1", protected, h'', root]
//! ])
//! ```
//!
//! The same proof as in a proof file, with one more signature of the log's Ed25519 key over the same root. What a
//! note key signs for notes is UTF-8 text and what it signs here starts with byte 0x84, which no UTF-8 text does,
//! so neither passes for the other. The key id is the four bytes of the key's note key id.
//!
//! The RFC writes the path as one or more hashes: trees of one entry, and sizes that need no hash, have no
//! receipt. Exactly one proof in a receipt, one spelling of every number, no other header: stricter than the RFC.
//! Only the root is signed. Sizes and index are as good as the path makes them: an entry has the same path in trees of
//! several sizes. A receipt carries no witness either; take a proof file where that matters.

mod cbor;
mod wire;

use crate::merkle::{Hash, ProofError, consistency_roots, inclusion_root, leaf_hash};
use crate::note::{KeyId, NoteSigner, SignatureError, SignatureType, Vkey};

/// Largest receipt that is read, in bytes: 63 hashes of 34 bytes, a signature and the headers.
pub const COSE_RECEIPT_BYTES_MAX: usize = 4_096;

/// What a receipt proves about the tree whose root it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoseProof {
    /// An entry is in the tree.
    Inclusion {
        /// Entries in the tree.
        size: u64,
        /// Place of the entry.
        index: u64,
        /// Audit path, the leaf's sibling first.
        path: Vec<Hash>,
    },
    /// A smaller tree is a prefix of the tree.
    Consistency {
        /// Entries in the smaller tree.
        old: u64,
        /// Entries in the tree.
        new: u64,
        /// Consistency proof of RFC 9162.
        path: Vec<Hash>,
    },
}

/// A receipt, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoseReceipt {
    /// Note key id of the log's key.
    pub key_id: KeyId,
    /// What is proven.
    pub proof: CoseProof,
    /// Ed25519 over the protected header and the root.
    pub signature: [u8; 64],
}

/// Why there is no receipt, or it does not hold. For parsing and verifying the sender is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoseError {
    /// Over [`COSE_RECEIPT_BYTES_MAX`].
    #[error("a receipt of {got} bytes is over the limit of {COSE_RECEIPT_BYTES_MAX}")]
    TooLong {
        /// Bytes received.
        got: usize,
    },
    /// Not the CBOR that is expected at this place, or not its shortest form.
    #[error("unexpected or non-deterministic cbor at byte {offset}")]
    Cbor {
        /// Where, from the start of the receipt or of the byte string inside it.
        offset: usize,
    },
    /// Bytes follow the receipt or the proof in it.
    #[error("bytes follow the end of the cbor")]
    Trailing,
    /// The algorithm is not -8 (EdDSA).
    #[error("the signature algorithm is not eddsa")]
    Algorithm,
    /// The verifiable data structure is not 1 (RFC9162_SHA256).
    #[error("the data structure is not RFC9162_SHA256")]
    DataStructure,
    /// The proof is neither inclusion (-1) nor consistency (-2).
    #[error("the proof is neither inclusion nor consistency")]
    ProofType,
    /// The path is empty, which the RFC does not allow (a tree of one entry), or has more than 63 hashes.
    #[error("a receipt has 1 to 63 hashes; a tree of one entry has no receipt")]
    PathLength,
    /// The key is not an Ed25519 log key (type 0x01).
    #[error("receipts are signed with log keys of type 0x01")]
    KeyType,
    /// The receipt names another key.
    #[error("the receipt is signed with another key")]
    OtherKey,
    /// The receipt proves another kind of thing than was asked for.
    #[error("the receipt proves another kind of thing")]
    OtherProof,
    /// The path does not fit its sizes.
    #[error("the path is wrong: {0}")]
    Proof(ProofError),
    /// The signature is not over the root that the path leads to.
    #[error("the signature does not fit the root that the path leads to: {0}")]
    Signature(SignatureError),
}

impl CoseReceipt {
    /// Signs the root that a proof is about. Check the proof against that root before.
    pub fn sign(signer: &NoteSigner, proof: CoseProof, root: Hash) -> Result<Self, CoseError> {
        let vkey = signer.vkey();
        if vkey.signature_type() != SignatureType::Ed25519 {
            return Err(CoseError::KeyType);
        }
        proof.check()?;
        let signature = signer.sign_raw(&wire::signed_bytes(vkey.key_id(), root));
        let signature = signature.try_into().expect("an Ed25519 signature has 64 bytes");
        Ok(Self { key_id: vkey.key_id(), proof, signature })
    }

    /// Verifies that `entry` is in a tree that the log signed; gives the root of that tree.
    pub fn verify_inclusion(&self, entry: &[u8], log: &Vkey) -> Result<Hash, CoseError> {
        let CoseProof::Inclusion { size, index, path } = &self.proof else {
            return Err(CoseError::OtherProof);
        };
        self.proof.check()?;
        let root = inclusion_root(leaf_hash(entry), *index, *size, path).map_err(CoseError::Proof)?;
        self.check_signature(root, log)?;
        Ok(root)
    }

    /// Verifies that the tree with `old_root` is a prefix of a tree that the log signed; gives the root of that
    /// tree. That `old_root` belongs to the old size of the receipt is the caller's knowledge.
    pub fn verify_consistency(&self, old_root: Hash, log: &Vkey) -> Result<Hash, CoseError> {
        let CoseProof::Consistency { old, new, path } = &self.proof else {
            return Err(CoseError::OtherProof);
        };
        self.proof.check()?;
        let (prefix, root) = consistency_roots(*old, *new, path, old_root).map_err(CoseError::Proof)?;
        if prefix != old_root {
            return Err(CoseError::Proof(ProofError::OldRootMismatch));
        }
        self.check_signature(root, log)?;
        Ok(root)
    }

    fn check_signature(&self, root: Hash, log: &Vkey) -> Result<(), CoseError> {
        if log.signature_type() != SignatureType::Ed25519 {
            return Err(CoseError::KeyType);
        }
        if log.key_id() != self.key_id {
            return Err(CoseError::OtherKey);
        }
        log.check(&wire::signed_bytes(self.key_id, root), &self.signature).map_err(CoseError::Signature)
    }
}

impl CoseProof {
    fn path(&self) -> &[Hash] {
        match self {
            Self::Inclusion { path, .. } | Self::Consistency { path, .. } => path,
        }
    }

    /// What holds for every receipt whatever its hashes.
    fn check(&self) -> Result<(), CoseError> {
        if !(1..=crate::merkle::PROOF_HASHES_MAX).contains(&self.path().len()) {
            return Err(CoseError::PathLength);
        }
        let proof_error = match *self {
            Self::Inclusion { size, index, .. } if index >= size => {
                ProofError::IndexOutsideTree { index, size }
            }
            // Between equal sizes, and from nothing, there is no path.
            Self::Consistency { old, new, .. } if old == 0 || old >= new => {
                ProofError::SizesReversed { old, new }
            }
            _ => return Ok(()),
        };
        Err(CoseError::Proof(proof_error))
    }
}
