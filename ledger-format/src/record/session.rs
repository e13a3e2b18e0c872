//! The session family: `session.open`, `session.refresh`, `session.handoff`, `session.close`.
//!
//! A session is a span of log time in which an agent acts with some of its scopes. It ends by itself.

use super::declare::body;
use super::fields::words;
use super::ids::{AgentId, SessionId};
use super::keys::PublicKey;
use super::kinds::{Id, Key, Minutes, Name, OnBehalfOf, Scopes, Token, Word, word_kind};
use super::scope::Scope;

/// Longest life of a session, in minutes of log time.
pub const SESSION_MINUTES_MAX: u64 = 1_440;

words! {
    /// How a session was ended.
    SessionEnd, "one of clean, aborted" {
        /// The work was done.
        Clean = "clean",
        /// It was broken off.
        Aborted = "aborted",
    }
}
word_kind!(SessionEnd);

body! {
    /// Body of `session.open`. The session runs from this entry's log time on.
    SessionOpen = "session.open" by [Agent, Tenant, Operator], info OPEN {
        /// Who will act; when the agent itself signs, the record's actor.
        required agent: AgentId as Id<AgentId>,
        /// For whom the session is meant, e.g. the name of a service.
        optional audience: String as Name,
        /// The credential that the operator acted for.
        optional on_behalf_of: String as OnBehalfOf,
        /// A key of which each caller in the session must prove possession.
        optional proof_key: PublicKey as Key,
        /// What may be done in the session: within the agent's own scopes. Sorted.
        required scopes: Vec<Scope> as Scopes,
        /// The new session's id, unique in the log, for ever.
        required session: SessionId as Id<SessionId>,
        /// Minutes of log time until it ends by itself, 1 to 1440.
        required ttl_min: u64 as Minutes,
    }
}

body! {
    /// Body of `session.refresh`: it ends that many minutes after this entry's log time instead.
    SessionRefresh = "session.refresh" by [Agent, Tenant, Operator], info REFRESH {
        /// Whose session it is.
        required agent: AgentId as Id<AgentId>,
        /// The credential that the operator acted for.
        optional on_behalf_of: String as OnBehalfOf,
        /// The session.
        required session: SessionId as Id<SessionId>,
        /// Minutes of log time from now, 1 to 1440.
        required ttl_min: u64 as Minutes,
    }
}

body! {
    /// Body of `session.handoff`: another agent of the tenant goes on with it.
    SessionHandoff = "session.handoff" by [Agent, Tenant, Operator], info HANDOFF {
        /// Whose session it was.
        required agent: AgentId as Id<AgentId>,
        /// The credential that the operator acted for.
        optional on_behalf_of: String as OnBehalfOf,
        /// The session.
        required session: SessionId as Id<SessionId>,
        /// Whose session it is now; the session's scopes are within this agent's.
        required to: AgentId as Id<AgentId>,
    }
}

body! {
    /// Body of `session.close`.
    SessionClose = "session.close" by [Agent, Tenant, Operator], info CLOSE {
        /// Whose session it was.
        required agent: AgentId as Id<AgentId>,
        /// The credential that the operator acted for.
        optional on_behalf_of: String as OnBehalfOf,
        /// How it ended.
        required outcome: SessionEnd as Word<SessionEnd>,
        /// Why, in a word.
        optional reason: String as Token,
        /// The session.
        required session: SessionId as Id<SessionId>,
    }
}
