//! Claims and documents: `claim.create`, `.resolve`, `document.attest`, `.verdict`.

use super::declare::body;
use super::fields::{Digest, words};
use super::ids::{AgentId, ClaimId, DocumentId, ToolId};
use super::json::{JsonError, Reader, Reason};
use super::kinds::{DigestOf, Flag, Id, Name, OnBehalfOf, Word, word_kind};

words! {
    /// What became of a claim.
    ClaimResult, "one of confirmed, rejected, inconclusive" {
        /// It holds.
        Confirmed = "confirmed",
        /// It does not.
        Rejected = "rejected",
        /// Nobody can tell.
        Inconclusive = "inconclusive",
    }
}

words! {
    /// How a document was judged.
    VerdictMethod, "one of witness, human, external" {
        /// By votes.
        Witness = "witness",
        /// By a person.
        Human = "human",
        /// By a verifier that is registered as a tool.
        External = "external",
    }
}

words! {
    /// What was found.
    DocumentResult, "one of valid, invalid, inconclusive" {
        /// It is what it claims to be.
        Valid = "valid",
        /// It is not.
        Invalid = "invalid",
        /// Nobody can tell.
        Inconclusive = "inconclusive",
    }
}
word_kind!(ClaimResult, VerdictMethod, DocumentResult);

body! {
    /// Body of `claim.create`: an agent claims something.
    ///
    /// Effect: the claim is open. Refused: `claim_exists`.
    ClaimCreate = "claim.create" by [Agent, Tenant, Operator], info CREATE {
        /// who claims it
        required agent: AgentId as Id<AgentId>,
        /// the new claim's id
        required claim: ClaimId as Id<ClaimId>,
        /// whether it concerns the tenant alone; if not, half of its quorum comes from other tenants
        required internal: bool as Flag,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// salted digest of what is claimed
        required statement: Digest as DigestOf,
        /// salted digest of whom or what it is about
        optional subject: Digest as DigestOf,
    }
}

body! {
    /// Body of `claim.resolve`: the votes are counted, or somebody competent says whether the claim holds.
    ///
    /// Effect: the claim is closed. Votes: `confirmed` needs the quorum, more votes for than against, and, unless the claim is internal, at least
    /// half of the quorum from other tenants; `rejected` the quorum and more votes against; anything else is `inconclusive`. Where votes were asked
    /// for, they decide. Refused: `claim_unknown`, `claim_resolved`, `tool_unknown`, `result_differs` (the message has the result of the votes).
    ClaimResolve = "claim.resolve" by [Tenant, Operator], info RESOLVE, check tool_of_external {
        /// the claim
        required claim: ClaimId as Id<ClaimId>,
        /// how it was judged; by votes when left out
        optional method: VerdictMethod as Word<VerdictMethod>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// what the votes say, or what was found
        required result: ClaimResult as Word<ClaimResult>,
        /// the verifier, with `external` and only then
        optional tool: ToolId as Id<ToolId>,
    }
}

impl ClaimResolve {
    fn tool_of_external(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        tool_of_external(self.tool, self.method.unwrap_or(VerdictMethod::Witness), r)
    }
}

fn tool_of_external(tool: Option<ToolId>, method: VerdictMethod, r: &Reader<'_>) -> Result<(), JsonError> {
    if tool.is_some() == (method == VerdictMethod::External) {
        return Ok(());
    }
    let rule = "there with the method external, and only then";
    Err(r.field_error("tool", Reason::Invalid { rule }))
}

body! {
    /// Body of `document.attest`: an agent says that it has made or seen a document.
    ///
    /// Effect: the document is attested and not judged yet. Refused: `document_exists`.
    DocumentAttest = "document.attest" by [Agent, Tenant, Operator], info ATTEST {
        /// who says it
        required agent: AgentId as Id<AgentId>,
        /// digest of the document
        required digest: Digest as DigestOf,
        /// its id
        required document: DocumentId as Id<DocumentId>,
        /// its media type
        optional media_type: String as Name,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
    }
}

body! {
    /// Body of `document.verdict`: somebody competent has judged the document.
    ///
    /// Effect: the document's verdict is this; a later one replaces it. Refused: `document_unknown`, `tool_unknown`.
    DocumentVerdict = "document.verdict" by [Tenant, Operator], info VERDICT, check tool_of_external {
        /// the document
        required document: DocumentId as Id<DocumentId>,
        /// how it was judged
        required method: VerdictMethod as Word<VerdictMethod>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the verifier, with `external` and only then
        optional tool: ToolId as Id<ToolId>,
        /// what was found
        required verdict: DocumentResult as Word<DocumentResult>,
    }
}

impl DocumentVerdict {
    fn tool_of_external(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        tool_of_external(self.tool, self.method, r)
    }
}
