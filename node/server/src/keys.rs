//! Key files: read only when nobody else can read them, written with mode 0600.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use ledger_format::{NoteSigner, SignatureType, record::SigningKey};
use thiserror::Error;

use crate::config::Log;

/// No key file of ours is longer; a PEM key with its comments fits.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;
/// What an admin key starts with.
const ADMIN_KEY_PREFIX: &str = "maip_live_";
/// Characters behind the prefix: at least 128 bits in base62.
const ADMIN_KEY_CHARS_MIN: usize = 22;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Why a key file cannot be used. Never quotes its content.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It is not there, or the system refuses.
    #[error("key file {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others on this machine can read it.
    #[error(
        "key file {path} has mode {mode:04o}, so others can read it: chmod 600 {path}, and consider the key leaked"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not the key it should be.
    #[error("key file {path}: {problem}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and the fix.
        problem: String,
    },
}

/// The keys of one hosted log.
pub struct LogKeys {
    /// Signs checkpoints.
    pub signer: NoteSigner,
    /// Signs checkpoints too, while it takes over.
    pub next_signer: Option<NoteSigner>,
    /// Signs the genesis record.
    pub operator: SigningKey,
}

/// Loads and checks the keys of one log.
pub fn load_log_keys(log: &Log) -> Result<LogKeys, KeyFileError> {
    let signer = load_log_key(&log.log_key, &log.origin)?;
    let next_signer = log.next_log_key.as_deref().map(|path| load_log_key(path, &log.origin)).transpose()?;
    let operator = SigningKey::parse_seed_text(&read_secret(&log.operator_key)?).map_err(|error| {
        content(&log.operator_key, format!("not an operator key: {error}; `maip-node init` writes one"))
    })?;
    Ok(LogKeys { signer, next_signer, operator })
}

fn load_log_key(path: &Path, origin: &str) -> Result<NoteSigner, KeyFileError> {
    let signer = NoteSigner::parse(&read_secret(path)?)
        .map_err(|error| content(path, format!("not a log key: {error}; `maip-node init` writes one")))?;
    let vkey = signer.vkey();
    if vkey.signature_type() != SignatureType::Ed25519 {
        return Err(content(path, "not an Ed25519 key; checkpoints need one".to_owned()));
    }
    if vkey.name() != origin {
        let name = vkey.name();
        let problem = format!("its name is {name:?} but the origin is {origin:?}; they must be the same");
        return Err(content(path, problem));
    }
    Ok(signer)
}

fn content(path: &Path, problem: String) -> KeyFileError {
    KeyFileError::Content { path: path.to_owned(), problem }
}

/// The admin key, kept as a keyed hash and compared in constant time.
pub struct AdminKey {
    hash_key: [u8; 32],
    hash: blake3::Hash,
}

impl AdminKey {
    /// Loads the key file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let text = read_secret(path)?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if !is_admin_key(text) {
            let problem = format!(
                "not an admin key ({ADMIN_KEY_PREFIX} and at least {ADMIN_KEY_CHARS_MIN} letters or digits)"
            );
            return Err(KeyFileError::Content { path: path.to_owned(), problem });
        }
        let hash_key = random().map_err(|source| KeyFileError::Io { path: path.to_owned(), source })?;
        Ok(Self { hash: blake3::keyed_hash(&hash_key, text.as_bytes()), hash_key })
    }

    /// Whether `presented` is the key. Takes the same time wherever the two differ.
    pub fn matches(&self, presented: &str) -> bool {
        // `blake3::Hash` compares in constant time; the key is fresh for each process, so a hash tells nothing either.
        blake3::keyed_hash(&self.hash_key, presented.as_bytes()) == self.hash
    }
}

/// A fresh admin key.
pub fn new_admin_key() -> io::Result<String> {
    let mut key = ADMIN_KEY_PREFIX.to_owned();
    while key.len() < ADMIN_KEY_PREFIX.len() + 43 {
        // 248 is the largest multiple of 62 in a byte: above it some characters would be likelier.
        key.extend(random()?.iter().filter(|&&b| b < 248).map(|&b| char::from(BASE62[usize::from(b % 62)])));
    }
    key.truncate(ADMIN_KEY_PREFIX.len() + 43);
    Ok(key)
}

/// 32 bytes from the system.
pub fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Reads a file that nobody but its owner may read.
pub fn read_secret(path: &Path) -> Result<String, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    // Of the opened file, not of the path: nothing can be swapped in between.
    let mode = file.metadata().map_err(io)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    Ok(text)
}

/// Writes a new file of mode 0600. Refuses to replace one: an overwritten log key is a dead log.
pub fn write_secret(path: &Path, text: &str) -> Result<(), KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}

fn is_admin_key(text: &str) -> bool {
    text.strip_prefix(ADMIN_KEY_PREFIX).is_some_and(|rest| {
        rest.len() >= ADMIN_KEY_CHARS_MIN && rest.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.key");
        write_secret(&path, &format!("{}\n", new_admin_key().unwrap())).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        AdminKey::load(&path).unwrap();
        for mode in [0o640, 0o604, 0o644, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(AdminKey::load(&path), Err(KeyFileError::Exposed { .. })), "{mode:o}");
        }
    }

    #[test]
    fn an_existing_key_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("main.log.key");
        write_secret(&path, "first").unwrap();
        assert!(write_secret(&path, "second").is_err());
        assert_eq!(read_secret(&path).unwrap(), "first");
    }

    #[test]
    fn only_the_admin_key_itself_matches() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.key");
        let text = new_admin_key().unwrap();
        write_secret(&path, &format!("{text}\n")).unwrap();
        let key = AdminKey::load(&path).unwrap();
        assert!(key.matches(&text));
        for other in ["", "maip_live_", &text[..text.len() - 1], &format!("{text}x"), &format!("{text}\n")] {
            assert!(!key.matches(other), "{other:?}");
        }
    }

    #[test]
    fn an_admin_key_has_its_form() {
        let dir = tempfile::tempdir().unwrap();
        for (place, text) in
            ["", "maip_live_short", "secret", "maip_live_ABCDEFGHIJKLMNOPQRSTUV-"].iter().enumerate()
        {
            let path = dir.path().join(place.to_string());
            write_secret(&path, text).unwrap();
            assert!(matches!(AdminKey::load(&path), Err(KeyFileError::Content { .. })), "{text:?}");
        }
    }
}
