//! Every durable step failed, or happened and was reported failed; and a full disk.

use std::sync::Arc;

use ledger_store::conformance::{Fault, FaultDisk};
use ledger_store::disk::Disk;
use ledger_store::{RaftLog, RaftLogOptions, StoreError};

use crate::world::{SMALL, Step, World};

/// Every kind of call, over several segments.
fn workload() -> Vec<Step> {
    let append = |sizes: &[usize]| Step::Append { sizes: sizes.to_vec(), wait: true };
    vec![
        append(&[100; 10]),
        Step::Meta { key: 1, len: 30 },
        append(&[700; 9]),
        append(&[5000]),
        Step::TruncateFrom { back: 3 },
        Step::Lazy { len: 5 },
        append(&[300; 12]),
        Step::PurgeTo { back: 10 },
        Step::Reopen,
        append(&[300; 12]),
        Step::PurgeTo { back: 0 },
        append(&[10]),
    ]
}

fn run_workload(world: &mut World) -> Result<(), StoreError> {
    workload().iter().try_for_each(|step| world.run(step))
}

#[test]
fn fault_table() {
    for fault in [Fault::Fails, Fault::HappensButFails] {
        for (survives, killed) in [(false, false), (true, false), (false, true)] {
            let mut calls = 0;
            loop {
                let mut world = World::new();
                world.disk.plan(calls, fault, 1);
                let result = run_workload(&mut world);
                if !world.disk.hit() {
                    result.unwrap();
                    break;
                }
                // A fault while closing shows only in what is found after the power cut.
                if result.is_err() {
                    every_later_call_repeats_it(&world);
                }
                if killed {
                    // What it finds then, it has: also when the power fails before anything else is written.
                    let opened = world.crash(|disk| disk.after_kill());
                    opened.unwrap_or_else(|e| panic!("call {calls}, {fault:?}, killed: {e}"));
                }
                world.disk.power_off();
                world.log = None;
                let left = world.disk.after_power_cut(|_, _| survives);
                world.open(left).unwrap_or_else(|e| panic!("call {calls}, {fault:?}, {survives}: {e}"));
                world.run(&Step::Append { sizes: vec![1, 2, 3], wait: true }).unwrap();
                world.run(&Step::PowerCut { seed: calls }).unwrap();
                calls += 1;
            }
            assert!(calls > 25, "the workload makes {calls} calls only");
        }
    }
}

/// After a failure nothing is written any more and every call says why.
fn every_later_call_repeats_it(world: &World) {
    let Some(log) = &world.log else { return };
    let calls = world.disk.calls();
    let next = world.possible.last().unwrap().next.unwrap_or(1);
    let results = [
        log.append(next, vec![vec![1]], Box::new(|_| ())),
        log.truncate_after(0),
        log.purge_to(3),
        log.save_meta(1, vec![1]),
        log.save_meta_lazy(1, vec![1]),
        log.flush(),
        log.read(0..9, 9).map(drop),
        log.indexes().map(drop),
        log.read_meta(1).map(drop),
    ];
    for result in results {
        assert!(
            matches!(&result, Err(StoreError::Poisoned(first)) if first.to_string().contains("injected")),
            "{result:?}"
        );
    }
    assert_eq!(world.disk.calls(), calls, "a failed disk is not touched again");
}

/// A disk that is full for long: the log refuses, opens again and again on what it has, with the marks of what was synced or
/// without, and goes on when there is room.
#[test]
fn a_disk_that_stays_full_loses_nothing() {
    for with_marks in [true, false] {
        let mut world = World::new();
        world.run(&Step::Append { sizes: vec![300; 20], wait: true }).unwrap();
        if !with_marks {
            world.disk.remove(&world.dir.path().join("synced")).unwrap();
        }
        world.disk.set_full(true);
        for _ in 0..3 {
            let refused = world.run(&Step::Append { sizes: vec![5000], wait: true });
            assert!(refused.is_err_and(|e| e.is_no_space()));
            world.crash(|disk| disk.after_kill()).unwrap();
            world.crash(|disk| disk.after_power_cut(|_, _| false)).unwrap();
            world.check();
        }
        world.disk.set_full(false);
        world.run(&Step::Append { sizes: vec![5000], wait: true }).unwrap();
        world.run(&Step::Reopen).unwrap();
        world.rot_at_the_end_is_found();
    }
}

#[test]
fn a_full_disk_uses_the_reserve_or_stops() {
    // One segment only: this disk is not really full, and the next one would take the reserve back.
    let with_reserve = RaftLogOptions { segment_bytes: 1 << 20, reserve_bytes: 1 << 20, ..SMALL };
    let (mut went_on, mut warned) = (0, 0);
    for calls in 0.. {
        let (dir, disk) = (tempfile::tempdir().unwrap(), FaultDisk::new());
        let (log, _) = RaftLog::open_on(dir.path(), &with_reserve, Arc::new(disk.clone())).unwrap();
        assert!(!log.low_on_space());
        disk.plan(calls, Fault::NoSpace, 1);
        let result = (0..3u8).try_for_each(|n| log.save_meta(n, vec![n; 30]));
        if !disk.hit() {
            assert!(calls > 5, "only {calls} calls");
            break;
        }
        match &result {
            Ok(()) => {
                went_on += 1;
                warned += u32::from(log.low_on_space());
            }
            Err(e) => assert!(e.is_no_space() && log.flush().is_err_and(|e| e.is_no_space()), "{e}"),
        }
        drop(log);
        let (log, found) = RaftLog::open_on(dir.path(), &with_reserve, Arc::new(disk.after_kill())).unwrap();
        assert!(result.is_err() || found.meta.len() == 3);
        assert!(!log.low_on_space(), "there is room on this disk");
    }
    assert!(went_on >= 2 && warned >= 1, "writes and creations go on with the reserve: {went_on}, {warned}");
}
