//! Every parser on input that is nearly right: no panic, and what it takes it prints as it was.
//!
//! The good input comes from `vectors/`; the fuzz targets run the same functions.

#[path = "../../fuzz/src/checks.rs"]
#[allow(unreachable_pub, reason = "public in the fuzz crate, whose file it is")]
mod checks;
mod corpus;
mod mutate;

use proptest::prelude::*;

use mutate::{Edit, apply, edits};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nearly_right_input(edits in edits(), other in any::<prop::sample::Index>()) {
        for (name, check) in checks::TARGETS {
            let seeds = corpus::seeds(name);
            for seed in &seeds {
                check(&apply(seed, &seeds[other.index(seeds.len())], &edits));
            }
        }
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checks::TARGETS.iter().for_each(|(_, check)| check(&bytes));
    }
}

/// What fuzzing has found worth keeping, and the seeds themselves.
#[test]
fn the_whole_corpus() {
    for (name, check) in checks::TARGETS {
        let seeds = corpus::seeds(name);
        assert!(!seeds.is_empty(), "fuzz/corpus/{name} is empty");
        seeds.iter().for_each(|seed| check(seed));
    }
}

#[test]
fn edits_do_edit() {
    let seed = b"0123456789";
    assert_eq!(apply(seed, seed, &[Edit::Truncate(5)]).len(), 5);
    assert_eq!(apply(seed, seed, &[Edit::Set(2, b'x')]), b"01x3456789");
}
