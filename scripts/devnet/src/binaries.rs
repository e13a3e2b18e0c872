//! Finds the programs that a devnet runs.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// Environment variable that names the directory of the programs.
pub const BIN_DIR_VARIABLE: &str = "MAIP_BIN";

/// Paths of the programs of one build.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The directory all of them are in.
    pub dir: PathBuf,
}

impl Binaries {
    /// Looks in `MAIP_BIN`, beside the running program, and one directory above it (where a test's own
    /// executable lies in `deps/`).
    pub fn find() -> Result<Binaries> {
        if let Some(dir) = env::var_os(BIN_DIR_VARIABLE) {
            return Binaries::in_dir(Path::new(&dir))
                .with_context(|| format!("{BIN_DIR_VARIABLE} does not hold the programs"));
        }
        let own = env::current_exe().context("the path of the running program is unknown")?;
        let mut tried = Vec::new();
        for dir in own.ancestors().skip(1).take(2) {
            match Binaries::in_dir(dir) {
                Ok(found) => return Ok(found),
                Err(_) => tried.push(dir.display().to_string()),
            }
        }
        bail!(
            "maip-node and maip-witness are not in {}; build them with `cargo build --workspace --bins` \
             or set {BIN_DIR_VARIABLE} to their directory",
            tried.join(" or ")
        )
    }

    /// The programs in this directory.
    pub fn in_dir(dir: &Path) -> Result<Binaries> {
        let dir = dir.canonicalize().with_context(|| format!("no directory {}", dir.display()))?;
        for program in ["maip-node", "maip-witness"] {
            if !dir.join(program).is_file() {
                bail!("no {program} in {}", dir.display());
            }
        }
        Ok(Binaries { dir })
    }

    /// Path of one program.
    pub fn path(&self, program: &str) -> PathBuf {
        self.dir.join(program)
    }

    /// Runs a program to its end. Its output is returned when it succeeds and is part of the error when not.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, program: &str, args: &[S]) -> Result<String> {
        let output = Command::new(self.path(program))
            .args(args)
            .output()
            .with_context(|| format!("{program} did not start"))?;
        if !output.status.success() {
            let shown: Vec<_> = args.iter().map(|a| a.as_ref().to_string_lossy()).collect();
            bail!(
                "`{program} {}` failed ({}):\n{}{}",
                shown.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
