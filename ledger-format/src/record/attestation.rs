//! What agents say of each other and of claims: `attest.peer`, `witness.request`, `witness.attest`.

use super::declare::body;
use super::fields::words;
use super::ids::{AgentId, AttestationId, ClaimId};
use super::kinds::{Id, Index, OnBehalfOf, Time, Word, numbers, word_kind};

words! {
    /// What an agent says of another.
    PeerVerdict, "one of good, bad" {
        /// It did well.
        Good = "good",
        /// It did not.
        Bad = "bad",
    }
}

words! {
    /// What an agent says of a claim.
    ClaimVote, "one of confirm, deny, abstain" {
        /// It holds.
        Confirm = "confirm",
        /// It does not.
        Deny = "deny",
        /// The agent cannot tell; counts for the quorum only.
        Abstain = "abstain",
    }
}
word_kind!(PeerVerdict, ClaimVote);

numbers! {
    /// Votes that are needed.
    Quorum: 1, 64, "1 to 64";
}

body! {
    /// Body of `attest.peer`: an agent says of another, with which it has dealt, how that went.
    ///
    /// Effect: trust in `subject` may change, by the rules of `docs/trust-score.md`. The cited entry must be about the one agent and name or be
    /// signed by the other: a receipt, decision or grant. Refused: `agent_unknown`, `interaction_unknown`, `interaction_of_others`.
    AttestPeer = "attest.peer" by [Agent, Operator], info PEER {
        /// who says it
        required agent: AgentId as Id<AgentId>,
        /// index of the entry in which the two had to do with each other
        required interaction: u64 as Index,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// of whom
        required subject: AgentId as Id<AgentId>,
        /// how it went
        required verdict: PeerVerdict as Word<PeerVerdict>,
    }
}

body! {
    /// Body of `witness.request`: agents are asked to say whether a claim holds.
    ///
    /// Effect: votes are taken until the deadline or until the claim is resolved. Refused: `claim_unknown`, `claim_resolved`,
    /// `expires_too_soon`.
    WitnessRequest = "witness.request" by [Agent, Tenant, Operator], info REQUEST {
        /// who asks
        required agent: AgentId as Id<AgentId>,
        /// the claim
        required claim: ClaimId as Id<ClaimId>,
        /// log time up to which votes count
        required deadline: u64 as Time,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// votes that are needed, abstentions included
        required quorum: u64 as Quorum,
    }
}

body! {
    /// Body of `witness.attest`: an agent's vote on a claim.
    ///
    /// Effect: the vote counts, once for each agent; not the claimant's own. Refused: `claim_unknown`, `claim_resolved`, `vote_not_asked`,
    /// `vote_too_late`, `vote_exists`, `own_claim`.
    WitnessAttest = "witness.attest" by [Agent, Operator], info ATTEST {
        /// who votes
        required agent: AgentId as Id<AgentId>,
        /// the vote's id
        required attestation: AttestationId as Id<AttestationId>,
        /// the claim
        required claim: ClaimId as Id<ClaimId>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the vote
        required vote: ClaimVote as Word<ClaimVote>,
    }
}
