//! The manual and the programs say the same: every procedure has its test, every alarm, field and metric its line.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

/// What introduces the test of a procedure.
const TEST: &str = "Test: `";
/// Under this heading are the procedures, one `###` each.
const PROCEDURES: &str = "## Procedures";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn manual() -> Result<String> {
    fs::read_to_string(root().join("docs/operating.md")).context("the manual")
}

/// Names in backticks of the first column of the table under a heading.
fn first_column(text: &str, heading: &str) -> Result<BTreeSet<String>> {
    let section = text.split_once(&format!("\n{heading}\n")).with_context(|| format!("no {heading}"))?.1;
    let section = section.split("\n## ").next().unwrap_or(section);
    Ok(section
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| Some(line.split_once(" |")?.0))
        .flat_map(|cell| cell.split('`').step_by(2))
        .map(|name| name.split('{').next().unwrap_or(name).to_owned())
        .collect())
}

/// The metrics that the manual tells to watch.
pub(crate) fn metrics_to_watch() -> Result<BTreeSet<String>> {
    first_column(&manual()?, "## Metrics")
}

/// All text of the Rust files below a directory.
fn sources(dir: &str) -> Result<String> {
    fn collect(dir: &Path, text: &mut String) -> Result<()> {
        for entry in fs::read_dir(dir).with_context(|| format!("{}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                collect(&path, text)?;
            } else if path.extension().is_some_and(|x| x == "rs") {
                let file = fs::read_to_string(&path)?;
                text.push_str(file.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(&file));
            }
        }
        Ok(())
    }
    let mut text = String::new();
    let path = root().join(dir);
    if path.is_dir() {
        collect(&path, &mut text)?;
    } else {
        text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    }
    Ok(text)
}

#[test]
fn every_procedure_names_its_test() -> Result<()> {
    let text = manual()?;
    let procedures = text.split_once(PROCEDURES).context("no procedures")?.1;
    let procedures = procedures.split("\n## ").next().unwrap_or(procedures);
    let tests = sources("scripts/devnet/tests/operations")?;
    let mut named = BTreeSet::new();
    for procedure in procedures.split("\n### ").skip(1) {
        let title = procedure.lines().next().unwrap_or_default();
        let found: Vec<&str> =
            procedure.split(TEST).skip(1).filter_map(|rest| Some(rest.split_once('`')?.0)).collect();
        ensure!(!found.is_empty(), "{title:?} names no test");
        for name in found {
            ensure!(tests.contains(&format!("async fn {name}()")), "{title:?}: there is no test {name}");
            named.insert(name.to_owned());
        }
    }
    let written: BTreeSet<_> = tests
        .split("\n#[tokio::test(flavor = \"multi_thread\")]\nasync fn ")
        .skip(1)
        .filter_map(|t| t.split_once('('))
        .map(|t| t.0.to_owned())
        .collect();
    ensure!(written == named, "not in the manual: {:?}", written.difference(&named));
    ensure!(named.len() > 15, "the manual was not read");
    Ok(())
}

#[test]
fn every_alarm_is_explained() -> Result<()> {
    let source = sources("node/log/src/alarm.rs")?;
    let raised: BTreeSet<String> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::")?.split_once("=> \""))
        .filter_map(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()))
        .collect();
    ensure!(raised.len() > 5, "the alarms were not found");
    let explained = first_column(&manual()?, "## Alarms")?;
    ensure!(raised == explained, "{raised:?}\n{explained:?}");
    Ok(())
}

#[test]
fn every_field_of_a_configuration_is_in_the_manual() -> Result<()> {
    let text = manual()?;
    let mut fields = BTreeSet::new();
    for dir in ["node/server/src/config", "witness/src/config.rs"] {
        let source = sources(dir)?;
        let structs = source.split("\npub struct ").skip(1).zip(source.split("\npub struct "));
        for (body, before) in structs {
            let read_from_a_file =
                before.rsplit("\n\n").next().is_some_and(|head| head.contains("Deserialize"));
            let body = body.split("\n}").next().unwrap_or(body);
            if read_from_a_file {
                fields.extend(
                    body.lines()
                        .filter_map(|l| Some(l.strip_prefix("    pub ")?.split_once(':')?.0.to_owned())),
                );
            }
        }
    }
    ensure!(fields.contains("republish_s") && fields.contains("qpd") && fields.len() > 60, "{fields:?}");
    let missing: Vec<_> = fields.iter().filter(|field| !text.contains(&format!("`{field}`"))).collect();
    ensure!(missing.is_empty(), "the manual does not name {missing:?}");
    Ok(())
}

#[test]
fn every_metric_is_in_the_manual() -> Result<()> {
    let mut served = BTreeSet::new();
    let places = [
        "node/log/src",
        "node/server/src/counters.rs",
        "node/server/src/otlp/exporter.rs",
        "witness/src/metrics.rs",
    ];
    for dir in places {
        let source = sources(dir)?;
        let names = source.split("\"maip_").skip(1).filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_')?;
            Some(format!("maip_{}", &rest[..end]))
        });
        // Parts of a histogram are named in tests.
        served.extend(names.filter(|name| !name.ends_with("_bucket") && !name.ends_with("_count")));
    }
    // Written inside a longer string.
    served.extend(["maip_node_connections".to_owned(), "maip_node_info".to_owned()]);
    let watched = metrics_to_watch()?;
    let missing: Vec<_> = served.difference(&watched).collect();
    let gone: Vec<_> = watched.difference(&served).collect();
    ensure!(missing.is_empty() && gone.is_empty(), "missing: {missing:?}; not served: {gone:?}");
    ensure!(served.len() > 40, "the sources were not read: {served:?}");
    Ok(())
}
