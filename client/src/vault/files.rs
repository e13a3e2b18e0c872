//! Files that appear whole and disappear for good, as far as a file system lets them.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::VaultError;

/// A file under construction. One name a directory: whoever destroys a directory's secrets knows where an unfinished one is.
pub(super) const UNFINISHED: &str = "new";

/// How much is overwritten at once.
const CHUNK: usize = 64 * 1024;

/// Puts the path to an error of the file system.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> VaultError {
    let path = path.to_path_buf();
    move |source| VaultError::Io { path, source }
}

/// Fills an array from the operating system's randomness.
pub(super) fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| VaultError::NoRandomness(e.to_string()))?;
    Ok(bytes)
}

/// Makes a directory, and those above it, that only its owner enters.
pub(super) fn make_dir(path: &Path) -> Result<(), VaultError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(at(path))?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Writes a file of mode 0600 that is there whole or not at all, durably.
pub(super) fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), VaultError> {
    let unfinished = dir.join(UNFINISHED);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished).map_err(at(&unfinished))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&unfinished))?;
    let path = dir.join(name);
    fs::rename(&unfinished, &path).map_err(at(&path))?;
    sync_dir(dir)
}

/// The file's bytes, or `None` when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, VaultError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(at(path)(e)),
    }
}

/// A key of a fixed length that nobody else can read, or `None` when it is not there.
pub(super) fn read_key<const N: usize>(path: &Path) -> Result<Option<[u8; N]>, VaultError> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    #[cfg(unix)]
    {
        let permissions = fs::metadata(path).map_err(at(path))?.permissions();
        let mode = std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777;
        if mode & 0o077 != 0 {
            return Err(VaultError::TooOpen { path: path.into(), mode });
        }
    }
    let wrong = || VaultError::BadKey { path: path.into(), bytes: bytes.len(), want: N };
    Ok(Some(bytes.as_slice().try_into().map_err(|_| wrong())?))
}

/// Whether something is there.
pub(super) fn exists(path: &Path) -> Result<bool, VaultError> {
    path.try_exists().map_err(at(path))
}

/// What a directory holds, in order; nothing when it is not there.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>, VaultError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(at(dir)(e)),
    };
    let paths: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(at(dir))?;
    paths.sort();
    Ok(paths)
}

/// Overwrites a file with zeros, durably, and removes it. A file that is not there is no error.
///
/// The name is durably gone only after [`sync_dir`].
pub(super) fn destroy(path: &Path) -> Result<(), VaultError> {
    let mut file = match fs::OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(at(path)(e)),
    };
    let mut left = file.metadata().map_err(at(path))?.len();
    let zeros = [0; CHUNK];
    while left > 0 {
        let part = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        file.write_all(&zeros[..part]).map_err(at(path))?;
        left -= part as u64;
    }
    file.sync_all().map_err(at(path))?;
    fs::remove_file(path).map_err(at(path))
}

/// Makes what was created, renamed and removed in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), VaultError> {
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir))
}
