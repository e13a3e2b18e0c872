//! Ordinary lives: growing known, trends, delegation, status, and what a bad input leaves behind. The numbers are the
//! specification's known results.

#[path = "trust_world/lives.rs"]
mod lives;

use ledger_state::trust::{
    ActionOutcome, Input, MAX_INTEGER, SessionOutcome, Status, StatusChange, Trend, TrustError, Verdict, What,
};
use lives::*;

#[test]
fn a_clean_agent_is_held_by_the_newcomer_cap_and_then_by_its_evidence() {
    let mut world = World::with_agent();
    assert_eq!((world.read().score, world.read().trend), (None, None));
    for (days, score, hit) in
        [(0..1, 5250, &["newcomer"] as &[_]), (1..3, 5750, &["newcomer"]), (3..30, 9385, &[])]
    {
        world.live(&["a"], days, 6);
        assert_eq!((world.score(), world.read().caps_hit.as_slice()), (score, hit));
    }
}

#[test]
fn trends_rise_with_the_cap_stay_at_the_top_and_fall_with_a_violation() {
    let mut world = World::with_agent();
    world.live(&["a"], 0..7, 6);
    assert_eq!(world.read().trend, None);
    world.live(&["a"], 7..8, 6);
    assert_eq!(world.read().trend, Some(Trend::Rising));
    world.live(&["a"], 8..40, 6);
    assert_eq!(world.read().trend, Some(Trend::Stable));
    world.act(40 * DAY, action("a", ActionOutcome::Critical));
    assert_eq!(world.read().trend, Some(Trend::Falling));
    for day in 40..60 {
        let trend = if day < 47 { Trend::Falling } else { Trend::Rising };
        assert_eq!(world.read_at("a", day * DAY).trend, Some(trend), "day {day}");
    }
    world.act(60 * DAY, clean_session("a"));
    assert_eq!(world.read().trend, Some(Trend::Rising));
}

#[test]
fn after_a_silence_the_notes_hold_what_the_silent_days_closed_with() {
    let mut world = World::of_veterans(0);
    world.act(30 * DAY, action("a", ActionOutcome::Critical));
    for gap in [1, 6, 7, 8, 9, 20] {
        let mut branch = world.clone();
        branch.act((30 + gap) * DAY, clean_session("a"));
        let notes = branch.agent("a").closing_scores;
        for (note, day) in notes.iter().rev().zip((30..30 + gap).rev()) {
            assert_eq!(*note, world.read_at("a", day * DAY).score, "gap {gap}, day {day}");
        }
    }
}

#[test]
fn an_agent_is_not_above_its_delegator_and_across_tenants_four_fifths_of_it() {
    let mut world = World::of_veterans(0);
    let own = world.score_at("a", 30 * DAY);
    assert_eq!(own, 9382);
    for (ceiling_bp, cross_tenant, score) in
        [(8000, false, 8000), (8000, true, 6400), (9999, true, 7999), (0, true, 0), (10_000, false, own)]
    {
        world.act(30 * DAY, What::Delegate { agent: id("a"), ceiling_bp, cross_tenant });
        assert_eq!(world.score(), score, "{ceiling_bp} {cross_tenant}");
        assert_eq!(world.read().caps_hit.contains(&"delegation"), score != own);
    }
}

#[test]
fn suspension_leaves_the_score_alone_and_an_end_is_for_ever() {
    let mut world = World::of_veterans(0);
    let mut twin = world.clone();
    world.act(30 * DAY, status("a", StatusChange::Suspend));
    twin.act(30 * DAY, status("a", StatusChange::Reactivate));
    for branch in [&mut world, &mut twin] {
        branch.act(30 * DAY + 1, action("a", ActionOutcome::Minor));
    }
    assert_eq!((world.score(), world.read().status), (twin.score(), Status::Suspended));
    world.act(30 * DAY + 2, status("a", StatusChange::Reactivate));
    assert_eq!((world.score(), world.read().status), (twin.score(), Status::Active));
    for (change, end) in [(StatusChange::Revoke, Status::Revoked), (StatusChange::Kill, Status::Killed)] {
        let mut branch = world.clone();
        branch.act(31 * DAY, status("a", change));
        for later in [StatusChange::Reactivate, StatusChange::Suspend, StatusChange::Revoke] {
            branch.act(31 * DAY, status("a", later));
        }
        branch.live(&["a"], 32..40, 6);
        assert_eq!((branch.score(), branch.read().status), (0, end));
    }
    world.act(31 * DAY, status("a", StatusChange::Revoke));
    assert_eq!(world.read().trend, Some(Trend::Falling));
    assert_eq!(world.read_at("a", 38 * DAY).trend, Some(Trend::Stable));
}

