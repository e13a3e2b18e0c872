//! How agents end for good: what a revocation or kill does to an agent, said once for the state machine, which writes it, and for
//! readers who hear of it before it is written.
//!
//! To write the end of a large tree takes a while. That it ends is certain before: once the record is found to be in order, nothing
//! refuses it any more. So the state machine says so at once ([`View::ending`]), and whoever shows agents to others denies them from then on.

use ledger_format::record::AgentId;

use crate::status::agent;
use crate::values::{Agent, AgentStatus};
use crate::view::View;

/// The end of an agent and, with `cascade`, of those below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The agent that the record names.
    pub top: AgentId,
    /// Whether those below end with it.
    pub cascade: bool,
    /// Whether it is the kill switch. A kill is above a revocation.
    pub killed: bool,
    /// Index of the record.
    pub index: u64,
    /// The log's time there, ms since 1970.
    pub at: u64,
    /// The reason in the record.
    pub reason: String,
    /// When the revoker believes that the agent fell into foreign hands, ms since 1970.
    pub compromised_at: Option<u64>,
}

impl Ending {
    /// Whether there is something left of the agent that this ends.
    pub(crate) fn concerns(&self, agent: &Agent) -> bool {
        if self.killed { !agent.is_killed() } else { !agent.is_revoked() }
    }

    /// Ends an agent. Its sessions end with it.
    pub(crate) fn end(&self, agent: &mut Agent) {
        agent.sessions_end = self.index;
        agent.status = AgentStatus::Revoked {
            killed: self.killed,
            index: self.index,
            at: self.at,
            cause: self.top,
            reason: self.reason.clone(),
            compromised_at: self.compromised_at,
        };
    }
}

/// An agent of the state that `view` shows as these endings, in their order, leave it; `None`: as it is. Looks at the agents above, of
/// which there are no more than the log's genesis allows.
pub fn ended_early(
    endings: &[Ending],
    view: &(impl View + ?Sized),
    id: AgentId,
    found: &Agent,
) -> Option<Agent> {
    if endings.is_empty() {
        return None;
    }
    let (mut above, mut next) = (vec![id], found.parent);
    while let Some(parent) = next.filter(|_| endings.iter().any(|ending| ending.cascade)) {
        above.push(parent);
        next = agent(view, parent)?.parent;
    }
    let mut ended = None;
    for ending in endings {
        let reaches = ending.top == id || ending.cascade && above.contains(&ending.top);
        if reaches && ending.concerns(ended.as_ref().unwrap_or(found)) {
            ending.end(ended.get_or_insert_with(|| found.clone()));
        }
    }
    ended
}
