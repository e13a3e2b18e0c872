//! Snapshots: what they hold, and when.

use std::{
    io::Seek as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ledger_store::{Batch, Engine, EngineKind, EngineOptions, Space};

use super::*;
use crate::{
    alarm::Alarms,
    hooked::{Change, Hooked},
    ledger::Ledger,
};

/// An engine, and whether everything in it is durable.
fn watched() -> (Arc<dyn Engine>, Arc<AtomicBool>) {
    let durable = Arc::new(AtomicBool::new(true));
    let noted = durable.clone();
    let engine = Hooked::over(memory(), move |change| {
        noted.store(change == Change::Sync, Ordering::SeqCst);
        Ok(())
    });
    (engine, durable)
}

fn ledger_on(dir: &Path, engine: Arc<dyn Engine>) -> Arc<Ledger> {
    Ledger::open(dir, engine, Arc::new(Alarms::default())).unwrap()
}

fn memory() -> Arc<dyn Engine> {
    ledger_store::open(EngineKind::Memory, Path::new(""), &EngineOptions::default()).unwrap()
}

fn put(engine: &Arc<dyn Engine>, key: &str, value: &str) {
    let mut batch = Batch::default();
    batch.put(Space::State, key.as_bytes(), value.as_bytes());
    engine.commit(batch).unwrap();
}

fn pairs(path: &Path) -> Vec<(String, String)> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let mut file = SnapshotFile::read(path).unwrap();
    std::iter::from_fn(|| file.next_pair().unwrap()).map(|(key, value)| (text(key), text(value))).collect()
}

/// S4: Raft purges its log behind a snapshot, so what the snapshot says must be on disk before it is reported.
#[tokio::test]
async fn s4_the_state_is_durable_before_a_snapshot_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, durable) = watched();
    let ledger = ledger_on(dir.path(), engine);
    put(ledger.engine(), "x", "applied and not yet synced");
    assert!(!durable.load(Ordering::SeqCst));

    let Written { manifest, path, mut file } =
        SnapshotWriter::begin(&ledger).unwrap().finish().await.unwrap();
    assert!(durable.load(Ordering::SeqCst), "a snapshot of state that a power cut takes");
    assert_eq!(SnapshotFile::read(&path).unwrap().manifest(), &manifest);
    assert_eq!(pairs(&path), [("x".to_owned(), "applied and not yet synced".to_owned())]);
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert!(bytes == fs::read(&path).unwrap(), "the open file is another one");

    // A newer program's snapshot is not a damaged one: nobody may put it aside.
    bytes[..MAGIC.len()].copy_from_slice(b"maip-snapshot/2\n");
    fs::write(&path, bytes).unwrap();
    let refused = SnapshotFile::read(&path).map(drop).unwrap_err();
    assert!(matches!(refused, LedgerError::Newer { .. }), "{refused}");
    assert!(refused.to_string().contains("newer program"), "{refused}");
    ledger.stop();
}

/// What is applied while a snapshot is written is not in it, whether the engine can freeze its pairs or is read at once.
#[tokio::test]
async fn a_snapshot_is_of_the_moment_at_which_it_was_begun() {
    for kind in EngineKind::ALL {
        let dir = tempfile::tempdir().unwrap();
        let engine = ledger_store::open(kind, &dir.path().join("engine"), &EngineOptions::default()).unwrap();
        let ledger = ledger_on(dir.path(), engine.clone());
        let before: Vec<_> = (0..10_000).map(|n| (format!("{n:05}"), "before".to_owned())).collect();
        for (key, value) in &before {
            put(&engine, key, value);
        }
        let writer = SnapshotWriter::begin(&ledger).unwrap();
        put(&engine, "00000", "after");
        put(&engine, "09999", "after");
        put(&engine, "99999", "after");
        // As when a newer snapshot of another node is installed meanwhile.
        engine.clear(Space::State).unwrap();
        let written = writer.finish().await.unwrap();
        assert!(pairs(&written.path) == before, "{}", kind.name());
        ledger.stop();
    }
}

#[tokio::test]
async fn two_snapshots_of_one_raft_index_do_not_meet_and_abandoned_ones_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger_on(dir.path(), memory());
    put(ledger.engine(), "x", "1");
    let (one, two) = (SnapshotWriter::begin(&ledger).unwrap(), SnapshotWriter::begin(&ledger).unwrap());
    assert_eq!(files(dir.path()).unwrap().len(), 2);
    let first = one.finish().await.unwrap();
    assert_eq!(two.finish().await.unwrap().path, first.path);
    assert_eq!(pairs(&first.path).len(), 1);
    assert_eq!(files(dir.path()).unwrap(), std::slice::from_ref(&first.path));

    drop(SnapshotWriter::begin(&ledger).unwrap());
    assert_eq!(files(dir.path()).unwrap(), std::slice::from_ref(&first.path));

    let going = SnapshotWriter::begin(&ledger).unwrap();
    let (stopped, ended) = tokio::join!(ledger.snapshot_writers().stop(), going.finish());
    assert_eq!(stopped, ());
    assert!(ended.err().unwrap().to_string().contains("being closed"));
    assert!(SnapshotWriter::begin(&ledger).err().unwrap().to_string().contains("being closed"));
    assert_eq!(files(dir.path()).unwrap(), std::slice::from_ref(&first.path));
    ledger.stop();

    // A process that was killed leaves what it was writing.
    fs::write(first.path.with_extension("7.tmp"), b"half").unwrap();
    ledger_on(dir.path(), memory()).stop();
    assert_eq!(files(dir.path()).unwrap(), [first.path]);
}
