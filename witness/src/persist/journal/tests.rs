use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// A disk that forgets what was not flushed. Shared, so that it outlives the journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    durable: [Vec<u8>; 2],
    /// Blocks written since the last flush, by file and block number.
    pending: BTreeMap<(usize, usize), Vec<u8>>,
    /// Calls that still succeed; then every call fails.
    calls_left: Option<u64>,
    /// Whether the call that fails does its work all the same.
    happens: bool,
}

impl TestDisk {
    /// Lets `calls` more calls succeed.
    pub(crate) fn fail_after(&self, calls: u64, happens: bool) {
        let mut state = self.0.lock().unwrap();
        (state.calls_left, state.happens) = (Some(calls), happens);
    }

    /// The power goes: each block that was not flushed is kept or lost, as `keep` says.
    pub(crate) fn power_cut(&self, mut keep: impl FnMut(usize) -> Fate) -> Self {
        let state = self.0.lock().unwrap();
        let mut durable = state.durable.clone();
        for (nth, (&(file, block), bytes)) in state.pending.iter().enumerate() {
            let kept = match keep(nth) {
                Fate::Kept => bytes.len(),
                Fate::Lost => 0,
                Fate::Torn => bytes.len() / 2,
            };
            let at = block * BLOCK;
            if durable[file].len() < at + BLOCK {
                durable[file].resize(at + BLOCK, 0);
            }
            durable[file][at..at + kept].copy_from_slice(&bytes[..kept]);
        }
        Self(Arc::new(Mutex::new(State { durable, ..State::default() })))
    }

    pub(crate) fn flip(&self, file: usize, offset: usize) {
        self.0.lock().unwrap().durable[file][offset] ^= 0x10;
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Kept,
    Lost,
    Torn,
}

impl State {
    fn call(&mut self, work: impl FnOnce(&mut Self)) -> io::Result<()> {
        let fails = match &mut self.calls_left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        if !fails || self.happens {
            work(self);
        }
        if fails { Err(io::Error::other("injected")) } else { Ok(()) }
    }
}

impl Disk for TestDisk {
    fn read(&mut self, file: usize) -> io::Result<Vec<u8>> {
        Ok(self.0.lock().unwrap().durable[file].clone())
    }

    fn write(&mut self, file: usize, offset: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(
            offset.is_multiple_of(BLOCK as u64) && bytes.len().is_multiple_of(BLOCK),
            "whole blocks only"
        );
        self.0.lock().unwrap().call(|state| {
            for (nth, block) in bytes.chunks(BLOCK).enumerate() {
                state.pending.insert((file, offset as usize / BLOCK + nth), block.to_vec());
            }
        })
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        self.0.lock().unwrap().call(|state| {
            let pending = std::mem::take(&mut state.pending);
            for ((at, block), bytes) in pending {
                if at != file {
                    state.pending.insert((at, block), bytes);
                    continue;
                }
                let end = (block + 1) * BLOCK;
                if state.durable[at].len() < end {
                    state.durable[at].resize(end, 0);
                }
                state.durable[at][end - BLOCK..end].copy_from_slice(&bytes);
            }
        })
    }

    fn len(&mut self, file: usize) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().durable[file].len() as u64)
    }

    /// Small files, so that turns are frequent.
    fn reserve(&mut self, file: usize, len: u64) -> io::Result<()> {
        let len = if len == FILE_BYTES_MIN { 12 * BLOCK } else { len as usize };
        self.0.lock().unwrap().call(|state| {
            if state.durable[file].len() < len {
                state.durable[file].resize(len, 0);
            }
        })
    }
}

/// What a reader of the journal believes: everything, in order.
fn read(disk: &TestDisk) -> Result<Vec<u8>, JournalError> {
    let (_, found) = Journal::open(disk.clone())?;
    let mut all = found.opening;
    found.frames.iter().for_each(|frame| all.extend(frame));
    Ok(all)
}

/// Appends `bytes` to the journal as a memory that is the concatenation of all frames.
fn add(journal: &mut Journal<TestDisk>, memory: &mut Vec<u8>, bytes: &[u8]) -> Result<(), JournalError> {
    let mut next = memory.clone();
    next.extend_from_slice(bytes);
    if journal.fits(bytes.len()) {
        journal.append(bytes)?
    } else {
        journal.turn(&next)?
    }
    *memory = next;
    Ok(())
}

#[test]
fn what_was_appended_is_found_over_many_turns() {
    let disk = TestDisk::default();
    let mut journal = Journal::create(disk.clone(), b"start").unwrap();
    let mut memory = b"start".to_vec();
    for step in 0..100_u8 {
        add(&mut journal, &mut memory, &[step; 3]).unwrap();
        assert_eq!(read(&disk).unwrap(), memory, "after step {step}");
    }
    add(&mut journal, &mut memory, &vec![1; 5 * BLOCK]).unwrap();
    assert_eq!(read(&disk).unwrap(), memory);
    // A program that starts again goes on from there.
    let (mut journal, _) = Journal::open(disk.clone()).unwrap();
    journal.turn(&memory).unwrap();
    add(&mut journal, &mut memory, b"again").unwrap();
    assert_eq!(read(&disk).unwrap(), memory);
}

