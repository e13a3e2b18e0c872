//! The signature of one replayed entry as work of its own: it needs nothing but itself, so any thread can do it.

use ledger_format::record::Record;

use crate::points::{Points, point_of};
use crate::rejection::Rejection;
use crate::replay::{ReplayError, ReplayFault};
use crate::signer::check_second_signature;
use crate::values::SignerKey;

/// A record and the key that must have signed it, as of the entries before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureJob {
    index: u64,
    record: Box<Record>,
    key: SignerKey,
}

impl SignatureJob {
    pub(crate) fn new(index: u64, record: Record, key: SignerKey) -> Self {
        Self { index, record: Box::new(record), key }
    }

    /// Index of the entry.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// One strict Ed25519 verification, two of an agreement, about 45 µs each, and two thirds of that under a key with a table. `points` may remember keys
    /// from one job to the next.
    ///
    /// # Errors
    /// As [`crate::Replayer::step`] gives for an entry with a bad signature.
    pub fn verify(&self, points: &dyn Points) -> Result<(), ReplayError> {
        let wrong = |fault| ReplayError { index: self.index, fault };
        let point = point_of(points, &self.key).map_err(|alarm| wrong(ReplayFault::Damaged(alarm)))?;
        let signed = self.record.verify_signature(&point).map_err(|error| Rejection::from(&error));
        signed
            .and_then(|()| check_second_signature(&self.record))
            .map_err(|rejection| wrong(ReplayFault::Signature(rejection)))
    }
}
