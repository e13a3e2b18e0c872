//! The simulated disk of one machine: what was written and not synced is lost with the power, in part or as a whole; what rots is
//! found by checksums where the real engines have some.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ledger_store::{
    Batch, Engine, EngineKind, EngineOptions, Pair, Pairs, Space, StoreError,
    conformance::FaultDisk,
    disk::{Disk, DiskFile},
};

/// All pairs of an engine.
type Image = Vec<(Space, Vec<u8>, Vec<u8>)>;

/// The state engine: in memory, with a copy of what the last sync made durable.
pub(super) struct DurableEngine {
    now: Arc<dyn Engine>,
    durable: Mutex<Image>,
    /// Values that have rotted, as they were: whoever reads one is told so, until another value takes its place.
    rotten: Mutex<Rotten>,
}

/// Values by space and key.
type Rotten = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

impl DurableEngine {
    pub(super) fn new(image: Image) -> Arc<Self> {
        let now = ledger_store::open(EngineKind::Memory, Path::new(""), &EngineOptions::default())
            .expect("memory needs no disk");
        let mut batch = Batch::new();
        for (space, key, value) in &image {
            batch.put(*space, key.clone(), value.clone());
        }
        now.commit(batch).expect("it was in an engine before");
        Arc::new(Self { now, durable: Mutex::new(image), rotten: Mutex::default() })
    }

    /// The same medium under another image: what has rotted stays rotten.
    pub(super) fn go_on(&self, image: Image) -> Arc<Self> {
        let next = Self::new(image);
        next.rotten().clone_from(&self.rotten());
        next
    }

    fn rotten(&self) -> MutexGuard<'_, Rotten> {
        self.rotten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A bit flips in a value. The real engines keep checksums, so whoever reads it gets an error.
    pub(super) fn rot(&self, space: Space, key: Vec<u8>, value: Vec<u8>) {
        self.rotten().insert((space, key), value);
    }

    /// A value changes and nothing tells: the bit flipped before the engine made its checksum.
    pub(super) fn rot_unseen(&self, space: Space, key: &[u8], value: Vec<u8>) {
        let mut batch = Batch::new();
        batch.put(space, key, value);
        self.now.commit(batch).expect("memory can be written");
    }

    fn check(&self, space: Space, key: &[u8], value: Option<&Vec<u8>>) -> Result<(), StoreError> {
        let rotten = self.rotten();
        if rotten.is_empty() || value.is_none_or(|value| rotten.get(&(space, key.to_vec())) != Some(value)) {
            return Ok(());
        }
        Err(StoreError::Corrupt { path: "engine".into(), offset: 0, reason: "checksum".into() })
    }

    /// What a power cut leaves.
    pub(super) fn durable(&self) -> Image {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is there now.
    pub(super) fn image(&self) -> Image {
        let pairs = |space: Space| {
            let all = self.now.scan(space, &[], None, usize::MAX).expect("memory can be read");
            all.into_iter().map(move |(key, value)| (space, key, value))
        };
        Space::ALL.into_iter().flat_map(pairs).collect()
    }

    /// All pairs of the state, which must be the same on every replica.
    pub(super) fn state(&self) -> Vec<Pair> {
        self.now.scan(Space::State, &[], None, usize::MAX).expect("memory can be read")
    }
}

impl Engine for DurableEngine {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.now.get(space, key)?;
        self.check(space, key, value.as_ref())?;
        Ok(value)
    }

    fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let pairs = self.now.scan(space, from, to, limit)?;
        pairs.iter().try_for_each(|(key, value)| self.check(space, key, Some(value)))?;
        Ok(pairs)
    }

    fn freeze(&self, space: Space) -> Result<Option<Pairs>, StoreError> {
        Ok(Some(Box::new(self.scan(space, &[], None, usize::MAX)?.into_iter().map(Ok))))
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.now.commit(batch)
    }

    fn sync(&self) -> Result<(), StoreError> {
        let image = self.image();
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner) = image;
        Ok(())
    }

    fn clear(&self, space: Space) -> Result<(), StoreError> {
        self.now.clear(space)
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn name(&self) -> &'static str {
        "simulated"
    }
}

/// How a disk lies about its syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lies {
    /// Not at all.
    Never,
    /// It says that it has synced and has not: rule L2 taken out.
    Always,
    /// So many times more; the next sync fails and says so for all of them.
    Late(u64),
}

/// The disk under the Raft log.
#[derive(Clone)]
pub(super) struct RaftDisk {
    inner: FaultDisk,
    lies: Arc<Mutex<Lies>>,
}

impl RaftDisk {
    pub(super) fn new(inner: FaultDisk, lies: Lies) -> Self {
        Self { inner, lies: Arc::new(Mutex::new(lies)) }
    }

    /// From now on it lies like this.
    pub(super) fn lie(&self, lies: Lies) {
        *self.lies.lock().unwrap_or_else(PoisonError::into_inner) = lies;
    }

    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(Lying { file, lies: self.lies.clone() })
    }
}

struct Lying {
    file: Arc<dyn DiskFile>,
    lies: Arc<Mutex<Lies>>,
}

impl Disk for RaftDisk {
    fn create(&self, path: &Path) -> std::io::Result<Arc<dyn DiskFile>> {
        self.inner.create(path).map(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> std::io::Result<Arc<dyn DiskFile>> {
        self.inner.open(path).map(|file| self.wrap(file))
    }

    fn open_read(&self, path: &Path) -> std::io::Result<Arc<dyn DiskFile>> {
        self.inner.open_read(path).map(|file| self.wrap(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.inner.remove(path)
    }

    fn create_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.inner.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
        self.inner.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.inner.sync_dir(dir)
    }
}

impl DiskFile for Lying {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        let mut lies = self.lies.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *lies {
            Lies::Never => self.file.sync_data(),
            Lies::Always => Ok(()),
            Lies::Late(0) => Err(std::io::Error::other("an earlier write was lost")),
            Lies::Late(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }
}
