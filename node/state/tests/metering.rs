//! What tenants use: counted from the entries, the same in every replay.

mod world;

use std::collections::BTreeMap;

use ledger_format::record::{
    Body, ComplianceCheck, ComplianceCheckId, Entry, Framework, LogPolicy, Plan, Quotas, Record, SessionEnd,
    TenantUpdate, TrustCompute, Ulid,
};
use ledger_state::trust::DAY_MS;
use ledger_state::{Code, MemoryState, Metric, Month, Outcome, QuotaExceeded, Replayer, Usage, usage};
use proptest::prelude::*;
use world::speak::*;
use world::*;

fn month(text: &str) -> Month {
    Month::parse(text).unwrap()
}

fn used(state: &MemoryState, number: u8, when: &str) -> Usage {
    usage(state, tenant(number).0, month(when)).unwrap()
}

/// The binding table: agents, sessions, computes, checks.
#[test]
fn plans_include_what_they_say() {
    let limits = |plan: Plan| {
        let limits = plan.limits();
        [limits.agents, limits.sessions, limits.trust_computes, limits.compliance_checks]
    };
    assert_eq!(limits(Plan::Developer), [2, 100, 50, 10].map(Some));
    assert_eq!(limits(Plan::Business), [50, 10_000, 5_000, 500].map(Some));
    assert_eq!(limits(Plan::Enterprise), [None; 4]);
    let document = include_str!("../../../docs/record-format.md");
    for &plan in Plan::ALL {
        let row =
            document.lines().find(|line| line.starts_with(&format!("| `{}` |", plan.as_str()))).unwrap();
        let cells: Vec<_> =
            row.split('|').skip(2).map(|cell| cell.trim().replace(',', "").parse().ok()).collect();
        assert_eq!(cells[..4], limits(plan), "{row}");
    }
}

#[test]
fn sessions_are_counted_in_the_month_of_the_entry() {
    let mut state = populated();
    let february = month("2026-02").start_ms();
    index(&one(&mut state, &open(400, 1, 1, 60, "invoice:*")));
    index(&one_at(&mut state, february - 1, &open(401, 2, 1, 60, "invoice:*")));
    // What is refused, sent twice, refreshed, or closed counts nothing.
    code(&one_at(&mut state, february - 1, &open(402, 2, 1, 60, "invoice:*")));
    assert!(matches!(
        one_at(&mut state, february - 1, &open(401, 2, 1, 60, "invoice:*")),
        Outcome::Sequenced { duplicate: true, .. }
    ));
    index(&one_at(&mut state, february, &refresh(403, 2, 1, 60)));
    index(&one_at(&mut state, february, &close(404, 2, 1, SessionEnd::Clean)));
    index(&one_at(&mut state, february, &open(405, 3, 1, 60, "invoice:*")));
    let sessions = |when| used(&state, 1, when).counters.sessions;
    assert_eq!((sessions("2025-12"), sessions("2026-01"), sessions("2026-02")), (0, 2, 1));
    assert_eq!(used(&state, 2, "2026-01").counters, Default::default(), "another tenant's affair");
    assert_eq!(usage(&state, Ulid(12_345), month("2026-01")), None);
    let now = used(&state, 1, "2026-02");
    assert_eq!((now.plan, now.limits), (Plan::Developer, Plan::Developer.limits()));
}

#[test]
fn compliance_checks_are_counted_once_each() {
    let mut state = populated();
    let check = |record, number| {
        let body = ComplianceCheck {
            agent: Some(agent(1)),
            check: ComplianceCheckId(Ulid(number)),
            findings: vec![],
            framework: Framework::Soc2,
            on_behalf_of: None,
        };
        by_tenant(1, record, Body::ComplianceCheck(Box::new(body)))
    };
    index(&one(&mut state, &check(600, 1)));
    code(&one(&mut state, &check(601, 1)));
    index(&one(&mut state, &check(602, 2)));
    let counters = used(&state, 1, "2026-01").counters;
    assert_eq!((counters.compliance_checks, counters.sessions, counters.trust_computes), (2, 0, 0));
}

