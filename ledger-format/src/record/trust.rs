//! Scores that somebody asks for: `trust.compute`.

use super::declare::body;
use super::ids::AgentId;
use super::kinds::{Id, OnBehalfOf};

body! {
    /// Body of `trust.compute`: a tenant asks for the score of one of its agents.
    ///
    /// Effect: the score as of this entry is computed by the log's trust algorithm and kept until the next such record of the agent, and the
    /// record counts towards the tenant's plan. The record says no score: that follows from the entries before it, for everybody. An
    /// agent that has ended has one, too: nothing. Refused: `quota_exceeded`, where the log enforces quotas.
    TrustCompute = "trust.compute" by [Tenant, Operator], info COMPUTE {
        /// whose score
        required agent: AgentId as Id<AgentId>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
    }
}
