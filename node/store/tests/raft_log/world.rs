//! A log, its disk, and every state it may be found in after a crash.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

use ledger_store::conformance::{FaultDisk, RaftLogModel};
use ledger_store::{RaftLog, RaftLogOptions, Recovered, StoreError};
use proptest::prelude::*;

/// Small, so that a short test crosses segments and the cache does not hold everything.
pub(crate) const SMALL: RaftLogOptions =
    RaftLogOptions { segment_bytes: 4096, reserve_bytes: 0, cache_bytes: 1000 };
/// A metadata key that is saved lazily only.
pub(crate) const LAZY: u8 = 9;

pub(crate) fn open_on(dir: &Path, disk: &FaultDisk) -> Result<(RaftLog, Recovered), StoreError> {
    RaftLog::open_on(dir, &SMALL, Arc::new(disk.clone()))
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Append { sizes: Vec<usize>, wait: bool },
    TruncateFrom { back: u64 },
    PurgeTo { back: u64 },
    Meta { key: u8, len: usize },
    Lazy { len: usize },
    Reopen,
    Kill,
    PowerCut { seed: u64 },
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let sizes = prop::collection::vec(prop_oneof![9 => 0usize..200, 1 => 0usize..6000], 0..8);
    prop_oneof![
        12 => (sizes, any::<bool>()).prop_map(|(sizes, wait)| Step::Append { sizes, wait }),
        2 => (0u64..12).prop_map(|back| Step::TruncateFrom { back }),
        2 => (0u64..20).prop_map(|back| Step::PurgeTo { back }),
        2 => (0u8..3, 0usize..50).prop_map(|(key, len)| Step::Meta { key, len }),
        1 => (0usize..50).prop_map(|len| Step::Lazy { len }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        2 => any::<u64>().prop_map(|seed| Step::PowerCut { seed }),
    ]
}

/// A log, its disk, and every state it may be found in after a crash: the last acknowledged one and all later ones.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) disk: FaultDisk,
    pub(crate) log: Option<RaftLog>,
    pub(crate) possible: Vec<RaftLogModel>,
    pub(crate) version: u8,
}

impl World {
    pub(crate) fn new() -> Self {
        let (dir, disk) = (tempfile::tempdir().unwrap(), FaultDisk::new());
        let log = Some(open_on(dir.path(), &disk).unwrap().0);
        World { dir, disk, log, possible: vec![RaftLogModel::default()], version: 0 }
    }

    pub(crate) fn run(&mut self, step: &Step) -> Result<(), StoreError> {
        self.version = self.version.wrapping_add(1);
        let mut model = self.possible.last().unwrap().clone();
        let log = self.log.as_ref().unwrap();
        let last = model.next.unwrap_or(1).saturating_sub(1);
        match step {
            Step::Append { sizes, wait } => {
                let frames: Vec<Vec<u8>> = sizes.iter().map(|len| vec![self.version; *len]).collect();
                let first = model.append(&frames);
                let (done, answer) = channel();
                self.possible.push(model);
                log.append(first, frames, Box::new(move |result| drop(done.send(result))))?;
                if *wait {
                    answer.recv().unwrap()?;
                    self.acknowledged();
                }
            }
            Step::TruncateFrom { back } => {
                let index = (last + 1).saturating_sub(*back);
                model.truncate_from(index);
                self.possible.push(model);
                log.truncate_from(index)?;
                self.acknowledged();
            }
            Step::PurgeTo { back } => {
                let index = (last + 2).saturating_sub(*back);
                model.purge_to(index);
                self.possible.push(model);
                log.purge_to(index)?;
                self.acknowledged();
            }
            Step::Meta { key, len } => {
                let value = vec![self.version; *len];
                model.meta.insert(*key, value.clone());
                self.possible.push(model);
                log.save_meta(*key, value)?;
                self.acknowledged();
            }
            Step::Lazy { len } => log.save_meta_lazy(LAZY, vec![self.version; *len])?,
            Step::Reopen => {
                self.log = None;
                self.acknowledged();
                self.open(self.disk.clone())?;
            }
            Step::Kill => self.crash(|disk| disk.after_kill())?,
            Step::PowerCut { seed } => self.crash(|disk| disk.after_power_cut(by_seed(*seed)))?,
        }
        Ok(())
    }

    pub(crate) fn acknowledged(&mut self) {
        self.possible.drain(..self.possible.len() - 1);
    }

    pub(crate) fn crash(
        &mut self,
        what_is_left: impl FnOnce(&FaultDisk) -> FaultDisk,
    ) -> Result<(), StoreError> {
        self.disk.power_off();
        self.log = None;
        self.open(what_is_left(&self.disk))
    }

    /// Opens what is left and finds it among the possible states.
    pub(crate) fn open(&mut self, disk: FaultDisk) -> Result<(), StoreError> {
        self.disk = disk;
        let (log, found) = open_on(self.dir.path(), &self.disk)?;
        let found = RaftLogModel::of(&log, &found, &[LAZY]);
        let state = self.possible.iter().find(|state| state.reads_back_as(&found));
        let state = state.unwrap_or_else(|| panic!("{found:?} is none of {:?}", self.possible)).clone();
        self.log = Some(log);
        self.possible = vec![state];
        Ok(())
    }

    /// Closes the log; a bit that flips in its last byte is found, whatever happened before.
    pub(crate) fn rot_at_the_end_is_found(&mut self) {
        self.log = None;
        let segments = self.disk.paths().into_iter().filter(|p| p.extension().is_some_and(|e| e == "seg"));
        let Some(path) = segments.max() else { return };
        let mut bytes = self.disk.bytes(&path).unwrap();
        let Some(at) = bytes.iter().rposition(|byte| *byte != 0) else { return };
        bytes[at] ^= 1;
        self.disk.set_bytes(&path, bytes);
        let opened = open_on(self.dir.path(), &self.disk).map(|(_, found)| found);
        assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{opened:?}");
    }

    /// Compares an open log with the model.
    pub(crate) fn check(&self) {
        let entries = self.log.as_ref().unwrap().read(0..u64::MAX, usize::MAX).unwrap();
        let want = self.possible.last().unwrap().entries.iter();
        assert!(
            entries.iter().map(|(index, bytes)| (*index, &bytes[..])).eq(want.map(|(i, b)| (*i, &b[..])))
        );
    }
}

/// Lets about half of the unsynced sectors survive.
pub(crate) fn by_seed(seed: u64) -> impl FnMut(&Path, usize) -> bool {
    let mut state = seed | 1;
    move |_, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state & 1 == 0
    }
}
