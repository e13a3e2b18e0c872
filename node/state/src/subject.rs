//! Subjects: whatever has a public status of its own, and which of them wait to be sealed into the status map.

mod agent;

use std::fmt;

use ledger_format::record::json::Writer;
use ledger_format::record::{AgentId, DelegationId, RecordHash, SessionId, TenantId};

use crate::applied::Alarm;
use crate::authority::Grant;
use crate::batch::Batch;
use crate::federation::Agreement;
use crate::keys;
use crate::overlay::Raw;
use crate::sessions::Session;
use crate::values::Tenant;
use crate::view::View;

/// Something with a public status. Its name is the canonical text of its id; the status map's key is the name's SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An agent, its keys and its score included.
    Agent(AgentId),
    /// A tenant.
    Tenant(TenantId),
    /// A grant.
    Grant(DelegationId),
    /// A session.
    Session(SessionId),
    /// An agreement between two tenants, by the hash of its record.
    Agreement(RecordHash),
}

impl Subject {
    /// Reads the one spelling.
    pub fn parse(text: &str) -> Option<Subject> {
        AgentId::parse(text)
            .map(Subject::Agent)
            .or_else(|| TenantId::parse(text).map(Subject::Tenant))
            .or_else(|| DelegationId::parse(text).map(Subject::Grant))
            .or_else(|| SessionId::parse(text).map(Subject::Session))
            .or_else(|| text.strip_prefix("agreement:").and_then(RecordHash::parse).map(Subject::Agreement))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Agent(id) => id.fmt(f),
            Subject::Tenant(id) => id.fmt(f),
            Subject::Grant(id) => id.fmt(f),
            Subject::Session(id) => id.fmt(f),
            Subject::Agreement(hash) => write!(f, "agreement:{hash}"),
        }
    }
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// Notes that the entry at hand changes the subject's status. Since when it waits is kept: what is sealed first is what
    /// has waited longest.
    pub(crate) fn mark_dirty(&mut self, subject: Subject) -> Result<(), Alarm> {
        let (name, index) = (subject.to_string(), self.next_index());
        match self.waits_since(&name)?.first() {
            None => self.put_waiting(&name, &[index]),
            Some(since) if *since == index => {}
            Some(_) => self.waiting_still.push(name),
        }
        Ok(())
    }

    /// Gives the subjects that the record at hand has changed a place at its index, beside the one that they may have: what must
    /// not wait is found there, whatever else does.
    pub(crate) fn mark_urgent(&mut self) -> Result<(), Alarm> {
        let index = self.next_index();
        for name in std::mem::take(&mut self.waiting_still) {
            let since = self.waits_since(&name)?;
            let Some(first) = since.first() else { continue };
            if let Some(earlier) = since.get(1).filter(|earlier| **earlier != index) {
                self.delete(keys::dirty_queue(*earlier, &name));
            }
            self.put_waiting(&name, &[*first, index]);
        }
        self.urgent = Some(self.urgent.as_ref().map_or(index, |urgent| urgent.start)..index + 1);
        Ok(())
    }

    /// The places of a subject among those that wait: its first, and one more if it must not wait. None when it does not wait.
    pub(crate) fn waits_since(&mut self, name: &str) -> Result<Vec<u64>, Alarm> {
        let key = keys::dirty(name);
        let Some(bytes) = self.get::<Raw>(key.clone())? else { return Ok(Vec::new()) };
        match bytes.0.as_chunks::<8>() {
            (places @ ([_] | [_, _]), []) => {
                Ok(places.iter().map(|place| u64::from_be_bytes(*place)).collect())
            }
            _ => Err(Alarm::CorruptState { key, reason: "not one or two indexes".into() }),
        }
    }

    fn put_waiting(&mut self, name: &str, since: &[u64]) {
        let places = since.iter().flat_map(|index| index.to_be_bytes()).collect();
        self.put(keys::dirty(name), Raw(places));
        for index in since {
            self.put(keys::dirty_queue(*index, name), Raw(Vec::new()));
        }
    }
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// The subject's public status as it is now, canonical JSON: its value in the status map. `None` for a subject that the state
    /// does not know.
    pub(crate) fn status_json(&mut self, subject: Subject) -> Result<Option<Vec<u8>>, Alarm> {
        Ok(match subject {
            Subject::Agent(id) => {
                let Some(agent) = self.find_agent(id)? else { return Ok(None) };
                Some(agent::json(self, id, &agent)?)
            }
            Subject::Tenant(id) => {
                let Some(tenant) = self.find_tenant(id.0)? else { return Ok(None) };
                Some(tenant_json(&tenant, self.service.log_ms, self.tenant_cap_bp(id.0)?))
            }
            Subject::Session(id) => self.session(id)?.map(|session| session_json(&session)),
            Subject::Grant(id) => self.find_grant(id)?.map(|grant| grant_json(&grant)),
            Subject::Agreement(hash) => self.agreement(hash)?.map(|agreement| agreement_json(&agreement)),
        })
    }
}

