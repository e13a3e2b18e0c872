//! Medians, aims and the table.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::machine::Machine;

/// Names of the figures, in the order of the table. `{name} etcd` is the same figure of etcd.
pub(crate) type Figures = BTreeMap<String, Vec<f64>>;

/// Which side of an aim is good.
#[derive(Clone, Copy, Debug)]
enum Aim {
    AtLeast(f64),
    AtMost(f64),
    /// At least so many times etcd's figure.
    TimesEtcd(f64),
}

/// Figure, unit, aims. A figure without aims is shown all the same.
const FIGURES: &[(&str, &str, &[Aim])] = &[
    ("sequenced 1 client", "records/s", &[Aim::TimesEtcd(2.0)]),
    ("sequenced 1 client p50", "ms", &[]),
    ("sequenced 32 clients", "records/s", &[]),
    ("sequenced 32 clients p50", "ms", &[]),
    ("sequenced 256 clients", "records/s", &[Aim::AtLeast(15_000.0), Aim::TimesEtcd(2.0)]),
    ("sequenced 256 clients p50", "ms", &[]),
    ("sequenced 256 clients p99", "ms", &[]),
    ("sequenced 1024 clients", "records/s", &[]),
    ("sequenced 1024 clients p99", "ms", &[]),
    ("refused 1 client", "requests/s", &[]),
    ("refused 1 client p50", "ms", &[]),
    ("refused 256 clients", "requests/s", &[]),
    ("refused 256 clients p50", "ms", &[]),
    ("batch of 256", "records/s", &[Aim::AtLeast(25_000.0)]),
    ("witnessed 1 client", "records/s", &[]),
    ("witnessed 1 client p50", "ms", &[Aim::AtMost(25.0)]),
    ("witnessed 1 client p99", "ms", &[]),
    ("witnessed 32 clients", "records/s", &[]),
    ("witnessed 256 clients", "records/s", &[Aim::AtLeast(8_000.0)]),
    ("witnessed 256 clients p50", "ms", &[]),
    ("tick alone p50", "ms", &[Aim::AtMost(700.0)]),
    ("tick alone p99", "ms", &[Aim::AtMost(1_500.0)]),
    ("verify a proof p50", "us", &[Aim::AtMost(500.0)]),
    ("writes paused by kill -9", "ms", &[Aim::AtMost(2_000.0)]),
    ("memory of a node", "MiB", &[]),
    ("kill: all nodes deny p50", "ms", &[Aim::AtMost(50.0)]),
    ("kill: all nodes deny p99", "ms", &[]),
    ("kill: all nodes deny max", "ms", &[]),
    ("kill: first staple p50", "ms", &[Aim::AtMost(1_500.0)]),
    ("kill: first staple p99", "ms", &[]),
    ("kill: first staple max", "ms", &[]),
    ("api: receipts 1 client", "receipts/s", &[]),
    ("api: receipts 1 client p50", "ms", &[]),
    ("api: receipts 1 client p99", "ms", &[]),
    ("api: receipts 32 clients", "receipts/s", &[]),
    ("api: receipts 32 clients p50", "ms", &[]),
    ("api: receipts 32 clients p99", "ms", &[]),
    ("api: receipts 256 clients", "receipts/s", &[Aim::AtLeast(6_000.0)]),
    ("api: receipts 256 clients p50", "ms", &[]),
    ("api: receipts 256 clients p99", "ms", &[]),
    ("api: keyed receipts 1 client", "receipts/s", &[]),
    ("api: keyed receipts 1 client p50", "ms", &[]),
    ("api: keyed receipts 1 client p99", "ms", &[]),
    ("api: keyed receipts 32 clients", "receipts/s", &[]),
    ("api: keyed receipts 32 clients p50", "ms", &[]),
    ("api: keyed receipts 32 clients p99", "ms", &[]),
    ("api: keyed receipts 256 clients", "receipts/s", &[]),
    ("api: keyed receipts 256 clients p50", "ms", &[]),
    ("api: keyed receipts 256 clients p99", "ms", &[]),
    ("api: decisions 1 client", "decisions/s", &[]),
    ("api: decisions 1 client p50", "ms", &[]),
    ("api: decisions 1 client p99", "ms", &[]),
    ("api: decisions 32 clients", "decisions/s", &[]),
    ("api: decisions 32 clients p50", "ms", &[]),
    ("api: decisions 32 clients p99", "ms", &[]),
    ("api: decisions 256 clients", "decisions/s", &[Aim::AtLeast(6_000.0)]),
    ("api: decisions 256 clients p50", "ms", &[]),
    ("api: decisions 256 clients p99", "ms", &[]),
    ("api: evaluations 1 client", "answers/s", &[]),
    ("api: evaluations 1 client p50", "ms", &[]),
    ("api: evaluations 1 client p99", "ms", &[]),
    ("api: evaluations 32 clients", "answers/s", &[]),
    ("api: evaluations 32 clients p50", "ms", &[]),
    ("api: evaluations 32 clients p99", "ms", &[]),
    ("api: evaluations 256 clients", "answers/s", &[Aim::AtLeast(20_000.0)]),
    ("api: evaluations 256 clients p50", "ms", &[]),
    ("api: evaluations 256 clients p99", "ms", &[]),
    ("api: token checks 1 client", "answers/s", &[]),
    ("api: token checks 1 client p50", "ms", &[]),
    ("api: token checks 1 client p99", "ms", &[Aim::AtMost(1.0)]),
    ("api: token checks 32 clients", "answers/s", &[]),
    ("api: token checks 32 clients p50", "ms", &[]),
    ("api: token checks 32 clients p99", "ms", &[]),
    ("api: token checks 256 clients", "answers/s", &[]),
    ("api: token checks 256 clients p50", "ms", &[]),
    ("api: token checks 256 clients p99", "ms", &[]),
    ("api: trust reads 1 client", "answers/s", &[]),
    ("api: trust reads 1 client p50", "ms", &[]),
    ("api: trust reads 1 client p99", "ms", &[]),
    ("api: trust reads 32 clients", "answers/s", &[]),
    ("api: trust reads 32 clients p50", "ms", &[]),
    ("api: trust reads 32 clients p99", "ms", &[]),
    ("api: trust reads 256 clients", "answers/s", &[]),
    ("api: trust reads 256 clients p50", "ms", &[]),
    ("api: trust reads 256 clients p99", "ms", &[]),
];

