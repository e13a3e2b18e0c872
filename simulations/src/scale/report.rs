//! Points, lines and plan as tables or as JSON.

use std::fmt::Write as _;

use super::plan::{Assumed, Fits, Row, bytes};
use super::point::NAMES;

/// Measurements that grow with the log and have a line.
const FITTED: [&str; 7] =
    ["bundles_bytes", "tiles_bytes", "engine_bytes", "snapshot_bytes", "resident_bytes", "cpu_s", "open_s"];

/// Everything as tables in Markdown. `machine` describes where it was measured.
#[must_use]
pub fn text(fits: &Fits, assumed: &Assumed, machine: &str) -> String {
    let mut out = format!("Measured on {machine}.\n\n| |");
    for point in fits.points() {
        let _ = write!(out, " {:.0} records |", point.value("records"));
    }
    let _ = writeln!(out, "\n|---|{}", "---|".repeat(fits.points().len()));
    for name in NAMES.into_iter().skip(1) {
        let _ = write!(out, "| {} |", name.replace('_', " "));
        for point in fits.points() {
            let value = point.value(name);
            let value = if name.ends_with("_bytes") { bytes(value) } else { format!("{value}") };
            let _ = write!(out, " {value} |");
        }
        out.push('\n');
    }
    let _ = writeln!(out, "\n| line | fixed | an entry | off at the largest point |\n|---|---|---|---|");
    for name in FITTED {
        let (line, error) = (fits.line(name), fits.error(name));
        let error = error.map_or("too few points".into(), |error| format!("{:+.1} %", error * 100.0));
        let _ = writeln!(
            out,
            "| {} | {:.3} | {:.3e} | {error} |",
            name.replace('_', " "),
            line.fixed,
            line.slope
        );
    }
    let _ = writeln!(out, "\nAssumed: {}.", assumptions(assumed));
    table(&mut out, &format!("One log of {:.0} entries", assumed.entries), &fits.one_log(assumed));
    table(&mut out, &format!("{:.0} logs that share them", assumed.logs), &fits.many_logs(assumed));
    out.push_str("\nWhat breaks first, for one log:\n");
    for (name, size) in fits.breaks(assumed) {
        let _ = writeln!(out, "- {name}: at {:.2e} entries", size);
    }
    out
}

fn assumptions(assumed: &Assumed) -> String {
    format!(
        "{:.0} records a day, the busiest second {:.0} times the mean; machines of {:.0} cores, {} of memory and {} of disk; a log may take {:.0} s to open; a snapshot of at most {}",
        assumed.records_a_day,
        assumed.peak,
        assumed.cores,
        bytes(assumed.memory),
        bytes(assumed.disk),
        assumed.open_s,
        bytes(assumed.snapshot)
    )
}

fn table(out: &mut String, title: &str, rows: &[Row]) {
    let _ = writeln!(out, "\n| {title} | | |\n|---|---|---|");
    for (what, value, note) in rows {
        let _ = writeln!(out, "| {what} | {value} | {note} |");
    }
}

/// The points, the lines and what breaks first, as JSON.
#[must_use]
pub fn json(fits: &Fits, assumed: &Assumed, machine: &str) -> String {
    let point = |point: &super::Point| {
        let values: Vec<String> =
            NAMES.iter().map(|name| format!("\"{name}\":{}", point.value(name))).collect();
        format!("{{{}}}", values.join(","))
    };
    let points: Vec<String> = fits.points().iter().map(point).collect();
    let lines: Vec<String> = FITTED
        .iter()
        .map(|name| {
            let (line, error) = (fits.line(name), fits.error(name));
            let error = error.map_or("null".into(), |error| error.to_string());
            format!(
                "\"{name}\":{{\"fixed\":{},\"slope\":{},\"error_at_largest\":{error}}}",
                line.fixed, line.slope
            )
        })
        .collect();
    let rows = |rows: &[Row]| {
        let rows: Vec<String> =
            rows.iter().map(|(what, value, _)| format!("{}:{}", quoted(what), quoted(value))).collect();
        format!("{{{}}}", rows.join(","))
    };
    let breaks: Vec<String> = fits
        .breaks(assumed)
        .iter()
        .map(|(name, size)| format!("{{\"limit\":{},\"entries\":{size:.0}}}", quoted(name)))
        .collect();
    format!(
        "{{\"machine\":{},\"points\":[{}],\"lines\":{{{}}},\"one_log\":{},\"many_logs\":{},\"breaks\":[{}]}}",
        quoted(machine),
        points.join(","),
        lines.join(","),
        rows(&fits.one_log(assumed)),
        rows(&fits.many_logs(assumed)),
        breaks.join(",")
    )
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
