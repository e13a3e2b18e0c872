//! From proofs to records that are in a log.

use super::fault::{ChainFault, ChainReason as Reason};
use super::file::{Chain, PartKind};
use crate::policy::Policy;
use crate::proof::{TlogProof, verify};
use crate::record::{Entry, Record, RecordHash, record_hash};

/// A record that is in a log.
pub(super) struct Stated {
    /// Which part of the file, for people.
    pub(super) what: String,
    /// The log.
    pub(super) origin: String,
    /// Its place.
    pub(super) index: u64,
    /// The log's time there, ms since 1970.
    pub(super) at_ms: u64,
    /// Hash of its bytes.
    pub(super) hash: RecordHash,
    /// What it says.
    pub(super) record: Record,
}

/// All records of a file.
pub(super) struct Loaded {
    pub(super) receipt: Stated,
    pub(super) offers: Vec<Stated>,
    pub(super) accepts: Vec<Stated>,
    pub(super) agreements: Vec<Stated>,
    pub(super) identities: Vec<Stated>,
}

impl Loaded {
    pub(super) fn of(chain: &Chain, policy: &Policy) -> Result<Self, ChainFault> {
        let all = |kind: PartKind, proofs: &[TlogProof]| {
            let name = |number: usize| format!("{} {number}", kind.as_str());
            (1..)
                .zip(proofs)
                .map(|(number, proof)| stated(name(number), proof, policy))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            receipt: stated("the receipt".into(), &chain.receipt, policy)?,
            offers: all(PartKind::Offer, &chain.offers)?,
            accepts: all(PartKind::Accept, &chain.accepts)?,
            agreements: all(PartKind::Agreement, &chain.agreements)?,
            identities: all(PartKind::Identity, &chain.identities)?,
        })
    }

    /// What the chain is made of; not who signed it.
    pub(super) fn path(&self) -> impl Iterator<Item = &Stated> {
        std::iter::once(&self.receipt).chain(&self.offers).chain(&self.accepts).chain(&self.agreements)
    }
}

fn stated(what: String, proof: &TlogProof, policy: &Policy) -> Result<Stated, ChainFault> {
    let bytes = proof.entry().unwrap_or_default();
    let proven = verify(bytes, proof, policy)
        .map_err(|error| ChainFault::new(Reason::NotProven, format!("{what}: {error}")))?;
    let bad = |error: String| ChainFault::new(Reason::BadRecord, format!("{what}: {error}"));
    let entry = Entry::parse(bytes).map_err(|error| bad(error.to_string()))?;
    let record = Record::parse(entry.record).map_err(|error| bad(error.to_string()))?;
    let hash = record_hash(entry.record);
    Ok(Stated { what, origin: proven.checkpoint.origin, index: proven.index, at_ms: entry.at, hash, record })
}
