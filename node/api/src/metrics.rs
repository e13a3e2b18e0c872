//! Joins the Prometheus texts of several logs into one: a metric family may appear only once in an exposition.

use std::collections::BTreeMap;

/// Merges expositions; the samples of one family come together under its first `HELP` and `TYPE`.
pub fn merge(texts: &[String]) -> String {
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    for text in texts {
        let mut current = "";
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("#"), Some("HELP"), Some(name)) => {
                    current = name;
                    families.entry(name).or_default().help.get_or_insert(line);
                }
                (Some("#"), Some("TYPE"), Some(name)) => {
                    current = name;
                    families.entry(name).or_default().kind.get_or_insert(line);
                }
                (Some("#"), ..) | (None, ..) => {}
                (Some(sample), ..) => {
                    let name = sample.split('{').next().unwrap_or(sample);
                    // `_bucket`, `_sum`, `_count` belong to the histogram or summary declared above them.
                    let family =
                        if !current.is_empty() && name.starts_with(current) { current } else { name };
                    families.entry(family).or_default().samples.push(line);
                }
            }
        }
    }
    let mut merged = String::new();
    for family in families.values() {
        for line in family.help.iter().chain(&family.kind).chain(&family.samples) {
            merged.push_str(line);
            merged.push('\n');
        }
    }
    merged
}

#[derive(Default)]
struct Family<'a> {
    help: Option<&'a str>,
    kind: Option<&'a str>,
    samples: Vec<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::merge;

    #[test]
    fn a_family_of_two_logs_is_declared_once() {
        let one = |log: &str| {
            format!(
                "# HELP size entries\n# TYPE size gauge\nsize{{log=\"{log}\"}} 1\n\
                 # TYPE wait_seconds histogram\nwait_seconds_bucket{{log=\"{log}\",le=\"1\"}} 2\nwait_seconds_count{{log=\"{log}\"}} 2\n"
            )
        };
        assert_eq!(
            merge(&[one("a"), one("b"), "up 1\n".to_owned()]),
            "# HELP size entries\n# TYPE size gauge\nsize{log=\"a\"} 1\nsize{log=\"b\"} 1\n\
             up 1\n\
             # TYPE wait_seconds histogram\nwait_seconds_bucket{log=\"a\",le=\"1\"} 2\nwait_seconds_count{log=\"a\"} 2\n\
             wait_seconds_bucket{log=\"b\",le=\"1\"} 2\nwait_seconds_count{log=\"b\"} 2\n"
        );
    }
}
