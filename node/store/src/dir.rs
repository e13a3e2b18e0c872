//! A directory owned by one process and one format.
//!
//! ```text
//! LOCK      locked while open; empty
//! FORMAT    "maip <what> <version>\n", written before the first data
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::disk::{Disk, RealDisk};

const LOCK_FILE: &str = "LOCK";
const FORMAT_FILE: &str = "FORMAT";

/// A locked directory. Dropping it unlocks.
#[derive(Debug)]
pub(crate) struct OwnedDir {
    path: PathBuf,
    _lock: File,
}

impl OwnedDir {
    /// Creates `path` if needed, locks it and checks that it holds `what` in a version up to `version`.
    pub(crate) fn claim(path: &Path, what: &str, version: u32) -> Result<Self, StoreError> {
        RealDisk.create_dir(path).map_err(|e| StoreError::io("create directory", path, e))?;
        let lock = lock(path)?;
        match read_format(path)? {
            Some((found, _)) if found != what => {
                return Err(StoreError::Foreign { dir: path.to_owned(), found, wanted: what.to_owned() });
            }
            Some((_, found)) if found > version => {
                return Err(StoreError::Newer { dir: path.to_owned(), found, known: version });
            }
            Some(_) => {}
            None => write_format(path, what, version)?,
        }
        Ok(OwnedDir { path: path.to_owned(), _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| StoreError::io("open", &path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(dir.to_owned())),
        Err(TryLockError::Error(e)) => Err(StoreError::io("lock", &path, e)),
    }
}

/// What the format file says, or `None` in a directory that holds nothing yet.
fn read_format(dir: &Path) -> Result<Option<(String, u32)>, StoreError> {
    let path = dir.join(FORMAT_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return match first_stranger(dir)? {
                None => Ok(None),
                Some(name) => Err(StoreError::Foreign {
                    dir: dir.to_owned(),
                    found: format!("{name} and no {FORMAT_FILE} file"),
                    wanted: "an empty directory or one of ours".into(),
                }),
            };
        }
        Err(e) => return Err(StoreError::io("read", &path, e)),
    };
    let parsed = text
        .strip_prefix("maip ")
        .and_then(|rest| rest.strip_suffix('\n'))
        .and_then(|rest| rest.rsplit_once(' '))
        .and_then(|(what, version)| Some((what.to_owned(), version.parse().ok()?)));
    parsed.map(Some).ok_or_else(|| StoreError::corrupt(&path, 0, "not a format file"))
}

/// Something in the directory that a crash before the first format file cannot explain.
fn first_stranger(dir: &Path) -> Result<Option<String>, StoreError> {
    for entry in fs::read_dir(dir).map_err(|e| StoreError::io("list", dir, e))? {
        let name = entry.map_err(|e| StoreError::io("list", dir, e))?.file_name();
        let name = name.to_string_lossy();
        if name != LOCK_FILE && !name.ends_with(".tmp") {
            return Ok(Some(name.into_owned()));
        }
    }
    Ok(None)
}

fn write_format(dir: &Path, what: &str, version: u32) -> Result<(), StoreError> {
    let tmp = dir.join(format!("{FORMAT_FILE}.tmp"));
    let write = || -> io::Result<()> {
        let mut file = File::create(&tmp)?;
        file.write_all(format!("maip {what} {version}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&tmp, dir.join(FORMAT_FILE))
    };
    write().map_err(|e| StoreError::io("write", &tmp, e))?;
    RealDisk.sync_dir(dir).map_err(|e| StoreError::io("sync directory", dir, e))
}

/// Bytes of all plain files below `dir`; what cannot be read counts as nothing.
pub(crate) fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
            Ok(meta) => allocated(&meta),
            Err(_) => 0,
        })
        .sum()
}

/// Blocks, not length: preallocated and sparse files differ.
fn allocated(meta: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    meta.blocks() * 512
}
