//! Erasing a subject: the key first, then everything that it opened.

use std::fs;

use ledger_format::record::Digest;

use super::{
    Vault, VaultError,
    files::{self, UNFINISHED, at},
    store::KEY,
};

/// How far the erasure of a subject has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its payloads can be read; this commitment names it in an `erasure` record.
    Kept(Digest),
    /// Its erasure is logged and was begun; [`Vault::destroy`] finishes it.
    Unfinished,
}

/// What an erasure destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destroyed {
    /// Payloads that this call removed.
    pub payloads: usize,
}

impl Vault {
    /// Where a subject stands.
    ///
    /// # Errors
    /// [`VaultError::SubjectUnknown`], [`VaultError::SubjectErased`], [`VaultError::KeyMissing`], file system.
    pub fn standing(&self, subject: &str) -> Result<Standing, VaultError> {
        let name = self.name_of(subject)?;
        let dir = self.subject_dir(&name);
        match (files::exists(&self.erased_subject(&name))?, files::exists(&dir)?) {
            (true, true) => Ok(Standing::Unfinished),
            (true, false) => Err(VaultError::SubjectErased),
            (false, false) => Err(VaultError::SubjectUnknown),
            (false, true) => match self.key(&name)? {
                Some(key) => Ok(Standing::Kept(key.commitment(subject))),
                None if files::list(&dir)?.iter().all(|path| path.ends_with(UNFINISHED)) => {
                    Err(VaultError::SubjectUnknown)
                }
                None => Err(VaultError::KeyMissing { path: dir }),
            },
        }
    }

    /// Destroys a subject's key and salts and removes its payloads. Call it when the erasure is in the log.
    ///
    /// After a crash, call it again: it finishes what is left.
    ///
    /// # Errors
    /// As [`Self::standing`]; file system.
    pub fn destroy(&mut self, subject: &str) -> Result<Destroyed, VaultError> {
        let standing = self.standing(subject)?;
        let name = self.name_of(subject)?;
        // From here on the erasure is finished, never begun again: the salt that names the subject goes with the key.
        if let Standing::Kept(commitment) = standing {
            files::make_dir(&self.erased_subjects())?;
            files::write_whole(&self.erased_subjects(), &name, format!("{commitment}\n").as_bytes())?;
        }
        let dir = self.subject_dir(&name);
        for secret in [KEY, UNFINISHED] {
            files::destroy(&dir.join(secret))?;
        }
        files::sync_dir(&dir)?;
        self.remember_payloads(&name)?;
        let payloads = files::list(&dir)?;
        for path in &payloads {
            files::destroy(path)?;
        }
        files::sync_dir(&dir)?;
        fs::remove_dir(&dir).map_err(at(&dir))?;
        files::sync_dir(&self.subjects())?;
        Ok(Destroyed { payloads: payloads.len() })
    }

