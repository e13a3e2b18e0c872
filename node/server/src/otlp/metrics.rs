//! The counters of `/metrics` in the form of OTLP: the same names, so a dashboard finds them whichever way they came.

use std::collections::BTreeMap;

use super::wire::{Data, Gauge, Histogram, HistogramPoint, KeyValue, Metric, NumberPoint, Sum, text};

const CUMULATIVE: i32 = 2;

/// A histogram while its lines are read.
#[derive(Default)]
struct Read {
    /// Bound and how many were at most that; the last one has no bound.
    buckets: Vec<(f64, u64)>,
    sum: Option<f64>,
    count: u64,
}

/// Reads Prometheus text as this node writes it; `start` and `now` in ns since 1970.
pub(super) fn metrics(exposition: &str, start: u64, now: u64) -> Vec<Metric> {
    let mut help: BTreeMap<&str, &str> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut numbers: BTreeMap<&str, Vec<NumberPoint>> = BTreeMap::new();
    let mut histograms: BTreeMap<&str, BTreeMap<String, (Vec<KeyValue>, Read)>> = BTreeMap::new();
    for line in exposition.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some("HELP"), Some(name), Some(about)) => {
                    help.insert(name, about);
                }
                (Some("TYPE"), Some(name), Some(kind)) => {
                    kinds.insert(name, kind);
                }
                _ => {}
            }
            continue;
        }
        let Some((name, labels, value)) = sample(line) else { continue };
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end).filter(|name| kinds.get(name) == Some(&"histogram")));
        let Some(family) = family else {
            let attributes = labels.iter().map(|(key, value)| text(key, value.as_str())).collect();
            numbers.entry(name).or_default().push(NumberPoint {
                start_time_unix_nano: start,
                time_unix_nano: now,
                as_double: Some(value),
                attributes,
            });
            continue;
        };
        let own: Vec<&(String, String)> = labels.iter().filter(|(key, _)| key != "le").collect();
        let key = own.iter().map(|(key, value)| format!("{key}={value},")).collect();
        let attributes = || own.iter().map(|(key, value)| text(key, value.as_str())).collect();
        let (_, read) = histograms
            .entry(family)
            .or_default()
            .entry(key)
            .or_insert_with(|| (attributes(), Read::default()));
        match &name[family.len()..] {
            "_sum" => read.sum = Some(value),
            "_count" => read.count = value as u64,
            _ => {
                let bound = labels.iter().find(|(key, _)| key == "le").and_then(|(_, le)| le.parse().ok());
                read.buckets.push((bound.unwrap_or(f64::INFINITY), value as u64));
            }
        }
    }
    let about = |name: &str| help.get(name).copied().unwrap_or_default().to_owned();
    let of_numbers = numbers.into_iter().map(|(name, data_points)| {
        let data = if kinds.get(name) == Some(&"counter") {
            Data::Sum(Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: true })
        } else {
            Data::Gauge(Gauge { data_points })
        };
        Metric { name: name.to_owned(), description: about(name), data: Some(data) }
    });
    let of_histograms = histograms.into_iter().map(|(name, points)| {
        let data_points = points.into_values().map(|(attributes, read)| point(attributes, read, start, now));
        let data = Histogram { data_points: data_points.collect(), aggregation_temporality: CUMULATIVE };
        Metric { name: name.to_owned(), description: about(name), data: Some(Data::Histogram(data)) }
    });
    of_numbers.chain(of_histograms).collect()
}

/// In Prometheus a bucket holds everything below its bound; here, only what is in none before it.
fn point(attributes: Vec<KeyValue>, read: Read, start: u64, now: u64) -> HistogramPoint {
    let mut before = 0;
    let bucket_counts = read.buckets.iter().map(|(_, count)| {
        let own = count.saturating_sub(before);
        before = *count;
        own
    });
    HistogramPoint {
        start_time_unix_nano: start,
        time_unix_nano: now,
        count: read.count,
        sum: read.sum,
        bucket_counts: bucket_counts.collect(),
        explicit_bounds: read
            .buckets
            .iter()
            .map(|(bound, _)| *bound)
            .filter(|bound| bound.is_finite())
            .collect(),
        attributes,
    }
}

/// Name, labels and value.
type Sample<'a> = (&'a str, Vec<(String, String)>, f64);

/// Reads a line.
fn sample(line: &str) -> Option<Sample<'_>> {
    let (whole, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, rest)) = whole.split_once('{') else { return Some((whole, Vec::new(), value)) };
    let labels = rest.strip_suffix('}')?.split("\",").filter_map(|pair| {
        let (key, value) = pair.split_once("=\"")?;
        Some((key.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some((name, labels.collect(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exposition_keeps_its_names_and_numbers() {
        let exposition = "# HELP up Whether.\n# TYPE up gauge\nup 1\n\
            # TYPE sent_total counter\nsent_total{log=\"main\"} 7\nsent_total{log=\"sandbox\"} 2\n\
            # TYPE wait_seconds histogram\nwait_seconds_bucket{log=\"main\",le=\"0.1\"} 2\nwait_seconds_bucket{log=\"main\",le=\"1\"} 5\n\
            wait_seconds_bucket{log=\"main\",le=\"+Inf\"} 6\nwait_seconds_sum{log=\"main\"} 3.5\nwait_seconds_count{log=\"main\"} 6\n";
        let found = metrics(exposition, 1, 2);
        let names: Vec<&str> = found.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["sent_total", "up", "wait_seconds"]);
        let Some(Data::Sum(sum)) = &found[0].data else { panic!("{found:?}") };
        assert!(sum.is_monotonic && sum.data_points.len() == 2);
        assert_eq!(sum.data_points[0].as_double, Some(7.0));
        assert_eq!(sum.data_points[0].attributes, [text("log", "main")]);
        assert_eq!(
            (found[1].description.as_str(), matches!(found[1].data, Some(Data::Gauge(_)))),
            ("Whether.", true)
        );
        let Some(Data::Histogram(histogram)) = &found[2].data else { panic!("{found:?}") };
        let point = &histogram.data_points[0];
        assert_eq!((&point.bucket_counts[..], &point.explicit_bounds[..]), (&[2, 3, 1][..], &[0.1, 1.0][..]));
        assert_eq!(
            (point.count, point.sum, &point.attributes[..]),
            (6, Some(3.5), &[text("log", "main")][..])
        );
    }
}
