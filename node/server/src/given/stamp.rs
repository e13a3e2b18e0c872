//! What a file was when it was read: its content, and what the file system says of it.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

/// Bytes of a file that are read and compared; of a longer one, these and its length. A bundle of the web's authorities fits.
pub(super) const GIVEN_BYTES_MAX: u64 = 1024 * 1024;
/// How often a file is read again that is being written meanwhile.
const READ_ATTEMPTS: usize = 3;

/// One file at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// BLAKE3 of the content. Of a key it says nothing: a key has at least 128 bits of entropy, so nobody finds it by guessing.
    pub(super) hash: blake3::Hash,
    /// Length in bytes.
    pub(super) length: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub(super) modified_ns: i128,
    /// Its number in the file system.
    pub(super) inode: u64,
}

impl Stamp {
    /// Whether both have the same content.
    pub(super) fn is_same_content(&self, other: &Self) -> bool {
        self.hash == other.hash && self.length == other.length
    }

    /// Whether nothing says that somebody wrote the file in between: whoever writes one moves its time, and where every file has the same
    /// time (images and packages that are built reproducibly) another file has another inode.
    pub(super) fn is_unwritten_since(&self, before: &Self) -> bool {
        self.modified_ns == before.modified_ns && self.length == before.length && self.inode == before.inode
    }
}

/// Reads a file, at most [`GIVEN_BYTES_MAX`] of it.
///
/// # Errors
/// As the system's; and what is no file, like a pipe, gives its content only once, to whoever needs it.
pub(super) fn read(path: &Path) -> io::Result<(Stamp, Vec<u8>)> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    for _ in 0..READ_ATTEMPTS {
        let file = File::open(path)?;
        let before = file.metadata()?;
        let mut bytes = Vec::new();
        (&file).take(GIVEN_BYTES_MAX).read_to_end(&mut bytes)?;
        // Content and time must be of one moment: a new content under an old time would pass for a damaged one.
        if is_unchanged(&before, &file.metadata()?) {
            let stamp = Stamp {
                hash: blake3::hash(&bytes),
                length: before.len(),
                modified_ns: modified_ns(&before),
                inode: before.ino(),
            };
            return Ok((stamp, bytes));
        }
    }
    Err(io::Error::other("it is being written"))
}

fn is_unchanged(before: &Metadata, after: &Metadata) -> bool {
    before.len() == after.len() && modified_ns(before) == modified_ns(after)
}

fn modified_ns(metadata: &Metadata) -> i128 {
    i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn a_pipe_is_left_to_whoever_needs_it() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        for path in [dir.path(), &pipe] {
            assert_eq!(read(path).expect_err("no file").to_string(), "it is not a file");
        }
    }
}
