//! From lines to machines: what a billion entries, and a thousand logs, would take, and what would break first.

use super::fit::{Line, error_at_largest};
use super::point::Point;

/// What is assumed, not measured. All of it is printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumed {
    /// Entries of the large log.
    pub entries: f64,
    /// Logs that share one cluster.
    pub logs: f64,
    /// Records a day, all logs together.
    pub records_a_day: f64,
    /// How much busier than the day the busiest second is.
    pub peak: f64,
    /// Cores of a node's machine.
    pub cores: f64,
    /// Memory of it, bytes.
    pub memory: f64,
    /// Its disk, bytes.
    pub disk: f64,
    /// How long a node may take to open a log, seconds.
    pub open_s: f64,
    /// Largest snapshot that is written between two raft_entries without an election, bytes.
    pub snapshot: f64,
}

impl Default for Assumed {
    fn default() -> Self {
        Self {
            entries: 1e9,
            logs: 1_000.0,
            records_a_day: 1e9 / 365.0,
            peak: 10.0,
            cores: 8.0,
            memory: 64e9,
            disk: 4e12,
            open_s: 60.0,
            snapshot: 500e6,
        }
    }
}

/// Bytes of a request for a cosignature without its consistency proof: the checkpoint and its signature.
const REQUEST_BYTES: f64 = 400.0;
/// One hash of a consistency proof, in base64 with its newline.
const HASH_BYTES: f64 = 45.0;
/// Bytes of the answer: one signature line.
const ANSWER_BYTES: f64 = 140.0;
/// Checkpoints a second of a log that is busy.
const CHECKPOINTS_A_SECOND: f64 = 1.0;
/// A line that was further off than this part of what was measured is doubted aloud.
const DOUBTED: f64 = 0.5;
/// Seconds between two checkpoints of a log that nothing is written to.
const IDLE_CHECKPOINT_S: f64 = 60.0;
/// Bytes that a witness keeps of a log.
const WITNESS_BYTES: f64 = 400.0;

/// One row of a table: what, how much, where it comes from.
pub type Row = (String, String, String);

/// Lines through the points.
#[derive(Clone, Debug, PartialEq)]
pub struct Fits {
    points: Vec<Point>,
}

/// Something that grows, and the most of it that a machine has.
struct Limit {
    name: &'static str,
    doubt: String,
    line: Line,
    most: f64,
}

impl Fits {
    /// Of at least one point.
    #[must_use]
    pub fn new(mut points: Vec<Point>) -> Self {
        points.sort_by(|a, b| a.value("records").total_cmp(&b.value("records")));
        Self { points }
    }

