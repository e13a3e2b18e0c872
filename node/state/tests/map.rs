//! The status map: what is sealed when, the root against a plain recomputation, proofs of every kept version, replay.

mod world;

use std::collections::BTreeMap;

use ledger_format::record::{
    AgentId, AgentRegister, Body, Entry, Record, RecordHash, SEAL_SUBJECTS_MAX, SealStep, StateRoot, Ulid,
};
use ledger_format::status_proof::{map_leaf_hash, map_node_hash};
use ledger_format::{EMPTY_MAP_ROOT, Hash, MapLeaf, MapProof, Standing, map_key, map_value_hash};
use ledger_state::{
    Command, MAP_KEPT_MS, MAP_VERSIONS_KEPT, MapVersion, MemoryState, Outcome, ReplayFault, Replayer,
    StapleParts, Subject, keys, map_status, record_index, staple_parts, waiting,
};
use proptest::prelude::*;
use world::{history::*, *};

/// The root of a map as it is defined, from all its leaves.
fn plain_root(leaves: &[MapLeaf], depth: usize) -> Hash {
    match leaves {
        [] => EMPTY_MAP_ROOT,
        [only] => map_leaf_hash(only),
        _ => {
            let bit = |leaf: &&MapLeaf| leaf.key.0[depth / 8] >> (7 - depth % 8) & 1 == 1;
            let (right, left): (Vec<MapLeaf>, Vec<MapLeaf>) = leaves.iter().partition(bit);
            map_node_hash(plain_root(&left, depth + 1), plain_root(&right, depth + 1))
        }
    }
}

fn seal(state: &mut MemoryState, log_ms: u64) -> (Outcome, Vec<Vec<u8>>) {
    seal_by(state, &Command::Seal { log_ms })
}

fn step(log_ms: u64, from: u64, subjects: u64) -> Command {
    Command::SealStep { log_ms, step: SealStep { from, subjects } }
}

fn seal_by(state: &mut MemoryState, command: &Command) -> (Outcome, Vec<Vec<u8>>) {
    let applied = state.apply(command);
    assert_eq!(applied.alarm, None);
    let outcome = applied.outcomes.into_iter().next().unwrap();
    (outcome, applied.entries.into_iter().map(|entry| entry.bytes).collect())
}

fn newest(state: &MemoryState) -> MapVersion {
    map_status(state).newest.expect("something is sealed")
}

/// Every subject that the state knows.
fn subjects(state: &MemoryState) -> Vec<Subject> {
    let named = |key: &Vec<u8>| {
        if key[0] == b'A' {
            return Some(Subject::Agreement(RecordHash(key[1..].try_into().ok()?)));
        }
        let id = Ulid::from_bytes(key.get(1..)?.try_into().ok()?);
        match key[0] {
            b'a' => Some(Subject::Agent(AgentId(id))),
            b't' => Some(Subject::Tenant(ledger_format::record::TenantId(id))),
            b'o' => Some(Subject::Session(ledger_format::record::SessionId(id))),
            b'G' => Some(Subject::Grant(ledger_format::record::DelegationId(id))),
            _ => None,
        }
    };
    state.values().keys().filter_map(named).collect()
}

/// The status that a staple proves; checks the proof.
#[track_caller]
fn proven(parts: &StapleParts, subject: Subject) -> Option<Vec<u8>> {
    let key = map_key(&subject.to_string());
    let (value, leaf) = match &parts.standing {
        Standing::Present(value) => {
            (Some(value.clone()), Some(MapLeaf { key, value: map_value_hash(value) }))
        }
        Standing::Other(leaf) => (None, Some(*leaf)),
        Standing::Empty => (None, None),
    };
    let proof = MapProof { leaf, siblings: parts.siblings.clone() };
    assert_eq!(proof.verify(Hash(parts.version.root), key, value.as_deref()), Ok(()));
    value
}

fn status_at(state: &MemoryState, subject: Subject, size: u64) -> Option<String> {
    let parts = staple_parts(state, subject, size).unwrap().expect("a version is kept");
    proven(&parts, subject).map(|json| String::from_utf8(json).unwrap())
}

