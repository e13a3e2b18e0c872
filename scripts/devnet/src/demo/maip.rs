//! Runs the `maip` command as a reader would.

use std::{
    ffi::OsString,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::Binaries;

/// What network a command gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// This machine's.
    Here,
    /// None: a network namespace with nothing in it.
    Nothing,
}

/// A finished command.
#[derive(Debug)]
pub(crate) struct Run {
    /// As one would type it.
    pub(crate) command_line: String,
    /// Exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// stdout, then stderr.
    pub(crate) output: String,
}

/// Whether this system lets us start a program without a network.
pub(crate) fn can_cut_network() -> bool {
    Command::new("unshare")
        .args(["-rn", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// An argument as a shell reads it.
fn quoted(arg: &str) -> String {
    if arg.contains(' ') { format!("\"{arg}\"") } else { arg.to_owned() }
}

/// Runs `maip` with these arguments and without any of its environment variables.
pub(crate) fn run(binaries: &Binaries, args: Vec<OsString>, network: Network) -> Result<Run> {
    let program = binaries.path("maip");
    let mut command = match network {
        Network::Here => Command::new(&program),
        Network::Nothing => {
            let mut command = Command::new("unshare");
            command.arg("-rn").arg(&program);
            command
        }
    };
    let shown: Vec<_> = args.iter().map(|arg| quoted(&arg.to_string_lossy())).collect();
    let prefix = if network == Network::Nothing { "unshare -rn " } else { "" };
    // What the demo shows must not depend on the reader's own settings.
    let settings =
        std::env::vars_os().map(|(name, _)| name).filter(|n| n.to_string_lossy().starts_with("MAIP_"));
    for name in settings {
        command.env_remove(name);
    }
    let output = command
        .args(&args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} did not start", program.display()))?;
    Ok(Run {
        command_line: format!("{prefix}maip {}", shown.join(" ")),
        code: output.status.code().unwrap_or(-1),
        output: format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    })
}
