//! The vector files of `maip-trust/1`: an independent implementation's logs with the states and scores it gave.
//!
//! `MAIP_TRUST_VECTORS` may name a directory with more of them.

#[path = "trust_world/json.rs"]
mod json;
#[path = "trust_world/vector.rs"]
mod vector;

use std::fs;
use std::path::Path;

/// Checks every file of a directory; returns what was found in each.
fn check_directory(directory: &Path) -> Vec<vector::Checked> {
    let entries = fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let check = |path: &std::path::PathBuf| {
        let checked = vector::check(&fs::read_to_string(path).unwrap());
        assert_eq!(checked.problems, [""; 0], "{}", path.display());
        println!("{}: {} inputs, {} rejected", path.display(), checked.inputs, checked.rejected);
        checked
    };
    files.iter().map(check).collect()
}

#[test]
fn the_files_of_this_repository() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/trust");
    let checked = check_directory(&directory);
    assert_eq!(checked.len(), 3);
    // Ours are not cut, and each has inputs that must be refused.
    assert!(checked.iter().all(|file| file.inputs >= 300 && file.rejected > 0));
}

#[test]
fn the_files_of_the_directory_in_the_environment() {
    if let Some(directory) = std::env::var_os("MAIP_TRUST_VECTORS") {
        assert!(!check_directory(Path::new(&directory)).is_empty(), "no vector files in {directory:?}");
    }
}

/// The harness itself: a file in which one number is off must not pass.
#[test]
fn a_wrong_file_is_found_out() {
    let file = include_str!("../vectors/trust/small.json");
    let checkpoint = file.split("\"checkpoints\":[\n\"").nth(1).unwrap()[..64].to_owned();
    for (from, to, problem) in [
        ("\"trend\":\"stable\"", "\"trend\":\"falling\"", "the final readings differ"),
        ("5250", "5251", "input 8: "),
        (&checkpoint, &"0".repeat(64), "checkpoints differ"),
        ("\"ms\":1767254400000,\"agent\":\"alice\"", "\"ms\":1767250800000,\"agent\":\"alice\"", "input 2: "),
    ] {
        assert!(file.contains(from), "{from}");
        let problems = vector::check(&file.replacen(from, to, usize::MAX)).problems;
        assert!(problems.iter().any(|p| p.starts_with(problem)), "{from}: {problems:?}");
    }
}
