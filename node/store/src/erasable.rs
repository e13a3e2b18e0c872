//! Small files that can be erased: in folders, each file there whole or not at all, overwritten before it is removed.
//!
//! For what must be gone when it is deleted. An engine keeps old values in journals and levels for as long as it likes, and a log
//! until it is purged; here one file holds one value, and nothing else ever does.
//!
//! ```text
//!   <dir>/<folder>/<name>   one value; mode 0600, folders 0700
//!   <dir>/<folder>/new      a value that is being written
//! ```
//! What a file system that copies on write, a flash disk or a backup keeps of a file that was overwritten is beyond a program's reach.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::dir::OwnedDir;

const FORMAT: &str = "erasable";
const VERSION: u32 = 1;
/// A file under construction: one name a folder, so that whoever erases a folder knows where it is.
const UNFINISHED: &str = "new";
/// Longest name of a file or folder.
const NAME_CHARS_MAX: usize = 200;
/// How much is overwritten at once.
const CHUNK: usize = 64 << 10;

/// A directory of folders of erasable files, locked while it is open. Callers take turns: no two may change one folder at a time.
#[derive(Debug)]
pub struct ErasableFiles {
    dir: OwnedDir,
}

impl ErasableFiles {
    /// Opens the directory, or makes it.
    ///
    /// # Errors
    /// It is in use, or holds something else; the disk.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { dir: OwnedDir::claim(dir, FORMAT, VERSION)? })
    }

    /// Puts a value, durably, in the place of one that was there.
    ///
    /// # Errors
    /// The disk.
    ///
    /// # Panics
    /// When a name is none: letters, digits and `-`.
    pub fn put(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let dir = self.folder(folder);
        if !dir.is_dir() {
            DirBuilder::new()
                .mode(0o700)
                .create(&dir)
                .map_err(|e| StoreError::io("create directory", &dir, e))?;
            sync_dir(self.dir.path())?;
        }
        let (unfinished, path) = (dir.join(UNFINISHED), dir.join(checked(name)));
        let write = || -> io::Result<()> {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        write().map_err(|e| StoreError::io("write", &path, e))?;
        sync_dir(&dir)
    }

    /// A value, or `None` when it is not there.
    ///
    /// # Errors
    /// The disk.
    ///
    /// # Panics
    /// As [`Self::put`].
    pub fn get(&self, folder: &str, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.folder(folder).join(checked(name));
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StoreError::io("read", &path, e)),
        }
    }

    /// The folders, in order.
    ///
    /// # Errors
    /// The disk.
    pub fn folders(&self) -> Result<Vec<String>, StoreError> {
        let dir = self.dir.path();
        Ok(names(dir)?.into_iter().filter(|name| dir.join(name).is_dir()).collect())
    }

    /// The files of a folder with their lengths in bytes, in order; none when there is no such folder.
    ///
    /// # Errors
    /// The disk.
    ///
    /// # Panics
    /// As [`Self::put`].
    pub fn files(&self, folder: &str) -> Result<Vec<(String, u64)>, StoreError> {
        let dir = self.folder(folder);
        let mut found = Vec::new();
        for name in names(&dir)? {
            let path = dir.join(&name);
            if name != UNFINISHED {
                let length = fs::metadata(&path).map_err(|e| StoreError::io("read", &path, e))?.len();
                found.push((name, length));
            }
        }
        Ok(found)
    }

    /// Whether there is such a folder, and be it an empty one.
    ///
    /// # Panics
    /// As [`Self::put`].
    pub fn has_folder(&self, folder: &str) -> bool {
        self.folder(folder).exists()
    }

    /// Overwrites and removes all files of a folder, `first` before all others, then the folder; durably. Repeat it after a failure or a
    /// crash: it finishes. Returns how many files it removed besides `first`.
    ///
    /// # Errors
    /// The disk.
    ///
    /// # Panics
    /// As [`Self::put`].
    pub fn erase(&self, folder: &str, first: &str) -> Result<usize, StoreError> {
        let dir = self.folder(folder);
        if !dir.exists() {
            return Ok(0);
        }
        for name in [checked(first), UNFINISHED] {
            overwrite_and_remove(&dir.join(name))?;
        }
        sync_dir(&dir)?;
        let rest = names(&dir)?;
        for name in &rest {
            overwrite_and_remove(&dir.join(name))?;
        }
        sync_dir(&dir)?;
        fs::remove_dir(&dir).map_err(|e| StoreError::io("remove", &dir, e))?;
        sync_dir(self.dir.path())?;
        Ok(rest.len())
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(checked(name))
    }
}

