//! Files that only their owner reads, and that appear whole or not at all.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

/// Ending of the name that a file has while it is written.
const UNFINISHED: &str = "part";

/// A file under construction: `FILE.part`, until [`Self::finish`] gives it its name. Dropped before, it is removed.
///
/// It is always a new file of mode 0600. What was there is replaced and never written into: others may be able to read it,
/// or have it open.
#[derive(Debug)]
pub(crate) struct PrivateFile {
    file: fs::File,
    /// `None` once it has its name.
    unfinished: Option<PathBuf>,
    path: PathBuf,
}

impl PrivateFile {
    /// Begins a file that is to replace `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        refuse_what_is_no_file(path)?;
        let unfinished = path.with_added_extension(UNFINISHED);
        match fs::remove_file(&unfinished) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&unfinished)?;
        Ok(Self { file, unfinished: Some(unfinished), path: path.to_owned() })
    }

    /// Makes the file durable and gives it its name.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if let Some(unfinished) = &self.unfinished {
            fs::rename(unfinished, &self.path)?;
        }
        self.unfinished = None;
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        fs::File::open(dir.unwrap_or(Path::new("."))).and_then(|dir| dir.sync_all())
    }
}

impl Write for PrivateFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if let Some(unfinished) = &self.unfinished {
            let _ = fs::remove_file(unfinished);
        }
    }
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = PrivateFile::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Whoever names a link, a device or a pipe wants it written into, and a new file in its place is not that: `/dev/stdout` is
/// a link, and would be gone.
fn refuse_what_is_no_file(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_file() => Ok(()),
        Ok(_) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a link or no file: name a file itself"))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn whatever_was_there_is_replaced_by_a_private_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("open"), "before").unwrap();
        fs::set_permissions(path("open"), fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(path("elsewhere"), "kept").unwrap();
        // What a run that was killed left, or somebody laid out.
        symlink(path("elsewhere"), path("left.part")).unwrap();
        for name in ["open", "left", "new"] {
            write(&path(name), b"value").unwrap();
            assert_eq!(
                (fs::read(path(name)).unwrap(), mode(&path(name))),
                (b"value".to_vec(), 0o600),
                "{name}"
            );
            assert!(fs::symlink_metadata(path(name)).unwrap().is_file(), "{name}");
        }
        assert_eq!(fs::read(path("elsewhere")).unwrap(), b"kept");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "nothing unfinished is left");
    }

    #[test]
    fn what_is_not_finished_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "before").unwrap();
        let mut file = PrivateFile::create(&path).unwrap();
        file.write_all(b"half of").unwrap();
        assert_eq!(mode(&path.with_added_extension(UNFINISHED)), 0o600);
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_and_what_is_no_file_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "kept").unwrap();
        symlink(&file, &link).unwrap();
        for path in [link.as_path(), dir.path()] {
            assert_eq!(write(path, b"x").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(fs::read(&file).unwrap(), b"kept");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
