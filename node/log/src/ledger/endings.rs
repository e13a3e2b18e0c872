//! What is about to end: agents that a committed revocation or kill ends, until the state says so.
//!
//! Working out and committing the end of a large tree takes tens of milliseconds on a busy machine; readers of the state see it from the
//! moment at which apply has found the record in order.

use std::sync::{Arc, PoisonError, RwLock};

use ledger_format::record::{AgentId, Ulid};
use ledger_state::{Ending, Value as _, View, ended_early, keys};

/// Endings that apply has announced and not yet committed. As many as one write has records at most.
#[derive(Default)]
pub(super) struct Endings(RwLock<Arc<Vec<Ending>>>);

impl Endings {
    pub(super) fn announce(&self, ending: &Ending) {
        let mut announced = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut announced).push(ending.clone());
    }

    /// The state says it now.
    pub(super) fn committed(&self) {
        let mut announced = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !announced.is_empty() {
            *announced = Arc::default();
        }
    }

    /// Those of now. Ask before reading a value: what is not here any more is in the value.
    pub(super) fn announced(&self) -> Announced {
        Announced(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The endings of one moment.
pub(super) struct Announced(Arc<Vec<Ending>>);

impl Announced {
    /// The value of an agent as it is about to be, from what the state that `view` shows has under its key.
    pub(super) fn ended(&self, view: &impl View, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        let [keys::AGENT_KEY_PREFIX, id @ ..] = key else { return None };
        let id = AgentId(Ulid::from_bytes(id.try_into().ok()?));
        // What does not decode is for whoever reads it to complain about.
        let agent = ledger_state::Agent::decode(value).ok()?;
        ended_early(&self.0, view, id, &agent).map(|agent| agent.encode())
    }
}

#[cfg(test)]
#[path = "../../../state/tests/world/mod.rs"]
mod world;

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, OnceLock, Weak};

    use bytes::Bytes;
    use ledger_format::record::{AgentKill, Body};
    use ledger_state::{AgentStatus, Command};
    use ledger_store::{EngineKind, EngineOptions};

    use super::{
        super::{Ledger, Work},
        world::{agent, append, by_tenant, genesis, register_agent, register_tenant},
        *,
    };
    use crate::{
        alarm::Alarms,
        hooked::{Change, Hooked},
        raft::types::{LeaderId, LogId},
    };

    #[test]
    fn readers_deny_before_the_end_is_committed() {
        let dir = tempfile::tempdir().unwrap();
        let inner = ledger_store::open(EngineKind::Memory, dir.path(), &EngineOptions::default()).unwrap();
        let asked: Arc<OnceLock<Weak<Ledger>>> = Arc::default();
        let seen: Arc<Mutex<Vec<Option<AgentStatus>>>> = Arc::default();
        let (of, note) = (asked.clone(), seen.clone());
        let engine = Hooked::over(inner, move |change| {
            if let Some(ledger) = of.get().and_then(Weak::upgrade).filter(|_| change == Change::Commit) {
                let found = ledger.with_view(|view| ledger_state::agent(view, agent(1))).unwrap();
                note.lock().unwrap().push(found.map(|agent| agent.status));
            }
            Ok(())
        });
        let ledger = Ledger::open(dir.path(), engine, Arc::new(Alarms::default())).unwrap();
        asked.set(Arc::downgrade(&ledger)).unwrap();
        let mut raft_index = 0;
        let mut run = |command: Command| {
            raft_index += 1;
            let id = LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index: raft_index };
            ledger.apply(vec![(id, Work::Command(Bytes::from(command.encode())))]).map(drop).unwrap();
        };
        run(append(&[genesis(), register_tenant(1), register_agent(1, 2, 1, None)]));
        let kill = AgentKill {
            agent: agent(1),
            cascade: true,
            compromised_at: None,
            on_behalf_of: None,
            reason: "stolen".into(),
        };
        run(append(&[by_tenant(1, 9_000_000, Body::AgentKill(kill))]));
        let after = ledger.with_view(|view| ledger_state::agent(view, agent(1))).unwrap().unwrap().status;
        assert!(matches!(after, AgentStatus::Revoked { killed: true, .. }), "{after:?}");
        assert_eq!(*seen.lock().unwrap(), [None, Some(after)], "before each commit");
        assert!(ledger.endings.announced().0.is_empty(), "nothing is left to announce");
        ledger.stop();
    }
}
