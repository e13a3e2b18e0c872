//! Transactions on the private state: against a plain model, and one by one.

mod world;

use std::collections::BTreeMap;

use ledger_format::record::Record;
use ledger_state::{
    Alarm, Command, Expect, MemoryState, Note, Outcome, PRIVATE_BYTES_MAX, PRIVATE_KEY_BYTES_MAX,
    PRIVATE_SWEEP_MAX, PRIVATE_VALUE_BYTES_MAX, PRIVATE_WAIT_MAX_MS, PRIVATE_WRITES_MAX, Private,
    PrivateWrite, Transacted, Transaction, TransactionFault, ValueDigest, keys, private, private_due,
    private_pair, status,
};
use proptest::prelude::*;
use world::{START_MS, code, history::*, populated, private::*, receipt, run as run_all};

const LATER_MS: u64 = START_MS + 60_000;

fn put(value: &[u8], expires_at_ms: Option<u64>) -> PrivateWrite {
    PrivateWrite::Put { value: value.to_vec(), expires_at_ms }
}

/// A transaction with an id of its own.
fn transaction(id: u8, expects: &[(&str, Expect)], writes: &[(&str, PrivateWrite)]) -> Transaction {
    Transaction {
        id: [id; 16],
        good_until_ms: LATER_MS,
        expects: expects.iter().map(|(key, expect)| (key.as_bytes().to_vec(), *expect)).collect(),
        writes: writes.iter().map(|(key, write)| (key.as_bytes().to_vec(), write.clone())).collect(),
    }
}

fn run(state: &mut MemoryState, log_ms: u64, transaction: &Transaction) -> Transacted {
    let command = Command::Private(Private::Transact { log_ms, transaction: transaction.clone() });
    let mut outcomes = state.run(&command).unwrap();
    match outcomes.pop() {
        Some(Outcome::Transacted(done)) if outcomes.is_empty() => done,
        other => panic!("{other:?}"),
    }
}

fn conflict(key: &str) -> Transacted {
    Transacted::Conflict { key: key.as_bytes().to_vec() }
}

/// Keys of the private state, by their first byte.
fn count(state: &MemoryState, prefix: u8) -> usize {
    state.values().keys().filter(|key| key[0] == prefix).count()
}

