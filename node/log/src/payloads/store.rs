//! A node's own payloads: kept, opened, listed, destroyed.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ledger_format::{
    payload::{KEY_BYTES, MEDIA_MAX, Payload, file_name},
    record::{Digest, Ulid},
};
use ledger_store::{ErasableFiles, StoreError};

use super::{PayloadFault, Subject};

/// Most bytes of a value that nodes keep: it travels between them in one message.
pub const PAYLOAD_BYTES_MAX: usize = 4 << 20;
/// Most payloads of one subject.
pub const SUBJECT_PAYLOADS_MAX: usize = 1_000;
/// Most subjects of one tenant.
pub const TENANT_SUBJECTS_MAX: usize = 100_000;
/// Most bytes of all payloads of one tenant.
pub const TENANT_PAYLOAD_BYTES_MAX: u64 = 8 << 30;

const KEY: &str = "key";

/// Payloads on this node's disk.
pub(crate) struct PayloadStore {
    files: ErasableFiles,
    /// Whoever keeps or destroys holds it, so that nothing is kept behind a destruction.
    totals: Mutex<BTreeMap<Ulid, Total>>,
}

/// What a tenant has on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Total {
    subjects: usize,
    bytes: u64,
}

/// A place in the order of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) subject: Subject,
    pub(crate) commitment: Digest,
}

impl PayloadStore {
    /// Opens the store under a log's directory, and counts what is in it.
    pub(crate) fn open(log_dir: &Path) -> Result<Self, StoreError> {
        let files = ErasableFiles::open(&log_dir.join("payloads"))?;
        let mut totals: BTreeMap<Ulid, Total> = BTreeMap::new();
        for folder in files.folders()? {
            let Some(subject) = Subject::of_folder(&folder) else { continue };
            let total = totals.entry(subject.tenant).or_default();
            total.subjects += 1;
            total.bytes += bytes_of(&files.files(&folder)?);
        }
        Ok(Self { files, totals: Mutex::new(totals) })
    }

    fn turn(&self) -> MutexGuard<'_, BTreeMap<Ulid, Total>> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a payload durably, unless `is_erased` says that its subject is erased. The same one again is kept already.
    pub(crate) fn keep(
        &self,
        subject: Subject,
        payload: &Payload,
        is_erased: impl FnOnce() -> Result<bool, PayloadFault>,
    ) -> Result<(), PayloadFault> {
        if payload.value.len() > PAYLOAD_BYTES_MAX || payload.media.len() > MEDIA_MAX {
            return Err(PayloadFault::TooLong);
        }
        let commitment = payload.commitment();
        let (folder, name) = (subject.folder(), hex(&commitment)?);
        let mut totals = self.turn();
        // Asked here and not before: an erasure that is applied after this waits for its turn, and finds what is kept now.
        if is_erased()? {
            return Err(PayloadFault::SubjectErased);
        }
        let present = self.files.files(&folder)?;
        if present.iter().any(|(known, _)| *known == name) && self.read(subject, commitment).is_ok() {
            return Ok(());
        }
        if present.len() > SUBJECT_PAYLOADS_MAX {
            return Err(PayloadFault::SubjectFull);
        }
        let total = totals.entry(subject.tenant).or_default();
        let is_new = !self.files.has_folder(&folder);
        let bytes = total.bytes + payload.value.len() as u64;
        if bytes > TENANT_PAYLOAD_BYTES_MAX || is_new && total.subjects >= TENANT_SUBJECTS_MAX {
            return Err(PayloadFault::TenantFull);
        }
        let key = match self.key(&folder)? {
            Some(key) => key,
            None => {
                let key: [u8; KEY_BYTES] = random()?;
                self.files.put(&folder, KEY, &key)?;
                key
            }
        };
        let sealed = payload.seal(&key, random()?).map_err(|_| PayloadFault::TooLong)?;
        self.files.put(&folder, &name, &sealed)?;
        total.subjects += usize::from(is_new);
        total.bytes += sealed.len() as u64;
        Ok(())
    }

