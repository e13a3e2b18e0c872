//! The files of the repository.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A Rust file of ours.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Path below the repository's root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl SourceFile {
    /// Whether the file holds tests only: under `tests/`, or named for them.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the crate lies in scripts/checks")
}

/// Paths of the files that belong to the repository: what git tracks or would, or without git, what is there.
pub fn tracked_files() -> Vec<String> {
    let git = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output();
    let mut files: Vec<String> = match git {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split('\0')
            .filter(|path| !path.is_empty() && root().join(path).is_file())
            .map(str::to_owned)
            .collect(),
        _ => {
            let mut files = Vec::new();
            walk(&root(), &mut files);
            files
        }
    };
    files.sort();
    assert!(files.iter().any(|path| path == "Cargo.toml"), "the repository was not read");
    files
}

/// Every Rust file of ours.
pub fn rust_files() -> Vec<SourceFile> {
    tracked_files()
        .into_iter()
        .filter(|path| path.ends_with(".rs"))
        .map(|path| SourceFile { text: fs::read_to_string(root().join(&path)).unwrap_or_default(), path })
        .collect()
}

/// The part of a file above its unit tests.
pub fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap_or(text)
}

fn walk(dir: &Path, files: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                walk(&path, files);
            }
        } else if let Ok(path) = path.strip_prefix(root()) {
            files.push(path.to_string_lossy().into_owned());
        }
    }
}
