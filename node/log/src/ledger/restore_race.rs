//! The thread that writes tile files, while a snapshot of another node is installed.

use std::{
    sync::{Arc, Mutex, atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use ledger_format::{BundleId, TILE_WIDTH, TileId};
use ledger_state::Command;
use ledger_store::{EngineKind, EngineOptions};

use super::*;
use crate::{
    damaged::{TIME_MS, apply, population, tenant},
    hooked::{Change, Hooked},
    snapshot::{Manifest, SnapshotWriter, Written},
};

/// Commands that fill a bundle at least, each.
fn commands() -> [Command; 2] {
    let tenants = |from: u16| (from..from + 300).map(|number| tenant(number).to_bytes());
    let first = population().into_iter().chain(tenants(0)).collect();
    [first, tenants(300).collect()].map(|records| Command::Append { log_ms: TIME_MS, records })
}

fn memory() -> Arc<dyn Engine> {
    ledger_store::open(EngineKind::Memory, std::path::Path::new(""), &EngineOptions::default()).unwrap()
}

/// Gives one node the files below a snapshot of another: those of one level, it is small.
fn give_files(from: &Ledger, to: &Ledger, manifest: &Manifest) {
    let width = TILE_WIDTH as u16;
    for index in 0..manifest.full_until() / TILE_WIDTH {
        for path in [BundleId { index, width }.path(), TileId { level: 0, index, width }.path()] {
            let bytes = from.files.read(&path).unwrap().unwrap();
            to.files.write_new(&path, &bytes).unwrap();
        }
    }
}

/// The writer has its files and is about to note how far they go when a snapshot comes that goes further.
#[tokio::test]
async fn what_a_snapshot_replaces_is_not_noted_afterwards() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let leader = Ledger::open(one.path(), memory(), Arc::new(Alarms::default())).unwrap();
    apply(&leader, &commands()).await;
    let Written { manifest, path, .. } = SnapshotWriter::begin(&leader).unwrap().finish().await.unwrap();
    let all = (manifest.size, manifest.full_until());
    assert!(all.1 >= 512, "{all:?}");

    let (arrived, arrivals) = mpsc::channel();
    let (let_go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let engine = memory();
    let hooked = Hooked::over(engine.clone(), move |change| {
        if change == Change::Commit && thread::current().name() == Some("tile-writer") {
            let _ = arrived.send(());
            let _ = wait.lock().unwrap().recv();
        }
        Ok(())
    });
    let follower = Ledger::open(two.path(), hooked, Arc::new(Alarms::default())).unwrap();
    give_files(&leader, &follower, &manifest);
    apply(&follower, &commands()[..1]).await;
    assert!((256..512).contains(&follower.size()), "{}", follower.size());
    let arrival = arrivals.recv_timeout(Duration::from_secs(20));
    arrival.unwrap_or_else(|_| {
        panic!("no tile is written of {} entries: {:?}", follower.size(), follower.alarms().standing())
    });

    let asked = follower.writer.asked.load(Ordering::SeqCst);
    let installing = {
        let follower = follower.clone();
        thread::spawn(move || follower.install(&path))
    };
    // The writer goes on when the installation is over, or waits for it.
    while !installing.is_finished() && follower.writer.asked.load(Ordering::SeqCst) == asked {
        thread::yield_now();
    }
    drop(let_go);
    installing.join().unwrap().unwrap();
    // After the writer's turn.
    follower.sync().unwrap();
    assert_eq!((follower.size(), follower.filed()), all);
    follower.stop();
    drop(follower);

    let follower = Ledger::open(two.path(), engine, Arc::new(Alarms::default())).unwrap();
    assert_eq!((follower.size(), follower.filed()), all);
    follower.stop();
    leader.stop();
}
