//! Damage to durable bytes is found, and told from a write that never finished.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use ledger_store::conformance::{Fault, FaultDisk, RaftLogModel};
use ledger_store::disk::Disk;
use ledger_store::{RaftLog, RaftLogOptions, StoreError};

use crate::world::{SMALL, open_on};

/// A closed log of several segments and many groups.
pub(crate) fn filled(dir: &Path) -> (FaultDisk, RaftLogModel) {
    let disk = FaultDisk::new();
    let (log, _) = open_on(dir, &disk).unwrap();
    let mut model = RaftLogModel::default();
    for n in 0..30u8 {
        append(&log, &mut model, n).unwrap();
    }
    drop(log);
    (disk, model)
}

/// One group of two entries, acknowledged.
fn append(log: &RaftLog, model: &mut RaftLogModel, n: u8) -> Result<(), StoreError> {
    let frames = vec![vec![n; 90], vec![n; 201]];
    let (done, answer) = channel();
    let first = model.append(&frames);
    log.append(first, frames, Box::new(move |result| drop(done.send(result)))).unwrap();
    answer.recv().unwrap()
}

/// Bytes of such a group.
const GROUP_BYTES: usize = (32 + 96) + (32 + 208);

fn synced(dir: &Path) -> PathBuf {
    dir.join("synced")
}

pub(crate) fn segments(disk: &FaultDisk) -> Vec<PathBuf> {
    disk.paths().into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "seg")).collect()
}

/// Where the bytes of a segment end.
fn data_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, _) = filled(dir.path());
    let paths = segments(&disk);
    assert!(paths.len() > 2);
    for path in &paths {
        let good = disk.bytes(path).unwrap();
        let end = data_end(&good);
        for at in (0..end).step_by(13) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            disk.set_bytes(path, bad);
            match open_on(dir.path(), &disk.after_kill()) {
                Err(StoreError::Corrupt { path: told, offset, .. }) => {
                    assert_eq!(&told, path, "byte {at}");
                    assert!(offset <= at as u64, "byte {at} is before {offset}");
                }
                Err(StoreError::Newer { .. }) if (12..16).contains(&at) => {}
                Err(e) => panic!("byte {at}: {e}"),
                Ok(_) => panic!("byte {at} of {end} in {path:?} was not missed"),
            }
        }
        disk.set_bytes(path, good);
    }
}

