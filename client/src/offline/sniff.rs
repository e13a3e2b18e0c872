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

/// The first line of a file whose form is one of ours in a later version.
pub(super) fn later_version(bytes: &[u8]) -> Option<&str> {
    let first = std::str::from_utf8(bytes.split(|&b| b == b'\n').next()?).ok()?;
    let split = |line: &'static str| line.split_at(line.trim_end_matches(|c: char| c.is_ascii_digit()).len());
    [PROOF_HEADER, MULTI_PROOF_HEADER, STAPLE_HEADER, CHAIN_HEADER].into_iter().map(split).find_map(
        |(family, known)| {
            let version: u32 = first.strip_prefix(family)?.parse().ok()?;
            (version > known.parse().ok()?).then_some(first)
        },
    )
}

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

#[test]
fn a_later_version_of_our_forms_is_known_as_one() {
    for known in [PROOF_HEADER, MULTI_PROOF_HEADER, STAPLE_HEADER, CHAIN_HEADER] {
        assert_eq!(later_version(format!("{known}\n").as_bytes()), None, "{known}");
        let later = known.replace('1', "2");
        assert_eq!(later_version(format!("{later}\nmore").as_bytes()), Some(later.as_str()));
        assert_eq!(sniff(later.as_bytes()), None);
    }
    assert_eq!(later_version(b"maip-staple/x\n"), None);
    assert_eq!(later_version(&[0xff]), None);
}
