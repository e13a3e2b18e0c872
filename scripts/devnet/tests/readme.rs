//! The README's first steps, run as a reader would type them.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use devnet::Binaries;

/// Heading of the section that is run.
const SECTION: &str = "## First steps\n";

/// Stops the devnet when a step fails.
struct Stop<'a>(&'a Path);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        let program = env!("CARGO_BIN_EXE_maip-devnet");
        let _ = Command::new(program).args(["down", "--data"]).arg(self.0.join("devnet-data")).status();
    }
}

#[test]
fn first_steps_work_as_written() {
    let binaries = Binaries::find().unwrap();
    assert!(binaries.path("maip").is_file(), "maip is not built; run `cargo build --workspace --bins` first");
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let section = readme.split(SECTION).nth(1).expect("the README has first steps");
    let section = section.split("\n## ").next().unwrap();

    let dir = tempfile::tempdir().unwrap();
    let _stop = Stop(dir.path());
    let mut environment = BTreeMap::new();
    let path = std::env::var("PATH").unwrap_or_default();
    environment.insert("PATH".to_owned(), format!("{}:{path}", binaries.dir.display()));
    let mut ids: BTreeMap<&str, String> = BTreeMap::new();
    let steps = steps(section);
    assert!(steps.len() > 8, "the steps were not found: {steps:?}");
    for step in steps {
        if let Some((name, value)) = step.strip_prefix("export ").and_then(|rest| rest.split_once('=')) {
            if name != "PATH" {
                environment.insert(name.to_owned(), value.to_owned());
            }
            continue;
        }
        // What a reader puts in for the placeholders: the ids that the answers before showed.
        let step = ids.iter().fold(step, |step, (name, id)| {
            step.replace(&format!(" {name} "), &format!(" {id} "))
                .replace(&format!(" {name}\""), &format!(" {id}\""))
        });
        let output = Command::new("sh")
            .args(["-c", &step])
            .current_dir(dir.path())
            .envs(&environment)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("$ {step}\n{said}");
        assert!(output.status.success(), "`{step}` failed with {}:\n{said}", output.status);
        for (name, prefix) in [("TENANT", "maip-tenant:"), ("AGENT", "maip-agent:")] {
            if let Some(id) = said.split_whitespace().find(|word| word.starts_with(prefix)) {
                ids.insert(name, id.to_owned());
            }
        }
    }
}

/// The commands of a section's `sh` blocks, continuation lines joined.
fn steps(section: &str) -> Vec<String> {
    section
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .flat_map(|block| {
            let joined = block.replace("\\\n", " ");
            joined
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}
