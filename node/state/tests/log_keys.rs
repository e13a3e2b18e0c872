//! Rule R5: the log's verifier key changes, its origin stays. And R4: a log that follows another says so.

mod world;

use ledger_format::record::{Actor, Body, Draft, GenesisLimits, LogKey, LogKeyAction, Record, Ulid};
use ledger_format::{Checkpoint, Note, NoteSigner, SignatureType, Vkey};
use ledger_state::{Ignored, MemoryState, Outcome, Replayer, genesis as genesis_of, log_keys, status};
use world::*;

fn next_key() -> NoteSigner {
    NoteSigner::new(ORIGIN, SignatureType::Ed25519, [2; 32]).expect("a good name")
}

fn change(record: u64, action: LogKeyAction, vkey: &Vkey) -> Record {
    let body = Body::LogKey(LogKey { action, vkey: vkey.to_string() });
    Draft::new(Ulid::NIL, id(record), Actor::Operator, START_MS, body).sign(&operator())
}

/// The checkpoint of everything, signed by these keys.
fn signed_by(state: &MemoryState, keys: &[&NoteSigner]) -> Vec<u8> {
    let now = status(state);
    let text = Checkpoint::new(ORIGIN, now.size, now.root).to_string();
    let mut note = Note::new(text.clone());
    keys.iter().for_each(|key| note.push(key.sign(&text)));
    note.to_bytes()
}

#[track_caller]
fn published(state: &mut MemoryState, keys: &[&NoteSigner]) -> bool {
    let note = signed_by(state, keys);
    match publish(state, note) {
        Ok(Outcome::Done) => true,
        Ok(Outcome::Ignored(Ignored::Signature)) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn r5_a_key_takes_over_from_another_under_one_origin() {
    let (old, new) = (log_key(), next_key());
    let mut state = populated();
    assert!(!published(&mut state, &[&new]), "a key that the log does not have yet");
    assert!(published(&mut state, &[&old, &new]), "the line of a stranger changes nothing");

    let added = index(&one(&mut state, &change(900, LogKeyAction::Add, new.vkey())));
    for keys in [&[&old][..], &[&new], &[&old, &new]] {
        assert!(published(&mut state, keys), "{} keys", keys.len());
    }
    let retired = index(&one(&mut state, &change(901, LogKeyAction::Retire, old.vkey())));
    assert!(!published(&mut state, &[&old]), "a retired key");
    assert!(published(&mut state, &[&old, &new]));
    assert!(published(&mut state, &[&new]));

    let keys = log_keys(&state);
    let spans: Vec<_> = keys.0.iter().map(|key| (key.from, key.until)).collect();
    assert_eq!(spans, [(0, Some(retired)), (added, None)]);
    assert_eq!(keys.in_force().collect::<Vec<_>>(), [new.vkey().to_string()]);
    assert!(status(&state).published.unwrap().witnessed, "no witness is asked for, whoever signs");
}

/// Every known line must be right, whichever key it is of: verifiers with an older policy look at it, too.
#[test]
fn r5_a_wrong_line_of_a_known_key_voids_the_note() {
    let (old, new) = (log_key(), next_key());
    let mut state = populated();
    index(&one(&mut state, &change(900, LogKeyAction::Add, new.vkey())));
    for retire in [false, true] {
        if retire {
            index(&one(&mut state, &change(901, LogKeyAction::Retire, old.vkey())));
        }
        let text = String::from_utf8(signed_by(&state, &[&new])).unwrap();
        let mut note = Note::parse(text.as_bytes()).unwrap();
        note.push(old.sign("another text\n"));
        assert_eq!(publish(&mut state, note.to_bytes()), Ok(Outcome::Ignored(Ignored::Signature)));
    }
}

#[test]
fn r5_what_would_leave_the_log_without_its_key_is_refused() {
    let (old, new) = (log_key(), next_key());
    let foreign = NoteSigner::new("ledger.example/other", SignatureType::Ed25519, [3; 32]).unwrap();
    let mut state = populated();
    let mut refused = |record, action, vkey: &Vkey| {
        let before = state.clone();
        let code = code(&one(&mut state, &change(record, action, vkey)));
        assert_eq!(state.values(), before.values(), "a refusal changes nothing");
        code
    };
    assert_eq!(refused(910, LogKeyAction::Retire, old.vkey()), "last_log_key");
    assert_eq!(refused(911, LogKeyAction::Retire, new.vkey()), "log_key_unknown");
    assert_eq!(refused(912, LogKeyAction::Add, old.vkey()), "log_key_reused");
    assert_eq!(refused(913, LogKeyAction::Add, foreign.vkey()), "log_key_of_other_log");

    index(&one(&mut state, &change(914, LogKeyAction::Add, new.vkey())));
    index(&one(&mut state, &change(915, LogKeyAction::Retire, old.vkey())));
    let back = code(&one(&mut state, &change(916, LogKeyAction::Add, old.vkey())));
    assert_eq!(back, "log_key_reused", "a retired key does not come back");
    for number in 3..=9 {
        let key = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [number; 32]).unwrap();
        index(&one(&mut state, &change(920 + u64::from(number), LogKeyAction::Add, key.vkey())));
    }
    let ninth = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [10; 32]).unwrap();
    let full = code(&one(&mut state, &change(940, LogKeyAction::Add, ninth.vkey())));
    assert_eq!(full, "too_many_log_keys");
}

#[test]
fn r5_only_the_operator_changes_keys_and_a_replay_agrees() {
    let mut state = MemoryState::new();
    let forged = {
        let body = Body::LogKey(LogKey { action: LogKeyAction::Add, vkey: next_key().vkey().to_string() });
        Draft::new(Ulid::NIL, id(900), Actor::Operator, START_MS, body).sign(&key(7))
    };
    let mut replay = Replayer::new();
    let records = [
        genesis(),
        change(901, LogKeyAction::Add, next_key().vkey()),
        change(902, LogKeyAction::Retire, log_key().vkey()),
    ];
    for record in &records {
        let applied = state.apply(&append(std::slice::from_ref(record)));
        for entry in &applied.entries {
            replay.push(entry.index, &entry.bytes).unwrap();
        }
    }
    assert_eq!(code(&one(&mut state, &forged)), "key_not_valid");
    assert_eq!(log_keys(replay.state()), log_keys(&state));
}

#[test]
fn r4_a_log_says_which_one_it_follows() {
    let lost = NoteSigner::new("ledger.example/lost", SignatureType::Ed25519, [3; 32]).unwrap();
    let text = Checkpoint::new("ledger.example/lost", 41_207, ledger_format::leaf_hash(b"x")).to_string();
    let note = String::from_utf8(signed(&text, &lost)).unwrap();
    let Body::LogGenesis(mut body) = genesis_with(GenesisLimits::default()).body else { unreachable!() };
    body.predecessor = Some(note.clone());
    let record =
        Draft::new(Ulid::NIL, id(0), Actor::Operator, START_MS, Body::LogGenesis(body)).sign(&operator());
    assert_eq!(Record::parse(&record.to_bytes()).as_ref(), Ok(&record));
    let mut state = MemoryState::new();
    index(&one(&mut state, &record));
    assert_eq!(genesis_of(&state).unwrap().predecessor, Some(note));
}
