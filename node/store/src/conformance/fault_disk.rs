//! A disk in memory that remembers what is durable, loses the rest on demand, and fails at a chosen call.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};

/// A file system writes at least this much at once.
const SECTOR_BYTES: usize = 512;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens and the call fails.
    Fails,
    /// The call does its work, then reports a failure.
    HappensButFails,
    /// Nothing happens: the disk is full.
    NoSpace,
    /// A write takes half of its bytes and says so; other calls are as always. No failure: the caller must go on.
    Short,
}

#[derive(Clone, Default)]
struct Node {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that a failed sync did not write and that the next one takes for written.
    forgotten: BTreeSet<usize>,
    counted: bool,
}

impl Node {
    /// Makes durable what is not forgotten.
    fn sync(&mut self) {
        if self.forgotten.is_empty() {
            self.durable.clone_from(&self.now);
            return;
        }
        self.durable.resize(self.now.len(), 0);
        let sectors = self.durable.chunks_mut(SECTOR_BYTES).zip(self.now.chunks(SECTOR_BYTES));
        for (sector, (durable, now)) in sectors.enumerate() {
            if !self.forgotten.contains(&sector) {
                durable.copy_from_slice(now);
            }
        }
    }

    /// What was not synced stays readable, and no later sync writes it.
    fn forget(&mut self) {
        let durable = |at: usize, len: usize| self.durable.get(at * SECTOR_BYTES..at * SECTOR_BYTES + len);
        let sectors = self.now.chunks(SECTOR_BYTES).enumerate();
        let dirty = sectors.filter(|(at, now)| durable(*at, now.len()) != Some(*now)).map(|(at, _)| at);
        self.forgotten.extend(dirty);
    }
}

#[derive(Default)]
struct State {
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Counted calls still to go well, then the fault, and for how many calls.
    plan: Option<(u64, Fault, u64)>,
    calls: u64,
    /// No power: every call fails.
    off: bool,
    /// No room: what makes a file or makes one longer fails.
    full: bool,
    hit: bool,
}

/// See the module. Clones share the disk. Only calls that change something are counted for faults, and of those not the
/// ones on files named `spare-`, which another thread makes at moments of its own.
#[derive(Clone, Default)]
pub struct FaultDisk {
    state: Arc<Mutex<State>>,
}

struct Open {
    state: Arc<Mutex<State>>,
    node: usize,
}

impl FaultDisk {
    /// An empty disk on which nothing fails.
    pub fn new() -> Self {
        Self::default()
    }

    /// After `after` more counted calls, the next `times` calls go wrong.
    pub fn plan(&self, after: u64, fault: Fault, times: u64) {
        let mut state = self.lock();
        state.plan = Some((after, fault, times));
        state.hit = false;
    }

    /// True once a planned fault has happened.
    pub fn hit(&self) -> bool {
        self.lock().hit
    }

    /// Counted calls so far.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// From now on there is no room, or there is again. What lies on the disk can be written over also while there is none.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// From now on every call fails and nothing changes.
    pub fn power_off(&self) {
        self.lock().off = true;
    }

    /// A new disk with what survived: durable names with durable bytes. `survives` is asked for each sector that was
    /// written and not synced, with the path and the sector's number: some may have reached the medium, in any order.
    pub fn after_power_cut(&self, mut survives: impl FnMut(&Path, usize) -> bool) -> FaultDisk {
        let state = self.lock();
        let mut next = State { full: state.full, ..State::default() };
        for (path, node) in &state.durable_names {
            let node = &state.nodes[*node];
            let mut bytes = node.durable.clone();
            for (sector, now) in node.now.chunks(SECTOR_BYTES).enumerate() {
                let at = sector * SECTOR_BYTES;
                let same = bytes.get(at..at + now.len()).is_some_and(|durable| durable == now);
                if !same && survives(path, sector) {
                    bytes.resize(bytes.len().max(at + now.len()), 0);
                    bytes[at..at + now.len()].copy_from_slice(now);
                }
            }
            next.insert_durable(path, bytes);
        }
        FaultDisk { state: Arc::new(Mutex::new(next)) }
    }

    /// A new disk with everything as it is: the process died, the machine did not. What was not synced still is not.
    pub fn after_kill(&self) -> FaultDisk {
        let state = self.lock();
        let (nodes, names, durable_names) =
            (state.nodes.clone(), state.names.clone(), state.durable_names.clone());
        let next = State { nodes, names, durable_names, full: state.full, ..State::default() };
        FaultDisk { state: Arc::new(Mutex::new(next)) }
    }

