//! Rule S5: which checkpoints are published.

mod world;

use ledger_format::{Checkpoint, Hash, NoteSigner, SignatureType, empty_root};
use ledger_state::{Alarm, Ignored, MemoryState, Outcome, status};
use world::*;

fn roots(state: &mut MemoryState, more: u64) -> Vec<Hash> {
    let mut roots = vec![];
    for number in 0..more {
        index(&one(state, &receipt(1, 700 + number, 1, "invoice:pay")));
        roots.push(status(state).root);
    }
    roots
}

#[test]
fn good_checkpoints_are_published_and_never_go_back() {
    let mut state = populated();
    let base = status(&state);
    let roots = roots(&mut state, 6);
    for (size, root) in [(base.size, base.root), (base.size + 2, roots[1]), (base.size + 6, roots[5])] {
        let note = checkpoint(size, root);
        assert_eq!(publish(&mut state, note.clone()), Ok(Outcome::Done));
        let published = status(&state).published.unwrap();
        assert_eq!((published.size, published.root, &published.note), (size, root, &note));
        assert!(published.witnessed, "the policy of the test log asks for no witness");
    }
    // Again, and then an older one.
    assert_eq!(publish(&mut state, checkpoint(base.size + 6, roots[5])), Ok(Outcome::Done));
    let older = publish(&mut state, checkpoint(base.size + 5, roots[4]));
    assert_eq!(older, Ok(Outcome::Ignored(Ignored::Behind)));
    assert_eq!(status(&state).published.unwrap().size, base.size + 6);
    assert_eq!(status(&state).publishes_ignored, 1);
}

#[test]
fn what_is_not_the_logs_own_is_ignored_and_counted() {
    let mut state = populated();
    let now = status(&state);
    let (size, root) = (now.size, now.root);
    let other_key = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [9; 32]).unwrap();
    let text = |origin: &str| Checkpoint::new(origin, size, root).to_string();
    let mut flipped = checkpoint(size, root);
    let last_character = flipped.len() - 6;
    flipped[last_character] = if flipped[last_character] == b'A' { b'B' } else { b'A' };
    let cases = [
        (b"not a note".to_vec(), Ignored::Malformed),
        (signed("hello\n", &log_key()), Ignored::Malformed),
        (signed(&text(ORIGIN), &other_key), Ignored::Signature),
        (flipped, Ignored::Signature),
        (signed(&text("ledger.example/other"), &log_key()), Ignored::Origin),
        (signed(&format!("{}extension\n", text(ORIGIN)), &log_key()), Ignored::Extensions),
        (checkpoint(size + 1, root), Ignored::Ahead),
    ];
    let count = cases.len() as u64;
    for (note, want) in cases {
        assert_eq!(publish(&mut state, note), Ok(Outcome::Ignored(want)), "{want:?}");
    }
    let after = status(&state);
    assert_eq!((after.publishes_ignored, after.published), (count, None));
    let mut empty = MemoryState::new();
    assert_eq!(publish(&mut empty, checkpoint(0, empty_root())), Ok(Outcome::Ignored(Ignored::NoGenesis)));
}

#[test]
fn a_signed_root_that_differs_from_ours_stops_the_node_and_changes_nothing() {
    let mut state = populated();
    let before = state.clone();
    let size = status(&state).size;
    for at in [size, size - 1, 1] {
        let alarm = publish(&mut state, checkpoint(at, Hash([7; 32]))).unwrap_err();
        assert!(matches!(alarm, Alarm::RootMismatch { size, .. } if size == at), "{alarm}");
    }
    assert_eq!(state, before);
}

#[test]
fn the_empty_tree_can_be_published() {
    let mut state = MemoryState::new();
    index(&one(&mut state, &genesis()));
    assert_eq!(publish(&mut state, checkpoint(0, empty_root())), Ok(Outcome::Done));
}

#[test]
fn damaged_state_is_an_alarm() {
    let state = populated();
    let damage = |prefix: u8| {
        let mut values = state.values().clone();
        let (_, value) = values.iter_mut().find(|(key, _)| key[0] == prefix).unwrap();
        value.pop();
        MemoryState::from_parts(values, state.leaves().to_vec())
    };
    for prefix in *b"mgsak" {
        let mut damaged = damage(prefix);
        let record = rotate(800, 1, 1, 50).sign(&key(1));
        let applied = damaged.apply(&append(&[record]));
        assert!(
            matches!(applied.alarm, Some(Alarm::CorruptState { .. })),
            "{:?} {applied:?}",
            prefix as char
        );
        assert!(applied.outcomes.is_empty() && applied.writes.is_empty() && applied.entries.is_empty());
    }
}