    /// So that `get` can tell what was erased from what never was. The marks do not say whose payloads they were.
    fn remember_payloads(&self, name: &str) -> Result<(), VaultError> {
        let marks = self.erased_payloads();
        files::make_dir(&marks)?;
        for path in files::list(&self.subject_dir(name))? {
            let mark = marks.join(path.file_name().unwrap_or_default());
            fs::File::create(&mark).map_err(at(&mark))?;
        }
        files::sync_dir(&marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "ada lovelace";
    const VALUE: &[u8] = b"the patient is well";

    fn vault(dir: &tempfile::TempDir) -> Vault {
        Vault::create(&dir.path().join("vault")).unwrap()
    }

    #[test]
    fn a_subject_is_erased_with_all_its_payloads_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let mut vault = vault(&dir);
        let kept: Vec<_> = (0..3).map(|_| vault.put(NAME, "text/plain", VALUE.to_vec()).unwrap()).collect();
        let other = vault.put("bob", "", b"other".to_vec()).unwrap();
        assert_ne!(kept[0].commitment, kept[1].commitment, "a salt each");
        assert_eq!(kept[0].subject, kept[1].subject);
        assert_eq!(vault.standing(NAME).unwrap(), Standing::Kept(kept[0].subject));
        assert!(vault.get(kept[0].commitment).unwrap().value == VALUE);

        assert_eq!(vault.destroy(NAME).unwrap(), Destroyed { payloads: 3 });
        for kept in kept {
            assert!(matches!(vault.get(kept.commitment), Err(VaultError::PayloadErased(_))));
        }
        assert!(vault.get(other.commitment).unwrap().value == b"other");
        assert!(matches!(vault.destroy(NAME), Err(VaultError::SubjectErased)));
        assert!(matches!(vault.put(NAME, "", vec![]), Err(VaultError::SubjectErased)));
        assert!(matches!(vault.standing("eve"), Err(VaultError::SubjectUnknown)));
    }

    /// Stops at every step of an erasure, by the files that the step leaves, and finishes.
    #[test]
    fn an_erasure_that_was_broken_off_is_finished() {
        for step in 0..4 {
            let dir = tempfile::tempdir().unwrap();
            let mut vault = vault(&dir);
            let kept: Vec<_> = (0..2).map(|_| vault.put(NAME, "", VALUE.to_vec()).unwrap()).collect();
            let name = vault.name_of(NAME).unwrap();
            let subject = vault.subject_dir(&name);
            files::make_dir(&vault.erased_subjects()).unwrap();
            fs::write(vault.erased_subject(&name), "").unwrap();
            if step > 0 {
                files::destroy(&subject.join(KEY)).unwrap();
                assert!(matches!(vault.get(kept[0].commitment), Err(VaultError::PayloadErased(_))));
            }
            if step > 1 {
                vault.remember_payloads(&name).unwrap();
            }
            if step > 2 {
                files::destroy(&files::list(&subject).unwrap()[0]).unwrap();
            }
            assert_eq!(vault.standing(NAME).unwrap(), Standing::Unfinished);
            assert!(matches!(vault.put(NAME, "", vec![]), Err(VaultError::SubjectErased)));
            vault.destroy(NAME).unwrap();
            assert!(!subject.exists());
            for kept in kept {
                assert!(matches!(vault.get(kept.commitment), Err(VaultError::PayloadErased(_))), "{step}");
            }
            assert!(matches!(vault.standing(NAME), Err(VaultError::SubjectErased)));
        }
    }

    #[test]
    fn a_lost_key_is_said_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let mut vault = vault(&dir);
        let kept = vault.put(NAME, "", VALUE.to_vec()).unwrap();
        let other = vault.put("bob", "", b"other".to_vec()).unwrap();
        let key = |name: &str| vault.subject_dir(&vault.name_of(name).unwrap()).join(KEY);
        let (key, others) = (key(NAME), key("bob"));
        fs::copy(others, &key).unwrap();
        assert!(matches!(vault.get(kept.commitment), Err(VaultError::Damaged(_))), "another subject's key");
        fs::write(&key, "short").unwrap();
        assert!(matches!(vault.get(kept.commitment), Err(VaultError::BadKey { bytes: 5, .. })));
        fs::remove_file(&key).unwrap();
        assert!(matches!(vault.get(kept.commitment), Err(VaultError::KeyMissing { .. })));
        assert!(matches!(vault.put(NAME, "", vec![]), Err(VaultError::KeyMissing { .. })));
        assert!(matches!(vault.destroy(NAME), Err(VaultError::KeyMissing { .. })));
        assert!(vault.get(other.commitment).is_ok());
    }

    #[test]
    fn a_directory_of_other_things_is_no_vault() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter"), "x").unwrap();
        assert!(matches!(Vault::create(dir.path()), Err(VaultError::NotAVault { .. })));
        assert!(matches!(Vault::open(dir.path()), Err(VaultError::NotAVault { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_their_owners_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let mut vault = vault(&dir);
        let kept = vault.put(NAME, "", VALUE.to_vec()).unwrap();
        let key = vault.subject_dir(&vault.name_of(NAME).unwrap()).join(KEY);
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(vault.get(kept.commitment), Err(VaultError::TooOpen { mode: 0o640, .. })));
    }
}
