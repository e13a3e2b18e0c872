//! A vault's directory: putting payloads in and getting them out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ledger_format::record::Digest;

use super::{
    VaultError,
    files::{self, UNFINISHED, at},
    payload::{Payload, file_name},
    subject::{FILE_BYTES, NAME_KEY_BYTES, SubjectKey, directory_name},
};

const LOCK: &str = "lock";
const NAME_KEY: &str = "name-key";
const SUBJECTS: &str = "subjects";
const ERASED_SUBJECTS: &str = "erased/subjects";
const ERASED_PAYLOADS: &str = "erased/payloads";
pub(super) const KEY: &str = "key";

/// One tenant's payloads, in a directory. While this lives, no other process changes the directory.
pub struct Vault {
    dir: PathBuf,
    name_key: [u8; NAME_KEY_BYTES],
    _lock: fs::File,
}

/// A payload that was put into a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What a record says instead of the value.
    pub commitment: Digest,
    /// What will name the subject in an `erasure` record.
    pub subject: Digest,
}

impl Vault {
    /// Opens a vault, and makes it when the directory is not there or empty.
    ///
    /// # Errors
    /// [`VaultError::NotAVault`] when the directory holds other things; file system; no randomness.
    pub fn create(dir: &Path) -> Result<Self, VaultError> {
        files::make_dir(dir)?;
        if !files::exists(&dir.join(NAME_KEY))? {
            let ours = |path: &PathBuf| path.ends_with(LOCK) || path.ends_with(UNFINISHED);
            if !files::list(dir)?.iter().all(ours) {
                return Err(VaultError::NotAVault { path: dir.into() });
            }
            let lock = lock(dir)?;
            // Somebody else may have made it while this one waited.
            if !files::exists(&dir.join(NAME_KEY))? {
                files::write_whole(dir, NAME_KEY, &files::random::<NAME_KEY_BYTES>()?)?;
            }
            drop(lock);
        }
        Self::open(dir)
    }

    /// Opens a vault that is there; waits while another process changes it.
    ///
    /// # Errors
    /// [`VaultError::NotAVault`], [`VaultError::TooOpen`], file system.
    pub fn open(dir: &Path) -> Result<Self, VaultError> {
        let name_key = files::read_key(&dir.join(NAME_KEY))?;
        let name_key = name_key.ok_or_else(|| VaultError::NotAVault { path: dir.into() })?;
        Ok(Self { dir: dir.into(), name_key, _lock: lock(dir)? })
    }

