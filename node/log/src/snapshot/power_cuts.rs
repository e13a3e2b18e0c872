//! A power cut while a snapshot from elsewhere is taken over: what was not synced is gone, and the node opens nevertheless.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use ledger_store::{
    EngineKind, EngineOptions, Space, StoreError,
    disk::{Disk, DiskFile, RealDisk},
};

use super::*;
use crate::{
    alarm::Alarms,
    damaged,
    hooked::{Change, Hooked},
    ledger::Ledger,
    options::Member,
};

/// What a power cut undoes.
enum Unsynced {
    Bytes(PathBuf),
    Renamed { from: PathBuf, to: PathBuf },
    Removed(PathBuf, Vec<u8>),
}

/// The real disk, which remembers what was not synced, and has power for some calls only.
struct Volatile {
    unsynced: Arc<Mutex<Vec<Unsynced>>>,
    calls: Mutex<usize>,
}

struct Open {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    unsynced: Arc<Mutex<Vec<Unsynced>>>,
}

impl Volatile {
    fn with_power_for(calls: usize) -> Self {
        Self { unsynced: Arc::default(), calls: Mutex::new(calls) }
    }

    /// Another one wrote this file and synced nothing.
    fn was_written(&self, path: &Path) {
        self.unsynced.lock().unwrap().push(Unsynced::Bytes(path.to_owned()));
    }

    fn call(&self) -> io::Result<()> {
        let mut calls = self.calls.lock().unwrap();
        *calls = calls.checked_sub(1).ok_or_else(|| io::Error::other("the power is off"))?;
        Ok(())
    }

    /// Undoes what was not synced. Names may have reached the disk before bytes do.
    fn power_cut(&self, names_survive: bool) {
        for unsynced in self.unsynced.lock().unwrap().drain(..).rev() {
            match unsynced {
                Unsynced::Bytes(path) => File::options().write(true).open(path).unwrap().set_len(0).unwrap(),
                _ if names_survive => {}
                Unsynced::Renamed { from, to } => fs::rename(to, from).unwrap(),
                Unsynced::Removed(path, bytes) => fs::write(path, bytes).unwrap(),
            }
        }
    }
}

impl Disk for Volatile {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        unreachable!("{}", path.display())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.call()?;
        let file = RealDisk.open(path)?;
        Ok(Arc::new(Open { file, path: path.to_owned(), unsynced: self.unsynced.clone() }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        RealDisk.rename(from, to)?;
        let mut unsynced = self.unsynced.lock().unwrap();
        for one in unsynced.iter_mut() {
            if let Unsynced::Bytes(path) = one
                && path == from
            {
                to.clone_into(path);
            }
        }
        unsynced.insert(0, Unsynced::Renamed { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        let bytes = fs::read(path)?;
        RealDisk.remove(path)?;
        self.unsynced.lock().unwrap().push(Unsynced::Removed(path.to_owned(), bytes));
        Ok(())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.call()?;
        RealDisk.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        RealDisk.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call()?;
        self.unsynced.lock().unwrap().retain(|one| match one {
            Unsynced::Bytes(_) => true,
            Unsynced::Renamed { to: path, .. } | Unsynced::Removed(path, _) => path.parent() != Some(dir),
        });
        Ok(())
    }
}

impl DiskFile for Open {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = |one: &Unsynced| matches!(one, Unsynced::Bytes(path) if *path == self.path);
        self.unsynced.lock().unwrap().retain(|one| !synced(one));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

/// The bytes of a snapshot of some log.
async fn snapshot_bytes() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let ledger = damaged::filled(dir.path(), 0).await;
    let Written { path, .. } = SnapshotWriter::begin(&ledger).unwrap().finish().await.unwrap();
    ledger.stop();
    fs::read(path).unwrap()
}

#[tokio::test]
async fn a_snapshot_has_its_name_when_its_bytes_are_durable() {
    let bytes = snapshot_bytes().await;
    for (calls, names_survive) in (0..8).flat_map(|calls| [(calls, true), (calls, false)]) {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("1.snapshot"), snapshot_path(dir.path(), 1));
        fs::write(&from, &bytes).unwrap();
        let disk = Volatile::with_power_for(calls);
        disk.was_written(&from);
        let kept = keep(&disk, &from, &to);
        disk.power_cut(names_survive);
        assert!(kept.is_err() || to.exists(), "after {calls} calls: gone");
        assert!(!to.exists() || fs::read(&to).unwrap() == bytes, "after {calls} calls: half there");
        assert!(kept.is_ok() || calls < 7, "{kept:?}");
    }
}

/// The mark of the installation is durable, and nothing that was done after it.
#[tokio::test]
async fn a_node_opens_after_a_power_cut_in_the_middle_of_an_installation() {
    let dir = tempfile::tempdir().unwrap();
    let engine = ledger_store::open(EngineKind::Memory, dir.path(), &EngineOptions::default()).unwrap();
    let (inner, off) = (engine.clone(), AtomicBool::new(false));
    let hooked = Hooked::over(engine.clone(), move |change| {
        let marked = inner.get(Space::Meta, b"installing")?.is_some();
        if off.load(Ordering::SeqCst) {
            return Err(StoreError::Locked("the power is off".into()));
        }
        off.store(marked && change == Change::Sync, Ordering::SeqCst);
        Ok(())
    });
    let ledger = Ledger::open(dir.path(), hooked, Arc::new(Alarms::default())).unwrap();
    let (came_as, path) = (dir.path().join("1.snapshot"), snapshot_path(dir.path(), 2));
    fs::write(&came_as, snapshot_bytes().await).unwrap();
    fs::create_dir(path.parent().unwrap()).unwrap();
    let disk = Volatile::with_power_for(usize::MAX);
    disk.was_written(&came_as);
    disk.rename(&came_as, &path).unwrap();
    let cut = ledger.install_from(&disk, &path).unwrap_err().to_string();
    assert!(cut.contains("the power is off"), "{cut}");
    ledger.stop();
    drop(ledger);

    disk.power_cut(false);
    let size = SnapshotFile::read(&path).map(|file| file.manifest().size);
    let ledger = Ledger::open(dir.path(), engine, Arc::new(Alarms::default())).unwrap();
    assert_eq!(ledger.size(), size.unwrap());
    assert!(ledger.size() > 0);
    ledger.stop();
}

/// The snapshot of a backup names the members of then: Raft may not find it.
#[tokio::test]
async fn after_a_power_cut_a_restored_log_has_no_snapshot_of_its_old_members() {
    let (dir, bytes) = (tempfile::tempdir().unwrap(), snapshot_bytes().await);
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    let mut backup = tar::Builder::new(Vec::new());
    backup.append_data(&mut header, "state.snapshot", bytes.as_slice()).unwrap();
    let backup = backup.into_inner().unwrap();
    let members = vec![Member { id: 1, peer: "peer-1:1".into(), api: "https://api-1".into() }];
    let (disk, log) = (Volatile::with_power_for(usize::MAX), dir.path().join("log"));
    crate::backup::restore_on(&disk, &log, EngineKind::Fjall, members, backup.as_slice()).unwrap();
    disk.power_cut(false);
    assert_eq!(newest(&log).unwrap(), None);
}
