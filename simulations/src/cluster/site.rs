//! The cluster of a run: machines, network, witnesses, and what the oracle has seen.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use ledger_format::{BundleId, Policy, TILE_WIDTH};
use ledger_log::HostedLog;

use super::{
    clock::MachineClock,
    history::History,
    machine::{DiskImage, Down, Machine, Shared, log_signer, member},
    network::Network,
    oracle::{Replica, Seen, Served, judge},
    plan::{Plan, Switch},
    witnesses::Witnesses,
};
use crate::dice::Dice;

/// Between two looks of the oracle.
const LOOK: Duration = Duration::from_millis(100);
/// A node that has stopped itself is restarted after this long.
const RESTART_AFTER_MS: u64 = 500;

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
    shared: Shared,
    root: PathBuf,
    /// When a machine that is down is started again, simulated milliseconds.
    due: BTreeMap<u64, u64>,
}

impl Cluster {
    /// Three or five machines, none of them started.
    pub(super) fn new(plan: Plan, root: PathBuf) -> Self {
        let mut dice = Dice::new(plan.seed);
        let history = History::new();
        let network = Network::new(dice.split(), &history);
        let seen = Seen::default();
        let witnesses = Witnesses::new(&root, log_signer().vkey().to_string(), &history, &seen);
        let policy_text = format!("log {}\n{}", log_signer().vkey(), witnesses.policy());
        let nodes = if dice.once_in(1, 3) { 5 } else { 3 };
        let shared = Shared {
            network: network.clone(),
            witnesses: witnesses.clone(),
            policy_text: policy_text.clone(),
            members: (1..=nodes).map(member).collect(),
            snapshot_after: dice.between(15, 200),
            disks_lie: plan.off == Some(Switch::L2),
        };
        let policy = Policy::parse(&policy_text).expect("the policy is ours");
        let (machines, due) = (BTreeMap::new(), BTreeMap::new());
        let mut cluster =
            Self { plan, dice, history, network, witnesses, seen, machines, policy, shared, root, due };
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
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(()) };
        let was_down = machine.log.is_none();
        machine.start(&mut self.dice).await.map_err(|error| format!("node {id} does not open: {error}"))?;
        if was_down {
            self.history.tell(&format!("node {id} is up"));
        }
        Ok(())
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
            tokio::time::sleep(LOOK).await;
            let now = self.history.elapsed_ms();
            let due: Vec<u64> = self.due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
            for id in due {
                self.start(id).await?;
            }
            self.look().await?;
        }
        Ok(())
    }

    /// Writes down what every node shows, and asks the oracle.
    async fn look(&mut self) -> Result<(), String> {
        let mut stopped = Vec::new();
        for machine in self.machines.values() {
            let Some(log) = &machine.log else { continue };
            let status = log.status();
            if status.raft_state == "stopped" {
                stopped.push(machine.id);
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
        for id in stopped {
            self.history.tell(&format!("node {id} has stopped itself and is restarted"));
            // What a failed write has left may be torn.
            let down = if self.dice.once_in(1, 2) { Down::Power } else { Down::Kill };
            self.stop(id, down).await;
            self.due.insert(id, self.history.elapsed_ms() + RESTART_AFTER_MS);
        }
        judge(&self.seen, &[])
    }

    /// What all running nodes hold.
    pub(super) fn replicas(&self) -> Result<Vec<Replica>, String> {
        let running = self.machines.values().filter_map(|machine| Some((machine, machine.log.clone()?)));
        running
            .map(|(machine, log)| -> Result<Replica, String> {
                let entries = entries(&log).map_err(|e| format!("node {}: {e}", machine.id))?;
                let raft_index = log.status().raft_applied_index;
                Ok(Replica { id: machine.id, raft_index, entries, state: machine.engine.state() })
            })
            .collect()
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
