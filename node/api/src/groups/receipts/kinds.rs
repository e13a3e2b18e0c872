//! What kinds of receipts there are: the words of the older APIs, and the record type behind each.

use ledger_format::record::{Body, ReceiptStatement};

use crate::wire::token;

/// Record types that are receipts: those in an agent's chain.
pub(crate) const RECEIPT_TYPES: &[&str] = &[
    "receipt.action",
    "receipt.genesis",
    "receipt.delegation",
    "receipt.revocation",
    "receipt.dataset",
    "receipt.model",
    "receipt.compliance",
    "receipt.claim",
    "receipt.approval",
];

/// The published word, the record type, and what else callers call it.
const KINDS: &[(&str, &str, &[&str])] = &[
    ("action", "receipt.action", &["maip_action", "action_receipt", "agent.action"]),
    ("genesis", "receipt.genesis", &["maip_genesis", "genesis_receipt", "agent_identity"]),
    ("delegation", "receipt.delegation", &["maip_delegation", "delegation_receipt"]),
    ("revocation", "receipt.revocation", &["maip_revocation", "revocation_receipt"]),
    (
        "data.attestation",
        "receipt.dataset",
        &["maip_dataset_attestation", "dataset_attestation", "dataset.attestation", "dataset"],
    ),
    ("model.attestation", "receipt.model", &["maip_model_attestation", "model_attestation", "model"]),
    ("compliance", "receipt.compliance", &["maip_compliance", "compliance_receipt"]),
    ("truth.claim", "receipt.claim", &["maip_truth_claim", "truth_claim", "claim"]),
    ("truth.verification", "receipt.claim", &["truth_verification"]),
    ("approval", "receipt.approval", &["maip_approval", "approval_receipt"]),
];

/// A kind of receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The word in answers and in the record.
    pub(crate) word: String,
    /// The record type.
    pub(crate) record_type: &'static str,
}

impl Kind {
    /// The kind that a caller names. A word that is none of the published ones is an action of that name.
    pub(crate) fn of_word(word: Option<&str>) -> Self {
        let word = token(word.unwrap_or("action"));
        let is =
            |(name, _, others): &&(&str, &str, &[&str])| *name == word || others.contains(&word.as_str());
        match KINDS.iter().find(is) {
            Some((name, record_type, _)) => Self { word: (*name).to_owned(), record_type },
            None => Self { word, record_type: "receipt.action" },
        }
    }

    /// The word of a record that names none itself.
    pub(crate) fn word_of_record(type_name: &str) -> &str {
        KINDS
            .iter()
            .find(|(_, record_type, _)| *record_type == type_name)
            .map_or(type_name, |(name, ..)| name)
    }

    /// The body of a statement that is no action.
    pub(crate) fn body(&self, statement: ReceiptStatement) -> Body {
        let statement = Box::new(statement);
        match self.record_type {
            "receipt.genesis" => Body::ReceiptGenesis(statement),
            "receipt.delegation" => Body::ReceiptDelegation(statement),
            "receipt.revocation" => Body::ReceiptRevocation(statement),
            "receipt.dataset" => Body::ReceiptDataset(statement),
            "receipt.model" => Body::ReceiptModel(statement),
            "receipt.compliance" => Body::ReceiptCompliance(statement),
            "receipt.approval" => Body::ReceiptApproval(statement),
            _ => Body::ReceiptClaim(statement),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_word_and_synonym_has_a_record_type() {
        for (word, record_type, synonyms) in KINDS {
            for spelling in synonyms.iter().chain([word]) {
                let kind = Kind::of_word(Some(spelling));
                assert_eq!((kind.word.as_str(), kind.record_type), (*word, *record_type), "{spelling}");
            }
            assert!(RECEIPT_TYPES.contains(record_type));
        }
        let other = Kind::of_word(Some("GitHub commit"));
        assert_eq!((other.word.as_str(), other.record_type), ("github_commit", "receipt.action"));
        assert_eq!(Kind::of_word(None).word, "action");
        assert_eq!(Kind::word_of_record("receipt.dataset"), "data.attestation");
    }
}