/// Who uses the processor, in the order of [`Measured::cpu_s`](crate::load::Measured::cpu_s).
pub(crate) const CORES: [&str; 4] = ["leader", "followers", "witnesses", "load generator"];

/// What a bench prints and writes.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Where.
    pub(crate) machine: Machine,
    /// What was built: version and profile.
    pub(crate) build: String,
    /// Nodes, witnesses, engine.
    pub(crate) cluster: String,
    /// What was compared with; `None` when it is not installed.
    pub(crate) etcd: Option<String>,
    /// Every run of every figure.
    pub(crate) runs: Figures,
    /// Median of the runs.
    pub(crate) medians: BTreeMap<String, f64>,
    /// Each aim and whether it was reached.
    pub(crate) aims: Vec<AimResult>,
}

/// One aim.
#[derive(Debug, Serialize)]
pub(crate) struct AimResult {
    figure: String,
    aim: String,
    measured: f64,
    reached: bool,
    /// How far: 1.0 is exactly there, 2.0 twice as good, 0.5 half as good.
    distance: f64,
}

impl Report {
    /// Takes medians and compares them with the aims.
    pub(crate) fn new(machine: Machine, cluster: String, etcd: Option<String>, runs: Figures) -> Report {
        let medians: BTreeMap<_, _> =
            runs.iter().map(|(name, values)| (name.clone(), median(values))).collect();
        let aims = FIGURES
            .iter()
            .flat_map(|(name, unit, aims)| aims.iter().map(move |aim| (*name, *unit, *aim)))
            .filter_map(|(name, unit, aim)| judge(name, unit, aim, &medians))
            .collect();
        let profile = if cfg!(debug_assertions) { "DEBUG BUILD, figures are worthless" } else { "release" };
        let build = format!("{} {profile}", env!("CARGO_PKG_VERSION"));
        Report { machine, build, cluster, etcd, runs, medians, aims }
    }

