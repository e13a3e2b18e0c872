//! Replicated commands, stories and entries whose bytes are damaged are taken or refused, and never a panic: a node that panics
//! on an entry of the Raft log panics again at every start.
//!
//! The checks and the good input are those of the fuzz targets, `fuzz/`.

#[path = "../fuzz/src/checks.rs"]
#[allow(unreachable_pub, reason = "public in the fuzz crate, whose file it is")]
mod checks;
#[path = "../../../ledger-format/tests/parsers/mutate.rs"]
mod mutate;

use std::path::Path;

use ledger_state::{Command, DecodeError, status};
use proptest::prelude::*;

use mutate::{Edit, apply, edits};

/// Every file of a target's corpus, in the order of their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files =
        std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        (name, std::fs::read(path).expect("readable"))
    };
    paths.iter().map(read).collect()
}

/// What fuzzing has found worth keeping, and the seeds themselves.
#[test]
fn the_whole_corpus() {
    for (name, check) in checks::TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "fuzz/corpus/{name} is empty");
        seeds.iter().for_each(|(_, seed)| check(seed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nearly_right_input(
        edits in edits(),
        which in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        for (name, check) in checks::TARGETS {
            let seeds = seeds(name);
            let (seed, other) = (&seeds[which.index(seeds.len())].1, &seeds[other.index(seeds.len())].1);
            check(&apply(seed, other, &edits));
        }
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checks::TARGETS.iter().for_each(|(_, check)| check(&bytes));
    }
}

/// Decoding alone, with every other byte at every place.
#[test]
fn a_command_cut_short_or_with_one_other_byte_is_read_or_refused() {
    let mut commands = 0;
    for (name, seed) in seeds("command") {
        if Command::decode(&seed).is_err() {
            continue;
        }
        commands += 1;
        for at in 0..seed.len() {
            let cut = Command::decode(&seed[..at]);
            assert!(cut.is_err(), "{name} cut at {at}");
        }
        assert_eq!(Command::decode(&[&seed[..], &[0]].concat()), Err(DecodeError::Trailing), "{name}");
        // Of long ones the beginning: what follows are records, which are not looked into.
        for at in 0..seed.len().min(200) {
            for byte in 0..=255 {
                let damaged = apply(&seed, &seed, &[Edit::Set(at, byte)]);
                if let Ok(command) = Command::decode(&damaged) {
                    assert_eq!(command.encode(), damaged, "{name} with {byte} at {at} prints as read");
                }
            }
        }
    }
    assert!(commands > 12, "only {commands} seeds are commands");
}

/// The stories and commands are about something: most of their records are taken in the state that they begin with.
#[test]
fn the_seeds_reach_the_state() {
    let world = checks::world();
    assert!(status(world).size > 50, "a population of {}", status(world).size);
    let taken = seeds("replay").len();
    assert!(taken > 40, "only {taken} stories have entries");
    let (name, other_root) =
        seeds("command").into_iter().find(|(name, _)| name == "publish-other-root").unwrap();
    let applied = ledger_state::apply(world, &Command::decode(&other_root).unwrap());
    assert!(applied.alarm.is_some(), "{name} is signed by the log's key");
}
