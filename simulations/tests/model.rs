//! The model, explored to its end: with all rules every promise is kept, and without any one of them one is broken.

use ledger_simulations::model::{Promise, RULES, Rule, World, explore, limits, worlds};

/// Which promise is broken, and in which world, when a rule is taken out.
const BROKEN: &[(Rule, &str, Promise)] = &[
    (Rule::L2, "crashes", Promise::Acknowledged),
    (Rule::L3, "crashes", Promise::Acknowledged),
    (Rule::L4, "members", Promise::Acknowledged),
    (Rule::S2, "retries", Promise::OneIndex),
    (Rule::S5, "rot", Promise::OwnTree),
    (Rule::G2, "rot", Promise::Signed),
    (Rule::G3, "restore", Promise::SignedByOneDisk),
    (Rule::G4, "crashes", Promise::TrueAlarm),
    (Rule::C2, "witnesses", Promise::ValidPublished),
    (Rule::R2, "new machines", Promise::NothingAgainstWitnessed),
    (Rule::R2Rest, "any of three", Promise::NothingAgainstWitnessed),
    (Rule::WitnessCompares, "twins", Promise::WitnessOnce),
    (Rule::WitnessPersists, "twins", Promise::WitnessOnce),
];

fn world(name: &str) -> World {
    worlds().into_iter().find(|world| world.name == name).expect("a world of that name")
}

#[test]
fn with_all_rules_every_promise_is_kept() {
    let mut states = 0;
    for world in worlds() {
        let explored = explore(world, &[]);
        println!("{}: {} states, depth {}", explored.world.name, explored.states, explored.depth);
        assert!(explored.broken.is_none(), "{}: {:#?}", explored.world.name, explored.broken);
        assert!(explored.depth > 10, "{} ends before anything can happen", explored.world.name);
        states += explored.states;
    }
    assert!(states > 500_000, "the worlds have become small: {states} states");
}

#[test]
fn without_a_rule_a_promise_is_broken() {
    for (rule, name, promise) in BROKEN {
        // Only this promise is asked for: another may be broken sooner.
        let explored = explore(World { promises: vec![*promise], ..world(name) }, &[*rule]);
        let broken = explored.broken.unwrap_or_else(|| panic!("nobody misses {rule} in {name}"));
        println!("{rule}: {} steps: {}", broken.story.len() - 1, promise.text());
        assert_eq!(broken.promise, *promise, "{rule}");
    }
}

/// G1 is held by G2 as well: voters compute the root of what they have applied, so a majority has what they agree on.
#[test]
fn g1_is_missed_only_without_g2() {
    for name in ["crashes", "rot"] {
        assert!(explore(world(name), &[Rule::G1]).broken.is_none(), "G1 alone is missed in {name}");
    }
    let both = explore(world("crashes"), &[Rule::G1, Rule::G2]).broken.expect("both are missed");
    assert_eq!(both.promise, Promise::Signed, "{:#?}", both.story);
}

#[test]
fn every_rule_is_in_the_table() {
    for (rule, name, _) in RULES {
        let listed = BROKEN.iter().any(|(known, ..)| known == rule) || *rule == Rule::G1;
        assert!(listed, "{name} is in no test");
    }
}

#[test]
fn what_no_rule_can_promise_is_known() {
    for (world, promise) in limits() {
        let name = world.name;
        let broken = explore(world, &[]).broken.unwrap_or_else(|| panic!("{name} is no limit any more"));
        assert_eq!(broken.promise, promise, "{name}");
    }
}

#[test]
fn the_shortest_story_is_the_same_every_time() {
    let story = || explore(world("rot"), &[Rule::G2]).broken.expect("G2 is missed").story;
    assert_eq!(story(), story());
}