    /// A payload, if this node has it and it opens.
    pub(crate) fn open_payload(
        &self,
        subject: Subject,
        commitment: Digest,
    ) -> Result<Option<Payload>, PayloadFault> {
        match self.read(subject, commitment) {
            Err(PayloadFault::PayloadUnknown(_)) => Ok(None),
            read => read.map(Some),
        }
    }

    fn read(&self, subject: Subject, commitment: Digest) -> Result<Payload, PayloadFault> {
        let folder = subject.folder();
        let unknown = || PayloadFault::PayloadUnknown(commitment);
        let sealed = self.files.get(&folder, &hex(&commitment)?)?.ok_or_else(unknown)?;
        // A key that is gone is an erasure at work.
        let key = self.key(&folder)?.ok_or_else(unknown)?;
        Payload::open(&key, commitment, &sealed).map_err(|_| PayloadFault::Damaged(commitment))
    }

    fn key(&self, folder: &str) -> Result<Option<[u8; KEY_BYTES]>, PayloadFault> {
        let Some(bytes) = self.files.get(folder, KEY)? else { return Ok(None) };
        let short = |_| PayloadFault::Disk(format!("the key of {folder} is cut short"));
        bytes.as_slice().try_into().map(Some).map_err(short)
    }

    /// Whether there is nothing of a subject, not even a part of an erasure at work.
    pub(crate) fn has_nothing_of(&self, subject: Subject) -> bool {
        let _turn = self.turn();
        !self.files.has_folder(&subject.folder())
    }

    /// The subjects of which there is anything.
    pub(crate) fn subjects(&self) -> Result<Vec<Subject>, PayloadFault> {
        Ok(self.files.folders()?.iter().filter_map(|folder| Subject::of_folder(folder)).collect())
    }

    /// Payloads behind a place, in order, at most `limit`.
    pub(crate) fn list(&self, after: Option<Place>, limit: usize) -> Result<Vec<Place>, PayloadFault> {
        let mut found = Vec::new();
        for folder in self.files.folders()? {
            let Some(subject) = Subject::of_folder(&folder) else { continue };
            if after.is_some_and(|after| subject < after.subject) {
                continue;
            }
            for (name, _) in self.files.files(&folder)? {
                let Some(commitment) = Digest::parse(&format!("sha256:{name}")) else { continue };
                let place = Place { subject, commitment };
                if after.is_some_and(|after| place <= after) {
                    continue;
                }
                if found.len() >= limit {
                    return Ok(found);
                }
                found.push(place);
            }
        }
        Ok(found)
    }

    /// Destroys a subject's key, then everything else of it. Only when the log says that it is erased.
    pub(crate) fn destroy(&self, subject: Subject) -> Result<usize, PayloadFault> {
        let folder = subject.folder();
        let mut totals = self.turn();
        if !self.files.has_folder(&folder) {
            return Ok(0);
        }
        let bytes = bytes_of(&self.files.files(&folder)?);
        let payloads = self.files.erase(&folder, KEY)?;
        if let Some(total) = totals.get_mut(&subject.tenant) {
            total.subjects = total.subjects.saturating_sub(1);
            total.bytes = total.bytes.saturating_sub(bytes);
        }
        Ok(payloads)
    }
}

/// Bytes of the payloads among a folder's files.
fn bytes_of(files: &[(String, u64)]) -> u64 {
    files.iter().filter(|(name, _)| name != KEY).map(|(_, bytes)| bytes).sum()
}

fn hex(commitment: &Digest) -> Result<String, PayloadFault> {
    file_name(commitment).map_err(|_| PayloadFault::OtherDigest(*commitment))
}

