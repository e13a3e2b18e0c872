//! Every engine passes the suite, random histories with reopening, and refuses foreign directories.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledger_store::conformance::{Change, EngineModel, check_engine};
use ledger_store::engine::VERIFY_STEP_BYTES;
use ledger_store::{Batch, Engine, EngineKind, EngineOptions, Space, StoreError, open};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const OPTIONS: EngineOptions = EngineOptions { cache_bytes: 1 << 20 };

fn reopen(kind: EngineKind, dir: &Path) -> Arc<dyn Engine> {
    open(kind, dir, &OPTIONS).unwrap()
}

fn passes_the_suite(kind: EngineKind) {
    let dir = tempfile::tempdir().unwrap();
    check_engine(kind != EngineKind::Memory, &mut || reopen(kind, dir.path()));
}

#[test]
fn memory_passes_the_suite() {
    passes_the_suite(EngineKind::Memory);
}

#[test]
fn fjall_passes_the_suite() {
    passes_the_suite(EngineKind::Fjall);
}

#[test]
fn sled_passes_the_suite() {
    passes_the_suite(EngineKind::Sled);
}

/// So many times this byte.
type Value = (usize, u8);

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(Space, Vec<u8>, Option<Value>)>),
    Scan(Space, Vec<u8>, Option<Vec<u8>>, usize),
    Clear(Space),
    Sync,
    Reopen,
}

fn space() -> impl Strategy<Value = Space> {
    prop::sample::select(Space::ALL.to_vec())
}

/// Few and short keys, so that changes meet; some are prefixes of others.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0u8, 1, 0x7f, 0xff]), 1..4)
}

/// Small values, and now and then one that engines keep elsewhere.
fn value() -> impl Strategy<Value = Value> {
    (prop_oneof![20 => 0usize..40, 1 => 100_000usize..200_000], any::<u8>())
}

fn step() -> impl Strategy<Value = Step> {
    let changes = prop::collection::vec((space(), key(), prop::option::weighted(0.7, value())), 0..12);
    prop_oneof![
        12 => changes.prop_map(Step::Commit),
        6 => (space(), key(), prop::option::of(key()), 0usize..20).prop_map(|(s, f, t, n)| Step::Scan(s, f, t, n)),
        1 => space().prop_map(Step::Clear),
        1 => Just(Step::Sync),
        1 => Just(Step::Reopen),
    ]
}

fn agrees_with_the_model(kind: EngineKind) {
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec(step(), 1..60);
    let run = |steps: Vec<Step>| {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = reopen(kind, dir.path());
        let mut model = EngineModel::default();
        for step in steps {
            match step {
                Step::Commit(changes) => {
                    let bytes = |(len, byte): Value| vec![byte; len];
                    let changes: Vec<Change> =
                        changes.into_iter().map(|(s, k, v)| (s, k, v.map(bytes))).collect();
                    model.commit(&*engine, &changes);
                }
                Step::Scan(space, from, to, limit) => {
                    model.check_range(&*engine, space, &from, to.as_deref(), limit);
                }
                Step::Clear(space) => model.clear(&*engine, space),
                Step::Sync => engine.sync().unwrap(),
                Step::Reopen => {
                    drop(engine);
                    engine = reopen(kind, dir.path());
                    model.check(&*engine);
                }
            }
        }
        model.check(&*engine);
        Ok(())
    };
    TestRunner::new(config).run(&steps, run).unwrap();
}

#[test]
fn fjall_agrees_with_the_model() {
    agrees_with_the_model(EngineKind::Fjall);
}

#[test]
fn sled_agrees_with_the_model() {
    agrees_with_the_model(EngineKind::Sled);
}

#[test]
fn enough_data_for_memtables_to_be_written_out_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = EngineModel::default();
    let mut engine = reopen(EngineKind::Fjall, dir.path());
    // 24 MiB in the index: three memtables, overwritten in part, cleared once in the middle.
    for round in 0..24u64 {
        let changes: Vec<Change> = (0..256u64)
            .map(|n| {
                let number = (round * 256 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 4096;
                (Space::Index, number.to_be_bytes().to_vec(), Some(vec![round as u8; 4096]))
            })
            .collect();
        model.commit(&*engine, &changes);
        if round == 11 {
            model.clear(&*engine, Space::Index);
        }
    }
    model.check(&*engine);
    drop(engine);
    engine = reopen(EngineKind::Fjall, dir.path());
    model.check(&*engine);
}

