//! Subjects: whatever has a public status of its own, and which of them wait to be sealed into the status map.

use std::fmt;

use ledger_format::record::{AgentId, DelegationId, RecordHash, SessionId, TenantId};

use crate::applied::Alarm;
use crate::batch::Batch;
use crate::keys;
use crate::overlay::Raw;
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
        let name = subject.to_string();
        let waits = keys::dirty(&name);
        if self.get::<Raw>(waits.clone())?.is_none() {
            let index = self.next_index();
            self.put(waits, Raw(index.to_be_bytes().to_vec()));
            self.put(keys::dirty_queue(index, &name), Raw(Vec::new()));
        }
        Ok(())
    }
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