    /// The bytes of a file.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock();
        state.names.get(path).map(|node| state.nodes[*node].now.clone())
    }

    /// Changes a file behind everybody's back: rot.
    pub fn set_bytes(&self, path: &Path, bytes: Vec<u8>) {
        self.lock().insert_durable(path, bytes);
    }

    /// All files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.lock().names.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_node(&self, node: usize) -> Arc<dyn DiskFile> {
        Arc::new(Open { state: self.state.clone(), node })
    }
}

impl State {
    fn insert_durable(&mut self, path: &Path, bytes: Vec<u8>) {
        self.nodes.push(Node {
            now: bytes.clone(),
            durable: bytes,
            counted: is_counted(path),
            ..Node::default()
        });
        self.names.insert(path.to_owned(), self.nodes.len() - 1);
        self.durable_names.insert(path.to_owned(), self.nodes.len() - 1);
    }

    fn check_room(&self) -> io::Result<()> {
        if self.full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn check_power(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    /// Counts a call and does it, as far as the plan lets it. `work` is told whether to do it by half.
    fn change<T>(
        &mut self,
        counted: bool,
        work: impl FnOnce(&mut State, bool) -> io::Result<T>,
    ) -> io::Result<T> {
        self.check_power()?;
        if !counted {
            return work(self, false);
        }
        self.calls += 1;
        let fault = match &mut self.plan {
            Some((0, fault, times)) => {
                let fault = *fault;
                *times -= 1;
                if *times == 0 {
                    self.plan = None;
                }
                self.hit = true;
                Some(fault)
            }
            Some((after, ..)) => {
                *after -= 1;
                None
            }
            None => None,
        };
        match fault {
            None => work(self, false),
            Some(Fault::Short) => work(self, true),
            Some(Fault::Fails) => Err(io::Error::other("injected: nothing happened")),
            Some(Fault::NoSpace) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::HappensButFails) => {
                work(self, false)?;
                Err(io::Error::other("injected: it happened"))
            }
        }
    }
}

fn is_counted(path: &Path) -> bool {
    !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("spare-"))
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let node = self.lock().change(is_counted(path), |state, _| {
            state.check_room()?;
            state.nodes.push(Node { counted: is_counted(path), ..Node::default() });
            let node = state.nodes.len() - 1;
            state.names.insert(path.to_owned(), node);
            Ok(node)
        })?;
        Ok(self.open_node(node))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.lock();
        state.check_power()?;
        let node = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        drop(state);
        Ok(self.open_node(node))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.lock().change(is_counted(to), |state, _| {
            let node = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            state.names.insert(to.to_owned(), node);
            state.nodes[node].counted = is_counted(to);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.lock().change(is_counted(path), |state, _| {
            state.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        self.lock().check_power()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.lock();
        state.check_power()?;
        Ok(state.names.keys().filter(|path| path.parent() == Some(dir)).cloned().collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.lock().change(true, |state, _| {
            let inside = |path: &Path| path.parent() == Some(dir);
            state.durable_names.retain(|path, _| !inside(path));
            let names: Vec<_> =
                state.names.iter().filter(|(p, _)| inside(p)).map(|(p, n)| (p.clone(), *n)).collect();
            state.durable_names.extend(names);
            Ok(())
        })
    }
}

impl DiskFile for Open {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.check_power()?;
        let bytes = &state.nodes[self.node].now;
        let start = usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
        let len = buffer.len().min(bytes.len() - start);
        buffer[..len].copy_from_slice(&bytes[start..start + len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = state.nodes[self.node].counted;
        state.change(counted, |state, by_half| {
            let len = if by_half { bytes.len().div_ceil(2) } else { bytes.len() };
            if offset + len as u64 > state.nodes[self.node].now.len() as u64 {
                state.check_room()?;
            }
            let node = &mut state.nodes[self.node];
            let at = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
            node.now.resize(node.now.len().max(at + len), 0);
            node.now[at..at + len].copy_from_slice(&bytes[..len]);
            node.forgotten
                .retain(|sector| !(at / SECTOR_BYTES..(at + len).div_ceil(SECTOR_BYTES)).contains(sector));
            Ok(len)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = state.nodes[self.node].counted;
        state.check_power()?;
        let synced = state.change(counted, |state, _| {
            state.nodes[self.node].sync();
            Ok(())
        });
        if synced.is_err() {
            state.nodes[self.node].forget();
        }
        synced
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.check_power()?;
        Ok(state.nodes[self.node].now.len() as u64)
    }
}
