//! One machine with the product's node on it: start, kill, power cut, and what its disk holds between.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ledger_format::{NoteSigner, Policy, SignatureType, record::SigningKey};
use ledger_log::{
    HostedLog, LogLimits, LogOptions, Member, PublishOptions, RaftOptions, SealOptions, Storage, World,
    with_seed,
};
use ledger_store::{EngineKind, Space, conformance::FaultDisk};

use super::{
    clock::MachineClock,
    network::{Network, Port},
    storage::{DurableEngine, Lies, RaftDisk},
    witness_port::WitnessPort,
    witnesses::Witnesses,
};
use crate::dice::Dice;

/// First line of every checkpoint.
pub(super) const ORIGIN: &str = "log.example/simulation";
/// Longest time that a stopped node may take to let go of its files, simulated.
const LET_GO: Duration = Duration::from_secs(60);

pub(super) fn log_signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, SignatureType::Ed25519, [1; 32]).expect("a name and a key")
}

/// How a machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Down {
    /// The process dies, what it wrote stays.
    Kill,
    /// The power fails: of what was not synced, any part may be gone.
    Power,
}

/// What lies on a machine's disk while it is down.
#[derive(Clone)]
pub(super) struct DiskImage {
    raft: FaultDisk,
    engine: Vec<(Space, Vec<u8>, Vec<u8>)>,
    /// A copy of the directory with tiles, snapshots and sign guard; `None` for the machine's own.
    dir: Option<PathBuf>,
}

/// A machine.
pub(super) struct Machine {
    pub(super) id: u64,
    pub(super) log: Option<HostedLog>,
    pub(super) clock: MachineClock,
    pub(super) engine: Arc<DurableEngine>,
    /// How often it was started.
    pub(super) life: u64,
    pub(super) disk: FaultDisk,
    pub(super) dir: PathBuf,
    /// The same disk as the node sees it.
    seen_disk: RaftDisk,
    /// How long a sync takes, simulated milliseconds.
    sync_ms: Arc<AtomicU64>,
    shared: Shared,
}

/// What all machines have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) network: Network,
    pub(super) witnesses: Witnesses,
    pub(super) policy_text: String,
    pub(super) members: Vec<Member>,
    /// Raft entries between two snapshots.
    pub(super) snapshot_after: u64,
    /// How every disk lies.
    pub(super) lies: Lies,
    /// What is at rest is read again.
    pub(super) scrub: bool,
}

pub(super) fn member(id: u64) -> Member {
    Member { id, peer: format!("peer-{id}:1"), api: format!("https://api-{id}") }
}

impl Machine {
    pub(super) fn new(id: u64, dir: PathBuf, clock: MachineClock, shared: Shared) -> Self {
        let (engine, disk) = (DurableEngine::new(Vec::new()), FaultDisk::new());
        let seen_disk = RaftDisk::new(disk.clone(), shared.lies);
        let sync_ms = Arc::default();
        Self { id, log: None, clock, engine, life: 0, disk, dir, seen_disk, sync_ms, shared }
    }

    fn options(&self) -> LogOptions {
        let shared = &self.shared;
        LogOptions {
            name: "main".into(),
            origin: ORIGIN.into(),
            generation: None,
            node_id: self.id,
            dir: self.dir.clone(),
            engine: EngineKind::Memory,
            engine_cache_bytes: 1 << 20,
            signer: log_signer(),
            additional_signers: Vec::new(),
            operator: SigningKey::from_seed([2; 32]),
            timeline: false,
            policy: Policy::parse(&shared.policy_text).expect("the policy is ours"),
            policy_text: shared.policy_text.clone(),
            predecessor: None,
            fail_open: false,
            publish: PublishOptions { interval_ms: 500, ..PublishOptions::default() },
            seal: SealOptions { interval_ms: 0, pause_ms: 1 },
            bootstrap: shared.members.iter().any(|m| m.id == self.id).then(|| shared.members.clone()),
            limits: LogLimits {
                reserve_bytes: 0,
                scrub_pause_ms: u64::from(shared.scrub),
                ..LogLimits::default()
            },
            raft: RaftOptions {
                snapshot_after: shared.snapshot_after,
                keep_entries: 10,
                ..RaftOptions::default()
            },
        }
    }

