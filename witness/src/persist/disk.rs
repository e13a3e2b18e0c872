//! The two files the memory lives in, behind five calls, so that a test can stand in for a failing disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Names of the two files. They take turns: see [`super::journal`].
pub(crate) const FILE_NAMES: [&str; 2] = ["memory.a", "memory.b"];

/// Zeros are written in pieces of this size when a file is reserved.
const ZERO_CHUNK: usize = 1 << 20;

/// Two numbered files of blocks. A failed call leaves the file in any state; the caller must not go on.
pub(crate) trait Disk: Send + 'static {
    /// The whole content of a file.
    fn read(&mut self, file: usize) -> io::Result<Vec<u8>>;
    /// Writes at an offset, extending the file if needed. Not durable before [`Disk::sync`].
    fn write(&mut self, file: usize, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written to the file durable.
    fn sync(&mut self, file: usize) -> io::Result<()>;
    /// Length of a file in bytes.
    fn len(&mut self, file: usize) -> io::Result<u64>;
    /// Extends a file with zeros to at least `len` bytes, durably.
    ///
    /// Blocks that exist and were written once are flushed without touching the file system's own
    /// journal, which halves the time of a flush; and a full disk is met here, not while answering.
    fn reserve(&mut self, file: usize, len: u64) -> io::Result<()>;
}

/// Real files in the state directory.
#[derive(Debug)]
pub(crate) struct Files {
    files: [File; 2],
}

impl Files {
    /// Opens the files that [`Files::create`] made; both must exist.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let open = |name: &str| OpenOptions::new().read(true).write(true).open(dir.join(name));
        Ok(Self { files: [open(FILE_NAMES[0])?, open(FILE_NAMES[1])?] })
    }

    /// Makes both files, mode 0600; neither may exist.
    pub(crate) fn create(dir: &Path) -> io::Result<Self> {
        let create = |name: &str| {
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(dir.join(name))
        };
        let files = Self { files: [create(FILE_NAMES[0])?, create(FILE_NAMES[1])?] };
        sync_dir(dir)?;
        Ok(files)
    }
}

impl Disk for Files {
    fn read(&mut self, file: usize) -> io::Result<Vec<u8>> {
        let len = usize::try_from(self.len(file)?).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        self.files[file].read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    fn write(&mut self, file: usize, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.files[file].write_all_at(bytes, offset)
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        self.files[file].sync_data()
    }

    fn len(&mut self, file: usize) -> io::Result<u64> {
        Ok(self.files[file].metadata()?.len())
    }

    fn reserve(&mut self, file: usize, len: u64) -> io::Result<()> {
        let mut at = self.len(file)?;
        if at >= len {
            return Ok(());
        }
        let zeros = vec![0; ZERO_CHUNK];
        while at < len {
            let take = ZERO_CHUNK.min(usize::try_from(len - at).unwrap_or(ZERO_CHUNK));
            self.files[file].write_all_at(&zeros[..take], at)?;
            at += take as u64;
        }
        self.files[file].sync_all()
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Writes a new file durably: temporary name, fsync, rename, fsync of the directory.
pub(crate) fn write_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut temporary = PathBuf::from(path).into_os_string();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()?;
    }
    fs::rename(&temporary, path)?;
    sync_dir(dir)
}
