//! Anomalies: whether somebody looked at them in time, and whether they are dealt with.

use ledger_format::record::Severity;

use super::{
    super::{AnomalyFact, Outcome, Summary, Trail},
    number,
};

const HOUR_MS: u64 = 3_600_000;

/// Within which time somebody should deal with an anomaly.
pub(crate) fn answer_within_ms(severity: Severity) -> u64 {
    match severity {
        Severity::Low => 24 * HOUR_MS,
        Severity::Medium => 4 * HOUR_MS,
        Severity::High => HOUR_MS,
        Severity::Critical => HOUR_MS / 4,
    }
}

/// Every anomaly is resolved, or its time is not over: 24 h, 4 h, 1 h, 15 min by severity.
pub(crate) fn answered_in_time(summary: &Summary) -> Outcome {
    if summary.anomalies.is_empty() {
        return Outcome::nothing("no anomaly was reported");
    }
    let late = |anomaly: &&AnomalyFact| {
        let due = anomaly.ms.saturating_add(answer_within_ms(anomaly.severity));
        anomaly.resolved.map_or(summary.now_ms, |(_, ms)| ms) > due
    };
    judged(
        summary.anomalies.iter(),
        late,
        "answered too late or not at all",
        "each answered in time or still within it",
    )
}

/// Every high or critical anomaly was resolved within so many hours, or they are not over.
pub(crate) fn closed_within(summary: &Summary, hours: u64) -> Outcome {
    let severe =
        || summary.anomalies.iter().filter(|a| matches!(a.severity, Severity::High | Severity::Critical));
    if severe().next().is_none() {
        return Outcome::nothing("no high or critical anomaly was reported");
    }
    let late = |anomaly: &&AnomalyFact| {
        let due = anomaly.ms.saturating_add(hours * HOUR_MS);
        anomaly.resolved.map_or(summary.now_ms, |(_, ms)| ms) > due
    };
    let (bad, good) = (
        format!("not closed within {hours} hours"),
        format!("each closed within {hours} hours or still within them"),
    );
    judged(severe(), late, &bad, &good)
}

fn judged<'a>(
    anomalies: impl Iterator<Item = &'a AnomalyFact> + Clone,
    late: impl Fn(&&AnomalyFact) -> bool,
    bad: &str,
    good: &str,
) -> Outcome {
    let total = anomalies.clone().count() as u64;
    let missed: Trail = anomalies.clone().filter(&late).map(|anomaly| anomaly.index).collect();
    if missed.is_empty() {
        let resolutions = anomalies.clone().filter_map(|anomaly| anomaly.resolved).map(|(index, _)| index);
        let evidence: Trail = anomalies.map(|anomaly| anomaly.index).chain(resolutions).collect();
        return Outcome::pass(evidence, format!("{}, {good}", anomalies_of(total)));
    }
    let text = format!("{} of {} {bad}", missed.count, anomalies_of(total));
    Outcome::fail(missed, text)
}

fn anomalies_of(count: u64) -> String {
    number(count, "anomaly").replace("anomalys", "anomalies")
}

#[cfg(test)]
mod tests {
    use super::super::world::{check, summary};
    use super::*;

    fn with(severity: Severity, resolved_after_h: Option<u64>, now_h: u64) -> Summary {
        let resolved = resolved_after_h.map(|hours| (8, hours * HOUR_MS));
        summary(|s| {
            s.now_ms = now_h * HOUR_MS;
            s.anomalies = vec![AnomalyFact { index: 7, ms: 0, severity, resolved }];
        })
    }

    #[test]
    fn answers() {
        check(
            answered_in_time,
            &[
                (Summary::default(), "not_applicable", &[]),
                (with(Severity::Low, None, 24), "pass", &[7]),
                (with(Severity::Low, None, 25), "fail", &[7]),
                (with(Severity::Medium, Some(4), 99), "pass", &[7, 8]),
                (with(Severity::Medium, Some(5), 99), "fail", &[7]),
                (with(Severity::Critical, None, 1), "fail", &[7]),
            ],
        );
    }

    #[test]
    fn closing() {
        check(
            |summary| closed_within(summary, 72),
            &[
                (Summary::default(), "not_applicable", &[]),
                (with(Severity::Medium, None, 99), "not_applicable", &[]),
                (with(Severity::High, None, 72), "pass", &[7]),
                (with(Severity::High, None, 73), "fail", &[7]),
                (with(Severity::Critical, Some(72), 999), "pass", &[7, 8]),
                (with(Severity::Critical, Some(73), 999), "fail", &[7]),
            ],
        );
    }
}