    /// The points, smallest first.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    fn pairs(&self, name: &str) -> Vec<(f64, f64)> {
        self.points.iter().map(|point| (point.value("entries"), point.value(name))).collect()
    }

    /// The line of a measurement over the entries.
    #[must_use]
    pub fn line(&self, name: &str) -> Line {
        Line::fit(&self.pairs(name))
    }

    /// How far the line without the largest point is off there.
    #[must_use]
    pub fn error(&self, name: &str) -> Option<f64> {
        error_at_largest(&self.pairs(name))
    }

    /// What to say of an extrapolation whose line was far off where it could be checked.
    fn doubt(&self, name: &str) -> String {
        match self.error(name) {
            Some(error) if error.abs() <= DOUBTED => String::new(),
            Some(error) => {
                format!("in doubt: the line was {:+.0} % off at the largest point", error * 100.0)
            }
            None => "in doubt: too few points".into(),
        }
    }

    fn largest(&self, name: &str) -> f64 {
        self.points.iter().map(|point| point.value(name)).fold(0.0, f64::max)
    }

    /// What stays on disk with a log of `n` entries. The Raft log is bounded and counted as the most that was seen of it.
    fn disk(&self) -> Line {
        let parts =
            ["bundles_bytes", "tiles_bytes", "engine_bytes", "snapshot_bytes"].map(|name| self.line(name));
        Line {
            fixed: parts.iter().map(|line| line.fixed).sum::<f64>() + self.largest("raft_log_bytes"),
            slope: parts.iter().map(|line| line.slope).sum(),
        }
    }

    fn limits(&self, assumed: &Assumed) -> Vec<Limit> {
        vec![
            Limit { name: "disk", doubt: self.doubt("bundles_bytes"), line: self.disk(), most: assumed.disk },
            Limit {
                name: "memory",
                doubt: self.doubt("resident_bytes"),
                line: self.line("resident_bytes"),
                most: assumed.memory,
            },
            Limit {
                name: "time to open",
                doubt: self.doubt("open_s"),
                line: self.line("open_s"),
                most: assumed.open_s,
            },
            Limit {
                name: "size of a snapshot",
                doubt: self.doubt("snapshot_bytes"),
                line: self.line("snapshot_bytes"),
                most: assumed.snapshot,
            },
        ]
    }

    /// The plan for one log of `assumed.entries` entries.
    #[must_use]
    pub fn one_log(&self, assumed: &Assumed) -> Vec<Row> {
        let n = assumed.entries;
        let a_second = assumed.records_a_day / 86_400.0;
        let core_s = self.line("cpu_s").slope;
        let disk = self.disk();
        vec![
            row("disk of a node", bytes(disk.at(n)), format!("{:.0} bytes an entry", disk.slope)),
            row(
                "growth of it",
                format!("{} a day", bytes(disk.slope * assumed.records_a_day)),
                String::new(),
            ),
            row("memory of a node", bytes(self.line("resident_bytes").at(n)), self.doubt("resident_bytes")),
            row("time to open", format!("{:.1} s", self.line("open_s").at(n)), self.doubt("open_s")),
            row("snapshot", bytes(self.line("snapshot_bytes").at(n)), self.doubt("snapshot_bytes")),
            row(
                "cores, mean and peak",
                format!("{:.3} and {:.2}", core_s * a_second, core_s * a_second * assumed.peak),
                format!(
                    "{:.0} µs a record on one node, {:.0} of it its signature",
                    core_s * 1e6,
                    self.points.last().map_or(0.0, |p| p.value("verify_us"))
                ),
            ),
            row(
                "a new replica fetches",
                bytes(self.line("bundles_bytes").at(n) + self.line("tiles_bytes").at(n)),
                format!(
                    "{:.1} h at 1 Gbit/s",
                    (self.line("bundles_bytes").at(n) + self.line("tiles_bytes").at(n)) / 125e6 / 3_600.0
                ),
            ),
            row("a proof", format!("{:.0} hashes", n.log2().ceil()), String::new()),
        ]
    }

    /// The plan for `assumed.logs` logs that share the entries.
    #[must_use]
    pub fn many_logs(&self, assumed: &Assumed) -> Vec<Row> {
        let each = assumed.entries / assumed.logs;
        let memory = self.line("resident_bytes").at(each) * assumed.logs;
        let disk = self.disk().at(each) * assumed.logs;
        // A second in which a log gets no record needs no checkpoint at once.
        let busy = 1.0 - (-assumed.records_a_day / 86_400.0 / assumed.logs).exp();
        let cosigned = assumed.logs
            * (busy * CHECKPOINTS_A_SECOND + (1.0 - busy) / IDLE_CHECKPOINT_S).min(CHECKPOINTS_A_SECOND);
        let request = REQUEST_BYTES + HASH_BYTES * each.log2().ceil();
        vec![
            row("entries of each", format!("{each:.0}"), String::new()),
            row("memory of a node", bytes(memory), format!("{} a log", bytes(memory / assumed.logs))),
            row(
                "machines for each replica",
                format!("{:.0}", (memory / assumed.memory).max(disk / assumed.disk).ceil()),
                "by memory and disk".into(),
            ),
            row("disk of a replica", bytes(disk), String::new()),
            row(
                "a witness signs",
                format!("{cosigned:.0} a second"),
                format!("{:.2} M a day; each is one fsync", cosigned * 0.0864),
            ),
            row(
                "a witness receives",
                format!("{} a day", bytes(cosigned * 86_400.0 * request)),
                format!("{request:.0} bytes each"),
            ),
            row(
                "a witness sends",
                format!("{} a day", bytes(cosigned * 86_400.0 * ANSWER_BYTES)),
                String::new(),
            ),
            row("a witness keeps", bytes(assumed.logs * WITNESS_BYTES), String::new()),
        ]
    }

    /// What runs out first for one log, in the order of the sizes.
    #[must_use]
    pub fn breaks(&self, assumed: &Assumed) -> Vec<(String, f64)> {
        let mut found: Vec<(String, f64)> = self
            .limits(assumed)
            .into_iter()
            .filter(|limit| limit.line.slope > 0.0)
            .map(|limit| {
                let size = ((limit.most - limit.line.fixed) / limit.line.slope).max(0.0);
                let doubt =
                    if limit.doubt.is_empty() { String::new() } else { format!(" ({})", limit.doubt) };
                (format!("{}{doubt}", limit.name), size)
            })
            .collect();
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        found
    }
}

