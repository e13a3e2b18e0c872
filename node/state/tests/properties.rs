//! Properties of apply and replay over random histories.

mod world;

use std::collections::BTreeMap;

use ledger_format::record::{Body, Record, Ulid};
use ledger_state::{Command, MemoryState, Outcome, Replayer, apply, keys, record_index, status};
use proptest::prelude::*;
use world::{history::*, *};

fn public(state: &MemoryState) -> BTreeMap<&Vec<u8>, &Vec<u8>> {
    state.values().iter().filter(|(key, _)| keys::is_derived_from_entries(key)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// The same commands give the same answers and the same bytes, in one order, each key once.
    #[test]
    fn apply_is_a_function(history in wide_history()) {
        let mut state = MemoryState::new();
        for command in commands(&history) {
            let decoded = Command::decode(&command.encode()).unwrap();
            prop_assert_eq!(&decoded, &command);
            let (first, second) = (apply(&state, &command), apply(&state, &decoded));
            prop_assert_eq!(&first, &second);
            prop_assert!(first.writes.is_sorted_by(|a, b| a.0 < b.0));
            state.store(&first);
        }
    }

    /// A batch does what its records do one by one.
    #[test]
    fn a_batch_is_its_records(history in wide_history()) {
        let commands = commands(&history);
        let (mut together, mut apart) = (MemoryState::new(), MemoryState::new());
        for command in &commands {
            let Command::Append { log_ms, records } = command else { unreachable!() };
            let batch = together.run(command).unwrap();
            // A batch without records still tells the time.
            apart.run(&Command::Append { log_ms: *log_ms, records: vec![] }).unwrap();
            let single: Vec<Outcome> = records
                .iter()
                .flat_map(|r| apart.run(&Command::Append { log_ms: *log_ms, records: vec![r.clone()] }).unwrap())
                .collect();
            prop_assert_eq!(batch, single);
            prop_assert_eq!(&together, &apart);
        }
    }

    /// Everything public follows from the entries, and what a replay accepts is what the log accepted.
    #[test]
    fn entries_rebuild_the_state(history in wide_history()) {
        let (state, entries) = play(&commands(&history));
        // Every attempt is really signed by the key that it names, as ingest would insist.
        let mut replayer = Replayer::new();
        for (index, entry) in (0..).zip(&entries) {
            replayer.push(index, entry).unwrap();
        }
        prop_assert_eq!(replayer.root(), status(&state).root);
        prop_assert_eq!(public(replayer.state()), public(&state));
        let mut found = 0;
        for (index, entry) in (0..).zip(&entries) {
            for (key, value) in record_index(index, entry) {
                prop_assert_eq!(state.values().get(&key), Some(&value));
                found += 1;
            }
        }
        // And nothing else: a node that joins makes all of them from the entries.
        let per_record = state.values().keys().filter(|key| keys::is_per_record(key)).count();
        prop_assert_eq!(found, per_record);
    }

    /// A snapshot is every key; what comes after it gives the same state as the whole history.
    #[test]
    fn a_snapshot_and_the_tail_are_the_whole(history in wide_history(), cut in any::<prop::sample::Index>()) {
        let commands = commands(&history);
        let cut = cut.index(commands.len());
        let (early, _) = play(&commands[..cut]);
        let mut resumed = MemoryState::from_parts(early.values().clone(), early.leaves().to_vec());
        prop_assert_eq!(&resumed, &early);
        commands[cut..].iter().for_each(|command| drop(resumed.apply(command)));
        prop_assert_eq!(resumed, play(&commands).0);
    }

    /// Whenever a logged record comes again, in any batch, it gets its first index.
    #[test]
    fn duplicates_get_the_first_index(history in wide_history(), again in any::<prop::sample::Index>()) {
        let commands = commands(&history);
        let (mut state, entries) = play(&commands);
        let before = public(&state).into_iter().map(|(k, v)| (k.clone(), v.clone())).collect::<BTreeMap<_, _>>();
        let at = again.index(entries.len());
        let bytes = ledger_format::record::Entry::parse(&entries[at]).unwrap().record.to_vec();
        let record = Record::parse(&bytes).unwrap();
        let known = ledger_state::record_at(&state, record.tenant, record.id).unwrap();
        let outcomes = state.run(&Command::Append { log_ms: u64::MAX, records: vec![bytes] }).unwrap();
        let (index, leaf, log_ms) = (at as u64, known.leaf, known.log_ms);
        prop_assert_eq!(outcomes, vec![Outcome::Sequenced { index, leaf, log_ms, duplicate: true }]);
        let after = public(&state).into_iter().map(|(k, v)| (k.clone(), v.clone())).collect::<BTreeMap<_, _>>();
        prop_assert_eq!(before, after);
    }

    /// No byte of an entry can change without the replay or the root noticing.
    #[test]
    fn a_flipped_bit_does_not_replay(
        history in wide_history(),
        at in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
    ) {
        let (state, mut entries) = play(&commands(&history));
        let at = at.index(entries.len());
        let bit = bit.index(entries[at].len() * 8);
        entries[at][bit / 8] ^= 1 << (bit % 8);
        let mut replayer = Replayer::new();
        let replayed = (0..).zip(&entries).try_for_each(|(i, entry)| replayer.push(i, entry).map(drop));
        prop_assert!(replayed.is_err() || replayer.root() != status(&state).root);
    }

    /// Apply has an answer to every command, also to bytes that are no records.
    #[test]
    fn apply_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..200), note in any::<Vec<u8>>()) {
        let mut state = populated();
        let applied = state.apply(&Command::Append { log_ms: 0, records: vec![bytes] });
        prop_assert!(matches!(applied.outcomes[..], [Outcome::Rejected(_)]));
        let applied = state.apply(&Command::Publish { note });
        prop_assert!(matches!(applied.outcomes[..], [Outcome::Ignored(_)]));
    }
}