/// Names come from the program, never from outside: another one is a fault of the caller.
fn checked(name: &str) -> &str {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    assert!(
        plain && !name.is_empty() && name.len() <= NAME_CHARS_MAX,
        "not a name of an erasable file: {name:?}"
    );
    name
}

fn names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(StoreError::io("list", dir, e)),
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> =
        names.collect::<io::Result<_>>().map_err(|e| StoreError::io("list", dir, e))?;
    names.sort();
    Ok(names)
}

fn overwrite_and_remove(path: &Path) -> Result<(), StoreError> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(StoreError::io("open", path, e)),
    };
    let overwrite = |file: &mut File| -> io::Result<()> {
        let mut left = file.metadata()?.len();
        while left > 0 {
            let part = left.min(CHUNK as u64);
            file.write_all(&[0; CHUNK][..part as usize])?;
            left -= part;
        }
        file.sync_all()
    };
    overwrite(&mut file).map_err(|e| StoreError::io("overwrite", path, e))?;
    fs::remove_file(path).map_err(|e| StoreError::io("remove", path, e))
}

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| StoreError::io("sync directory", dir, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_there_until_it_is_erased() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("files");
        let files = ErasableFiles::open(&path).unwrap();
        assert!(matches!(ErasableFiles::open(&path), Err(StoreError::Locked(_))));
        for (name, value) in [("key", &b"k"[..]), ("b", b"old"), ("a", b"12"), ("b", b"new value")] {
            files.put("folder", name, value).unwrap();
        }
        files.put("other", "key", b"o").unwrap();
        let found = files.files("folder").unwrap();
        assert_eq!(found, [("a".into(), 2), ("b".into(), 9), ("key".into(), 1)]);
        assert_eq!(files.get("folder", "b").unwrap().as_deref(), Some(&b"new value"[..]));
        assert_eq!(files.get("folder", "c").unwrap(), None);
        assert_eq!(files.get("nowhere", "c").unwrap(), None);

        assert_eq!(files.erase("folder", "key").unwrap(), 2);
        assert_eq!(files.erase("folder", "key").unwrap(), 0, "again");
        assert_eq!(files.folders().unwrap(), ["other"]);
        assert!(!files.has_folder("folder") && files.has_folder("other"));
        drop(files);
        let files = ErasableFiles::open(&path).unwrap();
        assert_eq!(files.get("other", "key").unwrap().as_deref(), Some(&b"o"[..]));
    }

    /// A second name for each file shows what the erasure did to its bytes.
    #[test]
    fn bytes_are_overwritten_and_an_unfinished_file_goes_too() {
        let dir = tempfile::tempdir().unwrap();
        let files = ErasableFiles::open(&dir.path().join("files")).unwrap();
        let long = vec![7; CHUNK + 5];
        files.put("folder", "key", b"secret").unwrap();
        files.put("folder", "a", &long).unwrap();
        let folder = dir.path().join("files/folder");
        fs::write(folder.join(UNFINISHED), b"half a sec").unwrap();
        assert_eq!(files.files("folder").unwrap().len(), 2, "an unfinished file is none");
        for name in ["key", "a", UNFINISHED] {
            fs::hard_link(folder.join(name), dir.path().join(name)).unwrap();
        }
        files.erase("folder", "key").unwrap();
        for (name, length) in [("key", 6), ("a", long.len()), (UNFINISHED, 10)] {
            assert_eq!(fs::read(dir.path().join(name)).unwrap(), vec![0; length], "{name}");
        }
    }

    #[test]
    fn files_are_their_owners_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let files = ErasableFiles::open(&dir.path().join("files")).unwrap();
        files.put("folder", "key", b"secret").unwrap();
        let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("files/folder"), mode("files/folder/key")), (0o700, 0o600));
    }
}