fn row(what: &str, value: String, note: String) -> Row {
    (what.to_owned(), value, note)
}

/// Bytes as people read them.
#[must_use]
pub fn bytes(number: f64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let place = if number < 1.0 { 0 } else { ((number.log10() / 3.0) as usize).min(units.len() - 1) };
    format!("{:.*} {}", usize::from(place > 0), number / 1_000_f64.powi(place as i32), units[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of which everything grows as it is said here.
    fn point(n: f64) -> Point {
        let text = format!(
            "records {n}\nagents 1\nentries {n}\nseconds 1\nsealed_seconds 1\ncpu_s {}\nparse_us 1\nverify_us 40\nresident_bytes {}\nopen_s {}\nbundles_bytes {}\ntiles_bytes {}\nengine_bytes {}\nraft_log_bytes 1000\nsnapshot_bytes {}",
            n * 100e-6,
            50e6 + n * 10.0,
            0.1 + n * 1e-8,
            n * 600.0,
            n * 32.0,
            n * 100.0,
            n * 5.0,
        );
        Point::parse(&text).unwrap()
    }

    #[test]
    fn what_grows_fastest_towards_its_limit_breaks_first() {
        let fits = Fits::new([1e6, 1e4, 1e5].map(point).to_vec());
        assert!((fits.disk().slope - 737.0).abs() < 1e-6);
        let breaks = fits.breaks(&Assumed::default());
        let names: Vec<&str> = breaks.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["size of a snapshot", "disk", "time to open", "memory"]);
        assert!((breaks[0].1 - 1e8).abs() < 1.0, "{breaks:?}");
        assert!((breaks[1].1 / (4e12 / 737.0) - 1.0).abs() < 1e-3, "{breaks:?}");
        let more = Assumed { snapshot: 5e12, ..Assumed::default() };
        assert_eq!(fits.breaks(&more)[0].0, "disk");
    }

    #[test]
    fn many_logs_pay_the_fixed_part_of_each() {
        let fits = Fits::new([1e4, 1e5, 1e6].map(point).to_vec());
        let rows = fits.many_logs(&Assumed::default());
        let value = |what: &str| rows.iter().find(|row| row.0 == what).unwrap().1.clone();
        assert_eq!(value("entries of each"), "1000000");
        assert_eq!(value("memory of a node"), "60.0 GB");
        assert_eq!(value("machines for each replica"), "1");
    }

    #[test]
    fn bytes_are_read_by_people() {
        for (number, text) in [
            (0.0, "0 bytes"),
            (999.0, "999 bytes"),
            (1_500.0, "1.5 kB"),
            (7.2e9, "7.2 GB"),
            (1e18, "1000.0 PB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
