//! The sign guard: what this node's copy of the log key has last signed (rule G3).
//!
//! It is a file of its own, not a value in the engine, so that restoring the state from a backup cannot take it back. Its last line
//! is the BLAKE3 of those before: a bit that flips in it is found when it is read, and is not taken for what was signed.

use std::path::Path;

use ledger_format::Hash;
use ledger_store::Files;

use crate::{
    ablation::{self, Rule},
    ledger::LedgerError,
};

/// Name of the file, in the log's directory.
pub(crate) const FILE: &str = "sign-guard";
/// First line of the file.
const MAGIC: &str = "maip-sign-guard/2";
/// First line of a file without a checksum, as it was written before: it is read.
const MAGIC_1: &str = "maip-sign-guard/1";
/// What the first line of every version begins with.
const FAMILY: &str = "maip-sign-guard/";

/// Why there is no room for a signature. What [disagrees](Self::disagrees) is a reason to stop signing and look.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum GuardError {
    #[error(
        "asked to sign size {asked} after size {signed}: the log has shrunk; was it restored from a backup?"
    )]
    Shrinks { signed: u64, asked: u64 },
    #[error("asked to sign another root for size {size} than before")]
    OtherRoot { size: u64 },
    #[error("the tree of {asked} entries does not contain the signed tree of {signed}")]
    NotAPrefix { signed: u64, asked: u64 },
    #[error(
        "the sign guard {path} cannot be read: {reason}; restore it or follow the recovery procedure, never delete it"
    )]
    Unreadable { path: String, reason: String },
    #[error(
        "the sign guard {path} was written by a newer program ({version}); run that one, or a newer one, and never delete the file"
    )]
    Newer { path: String, version: String },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl GuardError {
    /// What was signed and what is asked for contradict each other. Otherwise a file could not be read or written: nothing is
    /// signed, and the next try may go well.
    pub(crate) fn disagrees(&self) -> bool {
        match self {
            Self::Shrinks { .. } | Self::OtherRoot { .. } | Self::NotAPrefix { .. } => true,
            Self::Unreadable { .. } | Self::Newer { .. } | Self::Ledger(_) => false,
        }
    }
}

/// The guard of one log on this node.
pub(crate) struct SignGuard {
    files: Files,
    origin: String,
    last: Option<(u64, Hash)>,
}

impl SignGuard {
    /// Reads the guard, or begins one for a key that has never signed here.
    pub(crate) fn open(dir: &Path, origin: &str) -> Result<Self, GuardError> {
        let files = Files::open(dir).map_err(LedgerError::from)?;
        let unreadable =
            |reason: String| GuardError::Unreadable { path: dir.join(FILE).display().to_string(), reason };
        let last = match files.read(FILE).map_err(LedgerError::from)? {
            Some(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not text".into()))?;
                let version = text.lines().next().unwrap_or_default();
                if ![MAGIC, MAGIC_1].contains(&version) && version.starts_with(FAMILY) {
                    let path = dir.join(FILE).display().to_string();
                    return Err(GuardError::Newer { path, version: version.to_owned() });
                }
                Some(parse(&text, origin).map_err(unreadable)?)
            }
            None => None,
        };
        Ok(Self { files, origin: origin.to_owned(), last })
    }

    /// What was signed last.
    pub(crate) fn last(&self) -> Option<(u64, Hash)> {
        self.last
    }

