//! Requests that the log has signed and that contradict what was cosigned, kept on disk.
//!
//! SPEC: If the origin is known, and the signature is valid, the witness MAY log the request even if the
//! consistency proof doesn't verify as it might be proof of log misbehavior.
//!
//! A checkpoint with another root for a size we cosigned is proof by itself, and its file has the published form
//! ([`ledger_format::Evidence`]), which `maip evidence check` judges. A proof that does not hold may also come from a stranger who replays a genuine checkpoint with garbage, so such a file is only a hint. The
//! number of files is bounded for each log, and one checkpoint is kept once.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ledger_format::origin_path;

use crate::decide::Latest;
use crate::persist::disk::write_file;

/// Directory below the state directory.
pub(crate) const DIR: &str = "evidence";
/// Files kept for one log and one kind; later ones are counted only.
const FILES_PER_LOG_MAX: usize = 64;
/// Files kept in all.
const FILES_MAX: usize = 4096;

/// What a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Two roots for one size, both signed by the log: proof.
    Fork,
    /// A signed checkpoint whose proof from the last one does not hold: a hint.
    Proof,
    /// A signed checkpoint over entries that do not replay: proof, together with the entries.
    Entry,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Proof => "proof",
            Self::Entry => "entry",
        }
    }

    /// Whether a person should look: the log itself is convicted.
    pub(crate) fn is_alarm(self) -> bool {
        self != Self::Proof
    }
}

/// The evidence directory.
#[derive(Debug)]
pub(crate) struct Evidence {
    dir: PathBuf,
    /// Number of files by the part of their name that stands for log and kind.
    kept: Mutex<HashMap<String, usize>>,
}

impl Evidence {
    /// Opens `DIR` below the state directory, making it if needed.
    pub(crate) fn open(state_dir: &Path) -> io::Result<Self> {
        let dir = state_dir.join(DIR);
        std::fs::create_dir_all(&dir)?;
        let mut kept: HashMap<String, usize> = HashMap::new();
        for entry in std::fs::read_dir(&dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // <origin>-<kind>-<size>-<root>.txt
            let series = name.splitn(3, '-').take(2).collect::<Vec<_>>().join("-");
            *kept.entry(series).or_default() += 1;
        }
        Ok(Self { dir, kept: Mutex::new(kept) })
    }

    /// Keeps a file, unless its tree is known or the log has its share. Says whether a file was written.
    pub(crate) fn keep(&self, kind: Kind, origin: &str, tree: Latest, content: &[u8]) -> io::Result<bool> {
        let series = format!("{}-{}", &origin_path(origin)[..16], kind.name());
        let path = self.dir.join(format!("{series}-{}-{}.txt", tree.size, &tree.root.to_hex()[..16]));
        if path.exists() {
            return Ok(false);
        }
        {
            let mut kept = self.kept.lock().expect("nothing panics under this lock");
            let all: usize = kept.values().sum();
            let ours = kept.entry(series).or_default();
            if *ours >= FILES_PER_LOG_MAX || all >= FILES_MAX {
                return Ok(false);
            }
            *ours += 1;
        }
        write_file(&path, content, 0o644)?;
        Ok(true)
    }
}