    /// A payload with a fresh salt, to be kept by somebody else, and the commitment that names its subject. The subject's key is made for
    /// its first payload: the salt in it names the subject until its erasure.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn prepare(
        &mut self,
        subject: &str,
        media: &str,
        value: Vec<u8>,
    ) -> Result<(Payload, Digest), VaultError> {
        let key = self.key_of_living(subject)?;
        let payload = Payload { salt: files::random()?, media: media.into(), value };
        Ok((payload, key.commitment(subject)))
    }

    /// The commitment that names a subject, as its `erasure` will or does.
    ///
    /// # Errors
    /// [`VaultError::SubjectUnknown`], [`VaultError::KeyMissing`], file system.
    pub fn subject(&self, subject: &str) -> Result<Digest, VaultError> {
        let name = self.name_of(subject)?;
        if let Some(mark) = files::read(&self.erased_subject(&name))? {
            let named = String::from_utf8_lossy(&mark);
            return Digest::parse(named.trim_end()).ok_or(VaultError::SubjectErased);
        }
        Ok(self.key(&name)?.ok_or(VaultError::SubjectUnknown)?.commitment(subject))
    }

    fn key_of_living(&self, subject: &str) -> Result<SubjectKey, VaultError> {
        let name = self.name_of(subject)?;
        if files::exists(&self.erased_subject(&name))? {
            return Err(VaultError::SubjectErased);
        }
        match self.key(&name)? {
            Some(key) => Ok(key),
            None => make_key(&self.subject_dir(&name)),
        }
    }

    /// Keeps a value under a subject's key, which is made for the subject's first one.
    ///
    /// The same value again gets another salt, so another commitment: nobody can tell that two were the same.
    ///
    /// # Errors
    /// Limits of name, note and value; [`VaultError::SubjectErased`]; file system; no randomness.
    pub fn put(&mut self, subject: &str, media: &str, value: Vec<u8>) -> Result<Kept, VaultError> {
        let key = self.key_of_living(subject)?;
        let dir = self.subject_dir(&self.name_of(subject)?);
        let payload = Payload { salt: files::random()?, media: media.into(), value };
        let commitment = payload.commitment();
        let sealed = payload.seal(key.cipher_key(), files::random()?)?;
        files::write_whole(&dir, &file_name(&commitment)?, &sealed)?;
        Ok(Kept { commitment, subject: key.commitment(subject) })
    }

    /// The payload that a commitment stands for; it was checked that it opens it.
    ///
    /// # Errors
    /// [`VaultError::PayloadErased`], [`VaultError::PayloadUnknown`], [`VaultError::Damaged`], file system.
    pub fn get(&self, commitment: Digest) -> Result<Payload, VaultError> {
        let file_name = file_name(&commitment)?;
        for dir in files::list(&self.dir.join(SUBJECTS))? {
            let Some(sealed) = files::read(&dir.join(&file_name))? else { continue };
            let name = dir.file_name().unwrap_or_default().to_string_lossy();
            return match self.key(&name)? {
                Some(key) => Ok(Payload::open(key.cipher_key(), commitment, &sealed)?),
                // An erasure that was broken off: the key is gone, the rest is not yet.
                None if files::exists(&self.erased_subject(&name))? => {
                    Err(VaultError::PayloadErased(commitment))
                }
                None => Err(VaultError::KeyMissing { path: dir }),
            };
        }
        if files::exists(&self.erased_payloads().join(file_name))? {
            return Err(VaultError::PayloadErased(commitment));
        }
        Err(VaultError::PayloadUnknown(commitment))
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn name_of(&self, subject: &str) -> Result<String, VaultError> {
        directory_name(&self.name_key, subject)
    }

    pub(super) fn key(&self, name: &str) -> Result<Option<SubjectKey>, VaultError> {
        let bytes = files::read_key::<FILE_BYTES>(&self.subject_dir(name).join(KEY))?;
        Ok(bytes.map(SubjectKey::from_bytes))
    }

    pub(super) fn subjects(&self) -> PathBuf {
        self.dir.join(SUBJECTS)
    }

    pub(super) fn subject_dir(&self, name: &str) -> PathBuf {
        self.subjects().join(name)
    }

    pub(super) fn erased_subjects(&self) -> PathBuf {
        self.dir.join(ERASED_SUBJECTS)
    }

    pub(super) fn erased_subject(&self, name: &str) -> PathBuf {
        self.erased_subjects().join(name)
    }

    pub(super) fn erased_payloads(&self) -> PathBuf {
        self.dir.join(ERASED_PAYLOADS)
    }
}

/// The first key of a subject. Never beside payloads: those need a key that is lost, and a new one would hide that.
fn make_key(dir: &Path) -> Result<SubjectKey, VaultError> {
    if files::list(dir)?.iter().any(|path| !path.ends_with(UNFINISHED)) {
        return Err(VaultError::KeyMissing { path: dir.into() });
    }
    let key = SubjectKey::random()?;
    files::make_dir(dir)?;
    files::write_whole(dir, KEY, key.bytes())?;
    Ok(key)
}

fn lock(dir: &Path) -> Result<fs::File, VaultError> {
    let path = dir.join(LOCK);
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(at(&path))?;
    file.lock().map_err(at(&path))?;
    Ok(file)
}