#[test]
fn agents_count_until_they_end() {
    let mut state = populated();
    let agents = |state: &MemoryState| used(state, 1, "2026-01").agents;
    assert_eq!((agents(&state), used(&state, 2, "2026-01").agents), (2, 0));
    index(&one(&mut state, &register_agent(1, 500, 3, Some(2))));
    index(&one(&mut state, &suspend(501, 3)));
    assert_eq!(agents(&state), 3, "a suspended one can come back");
    code(&one(&mut state, &register_agent(1, 502, 3, None)));
    index(&one(&mut state, &revoke(1, 503, 3, true)));
    assert_eq!(agents(&state), 2);
    // A kill of what is revoked already ends it once; the cascade ends the rest.
    index(&one(&mut state, &kill(504, 1, true)));
    assert_eq!(agents(&state), 0);
}

fn quotas(quotas: Quotas) -> Body {
    Body::LogPolicy(Box::new(LogPolicy { policy: None, quotas: Some(quotas), seeds: None }))
}

fn compute(number: u8) -> Body {
    Body::TrustCompute(Box::new(TrustCompute { agent: agent(number), on_behalf_of: None }))
}

#[test]
fn a_score_that_is_asked_for_is_kept_as_of_its_entry_and_counts() {
    let mut log = Log::new();
    log.behave(1, 1, 10);
    let asked = log.must(By::Tenant(1), compute(1));
    let kept = ledger_state::computed_score(&log.state, agent(1)).unwrap();
    let reading = ledger_state::trust_reading(&log.state, agent(1), log.ms).unwrap();
    assert!(reading.score.is_some(), "unscored says little");
    assert_eq!((kept.index, kept.log_ms, kept.score_bp), (asked.index, log.ms, reading.score));
    assert_eq!(kept.explanation.as_bytes(), reading.explain(log.ms));
    // What comes later changes the score, not what was computed; the next one replaces it.
    log.ms += DAY;
    log.behave(1, 1, 100);
    assert_ne!(log.score(1), reading.score);
    assert_eq!(ledger_state::computed_score(&log.state, agent(1)), Some(kept));
    let again = log.must(By::Operator(1), {
        Body::TrustCompute(Box::new(TrustCompute { agent: agent(1), on_behalf_of: Some("desk".into()) }))
    });
    let kept = ledger_state::computed_score(&log.state, agent(1)).unwrap();
    assert_eq!((kept.index, kept.score_bp), (again.index, log.score(1)));
    // Receipts, readings, and what is refused count nothing.
    assert_eq!(log.say(By::Tenant(2), compute(1)).err(), Some("agent_of_other_tenant"));
    assert_eq!(log.say(By::Tenant(1), compute(9)).err(), Some("agent_unknown"));
    assert_eq!(used(&log.state, 1, "2026-01").counters.trust_computes, 2);
    assert_eq!(ledger_state::computed_score(&log.state, agent(2)), None);
}

/// What the tenant does to use one more of each metric, with the number of the use.
fn use_one(log: &mut Log, metric: Metric, number: u8) -> Outcome {
    let record = 3_000 + 300 * metric as u64 + u64::from(number);
    let record = match metric {
        Metric::Agents => register_agent(1, record, 40 + number, None),
        Metric::Sessions => open(record, number, 1, 60, "invoice:*"),
        Metric::TrustComputes => by_tenant(1, record, compute(1)),
        Metric::ComplianceChecks => {
            let body = ComplianceCheck {
                agent: None,
                check: ComplianceCheckId(Ulid(number.into())),
                findings: vec![],
                framework: Framework::Soc2,
                on_behalf_of: None,
            };
            by_tenant(1, record, Body::ComplianceCheck(Box::new(body)))
        }
    };
    one_at(&mut log.state, log.ms, &record)
}

