//! Attacks on the trust score and what they gain: the numbers are the specification's known results.

#[path = "trust_world/lives.rs"]
mod lives;

use std::collections::BTreeMap;

use ledger_state::trust::{ActionOutcome, MemoryTrust, ONE_Q12, StatusChange, TrustError, Verdict, What};
use lives::*;

// --- violations ---

#[test]
fn a_flood_does_not_wash_a_violation() {
    let mut world = World::of_veterans(0);
    world.act(30 * DAY + 1, action("a", ActionOutcome::Critical));
    assert_eq!(world.score(), 2900);
    for call in 0..100_000 {
        world.act(30 * DAY + 10 + call * 30, ok("a"));
    }
    assert_eq!(world.score(), 2900);
    world.live(&["a"], 31..61, 6);
    assert_eq!(world.score(), 5900);
    assert_eq!(world.calm_at(61 * DAY), 9887);
}

#[test]
fn a_major_violation_every_month_is_never_forgotten() {
    let mut world = World::with_agent();
    let mut best = 0;
    for round in 0..6 {
        world.live(&["a"], 30 * round..30 * round + 29, 6);
        if round > 0 {
            best = best.max(world.score());
        }
        world.act((30 * round + 29) * DAY, action("a", ActionOutcome::Major));
        assert!(world.score() <= 5900);
    }
    assert_eq!(best, 8800);
}

#[test]
fn a_fresh_id_needs_days_not_calls() {
    let mut world = World::of_veterans(0);
    world.act(30 * DAY, status("a", StatusChange::Kill));
    assert_eq!(world.score(), 0);
    world.register("b", "home", 30 * DAY);
    assert_eq!(world.read_at("b", 0).score, None);
    for call in 0..10_000 {
        world.act(30 * DAY + call * 2_000, ok("b"));
    }
    world.act(30 * DAY + 20_000_001, clean_session("b"));
    assert_eq!(world.score_at("b", 0), 5250);
    let mut days = 1;
    while world.score_at("b", 0) <= 9000 {
        world.live(&["b"], 30 + days..31 + days, 6);
        days += 1;
    }
    assert_eq!(days, 17);
    let again = What::Register { agent: id("a"), tenant: id("home") };
    assert_eq!(world.try_do(60 * DAY, again), Err(TrustError::DuplicateAgent));
}

#[test]
fn an_agent_that_only_did_harm_is_unscored_and_acted_on() {
    let mut world = World::with_agent();
    (0..20).for_each(|call| world.act(call, action("a", ActionOutcome::Critical)));
    let reading = world.read();
    assert_eq!((reading.score, reading.caps.severity, reading.response_bp()), (None, 2900, 2900));
}

#[test]
fn probing_for_authority_costs_at_once() {
    let mut world = World::of_veterans(0);
    (0..5).for_each(|probe| world.act(30 * DAY + probe, denial("a")));
    assert_eq!(world.score(), 9237);
    (0..45).for_each(|probe| world.act(30 * DAY + 10 + probe, denial("a")));
    assert_eq!(world.score(), 5900);
}

#[test]
fn the_ninth_denial_of_an_epoch_caps_and_epochs_count_apart() {
    let mut world = World::of_veterans(0);
    (0..8).for_each(|probe| world.act(30 * DAY + probe, denial("a")));
    assert_eq!((world.score(), world.read().caps.severity), (9157, 10_000));
    let mut apart = world.clone();
    (0..8).for_each(|probe| apart.act(30 * DAY + HOUR + probe, denial("a")));
    assert_eq!(apart.read().caps.severity, 10_000);
    world.act(30 * DAY + 8, denial("a"));
    assert_eq!((world.score(), world.read().caps_hit), (5900, vec!["severity"]));
    assert_eq!([31 * DAY - 1, 31 * DAY].map(|ms| world.score_at("a", ms)), [5900, 6000]);
}

// --- anomalies ---

#[test]
fn a_burst_is_seen_at_the_sixteenth_call_and_charged_by_the_128th() {
    let mut world = World::of_veterans(0);
    let start = 30 * DAY + 9 * HOUR;
    let mut seen = BTreeMap::new();
    for call in 1..=2000 {
        world.act(start + call * 100, ok("a"));
        if [15, 16, 31, 32, 64, 128, 2000].contains(&call) {
            seen.insert(call, world.calm_at(0));
        }
    }
    let expected = [(15, 10_000), (16, 9572), (31, 9572), (32, 8548), (64, 7524), (128, 7500), (2000, 7500)];
    assert_eq!(seen, BTreeMap::from(expected));
    world.act(start + HOUR, clean_session("a"));
    assert_eq!(world.calm_at(0), 7500);
    assert_eq!(world.agent("a").penalty_bp_q12, 2500 * ONE_Q12);
}

