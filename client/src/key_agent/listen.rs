//! A socket that only its owner can use, in the place of a dead one, never of a living one.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// An agent lives there.
    #[error("a key agent serves {path} already")]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error("{path} is there and is no socket")]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The system says no.
    #[error("the socket {path} cannot be made: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

/// A socket in its place. It goes with this value; a process that is killed leaves it, and the next one replaces it.
#[derive(Debug)]
pub struct Listening {
    path: PathBuf,
    /// Held as long as the process lives, however it ends: this tells a dead socket from a living one.
    _lock: File,
}

impl Listening {
    /// Makes the socket.
    ///
    /// # Errors
    /// An agent serves it, something else has the name, or the system says no.
    pub fn at(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        let failed = |source| SocketError::Io { path: path.into(), source };
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(beside(path, "lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SocketError::Taken { path: path.into() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        match fs::symlink_metadata(path) {
            Ok(meta) if !meta.file_type().is_socket() => {
                return Err(SocketError::NoSocket { path: path.into() });
            }
            _ => {}
        }
        let listener = place(path).map_err(failed)?;
        Ok((Self { path: path.into(), _lock: lock }, listener))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Nobody could be told; a socket that stays is dead and will be replaced.
        let _ = fs::remove_file(&self.path);
    }
}

/// Binds in a directory that nobody else enters, then moves the socket to its place: at no time can others connect.
fn place(path: &Path) -> io::Result<UnixListener> {
    let room = beside(path, &format!("{}.d", std::process::id()));
    // Left by a process of the same id that was killed just here.
    let _ = fs::remove_dir_all(&room);
    fs::DirBuilder::new().mode(0o700).create(&room)?;
    let made = bind(&room.join("s"), path);
    let _ = fs::remove_dir_all(&room);
    made
}

fn bind(within: &Path, path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(within)?;
    fs::set_permissions(within, Permissions::from_mode(0o600))?;
    fs::rename(within, path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// `PATH.ending`
fn beside(path: &Path, ending: &str) -> PathBuf {
    path.with_added_extension(ending)
}