/// Registrations of agents of tenant 1, as many as wanted. They share a key: nobody forbids it.
fn many_agents(count: u64) -> (Vec<AgentId>, Vec<Record>) {
    let id_of = |n: u64| AgentId(Ulid::from_parts(START_MS, 5_000_000 + u128::from(n)));
    let body = |n| AgentRegister { agent: id_of(n), ..agent_body(1, None) };
    let record = |n| by_tenant(1, 10_000 + n, Body::AgentRegister(Box::new(body(n))));
    ((0..count).map(id_of).collect(), (0..count).map(record).collect())
}

#[test]
fn a_seal_logs_the_statuses_and_the_next_one_nothing() {
    let mut state = populated();
    let size = ledger_state::status(&state).size;
    assert_eq!(map_status(&state).waits_since, Some(1), "entry 1 registers a tenant");
    let (outcome, entries) = seal(&mut state, START_MS + 5);
    assert_eq!(index(&outcome), size);
    let map = newest(&state);
    assert_eq!((map.version, map.as_of_size, map.index, map.log_ms), (1, size, size, START_MS + 5));
    assert_eq!(entries, [map.entry(None)]);
    let entry = Entry::parse(&entries[0]).unwrap();
    assert_eq!((entry.at, entry.state_root()), (START_MS + 5, Some(Ok(map.state_root(None)))));
    assert_eq!(record_index(size, &entries[0]), [], "there is no record to find");
    assert_eq!(map_status(&state).waits_since, None);
    assert_eq!(seal(&mut state, START_MS + 6), (Outcome::Done, vec![]));
    assert_eq!(newest(&state), map);
}

