//! Which of the formats a file claims to be, by its first bytes.

use ledger_format::{
    chain::CHAIN_HEADER, multiproof::MULTI_PROOF_HEADER, proof::PROOF_HEADER, status_proof::STAPLE_HEADER,
};

/// A format of proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One entry: <https://c2sp.org/tlog-proof>.
    Proof,
    /// Many entries under one checkpoint.
    MultiProof,
    /// A COSE receipt, RFC 9942.
    Cose,
    /// The status of one subject.
    Staple,
    /// A receipt with all that allowed it.
    Chain,
}

impl Kind {
    /// For people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proof => "tlog-proof",
            Self::MultiProof => "multi-proof",
            Self::Cose => "cose-receipt",
            Self::Staple => "staple",
            Self::Chain => "chain",
        }
    }
}

/// CBOR tag 18, COSE_Sign1 (RFC 9052 section 4.2).
const COSE_SIGN1_TAG: u8 = 0xd2;

/// What the bytes claim to be; whether they are is the parser's word.
pub fn sniff(bytes: &[u8]) -> Option<Kind> {
    if bytes.first() == Some(&COSE_SIGN1_TAG) {
        return Some(Kind::Cose);
    }
    let first = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    if first == PROOF_HEADER.as_bytes() {
        Some(Kind::Proof)
    } else if first == MULTI_PROOF_HEADER.as_bytes() {
        Some(Kind::MultiProof)
    } else if first == STAPLE_HEADER.as_bytes() {
        Some(Kind::Staple)
    } else if first == CHAIN_HEADER.as_bytes() {
        Some(Kind::Chain)
    } else {
        None
    }
}
