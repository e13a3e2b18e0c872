//! Every command that the README shows exists.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use checks::{expect_none, root, workspace_packages};

#[test]
fn commands_exist() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README.md");
    let programs: Vec<_> = workspace_packages().into_iter().flat_map(|package| package.programs).collect();
    let commands = commands(&readme);
    assert!(commands.len() >= 2, "the README shows no commands");
    let mut findings = Vec::new();
    for command in commands {
        let mut words = command.split_whitespace();
        let Some(first) = words.next() else { continue };
        if let Some(script) = first.strip_prefix("scripts/") {
            let path = root().join("scripts").join(script);
            let runs = fs::metadata(&path).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
            if !runs {
                findings.push(format!("`{command}`: {first} is not there or cannot be run"));
            }
        } else if first.starts_with("maip") {
            if !programs.iter().any(|program| program == first) {
                findings.push(format!("`{command}`: no crate makes a program {first}"));
                continue;
            }
            let subcommands: Vec<_> = words.take_while(|word| is_subcommand(word)).collect();
            if !understands(first, &subcommands) {
                findings.push(format!("`{command}`: {first} does not know {}", subcommands.join(" ")));
            }
        }
    }
    expect_none(&findings);
}

/// Lines of the `sh` blocks, continuation lines joined, comments cut.
fn commands(markdown: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut inside = false;
    let mut continues = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            inside = !inside && line == "```sh";
            continue;
        }
        let text = line.split(" #").next().unwrap_or(line).trim();
        if !inside || text.is_empty() || text.starts_with('#') {
            continue;
        }
        let piece = text.trim_end_matches('\\').trim();
        if continues {
            if let Some(last) = commands.last_mut() {
                last.push(' ');
                last.push_str(piece);
            }
        } else {
            commands.push(piece.to_owned());
        }
        continues = text.ends_with('\\');
    }
    commands
}

/// Options, values and shouted placeholders are no subcommands.
fn is_subcommand(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
}

/// Whether the built program prints help for these subcommands.
fn understands(program: &str, subcommands: &[&str]) -> bool {
    let path = built(program);
    Command::new(&path)
        .args(subcommands)
        .arg("--help")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .success()
}

fn built(program: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this test has a path");
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(program))
        .find(|path| Path::is_file(path))
        .unwrap_or_else(|| panic!("{program} is not built; run `cargo build --workspace --bins` first"))
}

/// Whether a script that looks at its options before it builds the program that has them knows those of the program.
fn knows_the_options(script: &str, program: &[&str], table: &[(&[&str], i32)]) {
    let help = Command::new(built(program[0])).args(&program[1..]).arg("--help").output().expect("it runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let options: BTreeSet<&str> = help
        .split_whitespace()
        .filter(|word| word.starts_with("--") && !["--help", "--version"].contains(word))
        .map(|word| word.trim_end_matches(','))
        .collect();
    let path = root().join("scripts").join(script);
    let text = fs::read_to_string(&path).expect("there is such a script");
    let listed = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a list");
        line.trim_matches('"').split(' ').collect::<Vec<_>>()
    };
    let known: BTreeSet<&str> = listed("FLAGS=").into_iter().chain(listed("VALUES=")).collect();
    assert_eq!(known, options, "{script}");
    for (arguments, expected) in table {
        let mut script = Command::new(&path);
        script.args(*arguments).stdout(Stdio::null()).stderr(Stdio::null());
        assert_eq!(script.status().expect("it runs").code(), Some(*expected), "{path:?} {arguments:?}");
    }
}

#[test]
fn quickstart_knows_the_options_of_the_demo() {
    let table: [(&[&str], i32); 5] = [
        (&["--help"], 0),
        (&["--bogus"], 2),
        (&["--keep", "more"], 2),
        (&["--nodes"], 2),
        (&["--data", "--keep", "--nods=3"], 2),
    ];
    knows_the_options("quickstart", &["maip-devnet", "demo"], &table);
}

#[test]
fn bench_knows_the_options_of_its_program() {
    let table: [(&[&str], i32); 4] =
        [(&["--help"], 0), (&["--nonsense"], 2), (&["kill", "hard"], 2), (&["api", "--quick", "--only"], 2)];
    knows_the_options("bench", &["maip-bench"], &table);
}

#[test]
fn commands_are_found() {
    let text = "x\n```sh\nscripts/test   # all of it\nmaip verify a.tlog-proof \\\n  --policy p\n```\n```text\nmaip nothing\n```\n";
    assert_eq!(commands(text), ["scripts/test", "maip verify a.tlog-proof --policy p"]);
    assert!(is_subcommand("verify") && !is_subcommand("a.tlog-proof") && !is_subcommand("--policy"));
}