    /// Makes room for a signature over (`size`, `root`): durable before this returns, so sign only after it.
    ///
    /// `root_at` re-derives the root at a size from tiles: the step from the last signed size must be an extension, and
    /// the root that is about to be signed must be the tree's.
    ///
    /// After a write that failed the file may say what memory does not: renamed, and its directory not synced. It is then ahead of every
    /// signature and of none behind, as after a crash between guard and signature, and names what is applied. So a retry is safe: it
    /// compares with what was signed, and writes a new file before it signs.
    pub(crate) fn advance(
        &mut self,
        size: u64,
        root: Hash,
        root_at: impl Fn(u64) -> Result<Hash, LedgerError>,
    ) -> Result<(), GuardError> {
        if let Some((signed, signed_root)) = self.last.filter(|_| !ablation::is_off(Rule::G3)) {
            if size < signed {
                return Err(GuardError::Shrinks { signed, asked: size });
            }
            if size == signed {
                return if root == signed_root { Ok(()) } else { Err(GuardError::OtherRoot { size }) };
            }
            if root_at(signed)? != signed_root {
                return Err(GuardError::NotAPrefix { signed, asked: size });
            }
        }
        if root_at(size)? != root {
            return Err(GuardError::OtherRoot { size });
        }
        let body = format!("{MAGIC}\n{}\n{size}\n{}\n", self.origin, root.to_hex());
        let text = format!("{body}{}\n", checksum(&body));
        self.files.replace_small(FILE, text.as_bytes()).map_err(LedgerError::from)?;
        self.last = Some((size, root));
        Ok(())
    }
}

fn checksum(body: &str) -> String {
    blake3::hash(body.as_bytes()).to_hex().to_string()
}

