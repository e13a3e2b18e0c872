//! The simulated disk of one machine: what was written and not synced is lost with the power, in part or as a whole.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use ledger_store::{
    Batch, Engine, EngineKind, EngineOptions, Space, StoreError,
    conformance::FaultDisk,
    disk::{Disk, DiskFile},
    engine::Pair,
};

/// All pairs of an engine.
type Image = Vec<(Space, Vec<u8>, Vec<u8>)>;

/// The state engine: in memory, with a copy of what the last sync made durable.
pub(super) struct DurableEngine {
    now: Arc<dyn Engine>,
    durable: Mutex<Image>,
}

impl DurableEngine {
    pub(super) fn new(image: Image) -> Arc<Self> {
        let now = ledger_store::open(EngineKind::Memory, Path::new(""), &EngineOptions::default())
            .expect("memory needs no disk");
        let mut batch = Batch::new();
        for (space, key, value) in &image {
            batch.put(*space, key.clone(), value.clone());
        }
        now.commit(batch).expect("it was in an engine before");
        Arc::new(Self { now, durable: Mutex::new(image) })
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
        self.now.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.now.scan(space, from, to, limit)
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

/// The disk under the Raft log. With `lies` it says that it has synced and has not: rule L2 taken out.
#[derive(Clone)]
pub(super) struct RaftDisk {
    pub(super) inner: FaultDisk,
    lies: Arc<AtomicBool>,
}

impl RaftDisk {
    pub(super) fn new(inner: FaultDisk, lies: bool) -> Self {
        Self { inner, lies: Arc::new(AtomicBool::new(lies)) }
    }
}

struct Lying {
    file: Arc<dyn DiskFile>,
    lies: Arc<AtomicBool>,
}

impl RaftDisk {
    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(Lying { file, lies: self.lies.clone() })
    }
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
        if self.lies.load(Ordering::Relaxed) { Ok(()) } else { self.file.sync_data() }
    }

    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }
}
