//! What must hold of every replicated command and of every entry that is replayed: no panic, one spelling, the same on every
//! replica, nothing half-done, and a state that still seals.
//!
//! One function a target. The fuzz targets run them on what libFuzzer invents, `node/state/tests/damaged.rs` runs them on
//! the corpus and on damaged copies of it in every `cargo test`. The state that they begin with is made from `population`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use ledger_format::leaf_hash;
use ledger_format::record::{Entry, SealStep};
use ledger_state::{Alarm, Applied, Command, MemoryState, Outcome, Replayer, keys, status};

/// A check of one door.
pub type Check = fn(&[u8]);

/// Every target by the name of its program and its corpus.
pub const TARGETS: &[(&str, Check)] = &[("command", command), ("apply", apply), ("replay", replay)];

/// The log's time behind the population, ms since 1970.
const BEGIN_MS: u64 = 1_769_000_060_000;
/// Lines of a story that are looked at, at most.
const LINES_MAX: usize = 32;
/// Seals after a story, at most: each takes up to 1,024 subjects.
const SEALS_MAX: usize = 8;

/// A small log: two tenants, agents, and one of everything that a record can make.
pub fn world() -> &'static MemoryState {
    static WORLD: OnceLock<MemoryState> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut state = MemoryState::new();
        for record in include_bytes!("../population").split(|byte| *byte == b'\n') {
            let outcomes = state.run(&append(BEGIN_MS - 60_000, record)).expect("no alarm");
            assert!(matches!(outcomes[..], [Outcome::Sequenced { duplicate: false, .. }]), "{outcomes:?}");
        }
        state.run(&Command::Seal { log_ms: BEGIN_MS }).expect("no alarm");
        state
    })
}

/// A command as it is replicated: it has one spelling, and applying it does all or nothing.
pub fn command(input: &[u8]) {
    let Ok(command) = Command::decode(input) else { return };
    assert_eq!(command.encode(), input, "prints as read");
    let is_seal = matches!(command, Command::Seal { .. } | Command::SealStep { .. });
    assert_eq!(Command::is_seal(input), is_seal);
    run(&mut world().clone(), &command);
}

/// A story, a line each: `@` and how many ms the log's time moves on, `seal`, `step` and how many subjects, `again` for the last
/// record once more, or a record. Its entries must replay to the same public state.
pub fn apply(input: &[u8]) {
    let (mut state, mut log_ms, mut last) = (world().clone(), BEGIN_MS, &b""[..]);
    let mut entries = Vec::new();
    for line in input.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let command = match line {
            [b'@', digits @ ..] => {
                log_ms += number(digits).unwrap_or_default();
                continue;
            }
            b"seal" => Command::Seal { log_ms },
            [b's', b't', b'e', b'p', digits @ ..] => {
                let subjects = number(digits).unwrap_or_default().clamp(1, 1_024);
                Command::SealStep { log_ms, step: SealStep { from: 0, subjects } }
            }
            b"again" => append(log_ms, last),
            record => {
                last = record;
                append(log_ms, record)
            }
        };
        entries.extend(run(&mut state, &command).entries.into_iter().map(|entry| entry.bytes));
    }
    for _ in 0..SEALS_MAX {
        let sealed = run(&mut state, &Command::Seal { log_ms });
        if sealed.entries.is_empty() {
            break;
        }
        entries.extend(sealed.entries.into_iter().map(|entry| entry.bytes));
    }
    let mut replayer = Replayer::resume(world().clone());
    for (index, entry) in (status(world()).size..).zip(&entries) {
        // All but the signatures, which nobody has verified here.
        let step = replayer.step_unsigned(index, entry).expect("an entry that the log has made");
        assert_eq!(step.leaf, leaf_hash(entry));
    }
    assert_eq!(public(replayer.state()), public(&state), "everything public follows from the entries");
    assert_eq!(replayer.root(), status(&state).root);
}