fn parse(text: &str, origin: &str) -> Result<(u64, Hash), String> {
    let (magic, rest) = text.split_once('\n').ok_or("it has no lines")?;
    let body = match magic {
        MAGIC => {
            let (body, sum) = text.split_at(text.trim_end().rfind('\n').ok_or("it is cut off")? + 1);
            if sum.strip_suffix('\n') != Some(checksum(body).as_str()) {
                return Err("its checksum is wrong: it is damaged".into());
            }
            &body[magic.len() + 1..]
        }
        MAGIC_1 => rest,
        _ => return Err(format!("its first line is not {MAGIC}")),
    };
    let lines: Vec<&str> = body.lines().collect();
    let [owner, size, root] = lines[..] else { return Err("it has not as many lines as it should".into()) };
    if owner != origin {
        return Err(format!("it belongs to {owner}, not to {origin}"));
    }
    let size = size.parse().map_err(|_| "its size is not a number")?;
    let root = Hash::from_hex(root).ok_or("its root is not a hash")?;
    Ok((size, root))
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        path::PathBuf,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    use ledger_store::disk::{Disk, DiskFile, RealDisk};

    use super::*;

    /// The machine's disk, whose directories are not synced while it is told so.
    #[derive(Default)]
    struct Unsynced(AtomicBool);

    impl Disk for Unsynced {
        fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
            RealDisk.create(path)
        }
        fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
            RealDisk.open(path)
        }
        fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
            RealDisk.open_read(path)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            RealDisk.rename(from, to)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            RealDisk.remove(path)
        }
        fn create_dir(&self, dir: &Path) -> io::Result<()> {
            RealDisk.create_dir(dir)
        }
        fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
            RealDisk.list(dir)
        }
        fn sync_dir(&self, dir: &Path) -> io::Result<()> {
            if self.0.load(Ordering::Relaxed) {
                Err(io::Error::other("injected"))
            } else {
                RealDisk.sync_dir(dir)
            }
        }
    }

    fn root(n: u64) -> Hash {
        ledger_format::leaf_hash(&n.to_be_bytes())
    }

    fn guard(dir: &tempfile::TempDir) -> SignGuard {
        SignGuard::open(dir.path(), "log.example/a").unwrap()
    }

    #[test]
    fn remembers_across_a_restart_and_refuses_to_go_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = guard(&dir);
        first.advance(5, root(5), |n| Ok(root(n))).unwrap();
        first.advance(5, root(5), |n| Ok(root(n))).unwrap();
        first.advance(9, root(9), |n| Ok(root(n))).unwrap();
        drop(first);

        let mut again = guard(&dir);
        assert_eq!(again.last(), Some((9, root(9))));
        assert!(matches!(
            again.advance(8, root(8), |n| Ok(root(n))),
            Err(GuardError::Shrinks { signed: 9, asked: 8 })
        ));
        assert!(matches!(again.advance(9, root(1), |n| Ok(root(n))), Err(GuardError::OtherRoot { size: 9 })));
        assert!(matches!(
            again.advance(12, root(12), |n| Ok(root(n + 1))),
            Err(GuardError::NotAPrefix { .. })
        ));
        assert!(matches!(
            again.advance(12, root(1), |n| Ok(root(n))),
            Err(GuardError::OtherRoot { size: 12 })
        ));
        assert_eq!(guard(&dir).last(), Some((9, root(9))), "a refusal changes nothing");
    }

    /// The new name is there and may not be durable: what was signed stays what counts, and the next try writes again.
    #[test]
    fn a_write_that_failed_is_no_refusal_and_can_be_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(Unsynced::default());
        let files = Files::open_on(dir.path(), disk.clone()).unwrap();
        let mut first = SignGuard { files, origin: "log.example/a".into(), last: None };
        first.advance(5, root(5), |n| Ok(root(n))).unwrap();

        disk.0.store(true, Ordering::Relaxed);
        let failed = first.advance(9, root(9), |n| Ok(root(n))).unwrap_err();
        assert!(!failed.disagrees(), "{failed}");
        assert_eq!((first.last(), guard(&dir).last()), (Some((5, root(5))), Some((9, root(9)))));
        first.advance(5, root(5), |n| Ok(root(n))).expect("as before: that was signed");
        let refused = first.advance(4, root(4), |n| Ok(root(n))).unwrap_err();
        assert!(refused.disagrees(), "{refused}");
        assert!(first.advance(9, root(9), |n| Ok(root(n))).is_err(), "not signed before it is durable");

        disk.0.store(false, Ordering::Relaxed);
        let unread = |n| Err(LedgerError::corrupt(format!("tile {n}"), "rotten"));
        assert!(!first.advance(12, root(12), unread).unwrap_err().disagrees(), "the scrub repairs it");
        first.advance(12, root(12), |n| Ok(root(n))).unwrap();
        assert_eq!((first.last(), guard(&dir).last()), (Some((12, root(12))), Some((12, root(12)))));
    }

    #[test]
    fn a_damaged_or_foreign_guard_is_not_taken_for_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        guard(&dir).advance(5, root(5), |n| Ok(root(n))).unwrap();
        let path = dir.path().join("sign-guard");
        assert!(SignGuard::open(dir.path(), "log.example/b").is_err());
        for damaged in ["", "maip-sign-guard/1\n", "maip-sign-guard/1\nlog.example/a\nfive\n00\n"] {
            std::fs::write(&path, damaged).unwrap();
            assert!(SignGuard::open(dir.path(), "log.example/a").is_err(), "{damaged:?}");
        }
        std::fs::write(&path, "maip-sign-guard/3\nsomething new\n").unwrap();
        let refused = SignGuard::open(dir.path(), "log.example/a").map(drop).unwrap_err();
        assert!(matches!(refused, GuardError::Newer { .. }), "{refused}");
    }

    #[test]
    fn every_flipped_bit_in_a_guard_is_found() {
        let dir = tempfile::tempdir().unwrap();
        guard(&dir).advance(270, root(270), |n| Ok(root(n))).unwrap();
        let path = dir.path().join("sign-guard");
        let good = std::fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
            assert!(SignGuard::open(dir.path(), "log.example/a").is_err(), "bit {bit}");
        }
        std::fs::write(&path, &good).unwrap();
        assert_eq!(guard(&dir).last(), Some((270, root(270))));
    }

    #[test]
    fn a_guard_without_a_checksum_is_read_and_gets_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sign-guard");
        let old = format!("maip-sign-guard/1\nlog.example/a\n5\n{}\n", root(5).to_hex());
        std::fs::write(&path, old).unwrap();
        let mut guard = guard(&dir);
        assert_eq!(guard.last(), Some((5, root(5))));
        guard.advance(6, root(6), |n| Ok(root(n))).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(MAGIC));
    }
}
