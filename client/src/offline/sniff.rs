//! Which of the formats a file claims to be, by its first bytes.

use ledger_format::proof::PROOF_HEADER;

/// A format of proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One entry: <https://c2sp.org/tlog-proof>.
    Proof,
}

impl Kind {
    /// For people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proof => "tlog-proof",
        }
    }
}

/// What the bytes claim to be; whether they are is the parser's word.
pub fn sniff(bytes: &[u8]) -> Option<Kind> {
    let first = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    if first == PROOF_HEADER.as_bytes() { Some(Kind::Proof) } else { None }
}