#[test]
fn a_directory_belongs_to_one_process_and_one_engine() {
    for (kind, other) in [(EngineKind::Fjall, EngineKind::Sled), (EngineKind::Sled, EngineKind::Fjall)] {
        let dir = tempfile::tempdir().unwrap();
        let first = reopen(kind, dir.path());
        for kind in [kind, other] {
            let second = open(kind, dir.path(), &OPTIONS).map(drop);
            assert!(matches!(second, Err(StoreError::Locked(_))), "{second:?}");
        }
        drop(first);
        let foreign = open(other, dir.path(), &OPTIONS).map(drop);
        assert!(
            matches!(&foreign, Err(StoreError::Foreign { found, .. }) if found == kind.name()),
            "{foreign:?}"
        );
        fs::write(dir.path().join("FORMAT"), format!("maip {} 99\n", kind.name())).unwrap();
        let newer = open(kind, dir.path(), &OPTIONS).map(drop);
        assert!(matches!(newer, Err(StoreError::Newer { found: 99, known: 1, .. })), "{newer:?}");
        fs::write(dir.path().join("FORMAT"), "").unwrap();
        let broken = open(kind, dir.path(), &OPTIONS).map(drop);
        assert!(matches!(broken, Err(StoreError::Corrupt { .. })), "{broken:?}");
    }
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "do not touch").unwrap();
    let refused = open(EngineKind::Fjall, dir.path(), &OPTIONS).map(drop);
    assert!(matches!(refused, Err(StoreError::Foreign { .. })), "{refused:?}");
    assert!(!dir.path().join("data").exists());
}

/// A kill in the middle of the first opening leaves a directory that is claimed and a database that is half made.
#[test]
fn an_engine_whose_making_was_cut_short_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    drop(reopen(EngineKind::Fjall, dir.path()));
    let (data, fresh) = (dir.path().join("data"), dir.path().join("data.new"));
    fs::rename(&data, &fresh).unwrap();
    let mut files: Vec<_> = fs::read_dir(&fresh).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    assert!(!files.is_empty(), "a database has files of its own");
    for file in files {
        fs::write(file, "").unwrap();
    }
    let mut model = EngineModel::default();
    let engine = reopen(EngineKind::Fjall, dir.path());
    model.check(&*engine);
    model.commit(&*engine, &[(Space::Meta, b"key".to_vec(), Some(b"value".to_vec()))]);
    engine.sync().unwrap();
    drop(engine);
    assert!(data.is_dir() && !fresh.exists(), "the database is where it belongs");
    model.check(&*reopen(EngineKind::Fjall, dir.path()));
}

#[test]
fn engines_have_one_name() {
    for kind in EngineKind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
    assert!("Fjall".parse::<EngineKind>().is_err());
}

/// An engine with files at rest, all of which are what was written.
fn with_files_at_rest(dir: &Path) -> (Arc<dyn Engine>, Vec<PathBuf>) {
    /// More than fjall keeps in memory for each space, so that it writes files.
    const VALUES: u64 = 1_500;
    let engine = reopen(EngineKind::Fjall, dir);
    for number in 0..VALUES {
        let mut batch = Batch::new();
        for space in [Space::State, Space::Index] {
            let value: Vec<u8> = (0..1_000).flat_map(|n| mix(number << 32 | n).to_be_bytes()).collect();
            batch.put(space, number.to_be_bytes(), value);
        }
        engine.commit(batch).unwrap();
    }
    engine.sync().unwrap();
    // Written by threads of its own, the latest when it is opened again. Fewer than fjall merges, so none of them goes.
    drop(engine);
    let engine = reopen(EngineKind::Fjall, dir);
    let files = engine.files_at_rest();
    assert!(!files.is_empty());
    (engine, files)
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (number ^ (number >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn verified(engine: &dyn Engine, file: &Path) -> Result<u32, StoreError> {
    let mut verify = engine.verify(file)?.expect("nobody writes, so no file goes");
    let mut steps = 0;
    while verify.step()? {
        steps += 1;
    }
    Ok(steps)
}

fn tables_below(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            tables_below(&path, found);
        } else if dir.ends_with("tables") {
            found.push(path);
        }
    }
}

/// Wherever a bit flips under a running engine, also where it has the bytes in its cache, and in what nobody reads.
#[test]
fn rot_in_a_file_of_a_running_engine_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, files) = with_files_at_rest(dir.path());
    let mut there = Vec::new();
    tables_below(dir.path(), &mut there);
    // fjall keeps the names of its keyspaces in the first one, and reads it when it opens only.
    there.retain(|path| !path.starts_with(dir.path().join("data/keyspaces/0")));
    assert_eq!(there, files, "all tables that there are");
    for file in &files {
        let steps = verified(&*engine, file).unwrap();
        let good = fs::read(file).unwrap();
        assert_eq!(u64::from(steps), (good.len() as u64).div_ceil(VERIFY_STEP_BYTES as u64));
    }
    let file = &files[0];
    let good = fs::read(file).unwrap();
    for part in 0..10 {
        let at = (good.len() - 1) * part / 9;
        let mut bad = good.clone();
        bad[at] ^= 1 << (part % 8);
        fs::write(file, bad).unwrap();
        let found = verified(&*engine, file);
        assert!(
            matches!(&found, Err(StoreError::Corrupt { path, .. }) if path == file),
            "byte {at}: {found:?}"
        );
    }
    fs::write(file, &good[..good.len() - 1]).unwrap();
    assert!(verified(&*engine, file).is_err(), "a lost end");
    fs::write(file, &good).unwrap();
    verified(&*engine, file).unwrap();
    assert!(engine.verify(&dir.path().join("none")).unwrap().is_none());
}
