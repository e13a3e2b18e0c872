//! The chain file, read and printed.

use std::fmt;

use crate::proof::{TlogProof, TlogProofError};
use crate::status_proof::{Staple, StapleError};
use crate::text;

/// First line of a chain file.
pub const CHAIN_HEADER: &str = "maip.dev/chain/v1";

/// Most parts of a chain file. The longest chain, nine links with agents of three keys each, needs fewer.
pub const CHAIN_PARTS_MAX: usize = 128;

/// Largest chain file that is read, in bytes.
pub const CHAIN_BYTES_MAX: usize = 8 << 20;

/// What a part is, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartKind {
    /// The `receipt.action` that the chain is about. Once.
    Receipt,
    /// A `delegation.offer`, the root first.
    Offer,
    /// A `delegation.accept`.
    Accept,
    /// A `federation.agree`.
    Agreement,
    /// A record that gives a key to somebody: `log.genesis`, `tenant.register`, `tenant.key`, `agent.register`, `agent.key`.
    Identity,
    /// The status of a subject.
    Staple,
}

impl PartKind {
    /// All, in the order of the file.
    pub const ALL: &'static [Self] =
        &[Self::Receipt, Self::Offer, Self::Accept, Self::Agreement, Self::Identity, Self::Staple];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Offer => "offer",
            Self::Accept => "accept",
            Self::Agreement => "agreement",
            Self::Identity => "identity",
            Self::Staple => "staple",
        }
    }
}

/// A chain file, not yet verified. Each proof carries its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// What was done.
    pub receipt: TlogProof,
    /// The grants, the root first.
    pub offers: Vec<TlogProof>,
    /// Their acceptances.
    pub accepts: Vec<TlogProof>,
    /// What lets grants pass between tenants.
    pub agreements: Vec<TlogProof>,
    /// Whose keys signed all that.
    pub identities: Vec<TlogProof>,
    /// What is known of everybody and everything on the way.
    pub staples: Vec<Staple>,
}

/// Why bytes are not a chain file. The sender is wrong. Parts are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// Over [`CHAIN_BYTES_MAX`].
    #[error("a chain file of {got} bytes is over the limit of {CHAIN_BYTES_MAX}")]
    TooLong {
        /// Bytes received.
        got: usize,
    },
    /// Not UTF-8.
    #[error("the chain file is not utf-8")]
    Utf8,
    /// The first line is another.
    #[error("the first line is not {CHAIN_HEADER:?}")]
    Header,
    /// More than [`CHAIN_PARTS_MAX`] parts.
    #[error("more than {CHAIN_PARTS_MAX} parts")]
    TooManyParts,
    /// A part does not begin with its kind and length.
    #[error("part {part} does not begin with its kind and a canonical length")]
    PartLine {
        /// Which.
        part: usize,
    },
    /// The first part is no receipt, or a second one is.
    #[error("part {part}: a chain file begins with its one receipt")]
    Receipt {
        /// Which.
        part: usize,
    },
    /// A part stands behind one of a later kind.
    #[error("part {part} is out of order: receipt, offers, accepts, agreements, identities, staples")]
    Order {
        /// Which.
        part: usize,
    },
    /// The file ends before the part does, or no line break follows it.
    #[error("part {part} is not as long as it says")]
    Length {
        /// Which.
        part: usize,
    },
    /// A part is not a proof file.
    #[error("part {part} is not a proof file: {error}")]
    Proof {
        /// Which.
        part: usize,
        /// What is wrong.
        error: TlogProofError,
    },
    /// A proof does not carry its entry.
    #[error("part {part} does not carry its entry")]
    NoEntry {
        /// Which.
        part: usize,
    },
    /// A part is not a staple.
    #[error("part {part} is not a staple: {error}")]
    Staple {
        /// Which.
        part: usize,
        /// What is wrong.
        error: StapleError,
    },
}