/// Each call on the disk, failed, or done but reported failed: what was acknowledged stays, and at most the
/// step that failed is there beyond it.
#[test]
fn a_failed_call_loses_nothing_that_was_acknowledged() {
    for happens in [false, true] {
        for calls in 0..60 {
            let disk = TestDisk::default();
            let mut journal = Journal::create(disk.clone(), b"").unwrap();
            let mut memory = Vec::new();
            disk.fail_after(calls, happens);
            let failed = (0..30_u8).find_map(|step| {
                let before = memory.clone();
                add(&mut journal, &mut memory, &[step; 40]).err().map(|_| (before, step))
            });
            let Some((before, step)) = failed else { continue };
            for fate in [Fate::Lost, Fate::Kept] {
                let found = read(&disk.power_cut(|_| fate)).unwrap();
                let mut with_step = before.clone();
                with_step.extend([step; 40]);
                assert!(found == before || found == with_step, "{calls} calls, happens: {happens}");
            }
        }
    }
}

#[test]
fn one_damaged_copy_is_repaired_and_two_are_refused() {
    let disk = TestDisk::default();
    let mut journal = Journal::create(disk.clone(), b"opening").unwrap();
    for step in 0..3_u8 {
        journal.append(&[step; 8]).unwrap();
    }
    let want = read(&disk).unwrap();
    // File 0 holds: opening at blocks 0 and 1, frames at 2+3, 4+5, 6+7.
    for block in 0..8 {
        for offset in [0, 9, 13, 17, 25, HEADER + 2] {
            disk.flip(0, block * BLOCK + offset);
            let (_, found) = Journal::open(disk.clone()).unwrap();
            assert_eq!(found.repaired, 1, "block {block}, offset {offset}");
            assert_eq!(read(&disk).unwrap(), want, "block {block}, offset {offset}");
            disk.flip(0, block * BLOCK + offset);
        }
    }
    for frame in 0..3 {
        disk.flip(0, 2 * frame * BLOCK + HEADER);
        disk.flip(0, (2 * frame + 1) * BLOCK + HEADER);
        assert!(matches!(read(&disk), Err(JournalError::Corrupt(_))), "frame {frame}");
        disk.flip(0, 2 * frame * BLOCK + HEADER);
        disk.flip(0, (2 * frame + 1) * BLOCK + HEADER);
    }
    assert_eq!(read(&disk).unwrap(), want);
}

/// The current file loses its beginning while the other still holds an older memory: that one must not be used.
#[test]
fn an_older_file_does_not_stand_in_for_a_damaged_one() {
    let disk = TestDisk::default();
    let mut journal = Journal::create(disk.clone(), b"old").unwrap();
    journal.turn(b"new").unwrap();
    journal.append(b"newer").unwrap();
    disk.flip(1, HEADER);
    disk.flip(1, BLOCK + HEADER);
    assert!(matches!(read(&disk), Err(JournalError::Corrupt(_))));
}

#[test]
fn an_empty_or_foreign_file_is_refused() {
    let disk = TestDisk::default();
    assert!(matches!(read(&disk), Err(JournalError::Corrupt(_))));
    disk.0.lock().unwrap().durable = [vec![0x55; 3 * BLOCK + 7], vec![0; 9]];
    assert!(matches!(read(&disk), Err(JournalError::Corrupt(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Power cuts at any moment, each unflushed block kept, lost or torn, several times in a row.
    #[test]
    fn a_power_cut_loses_nothing_that_was_acknowledged(
        lives in prop::collection::vec((1_u64..40, any::<bool>(), any::<u64>(), 1_usize..9000), 1..6),
    ) {
        let mut disk = TestDisk::default();
        Journal::create(disk.clone(), b"").unwrap();
        let mut memory: Vec<u8> = Vec::new();
        for (calls, happens, seed, length) in lives {
            let (mut journal, _) = Journal::open(disk.clone()).unwrap();
            journal.turn(&memory).unwrap();
            disk.fail_after(calls, happens);
            let mut last = Vec::new();
            for step in 0..60_u8 {
                last = vec![step; length];
                if add(&mut journal, &mut memory, &last).is_err() {
                    break;
                }
            }
            let mut bits = seed;
            disk = disk.power_cut(|_| {
                bits = bits.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                match bits >> 62 { 0 => Fate::Lost, 1 => Fate::Torn, _ => Fate::Kept }
            });
            let found = read(&disk).unwrap();
            let mut with_last = memory.clone();
            with_last.extend(&last);
            prop_assert!(found == memory || found == with_last);
            memory = found;
        }
    }
}
