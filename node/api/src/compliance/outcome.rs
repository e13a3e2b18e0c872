//! What one rule says, with the entries that show it.

use ledger_format::record::FindingStatus;

use super::Trail;

/// Most entries that a finding cites, as in a record.
pub(super) const EVIDENCE_MAX: usize = 32;

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: FindingStatus,
    /// Indices of entries that show it, ascending; the newest, if there are more.
    pub(crate) evidence: Vec<u64>,
    /// How many there are in all.
    pub(crate) count: u64,
    /// What was found, in a sentence.
    pub(crate) text: String,
}

impl Outcome {
    /// The rule holds.
    pub(super) fn pass(evidence: impl Into<Trail>, text: impl Into<String>) -> Self {
        Self::of(FindingStatus::Pass, evidence.into(), text.into())
    }

    /// It does not.
    pub(super) fn fail(evidence: impl Into<Trail>, text: impl Into<String>) -> Self {
        Self::of(FindingStatus::Fail, evidence.into(), text.into())
    }

    /// There is nothing that it could be about.
    pub(super) fn nothing(text: impl Into<String>) -> Self {
        Self::of(FindingStatus::NotApplicable, Trail::default(), text.into())
    }

    fn of(status: FindingStatus, trail: Trail, text: String) -> Self {
        Self { status, count: trail.count, evidence: trail.newest(EVIDENCE_MAX), text }
    }
}