#[test]
fn what_was_charged_inside_an_epoch_is_part_of_its_whole() {
    let mut world = World::of_veterans(0);
    (0..20).for_each(|call| world.act(30 * DAY + call, ok("a")));
    assert_eq!(world.agent("a").epoch_penalty_bp, 428);
    world.act(30 * DAY + HOUR, clean_session("a"));
    assert_eq!(world.agent("a").penalty_bp_q12, 756 * ONE_Q12);
}

#[test]
fn a_slow_ramp_is_not_followed_by_the_slow_median() {
    let mut world = World::of_veterans(0);
    let mut rate_percent = 600;
    for day in 30..90 {
        for hour in 8..18 {
            rate_percent = rate_percent * 101 / 100;
            for call in 0..rate_percent / 100 {
                world.act(day * DAY + hour * HOUR + call, ok("a"));
            }
        }
    }
    assert_eq!((world.calm_at(0), world.score()), (0, 7282));
}

// --- attestations ---

#[test]
fn peers_are_worth_what_their_tenants_are() {
    let world = World::of_veterans(8);
    let before = world.score_at("a", 30 * DAY);
    for (tenants, gain) in [(1, 125), (3, 250), (8, 363)] {
        let mut branch = world.clone();
        (1..=tenants).for_each(|n| branch.attest(&format!("f{n}"), "a", Verdict::Good, 10, 30 * DAY));
        assert_eq!(branch.score() - before, gain, "{tenants} tenants");
    }
}

#[test]
fn sybils_add_nothing_at_home_and_abroad_what_one_agent_does() {
    let mut world = World::of_veterans(1);
    assert_eq!(world.score(), 9385);
    let own: Vec<_> = (0..500).map(|i| format!("own{i}")).collect();
    let sybils: Vec<_> = (0..500).map(|i| format!("syb{i}")).collect();
    own.iter().for_each(|agent| world.register(agent, "home", 30 * DAY));
    sybils.iter().for_each(|agent| world.register(agent, "t1", 30 * DAY));
    world.live(&sybils, 30..32, 2);
    let base = world.score_at("a", 32 * DAY);
    own.iter().for_each(|agent| world.attest(agent, "a", Verdict::Good, 1, 32 * DAY));
    assert_eq!((world.factors().peers, world.score()), (None, base));
    sybils.iter().for_each(|agent| world.attest(agent, "a", Verdict::Good, 1, 32 * DAY));
    assert_eq!((base, world.score() - base), (9379, 125));
}

#[test]
fn tenants_without_weight_leave_no_trace() {
    let mut world = World::of_veterans(0);
    let strangers: Vec<_> = (0..200).map(|i| format!("x{i}")).collect();
    strangers.iter().for_each(|agent| world.register(agent, &format!("tenant-of-{agent}"), 30 * DAY));
    world.live(&strangers, 30..32, 2);
    let before = world.score_at("a", 32 * DAY);
    strangers.iter().for_each(|agent| world.attest(agent, "a", Verdict::Good, 1, 32 * DAY));
    assert_eq!((before, world.score()), (9379, 9379));
    assert!(world.state.cited.is_empty());
}

#[test]
fn a_ring_of_tenants_gains_little_and_no_more_than_eight_count() {
    for (members, gain) in [(2, 125), (3, 200), (5, 285), (9, 363), (12, 363)] {
        let mut world = World::of_veterans(members);
        let before = world.score_at("f1", 30 * DAY);
        for round in 0..20 {
            for member in 1..=members {
                for other in (1..=members).filter(|other| *other != member) {
                    let (by, about) = (format!("f{other}"), format!("f{member}"));
                    world.attest(&by, &about, Verdict::Good, 1, 30 * DAY + round);
                }
            }
        }
        assert_eq!(world.score_at("f1", 0) - before, gain, "a ring of {members}");
    }
}