/// Entries of a log, a line each, as a stranger hands them to whoever replays.
pub fn replay(input: &[u8]) {
    let mut replayer = Replayer::resume(world().clone());
    let mut taken = 0;
    for entry in input.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let (size, root) = (replayer.size(), replayer.root());
        match replayer.push(size, entry) {
            Ok(leaf) => {
                assert_eq!((leaf, replayer.size()), (leaf_hash(entry), size + 1));
                taken += 1;
            }
            Err(_) => assert_eq!((replayer.size(), replayer.root()), (size, root), "stands where it stood"),
        }
    }
    assert!(taken > 0 || replayer.state() == world(), "what is refused changes nothing");
}

fn append(log_ms: u64, record: &[u8]) -> Command {
    Command::Append { log_ms, records: vec![record.to_vec()] }
}

/// A short decimal number, so that the log's time stays far from the end of time.
fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits.get(..digits.len().min(11))?).ok()?.trim().parse().ok()
}

fn public(state: &MemoryState) -> BTreeMap<&Vec<u8>, &Vec<u8>> {
    state.values().iter().filter(|(key, _)| keys::is_derived_from_entries(key)).collect()
}

/// Applies a command and looks at everything that it did.
fn run(state: &mut MemoryState, command: &Command) -> Applied {
    let size = status(state).size;
    let applied = ledger_state::apply(state, command);
    assert_eq!(ledger_state::apply(state, command), applied, "the same on every replica");
    if let Some(alarm) = &applied.alarm {
        // The state is sound, so only a root that the log's key has signed can stop a node.
        assert!(matches!((alarm, command), (Alarm::RootMismatch { .. }, Command::Publish { .. })), "{alarm}");
        assert_eq!(applied, Applied { alarm: applied.alarm.clone(), ..Applied::default() });
        return applied;
    }
    assert!(applied.writes.is_sorted_by(|a, b| a.0 < b.0), "in order, each key once");
    for (index, entry) in (size..).zip(&applied.entries) {
        assert_eq!((entry.index, entry.leaf), (index, leaf_hash(&entry.bytes)));
        Entry::parse(&entry.bytes).expect("an entry");
    }
    match command {
        Command::Append { records, .. } | Command::AppendNoted { records, .. } => {
            appended(records, &applied);
        }
        _ => assert_eq!(applied.outcomes.len(), 1),
    }
    state.store(&applied);
    assert_eq!(status(state).size, size + applied.entries.len() as u64);
    once(state, command, &applied);
    applied
}

/// Each record has its answer; those that got an index are the new entries, and without one nothing has changed but the time.
fn appended(records: &[Vec<u8>], applied: &Applied) {
    assert_eq!(applied.outcomes.len(), records.len());
    let mut entries = applied.entries.iter();
    for (record, outcome) in records.iter().zip(&applied.outcomes) {
        match outcome {
            Outcome::Sequenced { duplicate: true, .. } => {}
            Outcome::Sequenced { index, leaf, log_ms, .. } => {
                let entry = entries.next().expect("an entry of its own");
                assert_eq!((entry.index, entry.leaf), (*index, *leaf));
                assert_eq!(entry.bytes, Entry::encode(*log_ms, record));
            }
            Outcome::Rejected(rejection) => {
                assert!(!rejection.message.is_empty() && !rejection.fix.is_empty(), "{rejection:?}");
            }
            other => panic!("no answer to a record: {other:?}"),
        }
    }
    assert_eq!(entries.next(), None, "an entry that nobody asked for");
    if applied.entries.is_empty() {
        assert!(applied.writes.iter().all(|(key, _)| key == keys::SERVICE), "refused and half-done");
        assert!(applied.trust_inputs.is_empty());
    }
}

/// A record that is in the log gets its first index whenever it comes again (rule S2).
fn once(state: &MemoryState, command: &Command, applied: &Applied) {
    if !matches!(command, Command::Append { .. } | Command::AppendNoted { .. }) {
        return;
    }
    let again = ledger_state::apply(state, command);
    for (first, again) in applied.outcomes.iter().zip(&again.outcomes) {
        if let Outcome::Sequenced { index, leaf, log_ms, .. } = *first {
            assert_eq!(*again, Outcome::Sequenced { index, leaf, log_ms, duplicate: true });
        }
    }
}