    /// Starts the node from what is on its disk.
    ///
    /// # Errors
    /// It does not open. Whoever waits for files that its last life still holds waits in simulated time.
    pub(super) async fn start(&mut self, dice: &mut Dice) -> Result<(), String> {
        if self.log.is_some() {
            return Ok(());
        }
        self.life += 1;
        self.seen_disk = RaftDisk::new(self.disk.clone(), self.shared.lies);
        let shared = &self.shared;
        shared.network.begin(self.id, self.life);
        let deadline = tokio::time::Instant::now() + LET_GO;
        let log = loop {
            let world = World {
                peers: Arc::new(Port { network: shared.network.clone(), id: self.id, life: self.life }),
                witnesses: Arc::new(WitnessPort {
                    witnesses: shared.witnesses.clone(),
                    network: shared.network.clone(),
                    id: self.id,
                    life: self.life,
                }),
                clock: Arc::new(self.clock.clone()),
            };
            let storage = Storage {
                engine: self.engine.clone(),
                raft_disk: Arc::new(self.seen_disk.clone()),
                sync_ms: self.sync_ms.clone(),
            };
            match with_seed(dice.bits(), HostedLog::open_on(self.options(), world, storage)).await {
                Ok(log) => break log,
                Err(error)
                    if error.to_string().contains("in use") && tokio::time::Instant::now() < deadline =>
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error.to_string()),
            }
        };
        shared.network.connect(self.id, log.clone());
        self.log = Some(log);
        Ok(())
    }

    /// From its `after`th next call on, the disk under the Raft log fails; the node must stop, not go on.
    pub(super) fn break_disk(&self, after: u64, fault: ledger_store::conformance::Fault) {
        self.disk.plan(after, fault, 1);
    }

    /// From now on each sync of the disk takes so long.
    pub(super) fn slow_disk(&self, sync_ms: u64) {
        self.sync_ms.store(sync_ms, Ordering::Relaxed);
    }

    /// The next syncs of the disk are none, and the one after them says so.
    pub(super) fn lie(&self, syncs: u64) {
        self.seen_disk.lie(Lies::Late(syncs));
    }

    /// Down, at this very moment. What the old life still does reaches neither disk nor network.
    pub(super) async fn stop(&mut self, down: Down, dice: &mut Dice) {
        let Some(log) = self.log.take() else { return };
        self.shared.network.disconnect(self.id);
        let disk = match down {
            Down::Kill => self.disk.after_kill(),
            Down::Power => self.disk.after_power_cut(|_, _| dice.once_in(1, 2)),
        };
        self.disk.power_off();
        let engine = match down {
            Down::Kill => self.engine.image(),
            Down::Power => self.engine.durable(),
        };
        self.disk = disk;
        self.engine = self.engine.go_on(engine);
        log.shutdown().await;
    }

    /// A copy of what is on the disk at this moment.
    pub(super) fn image(&self, copy_to: PathBuf) -> Result<DiskImage, String> {
        copy(&self.dir, &copy_to).map_err(|e| e.to_string())?;
        Ok(DiskImage { raft: self.disk.after_kill(), engine: self.engine.image(), dir: Some(copy_to) })
    }

    /// Puts a copy back. The sign guard stays the machine's own.
    pub(super) fn set_back(&mut self, image: &DiskImage) -> Result<(), String> {
        let guard = std::fs::read(self.dir.join("sign-guard")).ok();
        if let Some(from) = &image.dir {
            std::fs::remove_dir_all(&self.dir).map_err(|e| e.to_string())?;
            copy(from, &self.dir).map_err(|e| e.to_string())?;
        }
        if let Some(guard) = guard {
            std::fs::write(self.dir.join("sign-guard"), guard).map_err(|e| e.to_string())?;
        }
        self.disk = image.raft.after_kill();
        // It may have been full when the copy was made.
        self.disk.set_full(false);
        self.engine = DurableEngine::new(image.engine.clone());
        Ok(())
    }

    /// Another machine's copy, in a place of its own: also the sign guard is as old as the rest.
    pub(super) fn begin_from(&mut self, image: &DiskImage, copied_from: &Path) -> Result<(), String> {
        if let Some(from) = &image.dir {
            copy(from, &self.dir).map_err(|e| e.to_string())?;
        }
        self.disk = FaultDisk::new();
        for path in image.raft.paths() {
            let (Ok(below), Some(bytes)) = (path.strip_prefix(copied_from), image.raft.bytes(&path)) else {
                continue;
            };
            self.disk.set_bytes(&self.dir.join(below), bytes);
        }
        self.engine = DurableEngine::new(image.engine.clone());
        Ok(())
    }

    /// A new disk: nothing is left.
    pub(super) fn wipe(&mut self) -> Result<(), String> {
        std::fs::remove_dir_all(&self.dir).map_err(|e| e.to_string())?;
        self.disk = FaultDisk::new();
        self.engine = DurableEngine::new(Vec::new());
        Ok(())
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
