//! Immutable files under a root directory: tiles and entry bundles in the C2SP layout.
//!
//! A file appears whole or not at all: it is written beside its place, synced, renamed, and its directory is synced. A
//! name that exists is never written again unless a caller says that it repairs ([`Files::replace`]): replay writes the
//! same bytes at the same place, and other bytes mean that this node or its disk is broken.
//!
//! Paths are relative, with `/`, and name nothing outside the root. Names that end in `.tmp` are ours: a crash leaves
//! them, [`Files::open`] does not look for them, readers and [`Files::walk`] skip them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StoreError;
use crate::disk::{Disk, DiskFile, RealDisk};

const TMP_SUFFIX: &str = ".tmp";

/// A root directory. Cheap to share; every method may be called from any thread.
pub struct Files {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    next_tmp: AtomicU64,
}

impl Files {
    /// Opens a root on the real disk; creates it if it is missing.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::open_on(root, Arc::new(RealDisk))
    }

    /// Opens a root on any disk.
    pub fn open_on(root: &Path, disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        disk.create_dir(root).map_err(|e| StoreError::io("create directory", root, e))?;
        Ok(Files { root: root.to_owned(), disk, next_tmp: AtomicU64::new(0) })
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a new file, durable on return. Fine if it exists with these bytes; [`StoreError::Differs`] otherwise.
    pub fn write_new(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_many(&[(path, bytes)])
    }

    /// Writes new files; all are durable on return. After an error some may be there, each whole.
    ///
    /// All files are written before the first is synced, so that the kernel writes them out together, and each
    /// directory is synced once.
    pub fn write_many(&self, files: &[(&str, &[u8])]) -> Result<(), StoreError> {
        let mut staged: Vec<Staged> = Vec::new();
        let mut dirs = BTreeSet::new();
        let mut given: BTreeMap<PathBuf, &[u8]> = BTreeMap::new();
        for (path, bytes) in files {
            let target = self.resolve(path)?;
            if let Some(before) = given.insert(target.clone(), bytes) {
                check_same(&target, before, bytes)?;
                continue;
            }
            if self.has_same(&target, bytes)? {
                // A crash between rename and sync may have left a name that is not durable yet.
                dirs.insert(parent(&target));
                continue;
            }
            staged.push(self.stage(target, bytes)?);
        }
        for file in &staged {
            file.handle.sync_data().map_err(|e| StoreError::io("sync", &file.tmp, e))?;
        }
        for file in &mut staged {
            self.rename(file)?;
            dirs.insert(parent(&file.target));
        }
        dirs.iter().try_for_each(|dir| self.sync_dir(dir))
    }

    /// Puts other bytes in a file's place, atomically and durably: to repair a damaged tile.
    pub fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.stage(self.resolve(path)?, bytes)?;
        file.handle.sync_data().map_err(|e| StoreError::io("sync", &file.tmp, e))?;
        self.rename(&mut file)?;
        self.sync_dir(&parent(&file.target))
    }

    /// Replaces a small mutable file, atomically and durably on return: for a guard that must never be seen half
    /// written nor go back after it was acknowledged.
    pub fn replace_small(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.replace(path, bytes)
    }

    /// The bytes of a file, or `None` when there is none.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_target(&self.resolve(path)?)
    }

    /// Part of a file, shorter where the file ends, or `None` when there is no file.
    pub fn read_range(&self, path: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, StoreError> {
        let target = self.resolve(path)?;
        let Some(file) = self.open_file(&target)? else { return Ok(None) };
        let end = range.end.min(file.len().map_err(|e| StoreError::io("read", &target, e))?);
        read_exactly(&*file, &target, range.start..end).map(Some)
    }

    /// True when there is such a file.
    pub fn exists(&self, path: &str) -> Result<bool, StoreError> {
        Ok(self.open_file(&self.resolve(path)?)?.is_some())
    }

    /// Removes a file; a missing one is fine. Durable on return. For partial tiles that a full one has replaced.
    pub fn remove(&self, path: &str) -> Result<(), StoreError> {
        let target = self.resolve(path)?;
        match self.disk.remove(&target) {
            Ok(()) => self.sync_dir(&parent(&target)),
            Err(e) if is_missing(&e) => Ok(()),
            Err(e) => Err(StoreError::io("remove", &target, e)),
        }
    }

    /// Names in a directory (`""` is the root), sorted; directories end in `/`. Empty when there is no such directory.
    pub fn list(&self, dir: &str) -> Result<Vec<String>, StoreError> {
        let path = if dir.is_empty() { self.root.clone() } else { self.resolve(dir)? };
        let entries = match self.disk.list(&path) {
            Ok(entries) => entries,
            Err(e) if is_missing(&e) => return Ok(Vec::new()),
            Err(e) => return Err(StoreError::io("list", &path, e)),
        };
        let mut names: Vec<String> = entries
            .iter()
            .filter_map(|entry| {
                let name = entry.file_name()?.to_str()?;
                (!name.ends_with(TMP_SUFFIX))
                    .then(|| format!("{name}{}", if entry.is_dir() { "/" } else { "" }))
            })
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Calls `visit` with the path of every file below `dir` (`""` is the root), in the order of [`list`](Self::list).
    pub fn walk<E: From<StoreError>>(
        &self,
        dir: &str,
        visit: &mut dyn FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        for name in self.list(dir)? {
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            match path.strip_suffix('/') {
                Some(dir) => self.walk(dir, visit)?,
                None => visit(&path)?,
            }
        }
        Ok(())
    }

    /// The place of a path below the root; refuses everything but plain names.
    fn resolve(&self, path: &str) -> Result<PathBuf, StoreError> {
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']) && !part.ends_with(TMP_SUFFIX)
        };
        if !path.split('/').all(plain) {
            return Err(StoreError::Path(path.to_owned()));
        }
        Ok(self.root.join(path))
    }

    /// True when the file exists with these bytes; an error when it exists with others.
    fn has_same(&self, target: &Path, bytes: &[u8]) -> Result<bool, StoreError> {
        let Some(there) = self.read_target(target)? else { return Ok(false) };
        check_same(target, &there, bytes)?;
        Ok(true)
    }

    /// Writes the bytes beside their place, in its directory, so that the rename stays within it.
    fn stage(&self, target: PathBuf, bytes: &[u8]) -> Result<Staged, StoreError> {
        let dir = parent(&target);
        self.disk.create_dir(&dir).map_err(|e| StoreError::io("create directory", &dir, e))?;
        let number = self.next_tmp.fetch_add(1, Ordering::Relaxed);
        let tmp = dir.join(format!("{}-{number}{TMP_SUFFIX}", std::process::id()));
        let handle = self.disk.create(&tmp).map_err(|e| {
            let _ = self.disk.remove(&tmp);
            StoreError::io("write", &tmp, e)
        })?;
        let file = Staged { disk: Arc::clone(&self.disk), tmp, target, handle, is_there: false };
        file.handle.write_all_at(bytes, 0).map_err(|e| StoreError::io("write", &file.tmp, e))?;
        Ok(file)
    }

    fn rename(&self, file: &mut Staged) -> Result<(), StoreError> {
        self.disk
            .rename(&file.tmp, &file.target)
            .map_err(|e| StoreError::io("rename to", &file.target, e))?;
        file.is_there = true;
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), StoreError> {
        self.disk.sync_dir(dir).map_err(|e| StoreError::io("sync directory", dir, e))
    }

    fn open_file(&self, target: &Path) -> Result<Option<Arc<dyn DiskFile>>, StoreError> {
        match self.disk.open_read(target) {
            Ok(file) => Ok(Some(file)),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(StoreError::io("open", target, e)),
        }
    }

    fn read_target(&self, target: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(file) = self.open_file(target)? else { return Ok(None) };
        let len = file.len().map_err(|e| StoreError::io("read", target, e))?;
        read_exactly(&*file, target, 0..len).map(Some)
    }
}

/// A written file that waits for its sync and its name.
struct Staged {
    disk: Arc<dyn Disk>,
    tmp: PathBuf,
    target: PathBuf,
    handle: Arc<dyn DiskFile>,
    /// It has its name.
    is_there: bool,
}

/// What failed on its way is tried again under another name, as often as it takes: nothing is left of the attempts.
impl Drop for Staged {
    fn drop(&mut self) {
        if !self.is_there {
            // Best effort: the name is never read.
            let _ = self.disk.remove(&self.tmp);
        }
    }
}

fn check_same(target: &Path, there: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
    if there == bytes {
        return Ok(());
    }
    let same = there.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    Err(StoreError::Differs { path: target.to_owned(), offset: same as u64 })
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new(".")).to_owned()
}

/// A file is also missing when part of its path is a file.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

fn read_exactly(file: &dyn DiskFile, path: &Path, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
    let failed = |e| StoreError::io("read", path, e);
    let len = usize::try_from(range.end.saturating_sub(range.start))
        .map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))?;
    let mut bytes = vec![0; len];
    let read = file.read_full_at(&mut bytes, range.start).map_err(failed)?;
    if read < len {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}
