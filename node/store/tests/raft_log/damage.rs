//! Damage to durable bytes is found, and told from a write that never finished.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use ledger_store::conformance::{FaultDisk, RaftLogModel};
use ledger_store::disk::Disk;
use ledger_store::{RaftLog, RaftLogOptions, StoreError};

use crate::world::{SMALL, open_on};

/// A closed log of several segments and many groups.
pub(crate) fn filled(dir: &Path) -> (FaultDisk, RaftLogModel) {
    let disk = FaultDisk::new();
    let (log, _) = open_on(dir, &disk).unwrap();
    let mut model = RaftLogModel::default();
    for n in 0..30u8 {
        let frames = vec![vec![n; 90], vec![n; 201]];
        let (done, answer) = channel();
        let first = model.append(&frames);
        log.append(first, frames, Box::new(move |result| drop(done.send(result)))).unwrap();
        answer.recv().unwrap().unwrap();
    }
    drop(log);
    (disk, model)
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
    let (disk, model) = filled(dir.path());
    let paths = segments(&disk);
    assert!(paths.len() > 2);
    // The last group is its two entries; damage there cannot be told from a write that never finished.
    let last_group = (32 + 96) + (32 + 208);
    for (number, path) in paths.iter().enumerate() {
        let good = disk.bytes(path).unwrap();
        let last_segment = number + 1 == paths.len();
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
                Ok((log, found)) => {
                    assert!(
                        last_segment && at + last_group + 8 > end,
                        "byte {at} of {end} in {path:?} was not missed"
                    );
                    assert!(found.cut_bytes > 0);
                    let left = RaftLogModel::of(&log, &found, &[]);
                    assert!(left.entries.len() == model.entries.len() - 2, "only the last group is gone");
                }
            }
        }
        disk.set_bytes(path, good);
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
