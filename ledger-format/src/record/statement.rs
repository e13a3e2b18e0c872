//! Receipts of other things than actions, and what becomes of receipts.

use super::body::{ActorKind, TypeInfo};
use super::declare::{body, fields};
use super::fields::Digest;
use super::ids::{AgentId, ReceiptId};
use super::kinds::{Detail, DigestOf, Id, Name, OnBehalfOf, Token};
use super::receipt::DetailValue;

fields! {
    /// Body of the receipts that state something about an agent's work and not one action.
    ReceiptStatement {
        /// whose receipt it is
        required agent: AgentId as Id<AgentId>,
        /// small facts that are not personal
        optional detail: Vec<(String, DetailValue)> as Detail,
        /// digest of what went in
        optional input: Digest as DigestOf,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// digest of what came out
        optional output: Digest as DigestOf,
        /// what it is about
        optional subject: String as Name,
    }
}

/// Declares the types that have this body.
macro_rules! statements {
    ($($info:ident = $name:literal, $what:literal;)+) => {$(
        /// Facts for documents and tests.
        pub(super) const $info: TypeInfo = TypeInfo {
            name: $name,
            about: concat!(" Body of `", $name, "`: ", $what, ".\n\n Effect: the agent's chain of receipts grows by one.\n"),
            actors: &[ActorKind::Agent, ActorKind::Tenant, ActorKind::Operator],
            fields: ReceiptStatement::FIELDS,
        };
    )+};
}

statements! {
    GENESIS = "receipt.genesis", "the first statement of an agent's work";
    DELEGATION = "receipt.delegation", "that work was handed on";
    REVOCATION = "receipt.revocation", "that something was withdrawn";
    DATASET = "receipt.dataset", "what was done with a data set";
    MODEL = "receipt.model", "what was done with a model";
    COMPLIANCE = "receipt.compliance", "a step that a rule asks for";
    CLAIM = "receipt.claim", "that a claim was made";
    APPROVAL = "receipt.approval", "that an approval was asked for or seen";
}

body! {
    /// Body of `receipt.supersede`: another receipt takes the place of one.
    ///
    /// Effect: the earlier receipt is marked superseded; it stays in the log and in the chain. Refused: `receipt_unknown`,
    /// `receipt_of_other_agent`, `receipt_superseded`, `receipt_revoked`.
    ReceiptSupersede = "receipt.supersede" by [Agent, Tenant, Operator], info SUPERSEDE {
        /// whose receipts they are
        required agent: AgentId as Id<AgentId>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// why
        required reason: String as Token,
        /// the earlier receipt
        required receipt: ReceiptId as Id<ReceiptId>,
        /// the receipt that counts instead; logged already
        required replacement: ReceiptId as Id<ReceiptId>,
    }
}

body! {
    /// Body of `receipt.revoke`: a receipt was wrong.
    ///
    /// Effect: the receipt is marked revoked; it stays in the log and in the chain. Refused: `receipt_unknown`, `receipt_of_other_agent`,
    /// `receipt_revoked`.
    ReceiptRevoke = "receipt.revoke" by [Agent, Tenant, Operator], info REVOKE {
        /// whose receipt it is
        required agent: AgentId as Id<AgentId>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// why
        required reason: String as Token,
        /// the receipt
        required receipt: ReceiptId as Id<ReceiptId>,
    }
}
