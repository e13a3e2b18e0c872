//! The published files of a log in a directory, for commands that read them.

use std::{fs, path::Path};

use ledger_format::BundleId;

use super::{Ran, World, maip};

/// A published log with its policy, in a directory.
pub(crate) struct Shelf(tempfile::TempDir);

impl Shelf {
    pub(crate) fn new(world: &World) -> Self {
        let shelf = Self(tempfile::tempdir().unwrap());
        fs::create_dir(shelf.log()).unwrap();
        fs::write(shelf.0.path().join("policy.txt"), world.policy_text()).unwrap();
        world.publish(&shelf.log(), world.size());
        shelf
    }

    pub(crate) fn log(&self) -> std::path::PathBuf {
        self.0.path().join("log")
    }

    /// Replaces entry bundles by those of another world, as somebody who cannot sign for the log could.
    pub(crate) fn give_bundles(&self, world: &World, bundles: &[u64]) {
        let other = Shelf::new(world);
        for &index in bundles {
            let path = BundleId { index, width: 256 }.path();
            fs::copy(other.log().join(&path), self.log().join(&path)).unwrap();
        }
    }

    pub(crate) fn replay(&self, extra: &[&str]) -> Ran {
        self.run(&["replay"], extra)
    }

    /// Runs a command that reads a log's files on this one.
    pub(crate) fn run(&self, command: &[&str], extra: &[&str]) -> Ran {
        let (log, policy) = (self.log(), self.0.path().join("policy.txt"));
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let mut args: Vec<String> = command.iter().map(|&arg| arg.to_owned()).collect();
        args.extend(["--dir".into(), path(&log), "--policy".into(), path(&policy)]);
        args.extend(extra.iter().map(|&arg| arg.to_owned()));
        maip(args)
    }
}
