//! Changes of an agent's description and standing: `agent.update`, `.suspend`, `.reactivate`, `.kill`.

use super::declare::body;
use super::ids::AgentId;
use super::json::{JsonError, Reader, Reason};
use super::kinds::{Flag, Id, Name, OnBehalfOf, Scopes, Time, Token};
use super::scope::Scope;

body! {
    /// Body of `agent.update`: what is given replaces what was. At least one of the fields that can change.
    AgentUpdate = "agent.update" by [Tenant, Operator], info UPDATE, check changes_something {
        /// The agent.
        required agent: AgentId as Id<AgentId>,
        /// Actions for which a supervised agent needs an approval. Sorted.
        optional critical: Vec<Scope> as Scopes,
        /// What it must not do. Sorted.
        optional denies: Vec<Scope> as Scopes,
        /// What people call it.
        optional name: String as Name,
        /// The credential that the operator acted for.
        optional on_behalf_of: String as OnBehalfOf,
        /// What kind of program it is.
        optional runtime_type: String as Token,
        /// What it may do. Sorted.
        optional scopes: Vec<Scope> as Scopes,
    }
}

impl AgentUpdate {
    fn changes_something(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        let lists = [&self.critical, &self.denies, &self.scopes];
        let words = [&self.name, &self.runtime_type];
        if lists.into_iter().any(Option::is_some) || words.into_iter().any(Option::is_some) {
            return Ok(());
        }
        let rule = "a change: at least one of critical, denies, name, runtime_type, scopes";
        Err(r.field_error("scopes", Reason::Invalid { rule }))
    }
}

body! {
    /// Body of `agent.suspend`: the agent may not act and its sessions end, until it is reactivated.
    AgentSuspend = "agent.suspend" by [Tenant, Operator], info SUSPEND {
        /// The agent.
        required agent: AgentId as Id<AgentId>,
        /// The credential that the operator acted for.
        optional on_behalf_of: String as OnBehalfOf,
        /// Why, in a word.
        required reason: String as Token,
    }
}

body! {
    /// Body of `agent.reactivate`: a suspended agent may act again. Its former sessions stay ended.
    AgentReactivate = "agent.reactivate" by [Tenant, Operator], info REACTIVATE {
        /// The agent.
        required agent: AgentId as Id<AgentId>,
        /// The credential that the operator acted for.
        optional on_behalf_of: String as OnBehalfOf,
        /// Why, in a word.
        required reason: String as Token,
    }
}

body! {
    /// Body of `agent.kill`, the kill switch: from this index on the agent may do nothing more, and its sessions end. Not reversible.
    AgentKill = "agent.kill" by [Tenant, Operator], info KILL {
        /// The agent.
        required agent: AgentId as Id<AgentId>,
        /// Whether every agent below it ends too.
        required cascade: bool as Flag,
        /// Since when (ms since 1970) the killer believes the agent was in foreign hands; marks what came after.
        optional compromised_at: u64 as Time,
        /// The credential that the operator acted for.
        optional on_behalf_of: String as OnBehalfOf,
        /// Why, in a word.
        required reason: String as Token,
    }
}
