//! A shell in which examples are typed.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use devnet::{Binaries, wait_until};
use serde_json::Value;

use crate::LIMIT;

/// How the examples are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the help prints them.
    AsPrinted,
    /// With `--json`.
    Json,
}

/// What a command has printed, and how it ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A directory, variables, and the programs in the path.
pub(crate) struct Shell {
    dir: PathBuf,
    /// Variables that are set.
    env: std::cell::RefCell<BTreeMap<String, String>>,
    plain: String,
    /// Where `maip` is a script that adds `--json`.
    json: Option<String>,
}

impl Shell {
    pub(crate) fn new(programs: &Binaries, dir: &Path, form: Form) -> Result<Shell> {
        fs::create_dir_all(dir)?;
        let system = std::env::var("PATH").unwrap_or_default();
        let plain = format!("{}:{system}", programs.dir.display());
        let json = match form {
            Form::AsPrinted => None,
            Form::Json => {
                let scripts = dir.join("with-json");
                fs::create_dir_all(&scripts)?;
                let (script, program) = (scripts.join("maip"), programs.path("maip"));
                let text = format!(
                    "#!/bin/sh\ncase \" $* \" in *' --json '*) ;; *) set -- --json \"$@\" ;; esac\nexec '{}' \"$@\"\n",
                    program.display()
                );
                fs::write(&script, text)?;
                fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
                Some(format!("{}:{plain}", scripts.display()))
            }
        };
        let env = BTreeMap::from([("HOME".to_owned(), dir.display().to_string())]);
        Ok(Shell { dir: dir.to_owned(), env: env.into(), plain, json })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Sets a variable, as a reader does who has read an answer.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.env.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    /// Runs a line as it is.
    pub(crate) fn run(&self, line: &str) -> Result<Ran> {
        self.type_in(line, &self.plain)
    }

    /// `maip --json ARGS`, which must succeed; its answer.
    pub(crate) fn ask(&self, args: &str) -> Result<Value> {
        let ran = self.run(&format!("maip --json {args}"))?;
        ensure!(ran.code == 0, "`maip {args}` ended with {}: {}{}", ran.code, ran.out, ran.err);
        serde_json::from_str(&ran.out).with_context(|| format!("`maip {args}` printed {}", ran.out))
    }

    /// Runs an example in the form of this shell.
    pub(crate) fn example(&self, line: &str) -> Result<Ran> {
        if let Some((name, value)) = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')) {
            self.set(name, value);
            return Ok(Ran { code: 0, out: String::new(), err: String::new() });
        }
        let Some(path) = self.json.as_ref().filter(|_| line.starts_with("maip ")) else {
            return if never_ends(line) { self.first_words(line, &self.plain) } else { self.run(line) };
        };
        if never_ends(line) {
            return in_json(line, self.first_words(line, path)?);
        }
        let Some((alone, _)) = line.split_once(" > ") else {
            return in_json(line, self.type_in(line, path)?);
        };
        // The file is for the examples behind it, so it holds what is printed; then the same in JSON.
        let ran = self.run(line)?;
        if ran.code == 0 && !alone.starts_with("maip completions ") {
            return in_json(line, self.type_in(alone, path)?);
        }
        Ok(ran)
    }

    fn command(&self, line: &str, path: &str, number: &str) -> Result<Command> {
        let mut command = Command::new("sh");
        let settings = std::env::vars_os().map(|(name, _)| name);
        for name in settings.filter(|name| name.to_string_lossy().starts_with("MAIP_")) {
            command.env_remove(name);
        }
        // Into files: what goes on in the background keeps a pipe open.
        let file = |ending: &str| fs::File::create(self.dir.join(format!("{number}.{ending}")));
        command.args(["-c", line]).current_dir(&self.dir).envs(&*self.env.borrow()).env("PATH", path);
        command.stdin(Stdio::null()).stdout(file("out")?).stderr(file("err")?);
        Ok(command)
    }

    fn printed(&self, code: i32, number: &str) -> Result<Ran> {
        let read = |ending: &str| -> Result<String> {
            Ok(String::from_utf8_lossy(&fs::read(self.dir.join(format!("{number}.{ending}")))?).into_owned())
        };
        Ok(Ran { code, out: read("out")?, err: read("err")? })
    }

    fn type_in(&self, line: &str, path: &str) -> Result<Ran> {
        let status = self.command(line, path, ".printed")?.status()?;
        let code = status.code().context("a signal ended it")?;
        if line.trim_end().ends_with('&') {
            // Whoever types sees it say that it is there before they go on.
            wait_until(line, LIMIT, || {
                ensure!(!self.printed(code, ".printed")?.out.is_empty(), "it has said nothing yet");
                Ok(())
            })?;
        }
        self.printed(code, ".printed")
    }

    /// Starts what goes on for ever, waits for its first words, and ends it.
    fn first_words(&self, line: &str, path: &str) -> Result<Ran> {
        let mut child = self.command(&format!("exec {line}"), path, ".printed")?.spawn()?;
        let spoken = wait_until(line, LIMIT, || {
            let ran = self.printed(0, ".printed")?;
            let ended = child.try_wait()?;
            ensure!(ran.out.contains('\n') || ended.is_some(), "it has said nothing yet: {}", ran.err);
            Ok(ended)
        });
        child.kill()?;
        child.wait()?;
        let ended = spoken?;
        ensure!(ended.is_none(), "`{line}` ended by itself: {ended:?}, {}", self.printed(0, ".printed")?.err);
        self.printed(0, ".printed")
    }
}

fn never_ends(line: &str) -> bool {
    line.contains(" --follow") || line.starts_with("maip monitor ") && !line.contains(" --once")
}

/// Each line that was printed is a JSON object.
fn in_json(line: &str, ran: Ran) -> Result<Ran> {
    // A stream may have been cut in the middle of a line.
    let whole =
        if never_ends(line) { ran.out.rsplit_once('\n').map_or("", |(whole, _)| whole) } else { &ran.out };
    ensure!(!whole.is_empty(), "`{line}` with --json printed nothing: {}", ran.err);
    for printed in whole.lines() {
        let parsed: Value = serde_json::from_str(printed)
            .with_context(|| format!("`{line}` with --json printed {printed:?}"))?;
        ensure!(parsed.is_object(), "`{line}` with --json printed {printed:?}");
    }
    Ok(ran)
}