/// The subject's public status at this moment, canonical JSON; `None` for a subject that the state does not know.
///
/// # Errors
/// The state is damaged.
pub fn public_status<V: View + ?Sized>(view: &V, subject: Subject) -> Result<Option<Vec<u8>>, Alarm> {
    Batch::new(view)?.status_json(subject)
}

fn tenant_json(tenant: &Tenant, as_of_ms: u64, cap_bp: u64) -> Vec<u8> {
    object(|w| {
        if let Some(key) = &tenant.key {
            w.text_field("key", &key.kid.to_string());
            w.unsigned_field("key_from", key.from);
        }
        w.text_field("plan", tenant.plan.as_str());
        w.unsigned_field("registered", tenant.registered);
        w.unsigned_field("since", tenant.suspended.unwrap_or(tenant.registered));
        w.text_field("status", if tenant.is_active() { "active" } else { "suspended" });
        w.key("trust");
        w.open_object();
        w.unsigned_field("as_of", as_of_ms);
        w.unsigned_field("cap_bp", cap_bp);
        w.close_object();
    })
}

/// A session also ends with its agent and with its time, and neither writes anything into it: whoever judges it looks at its
/// agent's status and at `expires_at` too.
fn session_json(session: &Session) -> Vec<u8> {
    object(|w| {
        w.text_field("agent", &session.agent.to_string());
        w.unsigned_field("expires_at", session.expires_at);
        w.key("scopes");
        w.open_array();
        session.scopes.iter().for_each(|scope| w.string(scope.as_str()));
        w.close_array();
        w.unsigned_field("since", session.since);
        w.text_field("status", session.standing.as_str());
        w.text_field("tenant", &TenantId(session.tenant).to_string());
    })
}

/// A grant also ends with its time and with everything above it, and none of that writes anything into it: whoever judges it looks
/// at the whole chain.
fn grant_json(grant: &Grant) -> Vec<u8> {
    object(|w| {
        if let Some(index) = grant.accepted {
            w.unsigned_field("accepted", index);
        }
        w.unsigned_field("expires_at", grant.limits.expires_at);
        w.unsigned_field("index", grant.index);
        w.text_field("offer", &grant.offer.to_string());
        if let Some(parent) = grant.parent {
            w.text_field("parent", &parent.to_string());
        }
        w.unsigned_field("since", grant.since);
        w.text_field("status", grant.standing.as_str());
        w.text_field("tenant", &TenantId(grant.tenant).to_string());
        w.text_field("to", &grant.to_agent.to_string());
    })
}

/// An agreement also ends with its time, which writes nothing into it.
fn agreement_json(agreement: &Agreement) -> Vec<u8> {
    object(|w| {
        w.unsigned_field("expires_at", agreement.expires_at);
        w.unsigned_field("index", agreement.index);
        w.text_field("peer", &agreement.peer.to_string());
        w.unsigned_field("since", agreement.ended.unwrap_or(agreement.index));
        w.text_field("status", if agreement.ended.is_none() { "in_force" } else { "ended" });
        w.text_field("tenant", &TenantId(agreement.tenant).to_string());
    })
}

/// Room for most statuses, in bytes.
const STATUS_CAPACITY: usize = 1_024;

fn object(fields: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::with_capacity(STATUS_CAPACITY);
    w.open_object();
    fields(&mut w);
    w.close_object();
    w.finish()
}

#[cfg(test)]
mod tests {
    use ledger_format::record::Ulid;

    use super::*;

    #[test]
    fn a_name_comes_back() {
        let id = Ulid(77);
        for subject in [
            Subject::Agent(AgentId(id)),
            Subject::Tenant(TenantId(id)),
            Subject::Grant(DelegationId(id)),
            Subject::Session(SessionId(id)),
            Subject::Agreement(RecordHash([9; 32])),
        ] {
            assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
        }
        for other in ["", "agreement:", "maip-agent:1", "maip-pol:01KC2G2V3T3XJ6W1B0D9QH8Y7N"] {
            assert_eq!(Subject::parse(other), None, "{other}");
        }
    }
}
