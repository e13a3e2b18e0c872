//! The agent family: `agent.register`, `agent.key`, `agent.revoke`.

use super::body::{ActorKind, FieldInfo, TypeInfo};
use super::fields::{self, words};
use super::ids::AgentId;
use super::json::{JsonError, Reader, Writer};
use super::keys::{Kid, PublicKey};
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

/// Facts for documents and tests.
pub(super) const KEY: TypeInfo = TypeInfo {
    name: "agent.key",
    about: "",
    actors: &[ActorKind::Agent, ActorKind::Tenant, ActorKind::Operator],
    fields: &[
        FieldInfo::required("agent"),
        FieldInfo::required("key"),
        FieldInfo::optional("on_behalf_of"),
        FieldInfo::required("previous"),
        FieldInfo::required("reason"),
    ],
};

/// Facts for documents and tests.
pub(super) const REVOKE: TypeInfo = TypeInfo {
    name: "agent.revoke",
    about: "",
    actors: &[ActorKind::Tenant, ActorKind::Operator],
    fields: &[
        FieldInfo::required("agent"),
        FieldInfo::required("cascade"),
        FieldInfo::optional("compromised_at"),
        FieldInfo::optional("on_behalf_of"),
        FieldInfo::required("reason"),
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

/// Body of `agent.key`: from the next index on, the agent signs with another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentKey {
    /// The agent; when the agent itself signs, the record's actor.
    pub agent: AgentId,
    /// The new key; one that the agent never had.
    pub key: PublicKey,
    /// The credential that the operator acted for.
    pub on_behalf_of: Option<String>,
    /// The key that it replaces.
    pub previous: Kid,
    /// Why, in a word: `scheduled`, `compromised`, `lost`, ...
    pub reason: String,
}

impl AgentKey {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, JsonError> {
        let (mut agent, mut public_key, mut on_behalf_of) = (None, None, None);
        let (mut previous, mut reason) = (None, None);
        r.object(|r, key| {
            match key {
                "agent" => agent = Some(fields::agent_id(r)?),
                "key" => public_key = Some(fields::public_key(r)?),
                "on_behalf_of" => on_behalf_of = Some(fields::on_behalf_of(r)?),
                "previous" => previous = Some(fields::kid(r)?),
                "reason" => reason = Some(fields::token(r)?),
                _ => return fields::unknown(r),
            }
            Ok(())
        })?;
        Ok(Self {
            agent: r.required("agent", agent)?,
            key: r.required("key", public_key)?,
            on_behalf_of,
            previous: r.required("previous", previous)?,
            reason: r.required("reason", reason)?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.open_object();
        w.text_field("agent", &self.agent.to_string());
        w.text_field("key", &self.key.to_string());
        fields::write_optional(w, "on_behalf_of", self.on_behalf_of.as_deref());
        w.text_field("previous", &self.previous.to_string());
        w.text_field("reason", &self.reason);
        w.close_object();
    }
}

/// Body of `agent.revoke`: from this index on the agent may do nothing more. Not reversible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRevoke {
    /// The agent.
    pub agent: AgentId,
    /// Whether every agent below it ends too.
    pub cascade: bool,
    /// Since when (ms since 1970) the revoker believes the agent was in foreign hands. Nothing that was logged before is
    /// voided; it marks what came after.
    pub compromised_at: Option<u64>,
    /// The credential that the operator acted for.
    pub on_behalf_of: Option<String>,
    /// Why, in a word; `unspecified` if the caller gave none.
    pub reason: String,
}

impl AgentRevoke {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, JsonError> {
        let (mut agent, mut cascade, mut compromised_at) = (None, None, None);
        let (mut on_behalf_of, mut reason) = (None, None);
        r.object(|r, key| {
            match key {
                "agent" => agent = Some(fields::agent_id(r)?),
                "cascade" => cascade = Some(r.boolean()?),
                "compromised_at" => compromised_at = Some(r.unsigned()?),
                "on_behalf_of" => on_behalf_of = Some(fields::on_behalf_of(r)?),
                "reason" => reason = Some(fields::token(r)?),
                _ => return fields::unknown(r),
            }
            Ok(())
        })?;
        Ok(Self {
            agent: r.required("agent", agent)?,
            cascade: r.required("cascade", cascade)?,
            compromised_at,
            on_behalf_of,
            reason: r.required("reason", reason)?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.open_object();
        w.text_field("agent", &self.agent.to_string());
        w.key("cascade");
        w.boolean(self.cascade);
        if let Some(at) = self.compromised_at {
            w.unsigned_field("compromised_at", at);
        }
        fields::write_optional(w, "on_behalf_of", self.on_behalf_of.as_deref());
        w.text_field("reason", &self.reason);
        w.close_object();
    }
}
