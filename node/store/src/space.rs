//! Free space, and a reserve that is given up when there is none.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::StoreError;

const RESERVE_FILE: &str = "reserve";

/// Bytes an unprivileged process may still write to the file system of `dir`.
pub fn free_bytes(dir: &Path) -> Result<u64, StoreError> {
    let stat = rustix::fs::statvfs(dir).map_err(|e| StoreError::io("stat file system of", dir, e.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// A file that only occupies space, so that bookkeeping (a vote, a truncation, the mark of a purge) still fits on a disk
/// that others have filled.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// Takes the reserve in `dir`, or starts without it when there is no room.
    pub(crate) fn open(dir: &Path, bytes: u64) -> Result<Self, StoreError> {
        let mut reserve = Reserve { path: dir.join(RESERVE_FILE), bytes, held: bytes == 0 };
        if bytes == 0 {
            remove(&reserve.path)?;
        } else {
            reserve.take()?;
        }
        Ok(reserve)
    }

    /// True while the reserve occupies its space (or none was asked for).
    pub(crate) fn held(&self) -> bool {
        self.held
    }

    /// Gives the space up. True when there was something to give.
    pub(crate) fn release(&mut self) -> Result<bool, StoreError> {
        if self.bytes == 0 || !self.held {
            return Ok(false);
        }
        remove(&self.path)?;
        self.held = false;
        Ok(true)
    }

    /// Takes the reserve again once twice its size is free; cheap enough to ask at every new segment.
    pub(crate) fn retake_if_room(&mut self) -> Result<(), StoreError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        if !self.held && free_bytes(dir)? >= self.bytes.saturating_mul(2) {
            self.take()?;
        }
        Ok(())
    }

    fn take(&mut self) -> Result<(), StoreError> {
        let allocate = || -> io::Result<()> {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.path)?;
            if file.metadata()?.len() != self.bytes {
                file.set_len(0)?;
                rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, self.bytes)?;
            }
            Ok(())
        };
        match allocate() {
            Ok(()) => self.held = true,
            // A file system that cannot allocate ahead has no reserve to give; a full one has none to take.
            Err(e) if crate::error::is_no_space(&e) || e.kind() == io::ErrorKind::Unsupported => {
                remove(&self.path)?;
                self.held = e.kind() == io::ErrorKind::Unsupported;
            }
            Err(e) => return Err(StoreError::io("allocate", &self.path, e)),
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_occupies_gives_up_and_takes_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(RESERVE_FILE);
        let mut reserve = Reserve::open(dir.path(), 1 << 20).unwrap();
        assert!(reserve.held() && crate::dir::disk_bytes(dir.path()) >= 1 << 20);
        assert!(reserve.release().unwrap());
        assert!(!reserve.held() && !file.exists());
        assert!(!reserve.release().unwrap(), "nothing left to give");
        reserve.retake_if_room().unwrap();
        assert!(reserve.held() && file.exists());
        Reserve::open(dir.path(), 0).unwrap();
        assert!(!file.exists(), "a reserve that is no longer wanted is removed");
    }
}
