//! Immutable files: written once, whole, durable; repaired only on purpose.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ledger_store::conformance::{Fault, FaultDisk};
use ledger_store::disk::Disk;
use ledger_store::{Files, StoreError};

#[test]
fn a_file_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::open(&dir.path().join("deep/root")).unwrap();
    let path = "tile/0/x001/234.p/5";
    assert_eq!(files.read(path).unwrap(), None);
    assert!(!files.exists(path).unwrap());
    files.write_new(path, b"five hashes").unwrap();
    files.write_new(path, b"five hashes").unwrap();
    assert_eq!(files.read(path).unwrap().as_deref(), Some(&b"five hashes"[..]));
    let table: [(&[u8], u64); 4] = [(b"five Hashes", 5), (b"five", 4), (b"five hashes!", 11), (b"", 0)];
    for (other, first_difference) in table {
        let refused = files.write_new(path, other);
        assert!(
            matches!(refused, Err(StoreError::Differs { offset, .. }) if offset == first_difference),
            "{refused:?}"
        );
    }
    assert_eq!(files.read(path).unwrap().as_deref(), Some(&b"five hashes"[..]));
    files.replace(path, b"repaired").unwrap();
    assert_eq!(files.read(path).unwrap().as_deref(), Some(&b"repaired"[..]));
    files.replace_small("guard", b"1").unwrap();
    files.replace_small("guard", b"2").unwrap();
    assert_eq!(files.read("guard").unwrap().as_deref(), Some(&b"2"[..]));
    files.remove("guard").unwrap();
    files.remove("guard").unwrap();
    assert!(!files.exists("guard").unwrap());
}

#[test]
fn ranges_end_where_the_file_ends() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::open(dir.path()).unwrap();
    files.write_new("digits", b"0123456789").unwrap();
    let table: [(std::ops::Range<u64>, &[u8]); 6] =
        [(0..10, b"0123456789"), (2..5, b"234"), (8..99, b"89"), (10..12, b""), (50..60, b""), (5..5, b"")];
    for (range, want) in table {
        assert_eq!(files.read_range("digits", range.clone()).unwrap().as_deref(), Some(want), "{range:?}");
    }
    assert_eq!(files.read_range("letters", 0..1).unwrap(), None);
}

#[test]
fn many_files_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::open(dir.path()).unwrap();
    files.write_new("tile/0/000", b"zero").unwrap();
    files
        .write_many(&[
            ("tile/0/000", b"zero"),
            ("tile/0/001", b"one"),
            ("tile/1/000", b"up"),
            ("tile/0/001", b"one"),
        ])
        .unwrap();
    assert_eq!(files.list("").unwrap(), ["tile/"]);
    assert_eq!(files.list("tile/0").unwrap(), ["000", "001"]);
    assert_eq!(files.list("tile/7").unwrap(), [""; 0]);
    let clash = files.write_many(&[("new", b"a"), ("new", b"b")]);
    assert!(matches!(clash, Err(StoreError::Differs { .. })), "{clash:?}");
    let clash = files.write_many(&[("tile/0/002", b"two"), ("tile/1/000", b"other")]);
    assert!(matches!(clash, Err(StoreError::Differs { .. })), "{clash:?}");
    let mut seen = Vec::new();
    let mut visit = |path: &str| {
        seen.push(path.to_owned());
        Ok::<_, StoreError>(())
    };
    files.walk("", &mut visit).unwrap();
    assert_eq!(seen, ["tile/0/000", "tile/0/001", "tile/1/000"]);
}

#[test]
fn paths_stay_below_the_root() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    let files = Files::open(&dir.path().join("root")).unwrap();
    for path in
        ["", "/", "../secret", "a/../../secret", "/etc/passwd", "a//b", "a/", "./a", "a\\b", "a\0b", "x.tmp"]
    {
        let results = [
            files.read(path).map(drop),
            files.exists(path).map(drop),
            files.write_new(path, b"x"),
            files.replace(path, b"x"),
        ];
        for result in results {
            assert!(matches!(result, Err(StoreError::Path(_))), "{path:?}: {result:?}");
        }
    }
    files.write_new("a", b"file").unwrap();
    assert_eq!(files.read("a/b").unwrap(), None, "below a file there is nothing");
}

