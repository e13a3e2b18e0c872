//! What was measured at one size.

use std::collections::BTreeMap;

/// Measurements of one log, by name; see `ledger-log` example `scale_point`, which prints them.
#[derive(Clone, Debug, PartialEq)]
pub struct Point(BTreeMap<String, f64>);

/// What every point must have.
pub const NAMES: [&str; 15] = [
    "records",
    "agents",
    "entries",
    "seconds",
    "sealed_seconds",
    "cpu_s",
    "parse_us",
    "verify_us",
    "resident_bytes",
    "open_s",
    "bundles_bytes",
    "tiles_bytes",
    "engine_bytes",
    "raft_log_bytes",
    "snapshot_bytes",
];

impl Point {
    /// Reads a name and a number a line.
    ///
    /// # Errors
    /// The line that is no name and number, or the name that is missing.
    pub fn parse(text: &str) -> Result<Point, String> {
        let mut values = BTreeMap::new();
        for line in text.lines() {
            let parts = line.split_once(' ').and_then(|(name, value)| Some((name, value.parse().ok()?)));
            let Some((name, value)) = parts.filter(|(_, value): &(_, f64)| value.is_finite()) else {
                return Err(format!("not a name and a number: {line}"));
            };
            values.insert(name.to_owned(), value);
        }
        for name in NAMES {
            // A log that is smaller than a tile has none.
            if name.ends_with("_bytes") {
                values.entry(name.to_owned()).or_insert(0.0);
            }
            if !values.contains_key(name) {
                return Err(format!("{name} was not measured"));
            }
        }
        Ok(Point(values))
    }

    /// A measurement; one of [`NAMES`].
    #[must_use]
    pub fn value(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_whole_or_refused() {
        let lines: Vec<String> =
            NAMES.iter().enumerate().map(|(number, name)| format!("{name} {number}.5")).collect();
        let point = Point::parse(&lines.join("\n")).unwrap();
        assert!((point.value("seconds") - 3.5).abs() < 1e-9);
        assert_eq!(Point::parse(&lines[1..].join("\n")).unwrap_err(), "records was not measured");
        assert!(Point::parse(&lines[..10].join("\n")).unwrap().value("tiles_bytes") < 1e-9);
        for bad in ["seconds", "seconds x", "seconds inf"] {
            assert!(Point::parse(bad).unwrap_err().starts_with("not a name"), "{bad}");
        }
    }
}
