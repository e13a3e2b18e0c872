//! A small population's year: the score separates what it says it separates, and the story is the same every time.

use std::sync::OnceLock;

use ledger_simulations::population::{self, Figures, Kind, KindFigures, Options, Story};

/// Place of seven days in the samples.
const WEEK: usize = 5;

fn year(agents: u64, seed: u64) -> Story {
    population::run(Options { agents, seed }, |_, _| ()).expect("story and log agree")
}

/// Seconds, also without optimisation.
fn small() -> &'static Figures {
    static SMALL: OnceLock<Story> = OnceLock::new();
    let story = SMALL.get_or_init(|| year(240, 1));
    &story.figures
}

fn of(kind: Kind) -> &'static KindFigures {
    small().of(kind).expect("every kind has a row")
}

fn median(values: &[u64]) -> u64 {
    values[values.len() / 2]
}

#[test]
fn the_bad_fall_and_the_good_stay() {
    let (honest, hijacked) = (of(Kind::Honest), of(Kind::Hijacked));
    println!("{} records\n{}", small().records, small().to_markdown());
    assert!(honest.agents > 190 && honest.harmful == 0);
    assert!(honest.fell_grown * 100 <= honest.agents, "{} honest ones fell", honest.fell_grown);
    assert!(hijacked.harmful >= 8 && hijacked.fell * 10 >= hijacked.harmful * 8, "{hijacked:?}");
    assert!(hijacked.area(WEEK).expect("scores") > 9_000);
    assert!(median(&honest.scores[WEEK]) > 7_500, "{}", median(&honest.scores[WEEK]));
    // What the score does not see: each of a ramp's actions is as it should be.
    let ramp = of(Kind::Ramp);
    assert!(ramp.harmful > 0 && ramp.suspended == 0);
    assert!(population::svg(small()).contains("slow ramp"));
}

#[test]
fn words_move_scores_by_no_more_than_they_may() {
    let praised = [Kind::Sybil, Kind::SybilFront].map(|kind| of(kind).peers.0);
    assert_eq!(praised, [0, 0], "praise without weight");
    let honest = of(Kind::Honest);
    assert!(honest.heard.1 > 0, "no griefer was heard");
    assert!(honest.peers.1 <= 421, "griefers took {} bp from one", honest.peers.1);
}

#[test]
fn a_seed_is_a_story() {
    let (one, two, other) = (year(20, 7), year(20, 7), year(20, 8));
    assert_eq!(one.root, two.root);
    assert_eq!(one.figures.to_markdown(), two.figures.to_markdown());
    assert_ne!(one.root, other.root);
}