#[test]
fn hostile_tenants_cost_a_bounded_amount() {
    let world = World::of_veterans(8);
    let before = world.score_at("a", 30 * DAY);
    for (tenants, loss) in [(1, 200), (2, 285), (8, 421)] {
        let mut branch = world.clone();
        (1..=tenants).for_each(|n| branch.attest(&format!("f{n}"), "a", Verdict::Bad, 100, 30 * DAY));
        assert_eq!(before - branch.score(), loss, "{tenants} tenants");
    }
}

#[test]
fn an_interaction_counts_once_a_direction() {
    let mut world = World::of_veterans(2);
    let (now, then) = (30 * DAY, 29 * DAY);
    world.weight("home", ONE_Q12, now);
    world.register("a2", "home", now);
    world.act(now, word("f1", "a", Verdict::Good, 7, then));
    let once = world.agent("a").clone();
    for verdict in [Verdict::Good, Verdict::Bad] {
        world.act(now + 1, word("f1", "a", verdict, 7, then));
    }
    assert_eq!(*world.agent("a"), once);
    world.act(now + 2, word("a", "f1", Verdict::Good, 7, then));
    world.act(now + 3, word("f1", "a2", Verdict::Good, 7, then));
    world.act(now + 4, word("f2", "a", Verdict::Good, 7, then));
    assert!(world.read_at("f1", 0).factors.peers.unwrap().bp > 5000);
    assert_eq!(world.state.cited[&29].len(), 4);
    let before = world.state.digest();
    world.act(now + 4, word("f1", "a", Verdict::Good, 7, then));
    assert_eq!(world.state.digest(), before);
}

#[test]
fn interactions_can_be_cited_for_thirty_days() {
    let old = || word("f1", "a", Verdict::Good, 3, 10 * DAY + 5);
    let mut world = World::of_veterans(1);
    let mut late = world.clone();
    late.act(41 * DAY, old());
    assert!(late.factors().peers.is_none() && late.state.cited.is_empty());

    world.act(41 * DAY - 1, old());
    assert_eq!(world.state.cited[&10].len(), 1);
    let bucket = world.agent("a").peers_q12.clone();
    assert!(bucket[0].good_q12 > 0);
    world.act(41 * DAY - 1, old());
    assert_eq!(world.agent("a").peers_q12, bucket);
    world.act(41 * DAY, clean_session("a"));
    assert!(world.state.cited.is_empty(), "what cannot be cited any more is forgotten");
    world.act(41 * DAY, old());
    assert!(world.agent("a").peers_q12[0].good_q12 <= bucket[0].good_q12);
}

#[test]
fn the_word_of_a_suspended_agent_does_not_use_up_the_interaction() {
    let old = || word("f1", "a", Verdict::Good, 3, 10 * DAY + 5);
    let mut world = World::of_veterans(1);
    world.act(30 * DAY, status("f1", StatusChange::Suspend));
    world.act(30 * DAY, old());
    assert_eq!(world.factors().peers, None);
    world.act(30 * DAY, status("f1", StatusChange::Reactivate));
    world.act(30 * DAY, old());
    assert!(world.factors().peers.unwrap().bp > 5000);
}

#[test]
fn small_voices_do_not_push_out_large_ones() {
    let mut world = World::of_veterans(10);
    (1..=8).for_each(|n| world.attest(&format!("f{n}"), "a", Verdict::Good, 10, 30 * DAY));
    let (full, before) = (world.agent("a").peers_q12.clone(), world.score());
    world.attest("f9", "a", Verdict::Bad, 50, 30 * DAY);
    world.attest("f10", "a", Verdict::Good, 50, 30 * DAY);
    assert_eq!((&world.agent("a").peers_q12, world.score()), (&full, before));
    assert_eq!(before, 9745);
}

// --- time ---

#[test]
fn a_leader_that_stamps_late_moves_next_to_nothing() {
    let scores = [0, 1, 59_999].map(|push_ms| {
        let mut world = World::with_agent();
        world.live_pushed(&["a"], 0..40, 30, push_ms);
        world.score()
    });
    assert_eq!(scores, [9427; 3]);
}

#[test]
fn a_state_is_nothing_before_the_first_input() {
    assert_eq!(MemoryTrust::new().to_json(), {
        let id = ledger_state::trust::ALGORITHM_ID;
        format!(r#"{{"agents":{{}},"algorithm":"{id}","cited":[],"last_ms":0,"tenant_weights_q12":{{}}}}"#)
            .into_bytes()
    });
}
