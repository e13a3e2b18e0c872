//! The cluster of a run: machines, network, witnesses, and what the oracle has seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use ledger_format::{BundleId, Policy, TILE_WIDTH};
use ledger_log::HostedLog;

use super::{
    clock::MachineClock,
    history::History,
    machine::{DiskImage, Down, Machine, Shared, log_signer, member},
    network::Network,
    oracle::{Replica, Seen, Served, judge},
    plan::{Luck, Plan, Switch},
    rot::RottenFile,
    storage::Lies,
    witnesses::Witnesses,
};
use crate::dice::Dice;

/// What a node says of a full disk.
const NO_SPACE: &str = "no storage space";
/// Between two attempts to start a node whose disk is full.
pub(super) const RETRY_FULL_MS: u64 = 5_000;
/// Between two looks of the oracle.
const LOOK: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct Cluster {
    pub(super) plan: Plan,
    pub(super) dice: Dice,
    pub(super) history: History,
    pub(super) network: Network,
    pub(super) witnesses: Witnesses,
    pub(super) seen: Seen,
    pub(super) machines: BTreeMap<u64, Machine>,
    pub(super) policy: Policy,
    pub(super) shared: Shared,
    pub(super) root: PathBuf,
    /// When a machine that is down is started again, simulated milliseconds.
    pub(super) due: BTreeMap<u64, u64>,
    /// The machine on which bits flip.
    pub(super) victim: Option<u64>,
    /// Machines on which something rotted that no restart mends.
    pub(super) lasting: BTreeSet<u64>,
    /// Machines that are not started again.
    pub(super) retired: BTreeSet<u64>,
    pub(super) rotten_files: Vec<RottenFile>,
    /// Machines that have lost what they had promised: they must not open.
    pub(super) must_refuse: BTreeSet<u64>,
    /// When a machine whose disk is full has room again, simulated milliseconds.
    pub(super) freed: BTreeMap<u64, u64>,
}

impl Cluster {
    /// Three or five machines, or one, none of them started.
    pub(super) fn new(plan: Plan, root: PathBuf) -> Self {
        let mut dice = Dice::new(plan.seed);
        let history = History::new();
        let network = Network::new(dice.split(), &history);
        let seen = Seen::default();
        let witnesses = Witnesses::new(&root, log_signer().vkey().to_string(), &history, &seen);
        let policy_text = format!("log {}\n{}", log_signer().vkey(), witnesses.policy());
        let nodes = match (plan.luck(), dice.once_in(1, 3)) {
            (Luck::Alone, _) => 1,
            (_, true) => 5,
            (_, false) => 3,
        };
        let shared = Shared {
            network: network.clone(),
            witnesses: witnesses.clone(),
            policy_text: policy_text.clone(),
            members: (1..=nodes).map(member).collect(),
            snapshot_after: dice.between(15, 200),
            lies: if plan.off == Some(Switch::L2) { Lies::Always } else { Lies::Never },
            scrub: plan.luck() == Luck::Rot,
        };
        let policy = Policy::parse(&policy_text).expect("the policy is ours");
        let mut cluster = Self {
            plan,
            dice,
            history,
            network,
            witnesses,
            seen,
            machines: BTreeMap::new(),
            policy,
            shared,
            root,
            due: BTreeMap::new(),
            victim: None,
            lasting: BTreeSet::new(),
            retired: BTreeSet::new(),
            rotten_files: Vec::new(),
            must_refuse: BTreeSet::new(),
            freed: BTreeMap::new(),
        };
        (1..=nodes).for_each(|id| cluster.add_machine(id));
        cluster
    }

    pub(super) fn add_machine(&mut self, id: u64) {
        let clock = MachineClock::new(&self.history);
        let dir = self.root.join(format!("node-{id}"));
        self.machines.insert(id, Machine::new(id, dir, clock, self.shared.clone()));
    }