#[test]
fn every_typed_fault_is_reported_and_leaves_no_trace() {
    let mut world = World::of_veterans(1);
    let (last, now) = (world.state.last_ms, world.state.last_ms + 5 * DAY);
    let bad = [
        (TrustError::Malformed, MAX_INTEGER + 1, ok("nobody")),
        (TrustError::Malformed, now, What::TenantWeight { tenant: id("t"), weight_q12: 4097 }),
        (
            TrustError::Malformed,
            now,
            What::Delegate { agent: id("a"), ceiling_bp: 10_001, cross_tenant: true },
        ),
        (TrustError::Malformed, now, word("f1", "a", Verdict::Good, MAX_INTEGER + 1, now + 1)),
        (TrustError::InteractionInFuture, 0, word("nobody", "a", Verdict::Good, 1, 1)),
        (TrustError::TimeWentBackwards, last - 1, ok("nobody")),
        (TrustError::TimeWentBackwards, last - 1, What::Register { agent: id("a"), tenant: id("b") }),
        (TrustError::DuplicateAgent, now, What::Register { agent: id("a"), tenant: id("other") }),
        (TrustError::UnknownAgent, now, ok("nobody")),
        (TrustError::UnknownAgent, now, denial("nobody")),
        (TrustError::UnknownAgent, now, status("nobody", StatusChange::Kill)),
        (TrustError::UnknownAgent, now, word("nobody", "a", Verdict::Good, 1, now)),
        (TrustError::UnknownAgent, now, word("f1", "nobody", Verdict::Good, 1, now)),
    ];
    let before = world.state.clone();
    for (error, ms, what) in bad {
        assert_eq!(world.try_do(ms, what.clone()), Err(error), "{what:?}");
        assert!(world.state == before, "{what:?} left a trace");
    }
    for (error, agent, ms) in [
        (TrustError::UnknownAgent, "nobody", now),
        (TrustError::TimeWentBackwards, "a", last - 1),
        (TrustError::Malformed, "a", MAX_INTEGER + 1),
    ] {
        assert_eq!(world.state.reading(&id(agent), ms), Err(error));
    }
}

#[test]
fn inputs_as_json_are_read_strictly() {
    use TrustError::{InteractionInFuture, Malformed, UnknownKind, UnknownOutcome};
    let good = r#"{"agent":"a","kind":"session","ms":7,"outcome":"clean"}"#;
    let what = What::Session { agent: id("a"), outcome: SessionOutcome::Clean };
    let input = Input { ms: 7, what };
    assert_eq!(Input::parse(good.as_bytes()), Ok(input.clone()));
    assert_eq!(input.to_value().to_bytes(), good.as_bytes());
    let long = format!(r#"{{"agent":"{}","kind":"denial","ms":7}}"#, "a".repeat(65));
    for (error, text) in [
        (UnknownKind, "null"),
        (UnknownKind, "[]"),
        (UnknownKind, r#"{"ms":7}"#),
        (UnknownKind, r#"{"kind":1,"ms":7}"#),
        (UnknownKind, r#"{"agent":"a","kind":"promote","ms":7}"#),
        (Malformed, ""),
        (Malformed, r#"{"kind":"denial", "agent":"a","ms":7}"#),
        (Malformed, r#"{"agent":"a","kind":"action","ms":7}"#),
        (Malformed, r#"{"agent":"a","kind":"denial","ms":7,"weight":1}"#),
        (Malformed, r#"{"agent":"a","kind":"denial","ms":-1}"#),
        (Malformed, r#"{"agent":"a","kind":"denial","ms":9007199254740992}"#),
        (Malformed, r#"{"agent":"a","kind":"denial","ms":true}"#),
        (Malformed, r#"{"agent":"a","kind":"denial","ms":"7"}"#),
        (Malformed, r#"{"agent":"","kind":"denial","ms":7}"#),
        (Malformed, r#"{"agent":"a b","kind":"denial","ms":7}"#),
        (Malformed, r#"{"agent":"ä","kind":"denial","ms":7}"#),
        (Malformed, &long),
        (Malformed, r#"{"agent":"a","kind":"action","ms":7,"outcome":3}"#),
        (Malformed, r#"{"kind":"tenant_weight","ms":7,"tenant":"t","weight":4097}"#),
        (Malformed, r#"{"agent":"a","ceiling":10001,"cross_tenant":false,"kind":"delegate","ms":7}"#),
        (Malformed, r#"{"agent":"a","ceiling":1,"cross_tenant":1,"kind":"delegate","ms":7}"#),
        (
            Malformed,
            r#"{"agent":"a","by":"b","interaction":-1,"interaction_ms":9,"kind":"attest","ms":7,"outcome":"maybe"}"#,
        ),
        (UnknownOutcome, r#"{"agent":"a","kind":"action","ms":7,"outcome":"good"}"#),
        (UnknownOutcome, r#"{"agent":"a","kind":"session","ms":7,"outcome":"Clean"}"#),
        (
            UnknownOutcome,
            r#"{"agent":"a","by":"b","interaction":1,"interaction_ms":9,"kind":"attest","ms":7,"outcome":"ok"}"#,
        ),
        (
            InteractionInFuture,
            r#"{"agent":"a","by":"b","interaction":1,"interaction_ms":8,"kind":"attest","ms":7,"outcome":"bad"}"#,
        ),
    ] {
        assert_eq!(Input::parse(text.as_bytes()), Err(error), "{text}");
    }
}

#[test]
fn an_explanation_holds_the_fractions() {
    let mut world = World::with_agent();
    world.live(&["a"], 0..1, 6);
    let explanation = String::from_utf8(world.read().explain(18 * HOUR)).unwrap();
    let behaviour = r#""behaviour":{"bp":8947,"denominator":311296,"numerator":278528,"weight":35}"#;
    assert!(explanation.contains(behaviour), "{explanation}");
    assert!(explanation.contains(r#""caps_hit":["newcomer"],"#), "{explanation}");
    assert!(explanation.contains(r#""peers":null,"#), "{explanation}");
    assert!(explanation.ends_with(r#""score":5250,"status":"active","trend":null}"#), "{explanation}");
}
