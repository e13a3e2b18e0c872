//! The Raft log passes the suite, random histories with crashes, the fault table, and finds every kind of damage.

mod damage;
mod faults;
mod world;

use ledger_store::conformance::{Fault, FaultDisk, check_raft_log};
use ledger_store::{RaftLog, RaftLogOptions, StoreError};
use proptest::prelude::*;

use crate::damage::{filled, segments};
use crate::world::{SMALL, Step, World, open_on, step};

#[test]
fn passes_the_suite_on_the_real_disk() {
    let wide = RaftLogOptions { reserve_bytes: 1 << 20, ..RaftLogOptions::default() };
    for options in [SMALL, RaftLogOptions { cache_bytes: 0, ..SMALL }, wide] {
        let dir = tempfile::tempdir().unwrap();
        check_raft_log(&mut || RaftLog::open(dir.path(), &options).unwrap());
    }
}

#[test]
fn passes_the_suite_on_a_disk_that_writes_by_halves() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new();
    disk.plan(0, Fault::Short, u64::MAX);
    check_raft_log(&mut || open_on(dir.path(), &disk).unwrap());
    assert!(disk.hit());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_else_appears(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        for step in &steps {
            world.run(step).unwrap();
            world.check();
        }
        world.run(&Step::Reopen).unwrap();
        world.rot_at_the_end_is_found();
    }
}

#[test]
fn a_log_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, _) = RaftLog::open(dir.path(), &SMALL).unwrap();
    let second = RaftLog::open(dir.path(), &SMALL).map(drop);
    assert!(matches!(second, Err(StoreError::Locked(_))), "{second:?}");
}

#[test]
fn purging_frees_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, _) = filled(dir.path());
    let before = segments(&disk).len();
    let (log, _) = open_on(dir.path(), &disk).unwrap();
    log.purge_to(30).unwrap();
    let after = segments(&disk).len();
    assert!(after < before, "{after} of {before} segments are left");
    log.purge_to(60).unwrap();
    assert_eq!(segments(&disk).len(), 1);
}