    pub(super) fn running(&self) -> impl Iterator<Item = u64> + '_ {
        self.machines.values().filter(|machine| machine.log.is_some()).map(|machine| machine.id)
    }

    /// Somebody who takes itself for the leader, of the newest term.
    pub(super) fn leader(&self) -> Option<(u64, HostedLog)> {
        let logs = self.machines.values().filter_map(|machine| Some((machine.id, machine.log.clone()?)));
        logs.filter(|(_, log)| log.leads()).max_by_key(|(_, log)| log.status().term)
    }

    pub(super) async fn start(&mut self, id: u64) -> Result<(), String> {
        self.due.remove(&id);
        let Some(machine) = self.machines.get_mut(&id).filter(|_| !self.retired.contains(&id)) else {
            return Ok(());
        };
        let was_down = machine.log.is_none();
        match machine.start(&mut self.dice).await {
            Ok(()) if was_down && self.must_refuse.remove(&id) => {
                return Err(format!("node {id} opens on a Raft log whose end has rotted"));
            }
            Ok(()) if was_down => self.history.tell(&format!("node {id} is up")),
            Ok(()) => {}
            Err(error) if self.freed.contains_key(&id) && error.contains(NO_SPACE) => {
                self.history.tell(&format!("node {id} does not open: its disk is full"));
                self.due.insert(id, self.history.elapsed_ms() + RETRY_FULL_MS);
            }
            // Better than to go on.
            Err(_) if self.seen.facts().rotten.contains(&id) => {
                self.history.tell(&format!("node {id} does not open on what it has"));
                self.retired.insert(id);
            }
            Err(error) => return Err(format!("node {id} does not open: {error}")),
        }
        Ok(())
    }

    /// A machine that is down is started at that time, simulated milliseconds.
    pub(super) fn restart_at(&mut self, id: u64, at_ms: u64) {
        self.due.insert(id, at_ms);
    }

    pub(super) async fn stop(&mut self, id: u64, down: Down) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        machine.stop(down, &mut self.dice).await;
        self.due.insert(id, self.history.elapsed_ms() + self.dice.between(50, 4_000));
    }

    pub(super) async fn start_all(&mut self) -> Result<(), String> {
        for id in self.machines.keys().copied().collect::<Vec<_>>() {
            self.start(id).await?;
        }
        Ok(())
    }

    /// Lets simulated time go by; the oracle looks, and what is down comes up when its time has come.
    pub(super) async fn live(&mut self, span: Duration) -> Result<(), String> {
        let end = tokio::time::Instant::now() + span;
        while tokio::time::Instant::now() < end {
            let struck = tokio::select! {
                () = tokio::time::sleep(LOOK) => None,
                struck = self.witnesses.doom.strikes() => Some(struck),
            };
            if let Some((id, size)) = struck.filter(|(id, _)| self.running().any(|running| running == *id)) {
                self.history.tell(&format!(
                    "node {id} dies: witnesses have cosigned {size} entries for it, nobody has published them"
                ));
                self.stop(id, Down::Kill).await;
            }
            let now = self.history.elapsed_ms();
            let due: Vec<u64> = self.due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
            for id in due {
                self.start(id).await?;
            }
            self.free_disks(now);
            self.look().await?;
        }
        Ok(())
    }

    /// Writes down what every node shows, and asks the oracle.
    async fn look(&mut self) -> Result<(), String> {
        let mut to_tend = Vec::new();
        for machine in self.machines.values() {
            let Some(log) = &machine.log else { continue };
            let status = log.status();
            let stopped = status.raft_state == "stopped";
            if stopped || (self.is_tended() && Self::is_stopping(&status.alarms)) {
                to_tend.push((machine.id, stopped));
            }
            let mut facts = self.seen.facts();
            for alarm in status.alarms.iter().filter(|alarm| alarm.starts_with("fork")) {
                if !facts.fork_alarms.iter().any(|(node, text)| *node == machine.id && text == alarm) {
                    facts.fork_alarms.push((machine.id, alarm.clone()));
                }
            }
            let Some(served) = log.reader().checkpoint() else { continue };
            let (size, root) = (served.checkpoint.size, served.checkpoint.root);
            let same = |last: &Served| {
                (last.node, last.life, last.size, last.root) == (machine.id, machine.life, size, root)
            };
            if !facts.served.iter().rev().any(same) {
                let valid = self.policy.check(&served.parsed).is_ok();
                facts.served.push(Served { node: machine.id, life: machine.life, size, root, valid });
            }
        }
        self.read_what_rotted();
        for (id, stopped) in to_tend {
            self.tend(id, stopped).await;
        }
        judge(&self.seen, &[])
    }

    /// What all running nodes hold. Where something has rotted, a node may rather say nothing.
    pub(super) fn replicas(&self) -> Result<Vec<Replica>, String> {
        let running = self.machines.values().filter_map(|machine| Some((machine, machine.log.clone()?)));
        let mut replicas = Vec::new();
        for (machine, log) in running {
            match entries(&log) {
                Ok(entries) => {
                    let raft_index = log.status().raft_applied_index;
                    replicas.push(Replica {
                        id: machine.id,
                        raft_index,
                        entries,
                        state: machine.engine.state(),
                    });
                }
                Err(_) if self.seen.facts().rotten.contains(&machine.id) => {}
                Err(error) => return Err(format!("node {}: {error}", machine.id)),
            }
        }
        Ok(replicas)
    }

    /// A copy of every disk, all of one moment.
    pub(super) fn images(&self) -> Result<BTreeMap<u64, DiskImage>, String> {
        let copy = |machine: &Machine| -> Result<(u64, DiskImage), String> {
            Ok((machine.id, machine.image(self.root.join(format!("backup-{}", machine.id)))?))
        };
        self.machines.values().map(copy).collect()
    }
}

/// Everything that a node has applied.
fn entries(log: &HostedLog) -> Result<Vec<Vec<u8>>, String> {
    let reader = log.reader();
    let size = reader.applied_size();
    let mut all = Vec::new();
    for index in 0..size.div_ceil(TILE_WIDTH) {
        let width = u16::try_from((size - index * TILE_WIDTH).min(TILE_WIDTH)).unwrap_or(0);
        let bundle = reader.unpublished_bundle(BundleId { index, width }).map_err(|e| e.to_string())?;
        let bundle = bundle.ok_or_else(|| format!("bundle {index} is missing"))?;
        let parsed = ledger_format::parse_bundle(&bundle, width).map_err(|e| e.to_string())?;
        all.extend(parsed.into_iter().map(<[u8]>::to_vec));
    }
    Ok(all)
}