#[test]
fn a_status_is_proven_as_it_was_under_each_checkpoint() {
    let mut state = populated();
    let agent_1 = Subject::Agent(agent(1));
    assert_eq!(staple_parts(&state, agent_1, u64::MAX), Ok(None), "nothing is sealed yet");
    seal(&mut state, START_MS);
    let first = newest(&state);
    run(&mut state, &[kill(300, 1, true)]);
    seal(&mut state, START_MS + 1);
    let second = newest(&state);
    assert_eq!(staple_parts(&state, agent_1, first.index), Ok(None), "the checkpoint does not cover it");
    let kid = key(1).public().kid();
    let tenant_id = tenant(1).0;
    let json = |status: &str, since: u64, until: &str, as_of: u64, score: &str| {
        let head = "0".repeat(64);
        let caps = r#"{"delegation":10000,"newcomer":5000,"severity":10000}"#;
        format!(
            r#"{{"key":"{kid}","key_count":1,"keys":[{{"from":3,"kid":"{kid}"{until}}}],"receipts":{{"count":0,"flagged":0,"head":"{head}"}},"since":{since},"status":"{status}","tenant":"maip-tenant:{tenant_id}","trust":{{"alg":"maip-trust/1","as_of":{as_of},"cap_bp":{caps},"factors":{{}},"score_bp":{score},"tenant_cap_bp":10000}},"type":"autonomous"}}"#
        )
    };
    for size in first.index + 1..=second.index {
        assert_eq!(status_at(&state, agent_1, size), Some(json("active", 3, "", START_MS, "null")));
    }
    let killed = first.index + 1;
    let until = format!(r#","until":{killed}"#);
    assert_eq!(
        status_at(&state, agent_1, second.index + 1),
        Some(json("killed", killed, &until, START_MS + 1, "0"))
    );
    let nobody = Subject::Agent(agent(99));
    assert_eq!(status_at(&state, nobody, u64::MAX), None);
}

#[test]
fn a_backlog_is_sealed_in_bounded_steps_oldest_first() {
    let mut state = populated();
    seal(&mut state, START_MS);
    let count = SEAL_SUBJECTS_MAX * 2 + 10;
    let (agents, records) = many_agents(count);
    let begin = ledger_state::status(&state).size;
    state.run(&append(&records)).unwrap();
    // The first agent changes again: it is sealed once, in its old place, with its newest status.
    run(&mut state, &[by_tenant_suspend(9_000, agents[0])]);
    for (step, waiting) in [(1, count - 1_024), (2, count - 2_048)] {
        seal(&mut state, START_MS + step);
        let map = newest(&state);
        assert_eq!(map.as_of_size, begin + count - waiting, "what waits longest is next");
        assert!(map.as_of_size < map.index);
    }
    assert!(status_at(&state, Subject::Agent(agents[0]), u64::MAX).unwrap().contains("suspended"));
    let last = Subject::Agent(agents[count as usize - 1]);
    assert_eq!(status_at(&state, last, u64::MAX), None, "it waits still");
    seal(&mut state, START_MS + 3);
    let map = newest(&state);
    assert_eq!((map.as_of_size, map_status(&state).waits_since), (map.index, None));
    assert!(status_at(&state, last, u64::MAX).is_some());
}

fn by_tenant_suspend(record: u64, agent: AgentId) -> Record {
    let body = ledger_format::record::AgentSuspend { agent, on_behalf_of: None, reason: "review".into() };
    by_tenant(1, record, Body::AgentSuspend(body))
}

#[test]
fn old_versions_are_dropped_and_the_kept_ones_prove() {
    let mut state = populated();
    let (agents, records) = many_agents(64);
    state.run(&append(&records)).unwrap();
    let versions = MAP_VERSIONS_KEPT + 40;
    let mut indexes = Vec::new();
    for version in 1..=versions {
        let action = receipt(1, 20_000 + version, 1, "invoice:pay");
        assert!(matches!(one(&mut state, &action), Outcome::Sequenced { .. }));
        seal(&mut state, START_MS + version * MAP_KEPT_MS);
        indexes.push(newest(&state).index);
    }
    let count = |prefix: u8| state.values().keys().filter(|key| key[0] == prefix).count() as u64;
    assert_eq!((count(b'v'), count(b'y')), (MAP_VERSIONS_KEPT + 1, MAP_VERSIONS_KEPT));
    // One agent changes: its value in each kept version, and one value of everybody else.
    assert_eq!(count(b'J'), MAP_VERSIONS_KEPT + 1 + subjects(&state).len() as u64 - 1);
    let nodes_per_version = 4;
    assert!(count(b'j') < MAP_VERSIONS_KEPT * nodes_per_version + 200, "{} nodes", count(b'j'));
    for (version, index) in (1..).zip(&indexes) {
        let parts = staple_parts(&state, Subject::Agent(agent(1)), index + 1).unwrap();
        if version < versions - MAP_VERSIONS_KEPT {
            assert_eq!(parts, None, "version {version} is gone");
            continue;
        }
        let parts = parts.unwrap();
        assert_eq!(parts.version.version, version);
        let status = String::from_utf8(proven(&parts, Subject::Agent(agent(1))).unwrap()).unwrap();
        assert!(status.contains(&format!(r#""count":{version},"#)), "{status}");
        assert!(
            proven(
                &staple_parts(&state, Subject::Agent(agents[7]), index + 1).unwrap().unwrap(),
                Subject::Agent(agents[7])
            )
            .is_some()
        );
    }
}

#[test]
fn a_step_takes_as_few_as_it_says_and_the_entry_tells() {
    let mut state = populated();
    seal(&mut state, START_MS);
    let begin = ledger_state::status(&state).size;
    state.run(&append(&many_agents(10).1)).unwrap();
    for (number, taken) in [(1, 4), (2, 4), (3, 2)] {
        let (outcome, entries) = seal_by(&mut state, &step(START_MS + number, 0, 4));
        let map = newest(&state);
        let done = (begin + 4 * number).min(index(&outcome));
        assert_eq!(map.as_of_size, if number < 3 { done } else { map.index });
        assert_eq!(entries, [map.entry(Some(SealStep { from: 0, subjects: taken }))], "how many it took");
    }
    assert_eq!(seal_by(&mut state, &step(START_MS + 9, 0, 4)), (Outcome::Done, vec![]));
}

/// The killed agent has waited longest, behind it wait many, and the step that is for the kill takes only it and the one below.
#[test]
fn a_kill_goes_before_what_has_waited_longer() {
    let mut state = populated();
    seal(&mut state, START_MS);
    let first = ledger_state::status(&state).size;
    run(&mut state, &[receipt(1, 900, 1, "invoice:pay")]);
    state.run(&append(&many_agents(50).1)).unwrap();
    let applied = state.apply(&append(&[kill(901, 1, true)]));
    let killed = index(&applied.outcomes[0]);
    assert_eq!(applied.seal_now, Some(killed..killed + 1));
    let urgent = waiting(&state, killed..killed + 1, 100);
    assert_eq!((urgent, waiting(&state, 0..killed + 1, 3)), (2, 3), "a limit is a limit");
    let last = many_agents(51).1.pop().unwrap();
    run(&mut state, &[last]);
    seal_by(&mut state, &step(START_MS + 1, killed, 2));
    assert!(status_at(&state, Subject::Agent(agent(1)), u64::MAX).unwrap().contains("killed"));
    assert!(status_at(&state, Subject::Agent(agent(2)), u64::MAX).unwrap().contains("killed"));
    assert_eq!(waiting(&state, killed..killed + 1, 100), 0);
    let map = newest(&state);
    assert_eq!(map.as_of_size, first + 1, "the agents before it wait still, and the map says so");
    assert_eq!(waiting(&state, 0..u64::MAX, 100), 51, "no place of the killed is left");
    let (outcome, _) = seal_by(&mut state, &step(START_MS + 2, 0, 1_024));
    assert_eq!((newest(&state).as_of_size, map_status(&state).waits_since), (index(&outcome), None));
}

#[test]
fn what_is_refused_makes_nothing_urgent() {
    let mut state = populated();
    run(&mut state, &[kill(900, 1, true)]);
    let applied = state.apply(&append(&[kill(901, 1, true), receipt(2, 902, 3, "invoice:pay")]));
    assert!(matches!(applied.outcomes[0], Outcome::Rejected(_)), "it is dead already");
    assert_eq!(applied.seal_now, None);
}

/// Steps are small, so versions come fast: publishing may be some time behind all the same.
#[test]
fn versions_are_kept_for_a_time() {
    let mut state = populated();
    seal(&mut state, START_MS);
    let first = newest(&state);
    let mut change = |number: u64, log_ms: u64| {
        let action = receipt(1, 20_000 + number, 1, "invoice:pay");
        assert!(matches!(one(&mut state, &action), Outcome::Sequenced { .. }));
        seal_by(&mut state, &step(log_ms, 0, 4));
        staple_parts(&state, Subject::Agent(agent(1)), first.index + 1).unwrap()
    };
    for number in 0..MAP_VERSIONS_KEPT + 20 {
        assert!(change(number, START_MS + MAP_KEPT_MS - 1).is_some());
    }
    assert!(change(1_000, START_MS + MAP_KEPT_MS).is_none(), "it is old, and so are its successors");
    let versions = |state: &MemoryState| state.values().keys().filter(|key| key[0] == b'v').count() as u64;
    assert_eq!(versions(&state), MAP_VERSIONS_KEPT + 21, "the others have their time yet");
}

/// How the leader seals after a batch: not at all, as earlier software did, or in steps.
#[derive(Clone, Copy, Debug)]
enum Sealing {
    Never,
    Whole,
    Steps { from: u64, subjects: u64 },
}

fn sealing() -> impl Strategy<Value = Sealing> {
    let steps = (0..40u64, 1..5u64).prop_map(|(from, subjects)| Sealing::Steps { from, subjects });
    prop_oneof![Just(Sealing::Never), Just(Sealing::Whole), steps]
}

/// Histories in which the leader seals after some batches.
fn sealed_history() -> impl Strategy<Value = Vec<Command>> {
    (wide_history(), prop::collection::vec(sealing(), 8)).prop_map(|(history, seals)| {
        let mut sealed = Vec::new();
        for (command, seal) in commands(&history).into_iter().zip(seals.into_iter().cycle()) {
            let Command::Append { log_ms, .. } = command else { unreachable!() };
            sealed.push(command);
            match seal {
                Sealing::Never => {}
                Sealing::Whole => sealed.push(Command::Seal { log_ms: log_ms + 1 }),
                Sealing::Steps { from, subjects } => sealed.extend([
                    step(log_ms + 1, from, subjects),
                    step(log_ms + 2, 0, subjects),
                    step(log_ms + 3, 0, subjects),
                ]),
            }
        }
        sealed.push(Command::Seal { log_ms: START_MS });
        sealed
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The root is that of all statuses, each newest; every subject is there and proves; a replay computes all of it again.
    #[test]
    fn the_root_is_that_of_all_statuses(commands in sealed_history()) {
        let (state, entries) = play(&commands);
        let map = newest(&state);
        prop_assert_eq!(map_status(&state).waits_since, None);
        let mut leaves = BTreeMap::new();
        for subject in subjects(&state) {
            let parts = staple_parts(&state, subject, u64::MAX).unwrap().unwrap();
            let value = proven(&parts, subject);
            prop_assert!(value.is_some(), "{} is sealed", subject);
            let key = map_key(&subject.to_string());
            leaves.insert(key, MapLeaf { key, value: map_value_hash(&value.unwrap()) });
        }
        let leaves: Vec<MapLeaf> = leaves.into_values().collect();
        prop_assert_eq!(Hash(map.root), plain_root(&leaves, 0));

        let mut replayer = Replayer::new();
        for (index, entry) in (0..).zip(&entries) {
            replayer.push(index, entry).unwrap();
        }
        let public = |state: &MemoryState| {
            let values = state.values().clone().into_iter();
            values.filter(|(key, _)| keys::is_derived_from_entries(key)).collect::<BTreeMap<_, _>>()
        };
        prop_assert_eq!(public(replayer.state()), public(&state));
    }
}

#[test]
fn a_log_cannot_seal_anything_else() {
    let mut replayer = Replayer::new();
    for (index, record) in (0..).zip([genesis(), register_tenant(1), register_agent(1, 2, 1, None)]) {
        replayer.push(index, &Entry::encode(START_MS, &record.to_bytes())).unwrap();
    }
    let mut sealing = replayer.clone().into_state();
    let (_, entries) = seal(&mut sealing, START_MS + 1);
    let good = entries[0].clone();
    let refused = |bytes: &[u8]| {
        let mut cheated = replayer.clone();
        let fault = cheated.push(3, bytes).unwrap_err().fault;
        assert_eq!(cheated.state(), replayer.state(), "a refused entry changes nothing");
        fault
    };
    let with = |change: &dyn Fn(&mut StateRoot)| {
        let entry = Entry::parse(&good).unwrap();
        let mut root = entry.state_root().unwrap().unwrap();
        change(&mut root);
        Entry::encode(entry.at, &root.to_bytes())
    };
    for wrong in [
        with(&|root| root.step = Some(SealStep { from: 0, subjects: 1 })),
        with(&|root| root.step = Some(SealStep { from: 1, subjects: 1_024 })),
        with(&|root| root.map_root.0[0] ^= 1),
        with(&|root| root.as_of_size -= 1),
        with(&|root| root.version += 1),
        with(&|root| root.trust_alg = "maip-trust/2".into()),
    ] {
        assert_eq!(refused(&wrong), ReplayFault::OtherStatus);
    }
    let text = String::from_utf8(good.clone()).unwrap();
    assert!(matches!(refused(text.replace(":1}", ": 1}").as_bytes()), ReplayFault::StateRoot(_)));
    let early = Entry::encode(START_MS - 1, &with(&|_| ())[text.find("{\"body").unwrap()..text.len() - 1]);
    assert!(matches!(refused(&early), ReplayFault::TimeRanBack { .. }));
    replayer.push(3, &good).unwrap();
    assert_eq!(replayer.push(4, &good).unwrap_err().fault, ReplayFault::NothingToSeal);
}
