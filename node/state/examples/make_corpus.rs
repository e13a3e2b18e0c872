//! Writes what the fuzz targets begin with: `fuzz/population`, the records of the state that they know, and the seeds,
//! `fuzz/corpus/<target>/`.
//!
//! `cargo run -p ledger-state --example make_corpus`

#[path = "../tests/world/mod.rs"]
mod world;

use std::path::Path;

use ledger_format::record::SealStep;
use ledger_state::{
    Command, Expect, MemoryState, Note, Outcome, Private, PrivateWrite, Transaction, ValueDigest, status,
};
use world::families::FAMILIES;
use world::history::Attempt;
use world::*;

/// Behind the population, as the targets have it.
const BEGIN_MS: u64 = START_MS + 60_000;
/// Records in one story, at most: libFuzzer is slow on long inputs.
const STORY_MAX: usize = 5;

fn main() {
    let state = make_population();
    stories(&state);
    commands(&state);
}

/// One of everything that a small log takes, in an order in which each may build on those before it.
fn make_population() -> MemoryState {
    let mut attempts: Vec<Attempt> = vec![
        Attempt::Agent { tenant: 2, record: 4, agent: 3, parent: None },
        Attempt::Agent { tenant: 1, record: 5, agent: 4, parent: Some(1) },
        Attempt::Agent { tenant: 1, record: 6, agent: 5, parent: None },
        Attempt::Receipt { tenant: 1, record: 7, agent: 1, key: 1, action: true, anchor: None },
        Attempt::Open { record: 40, number: 0, agent: 1, ttl_min: 3 },
        Attempt::Open { record: 41, number: 1, agent: 2, ttl_min: 1 },
        Attempt::Judged { record: 80, agent: 1, verdict: 0, action: true, session: Some(0) },
        Attempt::Offer { record: 200, number: 0, from: None, to: 1, parent: None, wide: true },
        Attempt::Offer { record: 201, number: 1, from: None, to: 1, parent: None, wide: true },
        Attempt::Policy { record: 300, effect: 0, limit: 2 },
    ];
    attempts.extend((0..FAMILIES - 1).map(|family| Attempt::Family { family, number: 0, agent: 1 }));
    let records = population().iter().map(ledger_format::record::Record::to_bytes).collect::<Vec<_>>();
    let mut state = MemoryState::new();
    let mut taken = Vec::new();
    for record in records.into_iter().chain(attempts.iter().map(Attempt::bytes)) {
        if takes(&mut state, START_MS, &record) {
            taken.push(record);
        }
    }
    state.run(&Command::Seal { log_ms: BEGIN_MS }).expect("no alarm");
    std::fs::write(directory().join("population"), taken.join(&b'\n')).expect("written");
    println!("population: {} records", taken.len());
    state
}

/// Whether a record becomes an entry.
fn takes(state: &mut MemoryState, log_ms: u64, record: &[u8]) -> bool {
    let command = Command::Append { log_ms, records: vec![record.to_vec()] };
    let outcomes = state.run(&command).expect("no alarm");
    matches!(outcomes[..], [Outcome::Sequenced { duplicate: false, .. }])
}

/// Seeds of `apply` and, as far as they become entries, of `replay`.
fn stories(world: &MemoryState) {
    for family in 0..FAMILIES {
        story(world, &format!("family-{family}"), &[Attempt::Family { family, number: 1, agent: 1 }]);
    }
    for first in (0..FAMILIES).step_by(STORY_MAX) {
        let families = first..(first + STORY_MAX).min(FAMILIES);
        let attempts: Vec<_> =
            families.map(|family| Attempt::Family { family, number: 2, agent: 2 }).collect();
        story(world, &format!("families-from-{first}"), &attempts);
    }
    let open = Attempt::Open { record: 50, number: 2, agent: 4, ttl_min: 2 };
    story(
        world,
        "session",
        &[
            open,
            Attempt::Refresh { record: 51, number: 2, agent: 4, ttl_min: 2 },
            Attempt::HandOff { record: 52, number: 2, agent: 4, to: 5 },
            Attempt::Close { record: 53, number: 2, agent: 5, clean: true },
        ],
    );
    story(
        world,
        "suspended",
        &[
            Attempt::Suspend { record: 120, agent: 2 },
            Attempt::Receipt { tenant: 1, record: 13, agent: 2, key: 2, action: true, anchor: Some(3) },
            Attempt::Reactivate { record: 121, agent: 2 },
            Attempt::Receipt { tenant: 1, record: 14, agent: 2, key: 2, action: true, anchor: Some(3) },
        ],
    );
    story(world, "kill", &[Attempt::Kill { record: 122, agent: 1, cascade: true }]);
    story(world, "revoke", &[Attempt::Revoke { tenant: 1, record: 123, agent: 2, cascade: false }]);
    story(
        world,
        "keys",
        &[
            Attempt::Rotate { record: 20, agent: 1, from: 1, to: 6 },
            Attempt::Receipt { tenant: 1, record: 21, agent: 1, key: 6, action: false, anchor: None },
            Attempt::Receipt { tenant: 1, record: 22, agent: 1, key: 1, action: false, anchor: None },
        ],
    );
    story(
        world,
        "grants",
        &[
            Attempt::Offer { record: 210, number: 4, from: Some(1), to: 2, parent: Some(0), wide: false },
            Attempt::Granted { record: 260, agent: 2, number: 4 },
            Attempt::TakeBack { record: 240, number: 0 },
            Attempt::Granted { record: 261, agent: 2, number: 4 },
        ],
    );
    for result in 0..3 {
        let decide = |record, rule| Attempt::Decide {
            record,
            agent: 1,
            action: true,
            number: None,
            result,
            reason: usize::from(rule),
            rule,
        };
        story(world, &format!("decision-{result}"), &[decide(320, true), decide(321, false)]);
    }
    story(
        world,
        "tenant-rests",
        &[
            Attempt::Rest { tenant: 1, record: 360, on: true },
            Attempt::Open { record: 54, number: 3, agent: 1, ttl_min: 1 },
            Attempt::Rest { tenant: 1, record: 361, on: false },
        ],
    );
    let report = |severity| Attempt::Report { record: 370 + severity as u64, agent: 2, severity };
    story(world, "reports", &[report(0), report(1), report(2), report(3)]);
}

