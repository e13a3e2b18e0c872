//! Signing keys in files: one line, `maip-ed25519-seed:<base64url, no padding>`, readable by their owner only.
//!
//! The spelling of keys is `ledger_format`'s; here are files, permissions and names.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use ledger_format::record::{Draft, FederationAgree, Kid, PublicKey, Record, SigningKey, Ulid};

use crate::key_agent::{AgentError, Connection};

/// Ending of key files in a key directory.
pub const KEY_EXTENSION: &str = "key";

/// Why a key could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Not one line of the form above. The text is never repeated: it may be a secret.
    #[error(
        "{path} is not a key file: it must hold one line, maip-ed25519-seed:<43 characters of base64url>"
    )]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
    /// Others can read the private key.
    #[error("{path} can be read by others (mode {mode:03o})")]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a public key: neither 43 characters of base64url nor a file that holds them.
    #[error("{0:?} is neither a public key nor a file that holds one")]
    NotPublic(String),
}

/// Makes a seed from the operating system's randomness.
///
/// # Errors
/// When the system has none to give.
pub fn new_seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| io::Error::other(format!("no randomness: {e}")))?;
    Ok(seed)
}

/// Writes a new key file of mode 0600; never overwrites one.
///
/// # Errors
/// [`KeyError::Io`], also when the file exists.
pub fn write_seed(path: &Path, seed: &[u8; 32]) -> Result<(), KeyError> {
    let io = |source| KeyError::Io { path: path.into(), source };
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(io)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io)?;
    file.write_all(SigningKey::from_seed(*seed).to_seed_text().as_bytes()).map_err(io)?;
    file.sync_all().map_err(io)
}

/// Reads a key file.
///
/// # Errors
/// Missing, malformed, or readable by others: a key that others can read signs nothing here.
pub fn read_seed(path: &Path) -> Result<SigningKey, KeyError> {
    let io = |source| KeyError::Io { path: path.into(), source };
    let text = fs::read_to_string(path).map_err(io)?;
    #[cfg(unix)]
    {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).map_err(io)?.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::TooOpen { path: path.into(), mode });
        }
    }
    SigningKey::parse_seed_text(&text).map_err(|_| KeyError::Malformed { path: path.into() })
}

/// Finds a key by what a person typed: a path, or the name of a key in `directory`.
pub fn locate(directory: &Path, name: &str) -> PathBuf {
    let direct = PathBuf::from(name);
    if direct.exists() || name.contains(std::path::MAIN_SEPARATOR) {
        return direct;
    }
    let named = directory.join(name).with_added_extension(KEY_EXTENSION);
    if named.exists() { named } else { direct }
}

/// A public key from what a person typed: the key itself, a file that holds it, or a private key file, whose public
/// half is taken.
///
/// # Errors
/// [`KeyError::NotPublic`] when it is none of them, or not a valid Ed25519 point.
pub fn public(directory: &Path, typed: &str) -> Result<PublicKey, KeyError> {
    if let Ok(key) = PublicKey::parse(typed) {
        return Ok(key);
    }
    let path = locate(directory, typed);
    let text = fs::read_to_string(&path).map_err(|_| KeyError::NotPublic(typed.into()))?;
    if let Ok(key) = SigningKey::parse_seed_text(&text) {
        return Ok(key.public());
    }
    PublicKey::parse(text.trim_end()).map_err(|_| KeyError::NotPublic(typed.into()))
}

/// A key to sign with: from a file, or held by a key agent.
#[derive(Debug)]
pub enum KeyHandle {
    /// Read from its file.
    File(SigningKey),
    /// Held by an agent.
    Agent {
        /// Its public half.
        public: PublicKey,
        /// The agent's socket.
        socket: PathBuf,
    },
}

impl KeyHandle {
    /// The public half.
    pub fn public(&self) -> PublicKey {
        match self {
            Self::File(key) => key.public(),
            Self::Agent { public, .. } => *public,
        }
    }

    /// The key's id.
    pub fn kid(&self) -> Kid {
        self.public().kid()
    }

    /// Signs canonical JSON.
    ///
    /// # Errors
    /// The agent does not answer, or says no.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], AgentError> {
        match self {
            Self::File(key) => Ok(key.sign(message)),
            Self::Agent { public, socket } => Connection::open(socket)?.sign(public, message),
        }
    }

    /// Signs a record.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_record(&self, draft: Draft) -> Result<Record, AgentError> {
        draft.sign_with(self.kid(), |bytes| self.sign(bytes))
    }

    /// Signs an agreement as the other side of it.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_agreement(&self, body: &mut FederationAgree, tenant: Ulid) -> Result<(), AgentError> {
        body.sign_as_peer_with(tenant, self.public(), |bytes| self.sign(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_private_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        write_seed(&path, &[7; 32]).unwrap();
        let key = read_seed(&path).unwrap();
        assert_eq!(key.kid(), SigningKey::from_seed([7; 32]).kid());
        assert!(matches!(write_seed(&path, &[8; 32]), Err(KeyError::Io { .. })), "never overwritten");

        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(matches!(read_seed(&path), Err(KeyError::TooOpen { mode: 0o644, .. })));
        }
    }

    #[test]
    fn a_public_key_is_found_as_text_in_a_file_and_from_a_private_one() {
        let dir = tempfile::tempdir().unwrap();
        let want = SigningKey::from_seed([7; 32]).public();
        write_seed(&dir.path().join("a.key"), &[7; 32]).unwrap();
        let text = want.to_string();
        fs::write(dir.path().join("a.pub"), format!("{text}\n")).unwrap();
        let file = dir.path().join("a.pub");
        for typed in [text.as_str(), "a", file.to_str().unwrap()] {
            assert_eq!(public(dir.path(), typed).unwrap().kid(), want.kid(), "{typed}");
        }
        assert!(matches!(public(dir.path(), "nobody"), Err(KeyError::NotPublic(_))));
    }
}