/// Whatever becomes of the file that says how far the log was synced: a good log opens, and damage in the middle is found.
/// In the last group it is found where the file knows of that group; else it looks like a write that never finished.
#[test]
fn a_log_opens_with_any_mark_of_what_was_synced() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, mut model) = filled(dir.path());
    let mut one_more = |n| {
        let (log, _) = open_on(dir.path(), &disk).unwrap();
        append(&log, &mut model, n).unwrap();
        drop(log);
        disk.bytes(&synced(dir.path())).unwrap()
    };
    let (older, newest) = (one_more(30), one_more(31));
    let flipped = |at: usize| {
        let mut bytes = newest.clone();
        bytes[at] ^= 1;
        bytes
    };
    let both = |slot: &[u8]| [slot, &[0; 4096 - 32], slot, &[0; 4096 - 32]].concat();
    let cases = [
        ("newest", Some(newest.clone()), true),
        ("older", Some(older), false),
        ("lost", None, false),
        ("empty", Some(Vec::new()), false),
        ("cut", Some(newest[..20].to_vec()), false),
        ("one slot damaged", Some(flipped(9)), true),
        ("the other slot damaged", Some(flipped(4096 + 9)), false),
        ("garbage", Some(both(&[0xa5; 32])), false),
    ];
    let path = segments(&disk).pop().unwrap();
    let good = disk.bytes(&path).unwrap();
    let mut outcomes = Vec::new();
    for (name, mark, known) in cases {
        let with = |bytes: &[u8]| {
            let disk = disk.after_kill();
            disk.set_bytes(&path, bytes.to_vec());
            match &mark {
                Some(mark) => disk.set_bytes(&synced(dir.path()), mark.clone()),
                None => disk.remove(&synced(dir.path())).unwrap(),
            }
            disk
        };
        let left = with(&good);
        let (log, found) = open_on(dir.path(), &left).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(RaftLogModel::of(&log, &found, &[]) == model && found.cut_bytes == 0, "{name}");
        drop(log);
        // From here on everything is known again.
        let mut bad = good.clone();
        bad[data_end(&good) - 50] ^= 1;
        left.set_bytes(&path, bad.clone());
        assert!(matches!(open_on(dir.path(), &left), Err(StoreError::Corrupt { .. })), "{name}, opened once");

        let opened = open_on(dir.path(), &with(&bad));
        match &opened {
            Err(StoreError::Corrupt { path: told, .. }) => assert_eq!(told, &path, "{name}"),
            Err(e) => panic!("{name}: {e}"),
            Ok((_, found)) => assert!(found.cut_bytes > 0, "{name}"),
        }
        outcomes.push((name, opened.is_err(), known));
        drop(opened);

        let mut bad = good.clone();
        bad[data_end(&good) - GROUP_BYTES - 50] ^= 1;
        assert!(
            matches!(open_on(dir.path(), &with(&bad)), Err(StoreError::Corrupt { .. })),
            "{name}, middle"
        );
    }
    // One of the two slots holds the newest mark, which one depends on how many groups there are.
    let (slots, rest): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(name, ..)| name.contains("slot"));
    assert!(rest.iter().all(|(_, refused, known)| refused == known), "{rest:?}");
    assert_eq!(slots.iter().filter(|(_, refused, _)| *refused).count(), 1, "{slots:?}");
}

/// Bytes that are not there are as bad as bytes that are wrong.
#[test]
fn a_lost_end_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, _) = filled(dir.path());
    let paths = segments(&disk);
    let last = paths.last().unwrap();
    let good = disk.bytes(last).unwrap();
    let end = data_end(&good);
    for from in [0, 16, 100, end - GROUP_BYTES - 8, end - 300, end - 1] {
        for cut_file in [true, false] {
            let disk = disk.after_kill();
            let mut bytes = good[..from].to_vec();
            if !cut_file {
                bytes.resize(good.len(), 0);
            }
            disk.set_bytes(last, bytes);
            let opened = open_on(dir.path(), &disk).map(|(_, found)| found);
            let refused = matches!(&opened, Err(StoreError::Corrupt { path, .. }) if path == last);
            assert!(refused, "from {from}: {opened:?}");
        }
    }
    for lost in [&paths[paths.len() - 1..], &paths[..]] {
        let disk = disk.after_kill();
        lost.iter().for_each(|path| disk.remove(path).unwrap());
        let opened = open_on(dir.path(), &disk).map(|(_, found)| found);
        assert!(matches!(&opened, Err(StoreError::Corrupt { path, .. }) if path == last), "{opened:?}");
    }
}

/// What was written after the last sync and never acknowledged is cut, as far as the power cut let it through.
#[test]
fn a_torn_write_after_the_last_sync_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let (filled, model) = filled(dir.path());
    let mut cut = 0;
    for survivors in 0..8usize {
        let disk = filled.after_kill();
        let (log, _) = open_on(dir.path(), &disk).unwrap();
        let mut model = model.clone();
        append(&log, &mut model, 98).unwrap();
        // The write goes well, the sync does not.
        disk.plan(1, Fault::Fails, 1);
        append(&log, &mut model.clone(), 99).unwrap_err();
        disk.power_off();
        drop(log);
        let left = disk.after_power_cut(|_, sector| survivors >> (sector % 3) & 1 == 1);
        let (log, found) = open_on(dir.path(), &left).unwrap();
        let (left, mut longer) = (RaftLogModel::of(&log, &found, &[]), model.clone());
        longer.append(&[vec![99; 90], vec![99; 201]]);
        assert!(left == model || left == longer, "{survivors:b}");
        cut += u32::from(found.cut_bytes > 0);
    }
    assert!(cut > 0, "nothing was torn");
}