fn random<const N: usize>() -> Result<[u8; N], PayloadFault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| PayloadFault::Disk(format!("no randomness: {e}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(value: &[u8]) -> Payload {
        Payload { salt: [9; 32], media: "text/plain".into(), value: value.to_vec() }
    }

    fn subject(name: &[u8]) -> Subject {
        Subject::new(Ulid(7), Digest::sha256(name)).unwrap()
    }

    fn keep(store: &PayloadStore, subject: Subject, value: &[u8]) -> Result<(), PayloadFault> {
        store.keep(subject, &payload(value), || Ok(false))
    }

    #[test]
    fn payloads_are_kept_listed_and_destroyed_by_subject() {
        let dir = tempfile::tempdir().unwrap();
        let store = PayloadStore::open(dir.path()).unwrap();
        let (ada, bob) = (subject(b"ada"), subject(b"bob"));
        for value in [&b"1"[..], b"2", b"3", b"3"] {
            keep(&store, ada, value).unwrap();
        }
        keep(&store, bob, b"1").unwrap();
        let opened = store.open_payload(ada, payload(b"2").commitment()).unwrap().unwrap();
        assert!(opened == payload(b"2"));
        assert!(store.open_payload(bob, payload(b"2").commitment()).unwrap().is_none());

        // Pages of any length give the same list.
        let whole = store.list(None, 100).unwrap();
        assert_eq!(whole.len(), 4);
        for limit in 1..5 {
            let mut pages: Vec<Place> = Vec::new();
            while let page = store.list(pages.last().copied(), limit).unwrap()
                && !page.is_empty()
            {
                assert!(page.len() <= limit);
                pages.extend(page);
            }
            assert_eq!(pages, whole);
        }

        let before = *store.turn().get(&Ulid(7)).unwrap();
        assert_eq!(before.subjects, 2);
        assert_eq!(store.destroy(ada).unwrap(), 3);
        assert!(store.has_nothing_of(ada) && !store.has_nothing_of(bob));
        assert_eq!(store.subjects().unwrap(), [bob]);
        let after = *store.turn().get(&Ulid(7)).unwrap();
        drop(store);
        let again = PayloadStore::open(dir.path()).unwrap();
        assert_eq!(*again.turn().get(&Ulid(7)).unwrap(), after, "counted as it was kept");
    }

    #[test]
    fn nothing_is_kept_for_an_erased_subject_or_beyond_the_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let store = PayloadStore::open(dir.path()).unwrap();
        let ada = subject(b"ada");
        let erased = store.keep(ada, &payload(b"1"), || Ok(true));
        assert!(matches!(erased, Err(PayloadFault::SubjectErased)) && store.has_nothing_of(ada));
        let long = keep(&store, ada, &vec![0; PAYLOAD_BYTES_MAX + 1]);
        assert!(matches!(long, Err(PayloadFault::TooLong)));
        store.turn().insert(Ulid(7), Total { subjects: TENANT_SUBJECTS_MAX, bytes: 0 });
        assert!(matches!(keep(&store, ada, b"1"), Err(PayloadFault::TenantFull)));
        store.turn().insert(Ulid(7), Total { subjects: 0, bytes: TENANT_PAYLOAD_BYTES_MAX });
        assert!(matches!(keep(&store, ada, b"1"), Err(PayloadFault::TenantFull)));
        store.turn().clear();
        for number in 0..SUBJECT_PAYLOADS_MAX as u64 {
            // Only their names count here.
            let name = hex(&Digest::sha256(&number.to_be_bytes())).unwrap();
            store.files.put(&ada.folder(), &name, b"").unwrap();
        }
        store.files.put(&ada.folder(), KEY, &[1; 32]).unwrap();
        assert!(matches!(keep(&store, ada, b"1"), Err(PayloadFault::SubjectFull)));
    }

    /// A damaged file is not handed out, and is replaced when the payload comes again.
    #[test]
    fn a_damaged_payload_is_noticed_and_mended() {
        let dir = tempfile::tempdir().unwrap();
        let store = PayloadStore::open(dir.path()).unwrap();
        let (ada, commitment) = (subject(b"ada"), payload(b"1").commitment());
        keep(&store, ada, b"1").unwrap();
        store.files.put(&ada.folder(), &hex(&commitment).unwrap(), b"rot").unwrap();
        assert!(matches!(store.open_payload(ada, commitment), Err(PayloadFault::Damaged(_))));
        keep(&store, ada, b"1").unwrap();
        assert!(store.open_payload(ada, commitment).unwrap().is_some());
    }
}
