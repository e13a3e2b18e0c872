//! What cargo knows about packages.

use std::process::Command;

use serde_json::Value;

use crate::root;

/// A package, ours or a third party's.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SPDX expression, when it states one.
    pub license: Option<String>,
    /// Registry or repository it comes from; `None` for a path in this repository.
    pub source: Option<String>,
    /// Directory of its manifest.
    pub dir: std::path::PathBuf,
    /// What it depends on by its manifest.
    pub dependencies: Vec<Dependency>,
    /// Names of its programs.
    pub programs: Vec<String>,
    /// Root files of its libraries and programs.
    pub roots: Vec<std::path::PathBuf>,
}

/// A line of a manifest's dependency tables.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// Package name (not the name it is renamed to).
    pub name: String,
    /// For tests, examples and benches only.
    pub dev: bool,
    /// For the build script only.
    pub build: bool,
}

/// The crates of this workspace.
pub fn workspace_packages() -> Vec<Package> {
    packages(&["--no-deps"])
}

/// Every package that a build for this machine uses.
pub fn all_packages() -> Vec<Package> {
    let version = run(Command::new(env!("CARGO")).arg("-vV"));
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo names its host");
    packages(&["--filter-platform", host])
}

fn packages(args: &[&str]) -> Vec<Package> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked"]).args(args).current_dir(root());
    let metadata: Value = serde_json::from_str(&run(&mut command)).expect("cargo metadata prints JSON");
    let used: Option<Vec<&Value>> =
        metadata["resolve"]["nodes"].as_array().map(|nodes| nodes.iter().map(|node| &node["id"]).collect());
    let list = metadata["packages"].as_array().expect("cargo metadata lists packages");
    list.iter()
        .filter(|package| used.as_ref().is_none_or(|used| used.contains(&&package["id"])))
        .map(package)
        .collect()
}

fn package(value: &Value) -> Package {
    let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    let targets = list("targets");
    let kind = |target: &Value, kind: &str| {
        target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k == kind))
    };
    let manifest = std::path::PathBuf::from(text(&value["manifest_path"]));
    Package {
        name: text(&value["name"]),
        version: text(&value["version"]),
        license: value["license"].as_str().map(str::to_owned),
        source: value["source"].as_str().map(str::to_owned),
        dir: manifest.parent().map(std::path::Path::to_owned).unwrap_or_default(),
        dependencies: list("dependencies")
            .iter()
            .map(|dependency| Dependency {
                name: text(&dependency["name"]),
                dev: dependency["kind"] == "dev",
                build: dependency["kind"] == "build",
            })
            .collect(),
        programs: targets.iter().filter(|t| kind(t, "bin")).map(|t| text(&t["name"])).collect(),
        roots: targets
            .iter()
            .filter(|t| kind(t, "bin") || kind(t, "lib"))
            .map(|t| text(&t["src_path"]).into())
            .collect(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}