/// The ids of the test world are made of small numbers: no two kinds meet.
#[test]
fn the_world_keeps_its_ids_apart() {
    assert_ne!(id(5), tenant(1).0);
    assert_ne!(Ulid::NIL, tenant(0).0);
    assert!(matches!(register_tenant(1).body, Body::TenantRegister(_)));
}

/// Histories that only ever refuse, or never do, would prove nothing: over some of them every kind of answer occurs.
#[test]
fn the_histories_meet_every_kind_of_answer() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..800 {
        let history = if round % 2 == 0 {
            history().new_tree(&mut runner).unwrap().current()
        } else {
            wide_history().new_tree(&mut runner).unwrap().current()
        };
        let mut state = MemoryState::new();
        for command in commands(&history) {
            let Command::Append { records, .. } = &command else { unreachable!() };
            for (bytes, outcome) in records.iter().zip(state.run(&command).unwrap()) {
                seen.insert(match outcome {
                    Outcome::Sequenced { duplicate: true, .. } => "duplicate",
                    Outcome::Sequenced { .. } => Record::parse(bytes).unwrap().type_name(),
                    Outcome::Rejected(rejection) => rejection.code.as_str(),
                    other => panic!("{other:?}"),
                });
            }
        }
    }
    // An attestation must cite the entry in which the two met, which nobody hits by chance: `families` has it. Nor does a grant's id often
    // come twice among so much else: `grants` has that.
    for info in ledger_format::record::TYPES.iter().filter(|info| info.name != "attest.peer") {
        assert!(seen.contains(info.name), "no history has a {}: {seen:?}", info.name);
    }
    for wanted in [
        "agent.register",
        "agent.key",
        "agent.revoke",
        "receipt.action",
        "duplicate",
        "malformed",
        "id_conflict",
        "anchor_ahead",
        "tenant_unknown",
        "agent_unknown",
        "agent_exists",
        "agent_of_other_tenant",
        "agent_revoked",
        "key_not_valid",
        "key_reused",
        "agent.suspend",
        "agent.reactivate",
        "agent.kill",
        "session.open",
        "session.refresh",
        "session.close",
        "session_ended",
        "agent_suspended",
        "delegation.offer",
        "delegation.revoke",
        "grant_unknown",
        "grant_ended",
        "delegation_cycle",
        "policy.put",
        "decision",
        "decision_differs",
        "tenant.suspend",
        "tenant.reactivate",
        "tenant_suspended",
        "anomaly.report",
    ] {
        assert!(seen.contains(wanted), "no history has {wanted}: {seen:?}");
    }
}
