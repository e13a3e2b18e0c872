//! Moving full tiles and bundles from the right edge into immutable files.
//!
//! A thread of its own writes them, many at a time, so that neither apply nor a reader waits for their fsync. Only when
//! the files are durable does the engine forget the entries; a crash in between writes the same files again.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

use bytes::Bytes;
use ledger_format::{BundleId, TILE_WIDTH, TileId, encode_tile, push_bundle_entry};
use ledger_store::{Batch, Space};

use super::{Ledger, LedgerError, meta};
use crate::alarm::{AlarmKind, Cause};

/// Bundles written and made durable together.
const BUNDLES_AT_ONCE: u64 = 64;
/// Entries that may wait for their files before apply itself lends a hand: bounds memory.
/// A simulation's clock does not wait for the thread, so there apply writes them all.
const ENTRIES_WAITING_MAX: u64 = if cfg!(simulation) { 1 } else { 256 * TILE_WIDTH };
/// How long full tiles are gathered before they are written.
const GATHER: Duration = Duration::from_millis(500);

/// After files could not be written, before they are tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Wakes the thread that writes tile files.
#[derive(Clone, Default)]
pub(crate) struct TileWriter {
    signal: Arc<(Mutex<Signal>, Condvar)>,
    /// Held while files are written: the thread, apply under pressure and `sync` take turns, and so does what replaces the state.
    turn: Arc<Mutex<()>>,
    /// How often the turn was asked for.
    #[cfg(test)]
    pub(super) asked: Arc<std::sync::atomic::AtomicUsize>,
}

#[derive(Default)]
struct Signal {
    work: bool,
    stop: bool,
}

impl TileWriter {
    /// Starts the thread; it ends when the ledger is gone or `stop` is called.
    pub(crate) fn start(&self, ledger: &Arc<Ledger>) -> std::io::Result<()> {
        let (writer, ledger) = (self.clone(), Arc::downgrade(ledger));
        thread::Builder::new().name("tile-writer".into()).spawn(move || writer.run(&ledger)).map(drop)
    }

    fn run(&self, ledger: &Weak<Ledger>) {
        // A moment after the first full tile: files written together cost one sync of their directory, and fewer syncs leave
        // the disk to the Raft log, which callers wait for.
        let mut pause = GATHER;
        while self.work_after(pause) {
            let Some(ledger) = ledger.upgrade() else { return };
            pause = GATHER;
            if let Err(error) = ledger.write_full_tiles() {
                ledger.tile_files_failed(&error);
                // Also where the log stands still and no further tile becomes full.
                self.wake();
                pause = AFTER_FAILURE;
            }
        }
    }

    /// Waits until there is work, and then so long; false when the thread is to end.
    fn work_after(&self, pause: Duration) -> bool {
        let (signal, wake) = &*self.signal;
        let mut state = signal.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.work && !state.stop {
            state = wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.work = false;
        let (state, _) = wake
            .wait_timeout_while(state, pause, |state| !state.stop)
            .unwrap_or_else(PoisonError::into_inner);
        !state.stop
    }

    /// Waits until nobody writes files; nobody does while this is held.
    pub(super) fn take_turn(&self) -> MutexGuard<'_, ()> {
        #[cfg(test)]
        self.asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let (signal, wake) = &*self.signal;
        signal.lock().unwrap_or_else(PoisonError::into_inner).work = true;
        wake.notify_one();
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        let (signal, wake) = &*self.signal;
        signal.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        wake.notify_one();
    }
}

impl Drop for Ledger {
    /// Also where a log did not open and nobody called `stop`.
    fn drop(&mut self) {
        self.writer.stop();
    }
}

impl Ledger {
    /// Called after each commit: wakes the writer when there is a full tile.
    pub(super) fn file_full_tiles(&self) {
        let waiting = {
            let edge = self.edge();
            edge.full_until().saturating_sub(edge.first())
        };
        if waiting >= ENTRIES_WAITING_MAX {
            if let Err(error) = self.write_full_tiles() {
                self.tile_files_failed(&error);
                if !cfg!(simulation) {
                    self.writer.wake();
                }
            }
        } else if waiting > 0 {
            self.writer.wake();
        }
    }

    fn tile_files_failed(&self, error: &LedgerError) {
        // The entries stay in the engine, nothing is lost; the thread and the next full tile try again.
        let (kind, other) = if error.is_no_space() {
            (AlarmKind::DiskFull, AlarmKind::Corruption)
        } else {
            (AlarmKind::Corruption, AlarmKind::DiskFull)
        };
        self.alarms.lower_for(other, Cause::TileFiles);
        self.alarms.raise_for(kind, Cause::TileFiles, format!("tile files cannot be written: {error}"));
    }

    fn tile_files_written(&self) {
        self.alarms.lower_for(AlarmKind::DiskFull, Cause::TileFiles);
        self.alarms.lower_for(AlarmKind::Corruption, Cause::TileFiles);
    }

