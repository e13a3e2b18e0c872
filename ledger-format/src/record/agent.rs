//! The agent family: `agent.register`, `agent.key`, `agent.revoke`.

use super::body::{ActorKind, FieldInfo, TypeInfo};
use super::declare::body;
use super::fields::{self, words};
use super::ids::AgentId;
use super::json::{JsonError, Reader, Writer};
use super::keys::{Kid, PublicKey};
use super::kinds::{Flag, Id, Key, KeyId, OnBehalfOf, Time, Token};
use super::scope::Scope;

words! {
    /// How much an agent acts by itself.
    AgentType, "one of autonomous, supervised, delegated, system" {
        /// Acts by itself.
        Autonomous = "autonomous",
        /// Acts under the eyes of a person.
        Supervised = "supervised",
        /// Acts for another agent.
        Delegated = "delegated",
        /// A part of the infrastructure.
        System = "system",
    }
}

/// Facts for documents and tests.
pub(super) const REGISTER: TypeInfo = TypeInfo {
    name: "agent.register",
    about: "",
    actors: &[ActorKind::Tenant, ActorKind::Operator],
    fields: &[
        FieldInfo::required("agent"),
        FieldInfo::required("denies"),
        FieldInfo::required("key"),
        FieldInfo::required("name"),
        FieldInfo::optional("on_behalf_of"),
        FieldInfo::optional("parent"),
        FieldInfo::optional("runtime_type"),
        FieldInfo::required("scopes"),
        FieldInfo::required("type"),
    ],
};

/// Body of `agent.register`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRegister {
    /// The new agent's id, unique in the log, for ever.
    pub agent: AgentId,
    /// What the agent must not do, whatever its scopes say. Sorted. A child repeats its parent's denies and may add.
    pub denies: Vec<Scope>,
    /// The key that the agent will sign with.
    pub key: PublicKey,
    /// What people call the agent.
    pub name: String,
    /// The credential that the operator acted for.
    pub on_behalf_of: Option<String>,
    /// The agent above this one; the scopes of both must fit.
    pub parent: Option<AgentId>,
    /// What kind of program it is, e.g. `orchestrator`.
    pub runtime_type: Option<String>,
    /// What the agent may do. Sorted. An empty list allows nothing.
    pub scopes: Vec<Scope>,
    /// How much the agent acts by itself (`type` in the record).
    pub agent_type: AgentType,
}

impl AgentRegister {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, JsonError> {
        let (mut agent, mut denies, mut public_key, mut name, mut scopes) = (None, None, None, None, None);
        let (mut on_behalf_of, mut parent, mut runtime_type, mut agent_type) = (None, None, None, None);
        r.object(|r, key| {
            match key {
                "agent" => agent = Some(fields::agent_id(r)?),
                "denies" => denies = Some(fields::scopes(r)?),
                "key" => public_key = Some(fields::public_key(r)?),
                "name" => name = Some(fields::name(r)?),
                "on_behalf_of" => on_behalf_of = Some(fields::on_behalf_of(r)?),
                "parent" => parent = Some(fields::agent_id(r)?),
                "runtime_type" => runtime_type = Some(fields::token(r)?),
                "scopes" => scopes = Some(fields::scopes(r)?),
                "type" => agent_type = Some(AgentType::read(r)?),
                _ => return fields::unknown(r),
            }
            Ok(())
        })?;
        Ok(Self {
            agent: r.required("agent", agent)?,
            denies: r.required("denies", denies)?,
            key: r.required("key", public_key)?,
            name: r.required("name", name)?,
            on_behalf_of,
            parent,
            runtime_type,
            scopes: r.required("scopes", scopes)?,
            agent_type: r.required("type", agent_type)?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.open_object();
        w.text_field("agent", &self.agent.to_string());
        fields::write_scopes(w, "denies", &self.denies);
        w.text_field("key", &self.key.to_string());
        w.text_field("name", &self.name);
        fields::write_optional(w, "on_behalf_of", self.on_behalf_of.as_deref());
        fields::write_optional(w, "parent", self.parent.map(|p| p.to_string()).as_deref());
        fields::write_optional(w, "runtime_type", self.runtime_type.as_deref());
        fields::write_scopes(w, "scopes", &self.scopes);
        w.text_field("type", self.agent_type.as_str());
        w.close_object();
    }
}

body! {
    /// Body of `agent.key`: from the next index on, the agent signs with another key.
    AgentKey = "agent.key" by [Agent, Tenant, Operator], info KEY {
        /// The agent; when the agent itself signs, the record's actor.
        required agent: AgentId as Id<AgentId>,
        /// The new key; one that the agent never had.
        required key: PublicKey as Key,
        /// The credential that the operator acted for.
        optional on_behalf_of: String as OnBehalfOf,
        /// The key that it replaces.
        required previous: Kid as KeyId,
        /// Why, in a word: `scheduled`, `compromised`, `lost`, ...
        required reason: String as Token,
    }
}

body! {
    /// Body of `agent.revoke`: from this index on the agent may do nothing more. Not reversible.
    AgentRevoke = "agent.revoke" by [Tenant, Operator], info REVOKE {
        /// The agent.
        required agent: AgentId as Id<AgentId>,
        /// Whether every agent below it ends too.
        required cascade: bool as Flag,
        /// Since when (ms since 1970) the revoker believes the agent was in foreign hands. Nothing that was logged before is
        /// voided; it marks what came after.
        optional compromised_at: u64 as Time,
        /// The credential that the operator acted for.
        optional on_behalf_of: String as OnBehalfOf,
        /// Why, in a word; `unspecified` if the caller gave none.
        required reason: String as Token,
    }
}