#[test]
fn an_unfinished_write_is_invisible() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::open(dir.path()).unwrap();
    fs::write(dir.path().join("1-0.tmp"), "half").unwrap();
    assert_eq!(files.list("").unwrap(), [""; 0]);
}

const BATCH: [(&str, &[u8]); 3] = [("tile/0/000", b"zero"), ("tile/0/001", b"one"), ("tile/1/000", b"up")];

/// Each durable step failed, or happened and was reported failed; then the power goes. A file is whole or absent, what was
/// reported written is there, and the same write succeeds afterwards.
#[test]
fn fault_table() {
    let root = Path::new("/root");
    for fault in [Fault::Fails, Fault::HappensButFails, Fault::NoSpace, Fault::Short] {
        let mut calls = 0;
        loop {
            let disk = FaultDisk::new();
            let files = Files::open_on(root, Arc::new(disk.clone())).unwrap();
            files.write_new("before", b"it").unwrap();
            disk.plan(calls, fault, 1);
            let result = files.write_many(&BATCH);
            if !disk.hit() {
                result.unwrap();
                break;
            }
            assert_eq!(result.is_err(), fault != Fault::Short, "call {calls}, {fault:?}");
            check_tidy(&disk);
            for left in
                [disk.after_kill(), disk.after_power_cut(|_, _| false), disk.after_power_cut(|_, _| true)]
            {
                check_whole(&left, root, result.is_ok());
            }
            calls += 1;
        }
        assert!(calls >= 3 * 3 + 2, "{fault:?} was tried at {calls} calls only");
    }
}

/// Whoever tries again and again, as a disk stays bad, fills it with nothing.
fn check_tidy(disk: &FaultDisk) {
    let left: Vec<_> =
        disk.paths().into_iter().filter(|path| path.extension().is_some_and(|e| e == "tmp")).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

fn check_whole(left: &FaultDisk, root: &Path, all: bool) {
    let files = Files::open_on(root, Arc::new(left.clone())).unwrap();
    assert_eq!(files.read("before").unwrap().as_deref(), Some(&b"it"[..]));
    for (path, bytes) in BATCH {
        match files.read(path).unwrap() {
            Some(there) => assert_eq!(there, bytes),
            None => assert!(!all, "{path} was reported durable"),
        }
    }
    files.write_many(&BATCH).unwrap();
    let left = left.after_power_cut(|_, _| false);
    for (path, bytes) in BATCH {
        assert_eq!(left.bytes(&root.join(path)).as_deref(), Some(bytes), "the second attempt is durable");
    }
}

#[test]
fn replacing_never_shows_half_and_never_goes_back() {
    let root = Path::new("/root");
    for fault in [Fault::Fails, Fault::HappensButFails, Fault::Short] {
        for calls in 0..8 {
            let disk = FaultDisk::new();
            let files = Files::open_on(root, Arc::new(disk.clone())).unwrap();
            files.replace_small("guard", b"size 7").unwrap();
            disk.plan(calls, fault, 1);
            let result = files.replace_small("guard", b"size 8");
            check_tidy(&disk);
            let left = disk.after_power_cut(|_, _| false).bytes(&root.join("guard")).unwrap();
            let want: &[&[u8]] = if result.is_ok() { &[b"size 8"] } else { &[b"size 7", b"size 8"] };
            assert!(want.contains(&&left[..]), "call {calls}, {fault:?}: {left:?}");
        }
    }
    let gone = FaultDisk::new();
    gone.power_off();
    assert!(gone.sync_dir(root).is_err());
}
