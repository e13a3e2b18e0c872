//! The state machine over every engine that a node can have: the same bytes as in memory, whatever happens.

#[path = "../../state/tests/world/mod.rs"]
mod world;

use std::{collections::BTreeMap, sync::Arc};

use ledger_format::{Hash, record::SealStep};
use ledger_state::{Applied, Command, MemoryState, ReplayState, Replayer, View, apply};
use ledger_store::{Batch, Engine, EngineKind, EngineOptions, Space, open};
use proptest::prelude::*;

use world::{
    history::{commands, wide_history},
    private::{private_commands, private_steps},
};

/// Most keys that one test reads back.
const KEYS_MAX: usize = 100_000;

/// A replica whose state lies in an engine.
struct Replica {
    engine: Arc<dyn Engine>,
    _dir: tempfile::TempDir,
}

impl Replica {
    fn new(kind: EngineKind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { engine: open(kind, dir.path(), &EngineOptions::default()).unwrap(), _dir: dir }
    }

    fn values(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.engine.scan(Space::State, &[], None, KEYS_MAX).unwrap().into_iter().collect()
    }
}

impl View for Replica {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.engine.get(Space::State, key).unwrap()
    }

    fn next_key(&self, from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
        if from >= to {
            return None;
        }
        self.engine.scan(Space::State, from, Some(to), 1).unwrap().pop().map(|(key, _)| key)
    }

    fn subtree(&self, _: u8, _: u64) -> Option<Hash> {
        None
    }
}

impl ReplayState for Replica {
    type Error = std::convert::Infallible;

    fn store(&mut self, applied: &Applied) -> Result<(), Self::Error> {
        let mut batch = Batch::new();
        for (key, value) in &applied.writes {
            match value {
                Some(value) => batch.put(Space::State, key.clone(), value.clone()),
                None => batch.delete(Space::State, key.clone()),
            }
        }
        self.engine.commit(batch).unwrap();
        Ok(())
    }
}

/// A history whose leader seals some statuses after each batch, now and then those first that wait since a later index.
fn sealed(history: Vec<Command>) -> impl Iterator<Item = Command> {
    (0..).zip(history).flat_map(|(number, command)| {
        let Command::Append { log_ms, .. } = command else { unreachable!() };
        let step = SealStep { from: number * 5 % 3, subjects: 1 + number % 4 };
        [command, Command::SealStep { log_ms, step }]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Three replicas over three engines, and a replay of the entries over a fourth, end with the same bytes.
    #[test]
    fn replicas_over_any_engine_are_byte_equal(history in wide_history()) {
        let mut memory = MemoryState::new();
        let mut replicas = EngineKind::ALL.map(Replica::new);
        let mut replayer = Replayer::resume(Replica::new(EngineKind::Fjall));
        for command in sealed(commands(&history)) {
            let applied = memory.apply(&command);
            for replica in &mut replicas {
                let own = apply(replica, &command);
                prop_assert_eq!(&own.outcomes, &applied.outcomes);
                replica.store(&own).unwrap();
            }
            for entry in &applied.entries {
                prop_assert!(replayer.step(entry.index, &entry.bytes).is_ok());
            }
        }
        let whole: BTreeMap<_, _> = memory.values().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        for replica in &replicas {
            prop_assert_eq!(replica.values(), whole.clone(), "{}", replica.engine.name());
        }
        let derived = |values: BTreeMap<Vec<u8>, Vec<u8>>| -> BTreeMap<_, _> {
            values.into_iter().filter(|(key, _)| ledger_state::keys::is_derived_from_entries(key)).collect()
        };
        prop_assert_eq!(derived(replayer.state().values()), derived(whole));
    }

    /// The same for private state.
    #[test]
    fn private_state_is_byte_equal_over_any_engine(steps in private_steps()) {
        let mut memory = MemoryState::new();
        let mut replicas = EngineKind::ALL.map(Replica::new);
        for command in private_commands(&steps) {
            let applied = memory.apply(&command);
            for replica in &mut replicas {
                let own = apply(replica, &command);
                prop_assert_eq!(&own.outcomes, &applied.outcomes);
                replica.store(&own).unwrap();
            }
        }
        let whole: BTreeMap<_, _> = memory.values().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        for replica in &replicas {
            prop_assert_eq!(replica.values(), whole.clone(), "{}", replica.engine.name());
        }
    }
}