/// Raft takes back what no majority has, and lets go of what is old: both are groups, and both are kept.
#[test]
fn rot_in_a_truncation_or_a_purge_is_found() {
    type Change = (&'static str, fn(&RaftLog) -> Result<(), StoreError>, fn(&mut RaftLogModel));
    let changes: [Change; 3] = [
        ("truncation", |log| log.truncate_from(50), |model| model.truncate_from(50)),
        ("purge", |log| log.purge_to(30), |model| model.purge_to(30)),
        ("purge of everything", |log| log.purge_to(60), |model| model.purge_to(60)),
    ];
    for (name, change, same) in changes {
        let dir = tempfile::tempdir().unwrap();
        let (disk, mut model) = filled(dir.path());
        let older = disk.bytes(&synced(dir.path())).unwrap();
        let (log, _) = open_on(dir.path(), &disk).unwrap();
        change(&log).unwrap();
        same(&mut model);
        drop(log);
        let old = disk.after_kill();
        old.set_bytes(&synced(dir.path()), older);
        let (log, found) = open_on(dir.path(), &old).unwrap_or_else(|e| panic!("{name}, older mark: {e}"));
        assert!(model.reads_back_as(&RaftLogModel::of(&log, &found, &[])), "{name}");
        drop(log);
        let path = segments(&disk).pop().unwrap();
        let mut bytes = disk.bytes(&path).unwrap();
        let at = data_end(&bytes) - 1;
        bytes[at] ^= 1;
        disk.set_bytes(&path, bytes);
        let opened = open_on(dir.path(), &disk).map(|(_, found)| found);
        assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{name}: {opened:?}");
    }
}

#[test]
fn holes_losses_and_swaps_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, _) = filled(dir.path());
    let paths = segments(&disk);
    let [first, second, .., last] = &paths[..] else { panic!("not enough segments") };
    let (a, b, c) = (disk.bytes(first).unwrap(), disk.bytes(second).unwrap(), disk.bytes(last).unwrap());
    let zeroed = |bytes: &[u8], from: usize, to: usize| {
        let mut bytes = bytes.to_vec();
        bytes[from..to].fill(0);
        bytes
    };
    let cases = [
        ("zeros in the middle", vec![(first, zeroed(&a, 512, 1024))]),
        ("zeros in the middle of the last segment", vec![(last, zeroed(&c, 0, 512))]),
        ("a lost end of an older segment", vec![(first, zeroed(&a, data_end(&a) - 600, a.len()))]),
        (
            "a lost whole group at the end of an older segment",
            vec![(first, a[..data_end(&a) - 368 - 7].to_vec())],
        ),
        ("an older segment cut", vec![(second, b[..1000].to_vec())]),
        ("an empty older segment", vec![(first, Vec::new())]),
        ("swapped segments", vec![(first, b.clone()), (second, a.clone())]),
    ];
    for (name, changes) in cases {
        let disk = disk.after_kill();
        for (path, bytes) in changes {
            disk.set_bytes(path, bytes);
        }
        let opened = open_on(dir.path(), &disk).map(|(_, found)| found);
        assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{name}: {opened:?}");
    }
    let lost = disk.after_kill();
    lost.remove(second).unwrap();
    let opened = open_on(dir.path(), &lost).map(|(_, found)| found);
    assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "a lost segment: {opened:?}");
}

#[test]
fn rot_under_an_open_log_is_found_by_the_reader() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = RaftLog::open(dir.path(), &RaftLogOptions { cache_bytes: 0, ..SMALL }).unwrap();
    log.append(1, vec![vec![7; 100]], Box::new(|_| ())).unwrap();
    log.flush().unwrap();
    assert_eq!(log.read(1..2, 0).unwrap()[0].1, vec![7; 100]);
    let path = dir.path().join("0000000000000001.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = data_end(&bytes) - 50;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let read = log.read(1..2, 0);
    assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{read:?}");
}
