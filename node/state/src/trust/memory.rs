//! The whole trust state in memory: for tests, for replays, for tools.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use super::agent::AgentState;
use super::engine;
use super::error::{EngineError, TrustError};
use super::id::Id;
use super::input::Input;
use super::reading::Reading;
use super::store::{Citation, TrustStore};

/// The whole trust state of a log: a pure function of the accepted inputs, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTrust {
    /// Time of the last accepted input.
    pub last_ms: u64,
    /// Every agent that was ever registered.
    pub agents: BTreeMap<Id, AgentState>,
    /// Weights of tenants' words that are not 0.
    pub tenant_weights_q12: BTreeMap<Id, u64>,
    /// Used interactions by the log day of the interaction.
    pub cited: BTreeMap<u64, BTreeSet<Citation>>,
}

impl MemoryTrust {
    /// The state before the first input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies an input, or rejects it and changes nothing.
    pub fn apply(&mut self, input: &Input) -> Result<(), TrustError> {
        engine::apply(self, input).map_err(rejected)
    }

    /// The reading of an agent at log time `ms`, which is not before the last accepted input.
    pub fn reading(&self, agent: &Id, ms: u64) -> Result<Reading, TrustError> {
        engine::reading(self, agent, ms).map_err(rejected)
    }
}

/// Memory does not fail.
fn rejected(error: EngineError<Infallible>) -> TrustError {
    match error {
        EngineError::Rejected(error) => error,
        EngineError::Store(never) => match never {},
    }
}

impl TrustStore for MemoryTrust {
    type Error = Infallible;

    fn last_ms(&self) -> Result<u64, Infallible> {
        Ok(self.last_ms)
    }

    fn put_last_ms(&mut self, ms: u64) -> Result<(), Infallible> {
        self.last_ms = ms;
        Ok(())
    }

    fn agent(&self, id: &Id) -> Result<Option<AgentState>, Infallible> {
        Ok(self.agents.get(id).cloned())
    }

    fn put_agent(&mut self, id: &Id, state: AgentState) -> Result<(), Infallible> {
        match self.agents.get_mut(id) {
            Some(agent) => *agent = state,
            None => drop(self.agents.insert(id.clone(), state)),
        }
        Ok(())
    }

    fn tenant_weight_q12(&self, tenant: &Id) -> Result<u64, Infallible> {
        Ok(self.tenant_weights_q12.get(tenant).copied().unwrap_or(0))
    }

    fn put_tenant_weight_q12(&mut self, tenant: &Id, weight_q12: u64) -> Result<(), Infallible> {
        match weight_q12 {
            0 => self.tenant_weights_q12.remove(tenant),
            weight => self.tenant_weights_q12.insert(tenant.clone(), weight),
        };
        Ok(())
    }

    fn is_cited(&self, day: u64, citation: &Citation) -> Result<bool, Infallible> {
        Ok(self.cited.get(&day).is_some_and(|citations| citations.contains(citation)))
    }

    fn put_citation(&mut self, day: u64, citation: Citation) -> Result<(), Infallible> {
        self.cited.entry(day).or_default().insert(citation);
        Ok(())
    }

    fn forget_citations_before(&mut self, day: u64) -> Result<(), Infallible> {
        self.cited = self.cited.split_off(&day);
        Ok(())
    }
}