#[test]
fn what_a_plan_does_not_include_is_refused_where_quotas_bind() {
    let plan = Plan::Developer;
    for metric in Metric::ALL {
        // Three agents in a plan of two: what was there before quotas bound stays.
        let mut log = Log::new();
        let already = used(&log.state, 1, "2026-01").used(metric);
        let limit = used(&log.state, 1, "2026-01").limit(metric).unwrap();
        log.must(By::Log, quotas(Quotas::Enforced));
        for number in 0..limit.saturating_sub(already) {
            index(&use_one(&mut log, metric, number as u8));
        }
        let before = used(&log.state, 1, "2026-01");
        let Outcome::Rejected(refused) = use_one(&mut log, metric, 200) else {
            panic!("{metric:?}: one more than the plan includes was taken");
        };
        let resets_ms = (metric != Metric::Agents).then(|| month("2026-02").start_ms());
        let quota = QuotaExceeded { metric, plan, limit, used: before.used(metric), resets_ms };
        assert_eq!((refused.code, refused.quota), (Code::QuotaExceeded, Some(Box::new(quota))));
        for part in ["developer", metric.as_str(), &limit.to_string(), &before.used(metric).to_string()] {
            assert!(refused.message.contains(part), "{}", refused.message);
        }
        assert_eq!(used(&log.state, 1, "2026-01"), before, "what is refused counts nothing");
        match metric {
            Metric::Agents => {
                // Two are to end before there is room for one: three were there.
                index(&one(&mut log.state, &revoke(1, 4_000, 4, false)));
                assert!(matches!(use_one(&mut log, metric, 201), Outcome::Rejected(_)));
                index(&one(&mut log.state, &revoke(1, 4_001, 2, false)));
            }
            _ => log.ms = month("2026-02").start_ms(),
        }
        index(&use_one(&mut log, metric, 202));
    }
}

#[test]
fn quotas_bind_from_when_the_log_says_so_and_by_the_plan_of_the_moment() {
    let mut log = Log::new();
    let check = |log: &mut Log, number| use_one(log, Metric::ComplianceChecks, number);
    (0..12).for_each(|number| _ = index(&check(&mut log, number)));
    assert_eq!(used(&log.state, 1, "2026-01").counters.compliance_checks, 12, "counted, not refused");
    log.must(By::Log, quotas(Quotas::Enforced));
    assert_eq!(code(&check(&mut log, 12)), "quota_exceeded");
    let business = |plan| {
        let on_behalf_of = Some("desk".into());
        Body::TenantUpdate(Box::new(TenantUpdate { name: None, on_behalf_of, plan, thresholds: None }))
    };
    log.must(By::Operator(1), business(Some(Plan::Business)));
    index(&check(&mut log, 13));
    log.must(By::Operator(1), business(Some(Plan::Developer)));
    assert_eq!(code(&check(&mut log, 14)), "quota_exceeded");
    log.must(By::Log, quotas(Quotas::Counted));
    index(&check(&mut log, 15));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Over months, years and leap days: the counters are those of a plain count over the entries, and a replay has them too.
    #[test]
    fn counters_are_those_of_a_plain_count(
        steps in prop::collection::vec((0..50 * DAY_MS, 0..24u8, 1..4u8), 0..40)
    ) {
        let mut state = MemoryState::new();
        let mut entries = Vec::new();
        let mut run = |state: &mut MemoryState, log_ms, record: &Record| {
            let applied = state.apply(&append_at(log_ms, std::slice::from_ref(record)));
            entries.extend(applied.entries.into_iter().map(|entry| entry.bytes));
        };
        let begin = [genesis(), register_tenant(1), register_agent(1, 2, 1, None), register_agent(1, 3, 2, None)];
        begin.iter().for_each(|record| run(&mut state, START_MS, record));
        let mut log_ms = START_MS;
        for (record, (ms, number, owner)) in (400..).zip(steps) {
            log_ms += ms;
            // Agent 3 does not exist, and session numbers meet.
            run(&mut state, log_ms, &open(record, number, owner, 60, "invoice:*"));
        }
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        let mut replayer = Replayer::new();
        for (index, bytes) in (0..).zip(&entries) {
            replayer.push(index, bytes).unwrap();
            let entry = Entry::parse(bytes).unwrap();
            if matches!(Record::parse(entry.record).unwrap().body, Body::SessionOpen(_)) {
                *counted.entry(plain_month(entry.at)).or_default() += 1;
            }
        }
        let mut when = Month::of(START_MS);
        while when <= Month::of(log_ms).next() {
            let want = counted.get(&when.to_string()).copied().unwrap_or_default();
            let found = usage(&state, tenant(1).0, when).unwrap();
            prop_assert_eq!(found.counters.sessions, want, "{}", when);
            prop_assert_eq!(usage(replayer.state(), tenant(1).0, when), Some(found));
            when = when.next();
        }
    }
}

/// A calendar that goes month by month.
fn plain_month(ms: u64) -> String {
    let (mut days, mut year) = (ms / DAY_MS, 1970);
    loop {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for (month, length) in (1..).zip([31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
            if days < length {
                return format!("{year:04}-{month:02}");
            }
            days -= length;
        }
        year += 1;
    }
}