/// One story: time passes before the first record and before the second, and the end is sealed twice.
fn story(world: &MemoryState, name: &str, attempts: &[Attempt]) {
    let (mut state, mut lines, mut entries) = (world.clone(), Vec::new(), Vec::new());
    let mut log_ms = BEGIN_MS;
    for (place, record) in attempts.iter().map(Attempt::bytes).enumerate() {
        if place < 2 {
            lines.push(b"@60000".to_vec());
            log_ms += 60_000;
        }
        let applied = state.apply(&Command::Append { log_ms, records: vec![record.clone()] });
        entries.extend(applied.entries.into_iter().map(|entry| entry.bytes));
        lines.push(record);
    }
    lines.extend([b"again".to_vec(), b"step 1".to_vec(), b"seal".to_vec()]);
    let sealed = state.apply(&Command::SealStep { log_ms, step: SealStep { from: 0, subjects: 1 } });
    entries.extend(sealed.entries.into_iter().map(|entry| entry.bytes));
    write("apply", name, &lines.join(&b'\n'));
    if !entries.is_empty() {
        write("replay", name, &entries.join(&b'\n'));
    }
}

/// Seeds of `command`: one of each kind, and some that are nearly commands.
fn commands(world: &MemoryState) {
    let receipt = |record| receipt(1, record, 1, "invoice:pay").to_bytes();
    let note = |key: &str| Note::new(key, "what nodes keep").expect("within its bounds");
    let transaction = |id: u8, expects: &[(&str, Expect)]| Transaction {
        id: [id; 16],
        good_until_ms: BEGIN_MS + 1_000,
        expects: expects.iter().map(|(key, expect)| (key.as_bytes().to_vec(), *expect)).collect(),
        writes: [
            (b"a".to_vec(), PrivateWrite::Put { value: b"secret".to_vec(), expires_at_ms: Some(BEGIN_MS) }),
            (b"b".to_vec(), PrivateWrite::Put { value: Vec::new(), expires_at_ms: None }),
            (b"c".to_vec(), PrivateWrite::Delete),
        ]
        .into(),
    };
    let transact = |transaction| Command::Private(Private::Transact { log_ms: BEGIN_MS, transaction });
    let (size, root) = (status(world).size, status(world).root);
    let records = vec![receipt(900), receipt(901), b"no record".to_vec(), receipt(900)];
    let notes = [(0, note("notes/1")), (2, note("notes/2")), (3, note("notes/3"))].into();
    let expects = [("a", Expect::Absent), ("d", Expect::Is(ValueDigest::of(b"x")))];
    let seeds = [
        ("append-none", Command::Append { log_ms: u64::MAX, records: Vec::new() }),
        ("append-one", Command::Append { log_ms: BEGIN_MS, records: vec![receipt(900)] }),
        ("append-some", Command::Append { log_ms: BEGIN_MS, records: records.clone() }),
        ("append-noted", Command::AppendNoted { log_ms: BEGIN_MS, records, notes }),
        ("seal", Command::Seal { log_ms: BEGIN_MS }),
        ("seal-end-of-time", Command::Seal { log_ms: u64::MAX }),
        ("seal-step", Command::SealStep { log_ms: BEGIN_MS, step: SealStep { from: 3, subjects: 9 } }),
        ("seal-far", Command::SealStep { log_ms: 0, step: SealStep { from: u64::MAX, subjects: 1_024 } }),
        ("publish", Command::Publish { note: checkpoint(size, root) }),
        ("publish-ahead", Command::Publish { note: checkpoint(size + 1, root) }),
        ("publish-other-root", Command::Publish { note: checkpoint(size - 1, root) }),
        ("publish-nothing", Command::Publish { note: b"a note\n".to_vec() }),
        ("node-id", Command::Private(Private::NodeId { id: 3, incarnation: u128::MAX })),
        ("transact", transact(transaction(7, &[]))),
        ("transact-expects", transact(transaction(8, &expects))),
        ("transact-nothing", transact(Transaction::default())),
    ];
    for (name, command) in seeds {
        write("command", name, &command.encode());
    }
    write("command", "newer-version", &[2, 1]);
    write("command", "unknown-command", &[1, 7]);
    write("command", "count-without-records", &[1, 1, 0, 0x80, 0x80, 1]);
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let directory = directory().join("corpus").join(target);
    std::fs::create_dir_all(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    std::fs::write(directory.join(name), bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}