impl Chain {
    /// Reads a chain file.
    pub fn parse(bytes: &[u8]) -> Result<Self, ChainError> {
        if bytes.len() > CHAIN_BYTES_MAX {
            return Err(ChainError::TooLong { got: bytes.len() });
        }
        let file = std::str::from_utf8(bytes).map_err(|_| ChainError::Utf8)?;
        let rest = file.strip_prefix(CHAIN_HEADER).and_then(|rest| rest.strip_prefix('\n'));
        let mut rest = rest.ok_or(ChainError::Header)?;
        let (kind, body, after) = split_part(rest, 1)?;
        if kind != PartKind::Receipt {
            return Err(ChainError::Receipt { part: 1 });
        }
        let mut chain = Chain::of(proof(body, 1)?);
        let (mut last, mut part) = (kind, 1);
        rest = after;
        while !rest.is_empty() {
            part += 1;
            if part > CHAIN_PARTS_MAX {
                return Err(ChainError::TooManyParts);
            }
            let (kind, body, after) = split_part(rest, part)?;
            if kind < last {
                return Err(ChainError::Order { part });
            }
            (last, rest) = (kind, after);
            chain.push(kind, body, part)?;
        }
        Ok(chain)
    }

    /// A chain with its receipt only.
    pub fn of(receipt: TlogProof) -> Self {
        Self {
            receipt,
            offers: Vec::new(),
            accepts: Vec::new(),
            agreements: Vec::new(),
            identities: Vec::new(),
            staples: Vec::new(),
        }
    }

    fn push(&mut self, kind: PartKind, body: &str, part: usize) -> Result<(), ChainError> {
        match kind {
            PartKind::Receipt => return Err(ChainError::Receipt { part }),
            PartKind::Offer => self.offers.push(proof(body, part)?),
            PartKind::Accept => self.accepts.push(proof(body, part)?),
            PartKind::Agreement => self.agreements.push(proof(body, part)?),
            PartKind::Identity => self.identities.push(proof(body, part)?),
            PartKind::Staple => {
                let staple = Staple::parse(body.as_bytes());
                self.staples.push(staple.map_err(|error| ChainError::Staple { part, error })?);
            }
        }
        Ok(())
    }

    /// The exact bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

/// The kind of the next part, its text, and what follows.
fn split_part(rest: &str, part: usize) -> Result<(PartKind, &str, &str), ChainError> {
    let line = ChainError::PartLine { part };
    let (head, rest) = text::split_line(rest).ok_or(line.clone())?;
    let (word, length) = head.split_once(' ').ok_or(line.clone())?;
    let kind = PartKind::ALL.iter().copied().find(|kind| kind.as_str() == word).ok_or(line.clone())?;
    let length = text::parse_decimal(length).and_then(|length| usize::try_from(length).ok()).ok_or(line)?;
    let cut = ChainError::Length { part };
    let body = rest.get(..length).ok_or(cut.clone())?;
    let after = rest[length..].strip_prefix('\n').ok_or(cut)?;
    Ok((kind, body, after))
}

fn proof(body: &str, part: usize) -> Result<TlogProof, ChainError> {
    let proof = TlogProof::parse(body.as_bytes()).map_err(|error| ChainError::Proof { part, error })?;
    if proof.extra.is_none() { Err(ChainError::NoEntry { part }) } else { Ok(proof) }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{CHAIN_HEADER}")?;
        print(f, PartKind::Receipt, &self.receipt.to_string())?;
        for (kind, proofs) in [
            (PartKind::Offer, &self.offers),
            (PartKind::Accept, &self.accepts),
            (PartKind::Agreement, &self.agreements),
            (PartKind::Identity, &self.identities),
        ] {
            proofs.iter().try_for_each(|proof| print(f, kind, &proof.to_string()))?;
        }
        self.staples.iter().try_for_each(|staple| print(f, PartKind::Staple, &staple.to_string()))
    }
}

fn print(f: &mut fmt::Formatter<'_>, kind: PartKind, body: &str) -> fmt::Result {
    writeln!(f, "{} {}\n{body}", kind.as_str(), body.len())
}
