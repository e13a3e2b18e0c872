//! Running the real binary.

use std::{ffi::OsStr, process::Command};

use serde_json::Value;

/// What a run of `maip` left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON: {e}\n{self:?}"))
    }

    /// Fails with everything that was printed unless the exit code is `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless `text` was printed somewhere.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "no {text:?} in\n{}\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// Runs `maip` with an empty environment.
pub(crate) fn maip<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_maip"))
        .env_clear()
        .args(args)
        .output()
        .expect("the binary was built for this test");
    Ran {
        code: output.status.code().expect("not killed"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}