    /// Writes all full tiles and bundles that have no file yet, makes them durable, and forgets them at the edge.
    pub(crate) fn write_full_tiles(&self) -> Result<(), LedgerError> {
        let _turn = self.writer.take_turn();
        loop {
            let (from, until) = {
                // Only what is committed: the edge runs ahead of the engine while a batch is being applied.
                let committed = self.size() / TILE_WIDTH * TILE_WIDTH;
                let edge = self.edge();
                (edge.first(), committed.clamp(edge.first(), edge.first() + BUNDLES_AT_ONCE * TILE_WIDTH))
            };
            if from == until {
                self.tile_files_written();
                return Ok(());
            }
            self.write_files(&self.new_files(from, until))?;
            let mut batch = Batch::default();
            let mut keys =
                self.engine.keys(Space::Meta, meta::EDGE, Some(&meta::edge_key(until)), usize::MAX)?;
            // Each chunk ends where the next one begins; the last may reach across the border, and stays until all of it is in files.
            if let Some(last) = keys.last()
                && self.chunk_end(last)? > until
            {
                keys.pop();
            }
            for key in keys {
                batch.delete(Space::Meta, key);
            }
            batch.put(Space::Meta, meta::FILED, until.to_be_bytes());
            self.engine.commit(batch)?;
            self.edge.write().unwrap_or_else(PoisonError::into_inner).forget(until);
        }
    }

    /// Writes files that must not exist with other bytes; all durable on return.
    pub(super) fn write_files(&self, files: &[(String, Vec<u8>)]) -> Result<(), LedgerError> {
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        Ok(self.files.write_many(&files)?)
    }

    fn new_files(&self, from: u64, until: u64) -> Vec<(String, Vec<u8>)> {
        let edge = self.edge();
        let mut files = Vec::new();
        for index in from / TILE_WIDTH..until / TILE_WIDTH {
            let entries: Vec<&Bytes> = (index * TILE_WIDTH..(index + 1) * TILE_WIDTH)
                .map(|entry| {
                    edge.entry(entry).expect("entries behind `first` are held until their files are durable")
                })
                .collect();
            // With the length before each.
            let mut bundle = Vec::with_capacity(entries.iter().map(|entry| entry.len() + 2).sum());
            for entry in entries {
                push_bundle_entry(&mut bundle, entry).expect("apply refused entries that are too long");
            }
            files.push((BundleId { index, width: TILE_WIDTH as u16 }.path(), bundle));
        }
        for ((level, index), tile) in edge.full_tiles_until(until) {
            files
                .push((TileId { level, index, width: TILE_WIDTH as u16 }.path(), encode_tile(tile.hashes())));
        }
        files
    }

    /// Index behind the last entry of the edge chunk stored under `key`.
    fn chunk_end(&self, key: &[u8]) -> Result<u64, LedgerError> {
        let first = key.strip_prefix(meta::EDGE).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
        let chunk = self.engine.get(Space::Meta, key)?.unwrap_or_default();
        Ok(first.unwrap_or(0) + count_bundle_entries(&chunk))
    }
}

/// Number of entries in a chunk in bundle encoding.
pub(super) fn count_bundle_entries(mut chunk: &[u8]) -> u64 {
    let mut count = 0;
    while let [high, low, rest @ ..] = chunk {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(rest) = rest.get(len..) else { break };
        chunk = rest;
        count += 1;
    }
    count
}

#[cfg(test)]
impl Ledger {
    /// Takes the files of a log of `until` entries, a multiple of 256, for all that there is.
    pub(crate) fn adopt_files(&self, until: u64) -> Result<(), LedgerError> {
        let edge = super::Edge::behind_files(until, self.partial_tiles_behind(until)?);
        *self.edge.write().unwrap_or_else(PoisonError::into_inner) = edge;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Instant};

    use ledger_store::{EngineKind, EngineOptions};

    use super::*;
    use crate::{
        alarm::Alarms,
        ledger::{Work, read::tests::records},
        raft::types::{LeaderId, LogId},
    };

    /// As from a disk that is full for a while. The log stands still: no further tile becomes full.
    #[test]
    fn tile_files_that_could_not_be_written_are_written_later_and_the_alarm_goes() {
        let dir = tempfile::tempdir().unwrap();
        let engine = ledger_store::open(EngineKind::Memory, dir.path(), &EngineOptions::default()).unwrap();
        let alarms = Arc::new(Alarms::default());
        let ledger = Ledger::open(dir.path(), engine, alarms.clone()).unwrap();
        let in_the_way = dir.path().join("tiles/tile");
        fs::write(&in_the_way, "a file where a directory should be").unwrap();
        let append = ledger_state::Command::Append { log_ms: 1, records: records(TILE_WIDTH + 3) };
        let id = LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index: 1 };
        ledger.apply(vec![(id, Work::Command(append.encode().into()))]).unwrap();
        let wait_for = |what: &str, there: &dyn Fn() -> bool| {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !there() {
                assert!(Instant::now() < deadline, "waited in vain for {what}");
                thread::sleep(Duration::from_millis(5));
            }
        };
        wait_for("the alarm", &|| alarms.is_standing(AlarmKind::Corruption));
        assert_eq!(ledger.filed(), 0);

        alarms.raise(AlarmKind::Corruption, "something else");
        fs::remove_file(&in_the_way).unwrap();
        wait_for("the files", &|| ledger.filed() == TILE_WIDTH);
        wait_for("the alarm to go", &|| alarms.text(AlarmKind::Corruption, Cause::TileFiles).is_none());
        assert_eq!(alarms.standing(), [(AlarmKind::Corruption, "something else".to_owned())]);
        ledger.stop();
    }
}
