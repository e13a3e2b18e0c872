//! Counters and histograms of one hosted log, as Prometheus text.

use std::{
    fmt::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Upper bounds of latency buckets, in seconds.
const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// A counter.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub(crate) fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count so far.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A latency histogram in seconds.
#[derive(Default)]
pub(crate) struct Histogram(Mutex<Observed>);

#[derive(Clone, Default)]
struct Observed {
    buckets: [u64; SECONDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    /// Counts one observation.
    pub(crate) fn observe(&self, seconds: f64) {
        let mut observed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (bucket, bound) in observed.buckets.iter_mut().zip(SECONDS) {
            *bucket += u64::from(seconds <= bound);
        }
        observed.count += 1;
        observed.sum += seconds;
    }

    fn write(&self, out: &mut String, name: &str, log: &str) {
        let observed = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _ = writeln!(out, "# TYPE {name} histogram");
        for (bound, count) in SECONDS.iter().zip(observed.buckets) {
            let _ = writeln!(out, "{name}_bucket{{log=\"{log}\",le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(out, "{name}_bucket{{log=\"{log}\",le=\"+Inf\"}} {}", observed.count);
        let _ = writeln!(out, "{name}_sum{{log=\"{log}\"}} {}", observed.sum);
        let _ = writeln!(out, "{name}_count{{log=\"{log}\"}} {}", observed.count);
    }
}

/// Everything that is counted for one log on this node.
#[derive(Default)]
pub(crate) struct Metrics {
    /// Records that callers handed in.
    pub(crate) submitted: Counter,
    /// Records refused before or by apply.
    pub(crate) refused: Counter,
    /// From a call to its sequenced answer.
    pub(crate) ingest_seconds: Histogram,
    /// From a proposal to its apply on the leader.
    pub(crate) commit_seconds: Histogram,
    /// One publication, on the leader.
    pub(crate) publish_seconds: Histogram,
    /// One cosignature of one witness.
    pub(crate) witness_seconds: Histogram,
    /// Rounds that ended without a checkpoint.
    pub(crate) publish_failures: Counter,
    /// Checkpoints published by this node.
    pub(crate) checkpoints: Counter,
    /// Voters whose root differed (rule G2).
    pub(crate) root_disagreements: Counter,
    /// Files that the scrub has checked.
    pub(crate) scrubbed: Counter,
    /// Files that the scrub has repaired from a peer.
    pub(crate) repaired: Counter,
}

impl Metrics {
    pub(crate) fn published(&self, took: Duration) {
        self.checkpoints.inc();
        self.publish_seconds.observe(took.as_secs_f64());
    }

    /// The counters and histograms as Prometheus text, labelled with the log's name.
    pub(crate) fn write(&self, out: &mut String, log: &str) {
        let counters: [(&str, &Counter); 7] = [
            ("maip_submitted_records_total", &self.submitted),
            ("maip_refused_records_total", &self.refused),
            ("maip_checkpoints_total", &self.checkpoints),
            ("maip_publish_failures_total", &self.publish_failures),
            ("maip_root_disagreements_total", &self.root_disagreements),
            ("maip_scrubbed_files_total", &self.scrubbed),
            ("maip_repaired_files_total", &self.repaired),
        ];
        for (name, counter) in counters {
            let _ = writeln!(out, "# TYPE {name} counter");
            let _ = writeln!(out, "{name}{{log=\"{log}\"}} {}", counter.get());
        }
        for (name, histogram) in [
            ("maip_ingest_seconds", &self.ingest_seconds),
            ("maip_commit_seconds", &self.commit_seconds),
            ("maip_publish_seconds", &self.publish_seconds),
            ("maip_witness_seconds", &self.witness_seconds),
        ] {
            histogram.write(out, name, log);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_into_every_bucket_above() {
        let metrics = Metrics::default();
        metrics.commit_seconds.observe(0.003);
        let mut text = String::new();
        metrics.write(&mut text, "main");
        assert!(text.contains("maip_commit_seconds_bucket{log=\"main\",le=\"0.002\"} 0\n"), "{text}");
        assert!(text.contains("maip_commit_seconds_bucket{log=\"main\",le=\"0.005\"} 1\n"), "{text}");
        assert!(text.contains("maip_commit_seconds_count{log=\"main\"} 1\n"), "{text}");
    }
}
