//! What the engine keeps, behind one small door: agents, weights of tenants, citations, the time.

use super::agent::AgentState;
use super::id::Id;

/// An interaction that an attestation has used: it counts once for each attester and subject. Ordered as in the state's
/// JSON form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Citation {
    /// Index of the interaction.
    pub interaction: u64,
    /// Who attested.
    pub by: Id,
    /// About whom.
    pub agent: Id,
}

/// Where trust states are kept. The engine asks for a bounded number of values for each input.
///
/// After an error the store may hold a part of a change; its owner throws it away.
pub trait TrustStore {
    /// Why the store cannot answer.
    type Error;

    /// Time of the last accepted input; 0 before the first.
    fn last_ms(&self) -> Result<u64, Self::Error>;
    /// Replaces it.
    fn put_last_ms(&mut self, ms: u64) -> Result<(), Self::Error>;

    /// The state of a registered agent.
    fn agent(&self, id: &Id) -> Result<Option<AgentState>, Self::Error>;
    /// Replaces it, or adds a new agent.
    fn put_agent(&mut self, id: &Id, state: AgentState) -> Result<(), Self::Error>;

    /// The weight of a tenant's word in q12; 0 unless put.
    fn tenant_weight_q12(&self, tenant: &Id) -> Result<u64, Self::Error>;
    /// Replaces it. A store keeps no zeros.
    fn put_tenant_weight_q12(&mut self, tenant: &Id, weight_q12: u64) -> Result<(), Self::Error>;

    /// Whether an interaction of that log day has been used so.
    fn is_cited(&self, day: u64, citation: &Citation) -> Result<bool, Self::Error>;
    /// Marks it as used.
    fn put_citation(&mut self, day: u64, citation: Citation) -> Result<(), Self::Error>;
    /// Drops the citations of earlier log days. None of them is asked for again, so a store may do so whenever it suits it: scores do
    /// not depend on it, only the digest of the whole state does.
    fn forget_citations_before(&mut self, day: u64) -> Result<(), Self::Error>;
}
