//! What an operator watches, as Prometheus text.
//!
//! Spec: <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::outcome::Outcome;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the number.
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the buckets of durations, in microseconds.
const DURATION_BOUNDS_US: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];
/// Upper bounds of the buckets of counts.
const COUNT_BOUNDS: [u64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096];

/// How often a value fell below each bound.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; 12],
    count: Counter,
    sum: Counter,
}

impl Histogram {
    /// Records a duration.
    pub fn observe(&self, duration: Duration) {
        self.observe_in(&DURATION_BOUNDS_US, u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Records a count.
    pub fn observe_count(&self, count: u64) {
        self.observe_in(&COUNT_BOUNDS, count);
    }

    fn observe_in(&self, bounds: &[u64; 12], value: u64) {
        if let Some(bucket) = bounds.iter().position(|&bound| value <= bound) {
            self.buckets[bucket].add(1);
        }
        self.count.add(1);
        self.sum.add(value);
    }

    fn write(&self, out: &mut Text, name: &str, help: &str, bounds: &[u64; 12], unit: f64) {
        out.head(name, "histogram", help);
        let mut below = 0;
        for (bucket, &bound) in self.buckets.iter().zip(bounds) {
            below += bucket.get();
            out.line(format_args!("{name}_bucket{{le=\"{}\"}} {below}", bound as f64 / unit));
        }
        out.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {}", self.count.get()));
        out.line(format_args!("{name}_sum {}", self.sum.get() as f64 / unit));
        out.line(format_args!("{name}_count {}", self.count.get()));
    }
}

/// Every number the program counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Answers to `add-checkpoint`, by outcome.
    pub answers: [Counter; Outcome::ALL.len()],
    /// Answers to `sign-subtree` that carry a signature.
    pub subtrees: Counter,
    /// Time of a whole `add-checkpoint`.
    pub answer_seconds: Histogram,
    /// Time from taking a group of answers to its durability.
    pub persist_seconds: Histogram,
    /// Answers that shared one flush.
    pub persist_group: Histogram,
    /// Times the memory went on in its other file.
    pub memory_turns: Counter,
    /// Damaged copies repaired at start.
    pub memory_repaired: Counter,
    /// Evidence files written since start.
    pub evidence: Counter,
    /// A log was caught: it signed a fork, or entries that do not replay.
    pub alarms: Counter,
    /// Connections accepted.
    pub connections: Counter,
    /// Connections refused because too many were open.
    pub connections_refused: Counter,
    /// Entries replayed by the verifying grade.
    pub entries_replayed: Counter,
}

/// One log as shown to the operator.
#[derive(Debug)]
pub struct LogLine {
    /// Origin of the log.
    pub origin: String,
    /// Size last cosigned.
    pub size: u64,
    /// Time of that cosignature, in seconds.
    pub time_s: u64,
    /// Entries replayed, for the verifying grade.
    pub verified: Option<u64>,
}

impl Metrics {
    /// Counts an answer.
    pub fn answered(&self, outcome: Outcome, took: Duration) {
        self.answers[outcome as usize].add(1);
        self.answer_seconds.observe(took);
    }

    /// The exposition text. `clock_behind_s` is how far the clock is behind what was signed.
    pub fn render(&self, logs: &[LogLine], clock_behind_s: u64) -> String {
        let mut out = Text(String::new());
        out.head("maip_witness_answers_total", "counter", "Answers to add-checkpoint, by outcome.");
        for outcome in Outcome::ALL {
            let count = self.answers[outcome as usize].get();
            out.line(format_args!("maip_witness_answers_total{{outcome=\"{}\"}} {count}", outcome.name()));
        }
        for (name, help, counter) in [
            ("maip_witness_subtrees_total", "Subtrees signed.", &self.subtrees),
            (
                "maip_witness_memory_turns_total",
                "Times the memory went on in its other file.",
                &self.memory_turns,
            ),
            (
                "maip_witness_memory_repaired_total",
                "Damaged copies repaired at start.",
                &self.memory_repaired,
            ),
            ("maip_witness_evidence_total", "Evidence files written.", &self.evidence),
            (
                "maip_witness_alarms_total",
                "Times a log was caught: a fork, or an invalid entry.",
                &self.alarms,
            ),
            ("maip_witness_connections_total", "Connections accepted.", &self.connections),
            (
                "maip_witness_connections_refused_total",
                "Connections refused because too many were open.",
                &self.connections_refused,
            ),
            ("maip_witness_entries_replayed_total", "Entries replayed.", &self.entries_replayed),
        ] {
            out.head(name, "counter", help);
            out.line(format_args!("{name} {}", counter.get()));
        }
        let (us, one) = (&DURATION_BOUNDS_US, &COUNT_BOUNDS);
        self.answer_seconds.write(
            &mut out,
            "maip_witness_answer_seconds",
            "Time of an add-checkpoint.",
            us,
            1e6,
        );
        self.persist_seconds.write(
            &mut out,
            "maip_witness_persist_seconds",
            "Time until a group is durable.",
            us,
            1e6,
        );
        self.persist_group.write(
            &mut out,
            "maip_witness_persist_group",
            "Answers that shared a flush.",
            one,
            1.0,
        );
        out.head(
            "maip_witness_clock_behind_seconds",
            "gauge",
            "How far the clock is behind the last time signed.",
        );
        out.line(format_args!("maip_witness_clock_behind_seconds {clock_behind_s}"));
        out.logs("maip_witness_log_size", "Size last cosigned.", logs, |log| Some(log.size));
        out.logs("maip_witness_log_cosigned_time_seconds", "Time of the last cosignature.", logs, |log| {
            Some(log.time_s)
        });
        out.logs("maip_witness_log_verified_size", "Entries replayed.", logs, |log| log.verified);
        out.0
    }
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("writing to a string does not fail");
    }

    fn logs(&mut self, name: &str, help: &str, logs: &[LogLine], value: impl Fn(&LogLine) -> Option<u64>) {
        self.head(name, "gauge", help);
        for log in logs {
            if let Some(value) = value(log) {
                self.line(format_args!("{name}{{origin=\"{}\"}} {value}", escape(&log.origin)));
            }
        }
    }
}

/// Escapes a label value.
fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[test]
fn buckets_are_cumulative_and_labels_escaped() {
    let metrics = Metrics::default();
    for us in [50, 200, 200, 10_000_000] {
        metrics.answered(Outcome::Cosigned, Duration::from_micros(us));
    }
    let log = LogLine { origin: "a\"b\\c".into(), size: 7, time_s: 9, verified: None };
    let text = metrics.render(&[log], 3);
    for line in [
        "maip_witness_answers_total{outcome=\"cosigned\"} 4",
        "maip_witness_answer_seconds_bucket{le=\"0.0001\"} 1",
        "maip_witness_answer_seconds_bucket{le=\"0.00025\"} 3",
        "maip_witness_answer_seconds_bucket{le=\"2.5\"} 3",
        "maip_witness_answer_seconds_bucket{le=\"+Inf\"} 4",
        "maip_witness_answer_seconds_count 4",
        "maip_witness_log_size{origin=\"a\\\"b\\\\c\"} 7",
        "maip_witness_clock_behind_seconds 3",
    ] {
        assert!(text.lines().any(|got| got == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("verified_size{"), "{text}");
}
