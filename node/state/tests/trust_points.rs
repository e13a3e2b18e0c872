//! Scores of the past: what is kept of them, and what a question about an index gets.

mod world;

use ledger_format::record::{ActionVerdict, Body, ReceiptAction};
use ledger_state::{TRUST_HISTORY_DAYS, TrustAsOf, trust_as_of, trust_points, trust_reading};
use world::speak::*;
use world::*;

fn judge(log: &mut Log, verdict: ActionVerdict) -> u64 {
    let body = ReceiptAction { verdict: Some(verdict), ..action_body(1, "invoice:read") };
    log.must(By::Tenant(1), Body::ReceiptAction(body)).index
}

#[test]
fn an_hour_leaves_one_point_and_days_go_by() {
    let mut log = Log::new();
    let registered = trust_points(&log.state, agent(1), 0, log.ms, 10).0;
    assert_eq!(registered.iter().map(|point| point.last).collect::<Vec<_>>(), [3]);
    log.ms += HOUR;
    let first = judge(&mut log, ActionVerdict::Ok);
    let last = judge(&mut log, ActionVerdict::Minor);
    log.ms += HOUR;
    let alone = judge(&mut log, ActionVerdict::Ok);
    let (points, count) = trust_points(&log.state, agent(1), 0, log.ms, 2);
    assert_eq!((count, points.len()), (3, 2), "the newest of them");
    assert_eq!((points[0].first, points[0].last, points[1].first), (first, last, alone));
    assert_eq!(points[1].reading(), trust_reading(&log.state, agent(1), log.ms).unwrap());
    assert_eq!(trust_points(&log.state, agent(1), log.ms, log.ms, 9).1, 1);

    // Points of the past go when new ones come, two with each.
    log.ms += (TRUST_HISTORY_DAYS + 1) * DAY;
    judge(&mut log, ActionVerdict::Ok);
    log.ms += HOUR;
    judge(&mut log, ActionVerdict::Ok);
    assert_eq!(trust_points(&log.state, agent(1), 0, log.ms, 9).1, 2);
}

#[test]
fn a_score_of_the_past_is_exact_or_not_told() {
    let mut log = Log::new();
    log.ms += HOUR;
    let first = judge(&mut log, ActionVerdict::Critical);
    let state = |log: &Log, index, ms| match trust_as_of(&log.state, agent(1), index, ms) {
        TrustAsOf::Point(point) => Some(point.state.reading_at(ms)),
        _ => None,
    };
    let then = trust_reading(&log.state, agent(1), log.ms).unwrap();
    assert_eq!(state(&log, first, log.ms), Some(then.clone()));
    let last = judge(&mut log, ActionVerdict::Ok);
    let ms = log.ms;
    assert_eq!(
        trust_as_of(&log.state, agent(1), first, ms),
        TrustAsOf::Between { first, last },
        "the hour keeps its last entry only"
    );
    log.ms += 30 * DAY;
    judge(&mut log, ActionVerdict::Ok);
    assert!(state(&log, last, ms).is_some_and(|reading| reading.caps.severity == then.caps.severity));
    assert!(state(&log, last, ms + DAY).is_some_and(|reading| reading.caps.severity > then.caps.severity));
    assert_eq!(trust_as_of(&log.state, agent(1), 0, START_MS), TrustAsOf::Unknown, "before its registration");
}
