//! Every example that `maip ... --help` or `docs/cli.md` prints works as it is printed, on a devnet, in the order in which it is printed. With
//! `--json` each of the help answers in JSON.
//!
//! A group of commands, or of the manual's section, is shown at a desk of its own: a directory with the files, and the variables, that its examples speak of.

mod desk;
mod help;
mod manual;
mod shell;

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result, ensure};
use devnet::{Binaries, Devnet, Manifest, NodeInfo, Options, wait_until};

use desk::Desk;
use shell::{Form, Shell};

/// How long anything may take on a loaded machine.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(120);

/// Fewer than this would mean that they were not found.
const EXAMPLES_MIN: usize = 80;

/// Examples whose answer is no on a log that does not cheat.
const ANSWERS_NO: [&str; 1] = ["maip evidence status"];

#[test]
fn every_example_works_as_printed() -> Result<()> {
    tour(Form::AsPrinted, help::groups)
}

#[test]
fn every_example_answers_in_json() -> Result<()> {
    tour(Form::Json, help::groups)
}

#[test]
fn every_example_of_the_manual_works_as_printed() -> Result<()> {
    tour(Form::AsPrinted, |_| manual::groups())
}

/// Stops the devnet that an example has started, also when a later one fails.
struct Stop<'a>(&'a Shell);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a failure here.
        let _ = self.0.run("maip-devnet down --data dev");
    }
}

/// A desk's name, and the examples that are shown at it.
type Group = (String, Vec<String>);

fn tour(form: Form, groups: impl Fn(&Shell) -> Result<Vec<Group>>) -> Result<()> {
    let programs = Binaries::find()?;
    ensure!(programs.path("maip").is_file(), "maip is not built; run `cargo build --workspace --bins` first");
    let dir = tempfile::tempdir()?;
    let home = Shell::new(&programs, dir.path(), form)?;
    let mut groups = groups(&home)?;
    let found: usize = groups.iter().map(|(_, examples)| examples.len()).sum();
    ensure!(found >= EXAMPLES_MIN, "only {found} examples were found");

    // The first ones start the devnet that all others are run on.
    let _stop = Stop(&home);
    for example in help::examples(&home, "")? {
        show(&home, &example)?;
    }
    let manifest = Manifest::read(&dir.path().join("dev"))?;
    // What changes the cluster itself comes last.
    groups.sort_by_key(|(name, _)| name == "admin");
    for (name, examples) in &groups {
        let shell = Shell::new(&programs, &dir.path().join("desks").join(name), form)?;
        let mut desk = Desk::new(shell, &manifest, &dir.path().join("dev"))?;
        desk.prepare(name).with_context(|| format!("before the examples of {name}"))?;
        let joining = if name == "admin" { Some(join(&mut desk, dir.path())?) } else { None };
        for example in examples {
            if let Some((_, node)) = joining.as_ref().filter(|_| example.starts_with("maip admin promote")) {
                caught_up(&desk.shell, node)?;
            }
            let said = show(&desk.shell, example).with_context(|| format!("examples of {name}"))?;
            desk.remember(example, &said);
        }
    }
    Ok(())
}

/// Runs one example; what it printed.
fn show(shell: &Shell, example: &str) -> Result<String> {
    let wanted = i32::from(ANSWERS_NO.iter().any(|no| example.starts_with(no)));
    let ran = shell.example(example)?;
    println!("$ {example}\n{}{}", ran.out, ran.err);
    ensure!(ran.code == wanted, "`{example}` ended with {}:\n{}{}", ran.code, ran.out, ran.err);
    Ok(ran.out)
}

/// A fourth node: its directory is made and its process runs, and it waits to be taken in.
fn join(desk: &mut Desk, dir: &Path) -> Result<(Devnet, NodeInfo)> {
    let mut devnet = Devnet::resume(Options::new(dir.join("dev"))?)?;
    let node = devnet.prepare_node()?;
    ensure!(node.id == 4, "the examples speak of node 4, and this is node {}", node.id);
    desk.shell.set("PEER", &node.peer);
    desk.shell.set("API", &node.grpc_url);
    Ok((devnet, node))
}

/// Waits until the learner has what the others have: only then it may get a vote.
fn caught_up(shell: &Shell, node: &NodeInfo) -> Result<()> {
    let sizes = |from: &str| -> Result<BTreeMap<String, u64>> {
        let said = shell.ask(&format!("status {from}"))?;
        let logs = said["logs"].as_array().context("no logs")?;
        let size = |log: &serde_json::Value| Some((log["name"].as_str()?.to_owned(), log["size"].as_u64()?));
        Ok(logs.iter().filter_map(size).collect())
    };
    let wanted = sizes("")?;
    wait_until("the learner to catch up", LIMIT, || {
        let has = sizes(&format!("--url {}", node.grpc_url))?;
        ensure!(wanted.iter().all(|(log, size)| has.get(log) >= Some(size)), "{has:?} of {wanted:?}");
        Ok(())
    })
}