    /// The table for people.
    pub(crate) fn table(&self) -> String {
        let mut out =
            format!("machine  {}\nbuild    {}\ncluster  {}\n", self.machine.line(), self.build, self.cluster);
        out += &format!("etcd     {}\n\n", self.etcd.as_deref().unwrap_or("not compared"));
        out +=
            &format!("{:<36} {:>12} {:<10} {:>12} {:>7}  {}\n", "median", "ours", "", "etcd", "ratio", "aim");
        for (name, unit, _) in FIGURES {
            let Some(ours) = self.medians.get(*name) else { continue };
            let etcd = self.medians.get(&etcd_name(name));
            let aims: Vec<_> =
                self.aims.iter().filter(|aim| aim.figure == *name).map(AimResult::text).collect();
            out += &format!(
                "{name:<36} {:>12} {unit:<10} {:>12} {:>7}  {}\n",
                number(*ours),
                etcd.map_or_else(|| "-".into(), |value| number(*value)),
                etcd.map_or_else(|| "-".into(), |value| format!("{:.2}", ours / value)),
                aims.join("; ")
            );
        }
        out += &self.cores_table();
        out
    }
}

impl Report {
    /// Where the processor's time goes: busy cores for each load.
    fn cores_table(&self) -> String {
        let mut out = format!("\n{:<36}", "busy cores");
        for part in CORES {
            out += &format!(" {part:>14}");
        }
        out.push('\n');
        for (name, _, _) in FIGURES {
            let cores: Vec<_> =
                CORES.iter().filter_map(|part| self.medians.get(&cores_name(name, part))).collect();
            if cores.len() == CORES.len() {
                out += &format!("{name:<36}");
                cores.iter().for_each(|value| out += &format!(" {value:>14.2}"));
                out.push('\n');
            }
        }
        out
    }
}

impl AimResult {
    fn text(&self) -> String {
        let verdict = if self.reached { "reached" } else { "NOT reached" };
        format!("{}: {verdict}, at {:.2} of it", self.aim, self.distance)
    }
}

/// The name of the figure for the cores that `part` keeps busy under a load.
pub(crate) fn cores_name(name: &str, part: &str) -> String {
    format!("{name} cores {part}")
}

/// The name of etcd's figure for one of ours.
pub(crate) fn etcd_name(name: &str) -> String {
    format!("{name} etcd")
}

fn judge(name: &str, unit: &str, aim: Aim, medians: &BTreeMap<String, f64>) -> Option<AimResult> {
    let measured = *medians.get(name)?;
    let (text, distance) = match aim {
        Aim::AtLeast(least) => (format!("at least {} {unit}", number(least)), measured / least),
        Aim::AtMost(most) => {
            (format!("at most {} {unit}", number(most)), most / measured.max(f64::MIN_POSITIVE))
        }
        Aim::TimesEtcd(times) => {
            (format!("{times} x etcd"), measured / (times * medians.get(&etcd_name(name))?))
        }
    };
    Some(AimResult { figure: name.into(), aim: text, measured, reached: distance >= 1.0, distance })
}

fn median(values: &[f64]) -> f64 {
    let mut ascending = values.to_vec();
    ascending.sort_by(f64::total_cmp);
    match ascending.len() {
        0 => 0.0,
        n if n % 2 == 1 => ascending[n / 2],
        n => f64::midpoint(ascending[n / 2 - 1], ascending[n / 2]),
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
    }

    #[test]
    fn an_aim_is_reached_or_not() {
        let medians = BTreeMap::from([
            ("sequenced 1 client".to_owned(), 900.0),
            ("sequenced 1 client etcd".to_owned(), 500.0),
            ("verify a proof p50".to_owned(), 250.0),
        ]);
        let missed = judge("sequenced 1 client", "records/s", Aim::TimesEtcd(2.0), &medians).unwrap();
        assert!(!missed.reached && (missed.distance - 0.9).abs() < 1e-9);
        let met = judge("verify a proof p50", "us", Aim::AtMost(500.0), &medians).unwrap();
        assert!(met.reached && (met.distance - 2.0).abs() < 1e-9);
        assert!(judge("not measured", "ms", Aim::AtMost(1.0), &medians).is_none());
    }
}