#[test]
fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    let mut state = MemoryState::new();
    let first = transaction(1, &[("a", Expect::Absent)], &[("a", put(b"1", None)), ("b", put(b"2", None))]);
    assert_eq!(run(&mut state, START_MS, &first), Transacted::Done);
    assert_eq!(private(&state, b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(private(&state, b"c"), None);

    let is = |value: &[u8]| Expect::Is(ValueDigest::of(value));
    let cases: [(&[(&str, Expect)], Transacted); 4] = [
        (&[("a", Expect::Absent)], conflict("a")),
        (&[("a", is(b"1")), ("b", is(b"3"))], conflict("b")),
        (&[("c", is(b""))], conflict("c")),
        (&[("a", is(b"1")), ("b", is(b"2")), ("c", Expect::Absent)], Transacted::Done),
    ];
    for (id, (expects, want)) in (2..).zip(cases) {
        let swap = transaction(id, expects, &[("a", PrivateWrite::Delete), ("c", put(b"4", None))]);
        assert_eq!(run(&mut state, START_MS, &swap), want);
        let done = want == Transacted::Done;
        assert_eq!((private(&state, b"a").is_none(), private(&state, b"c").is_some()), (done, done));
    }
}

/// Why an answer that was lost does no harm: the same transaction again is done once.
#[test]
fn a_repetition_is_done_once_as_long_as_it_may_come() {
    let mut state = MemoryState::new();
    let take = transaction(1, &[("token", Expect::Absent)], &[("token", put(b"taken", None))]);
    assert_eq!(run(&mut state, START_MS, &take), Transacted::Done);
    let other = transaction(2, &[], &[("token", PrivateWrite::Delete)]);
    assert_eq!(run(&mut state, START_MS, &other), Transacted::Done);

    assert_eq!(run(&mut state, LATER_MS, &take), Transacted::Done);
    assert_eq!(private(&state, b"token"), None, "it was done twice");
    // From here on nobody remembers it, and it is refused for its age.
    assert_eq!(run(&mut state, LATER_MS + 1, &take), Transacted::Late);
    assert_eq!((count(&state, b'w'), private(&state, b"token")), (0, None));
    // Another one with the same wish is another one.
    let again = Transaction { id: [3; 16], good_until_ms: LATER_MS + 1, ..take };
    assert_eq!(run(&mut state, START_MS, &again), Transacted::Done, "log time does not run back");
}

#[test]
fn values_expire_by_the_logs_time_and_are_cleared_away_in_steps() {
    let mut state = MemoryState::new();
    let many = 3 * PRIVATE_WRITES_MAX;
    for at in 0..many {
        let end = START_MS + 1_000 + at as u64;
        let write = transaction(at as u8, &[], &[(&format!("k{at}"), put(b"v", Some(end)))]);
        assert_eq!(run(&mut state, START_MS, &write), Transacted::Done);
    }
    assert_eq!(private_due(&state), Some(START_MS + 1_000));
    // Log time moves by any command that has a time.
    state.run(&Command::Seal { log_ms: START_MS + 1_010 }).unwrap();
    assert_eq!((private(&state, b"k10"), private(&state, b"k11").is_some()), (None, true));
    assert_eq!(count(&state, b'z'), many, "a reader clears nothing away");
    let free = transaction(250, &[("k10", Expect::Absent)], &[("k10", put(b"new", None))]);
    assert_eq!(run(&mut state, START_MS, &free), Transacted::Done);
    assert_eq!(count(&state, b'z'), many - 10);

    // Everything is due: a bounded number goes with each transaction, what is left counts as absent.
    let tick = |n: u64| Transaction { good_until_ms: LATER_MS + n, ..Transaction::default() };
    for (n, left) in (1..).zip([PRIVATE_SWEEP_MAX, 2 * PRIVATE_SWEEP_MAX, 3 * PRIVATE_SWEEP_MAX]) {
        let before = count(&state, b'Z');
        run(&mut state, LATER_MS + n, &tick(n));
        assert_eq!(count(&state, b'Z'), before.saturating_sub(PRIVATE_SWEEP_MAX), "{left}");
        assert!((11..many).all(|at| private(&state, format!("k{at}").as_bytes()).is_none()));
    }
    assert_eq!((count(&state, b'z'), count(&state, b'w'), private_due(&state)), (1, 0, None));
    assert_eq!(private(&state, b"k10").as_deref(), Some(&b"new"[..]));
}

/// A value that is written again is not taken away at its old time.
#[test]
fn a_new_value_has_its_own_time() {
    let mut state = MemoryState::new();
    let ends = [Some(START_MS + 10), Some(START_MS + 500), None, Some(START_MS + 300)];
    for (id, end) in (0..).zip(ends) {
        assert_eq!(
            run(&mut state, START_MS, &transaction(id, &[], &[("a", put(b"v", end))])),
            Transacted::Done
        );
    }
    let at = |state: &mut MemoryState, ms| {
        run(state, START_MS + ms, &transaction(200, &[], &[]));
        private(state, b"a").is_some()
    };
    assert!(at(&mut state, 299));
    assert!(!at(&mut state, 300));
    // Written with a time that is over: as if deleted.
    let over = transaction(9, &[], &[("b", put(b"v", Some(START_MS + 300)))]);
    assert_eq!(run(&mut state, START_MS, &over), Transacted::Done);
    assert_eq!(count(&state, b'z'), 0);
}

#[test]
fn bounds_are_kept() {
    let many = |n: usize, value: usize| {
        let writes =
            (0..n).map(|at| (format!("k{at:04}").into_bytes(), put(&vec![7; value], None))).collect();
        Transaction { writes, ..transaction(1, &[], &[]) }
    };
    let long_key = "k".repeat(PRIVATE_KEY_BYTES_MAX + 1);
    let expects = (0..=64u8).map(|at| (vec![at], Expect::Absent)).collect();
    let wait = Transaction { good_until_ms: START_MS + PRIVATE_WAIT_MAX_MS + 1, ..transaction(1, &[], &[]) };
    let cases = [
        (many(PRIVATE_WRITES_MAX + 1, 1), TransactionFault::TooManyWrites),
        (Transaction { expects, ..transaction(1, &[], &[]) }, TransactionFault::TooManyExpects),
        (transaction(1, &[], &[("", put(b"v", None))]), TransactionFault::KeyLength),
        (transaction(1, &[(&long_key, Expect::Absent)], &[]), TransactionFault::KeyLength),
        (many(1, PRIVATE_VALUE_BYTES_MAX + 1), TransactionFault::ValueTooLong),
        (
            many(PRIVATE_BYTES_MAX / PRIVATE_VALUE_BYTES_MAX, PRIVATE_VALUE_BYTES_MAX),
            TransactionFault::TooManyBytes,
        ),
        (wait, TransactionFault::GoodForTooLong),
    ];
    let mut state = MemoryState::new();
    for (bad, fault) in cases {
        assert_eq!(run(&mut state, START_MS, &bad), Transacted::Refused(fault));
        assert_eq!(count(&state, b'z'), 0);
    }
    let most = many(PRIVATE_WRITES_MAX, (PRIVATE_BYTES_MAX / PRIVATE_WRITES_MAX) - 5);
    assert_eq!(run(&mut state, START_MS, &most), Transacted::Done);
}

#[test]
fn a_note_is_kept_with_its_record_or_not_at_all() {
    let mut state = populated();
    let noted = |record: &Record, key: &str, value: &str| Command::AppendNoted {
        log_ms: START_MS,
        records: vec![record.to_bytes()],
        notes: [(0, Note::new(key, value).unwrap())].into(),
    };
    let first = receipt(1, 700, 1, "invoice:read");
    let outcome = state.run(&noted(&first, "notes/a", "kept")).unwrap();
    assert!(matches!(outcome[..], [Outcome::Sequenced { duplicate: false, .. }]), "{outcome:?}");
    assert_eq!(private(&state, b"notes/a").as_deref(), Some(&b"kept"[..]));

    // The same record again changes nothing; another one under its id is refused, and so is its note.
    let outcome = state.run(&noted(&first, "notes/a", "late")).unwrap();
    assert!(matches!(outcome[..], [Outcome::Sequenced { duplicate: true, .. }]), "{outcome:?}");
    let other = receipt(1, 700, 1, "invoice:list");
    assert_eq!(code(&state.run(&noted(&other, "notes/a", "foreign")).unwrap()[0]), "id_conflict");
    assert_eq!(private(&state, b"notes/a").as_deref(), Some(&b"kept"[..]));

    // One refusal takes its own note with it, no other; and a note has the last word over a value that would have expired.
    let brief = transaction(9, &[], &[("notes/c", put(b"brief", Some(START_MS + 5)))]);
    assert_eq!(run(&mut state, START_MS, &brief), Transacted::Done);
    let second = receipt(1, 701, 1, "invoice:read");
    let command = Command::AppendNoted {
        log_ms: START_MS,
        records: vec![other.to_bytes(), second.to_bytes()],
        notes: [(0, Note::new("notes/b", "b").unwrap()), (1, Note::new("notes/c", "c").unwrap())].into(),
    };
    state.run(&command).unwrap();
    run(&mut state, LATER_MS, &transaction(10, &[], &[("x", put(b"", None))]));
    assert_eq!(private(&state, b"notes/b"), None);
    assert_eq!(private(&state, b"notes/c").as_deref(), Some(&b"c"[..]));

    // The public state does not depend on notes.
    let mut plain = populated();
    run_all(&mut plain, &[first, other, second]);
    let public = |state: &MemoryState| status(state).size;
    assert_eq!(public(&plain), public(&state));
    assert!(Note::new("", "x").is_none() && Note::new("k", vec![0; PRIVATE_VALUE_BYTES_MAX + 1]).is_none());
}

#[test]
fn damaged_private_state_is_an_alarm() {
    let mut state = MemoryState::new();
    run(&mut state, START_MS, &transaction(1, &[], &[("a", put(b"v", None))]));
    let mut values = state.values().clone();
    values.get_mut(&keys::private(b"a")).unwrap().push(0);
    let mut damaged = MemoryState::from_parts(values, []);
    let again = transaction(2, &[], &[("a", PrivateWrite::Delete)]);
    let command = Command::Private(Private::Transact { log_ms: START_MS, transaction: again });
    assert!(matches!(damaged.run(&command), Err(Alarm::CorruptState { .. })));
    assert_eq!(private(&damaged, b"a"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Any history does what the plain model does, whatever is cleared away when, and nothing stays that nobody can read.
    #[test]
    fn transactions_are_what_the_model_does(steps in private_steps()) {
        let (mut state, mut model) = (MemoryState::new(), PrivateModel::default());
        for step in &steps {
            let applied = state.apply(&step.command());
            prop_assert!(applied.writes.is_sorted_by(|a, b| a.0 < b.0));
            let want = match model.run(step) {
                Ok(true) => Transacted::Done,
                Ok(false) => Transacted::Late,
                Err(key) => Transacted::Conflict { key },
            };
            prop_assert_eq!(applied.outcomes, vec![Outcome::Transacted(want)]);
            for number in 0..6 {
                let key = private_key(number);
                let found = private(&state, &key);
                prop_assert_eq!(found.as_deref(), model.get(&key));
            }
            prop_assert_eq!(status(&state).log_ms, model.now);
            // What a scan finds is what single reads find.
            let pairs: Vec<_> = state.values().iter().filter_map(|(k, v)| private_pair(k, v, model.now)).collect();
            let read = (0..6).map(private_key).filter_map(|key| private(&state, &key).map(|value| (key, value)));
            prop_assert_eq!(pairs, read.collect::<Vec<_>>());
        }
        // Everything that expires has exactly one place in the queue.
        let end = START_MS + 1_000_000;
        let last = Transaction { good_until_ms: end, ..Transaction::default() };
        run(&mut state, end, &last);
        let places = count(&state, b'Z') + count(&state, b'w');
        prop_assert_eq!(places, 0);
    }

    /// Private transactions between the records of a log change nothing that is public.
    #[test]
    fn nothing_public_depends_on_private_state(history in wide_history(), steps in private_steps()) {
        let public = |state: &MemoryState| -> BTreeMap<Vec<u8>, Vec<u8>> {
            let derived = state.values().iter().filter(|(key, _)| keys::is_derived_from_entries(key));
            derived.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let commands = commands(&history);
        let (plain, _) = play(&commands);
        let mut mixed = MemoryState::new();
        // At the log's own time, so that the entries say the same times.
        let mut steps = steps.iter();
        for command in &commands {
            mixed.run(command).unwrap();
            for step in steps.by_ref().take(4) {
                let log_ms = status(&mixed).log_ms;
                mixed.run(&PrivateStep { log_ms, ..step.clone() }.command()).unwrap();
            }
        }
        prop_assert_eq!(public(&mixed), public(&plain));
        prop_assert!(mixed.values().keys().filter(|key| keys::is_private(key)).all(|key| !keys::is_derived_from_entries(key)));
    }
}
