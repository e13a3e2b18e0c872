//! Carries out a plan on a devnet: begins each fault in its time, and mends it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use tokio::time::{Instant, sleep_until};

use super::{
    SMALL_DISK_NODE, Writers,
    disk::SmallDisk,
    plan::{Fault, Step, Target, Way},
};
use crate::Devnet;

/// How often the progress bar moves.
const BAR_STEP: Duration = Duration::from_millis(500);

/// A devnet and the disk that can be filled.
#[derive(Debug)]
pub(super) struct Stage {
    // First: the processes end before their disk goes.
    pub(super) devnet: Devnet,
    pub(super) disk: Option<SmallDisk>,
}

impl Stage {
    /// Plays the plan to its end. Gives what went wrong that nobody did: a node that ended by itself. An error is a
    /// fault that could not be made.
    pub(super) async fn play(
        &mut self,
        steps: &[Step],
        length: Duration,
        writers: &Writers,
        bar: &ProgressBar,
        tell: &impl Fn(&str),
    ) -> Result<Vec<String>> {
        let start = Instant::now();
        let mut deaths = Vec::new();
        for step in steps {
            until(start, start + step.at, writers, bar).await;
            deaths.extend(self.dead()?);
            let victims = self.victims(step.fault).await;
            let late = start.elapsed().saturating_sub(step.at);
            tell(&format!("{step}{}{}", named(step.fault, &victims), lateness(late)));
            self.begin(step.fault, &victims).with_context(|| step.fault.to_string())?;
            until(start, start + step.at + step.span, writers, bar).await;
            self.mend(step.fault, &victims).with_context(|| format!("mending {}", step.fault))?;
        }
        until(start, start + length, writers, bar).await;
        deaths.extend(self.dead()?);
        Ok(deaths)
    }

    /// Nodes that do not run although nobody killed them, with the end of their logs. They are started again.
    fn dead(&mut self) -> Result<Vec<String>> {
        let mut dead = Vec::new();
        for id in self.devnet.node_ids() {
            if !self.devnet.is_running(id) {
                let log = crate::log_tail(&self.devnet.node(id)?.log);
                dead.push(format!("node {id} ended by itself; {log}"));
                self.devnet.restart_without_waiting(id)?;
            }
        }
        Ok(dead)
    }

    /// The nodes that a fault means now.
    async fn victims(&self, fault: Fault) -> Vec<u64> {
        let ids = self.devnet.node_ids();
        let target = match fault {
            Fault::Kill(target) | Fault::Pause(target) | Fault::Cut(target, _) => target,
            Fault::FillDisk => return vec![SMALL_DISK_NODE],
            Fault::KillWitnesses(_) | Fault::PauseWitness(_) => return Vec::new(),
        };
        let place = match target {
            Target::All => return ids,
            Target::Node(id) => return vec![id],
            Target::Leader => 0,
            Target::Follower => 1,
        };
        let leader = self.devnet.leader("main").await.ok();
        let first = leader.and_then(|leader| ids.iter().position(|id| *id == leader)).unwrap_or(0);
        ids.iter().cycle().skip(first + place).take(1).copied().collect()
    }

    fn begin(&mut self, fault: Fault, victims: &[u64]) -> Result<()> {
        match fault {
            Fault::Kill(_) => victims.iter().try_for_each(|id| self.devnet.kill(*id)),
            Fault::Pause(_) => victims.iter().try_for_each(|id| self.devnet.stop(*id)),
            Fault::Cut(_, way) => {
                self.cut(victims, way);
                Ok(())
            }
            Fault::FillDisk => match &self.disk {
                Some(disk) => disk.fill(),
                // Nothing can be mounted here: a node that can do nothing stands in for it.
                None => victims.iter().try_for_each(|id| self.devnet.stop(*id)),
            },
            Fault::KillWitnesses(count) => (1..=count).try_for_each(|w| self.devnet.kill_witness(w)),
            Fault::PauseWitness(number) => self.devnet.stop_witness(number),
        }
    }

    fn mend(&mut self, fault: Fault, victims: &[u64]) -> Result<()> {
        match fault {
            Fault::Kill(_) => victims.iter().try_for_each(|id| self.devnet.restart_without_waiting(*id)),
            Fault::Pause(_) => victims.iter().try_for_each(|id| self.devnet.cont(*id)),
            Fault::Cut(..) => {
                self.devnet.links().heal();
                Ok(())
            }
            Fault::FillDisk => {
                let Some(disk) = &self.disk else {
                    return victims.iter().try_for_each(|id| self.devnet.cont(*id));
                };
                disk.make_room()?;
                // Where a write failed, consensus has stopped for good (L2): a restart is due.
                for id in victims {
                    self.devnet.kill(*id)?;
                    self.devnet.restart_without_waiting(*id)?;
                }
                Ok(())
            }
            Fault::KillWitnesses(count) => (1..=count).try_for_each(|w| self.devnet.restart_witness(w)),
            Fault::PauseWitness(number) => self.devnet.cont_witness(number),
        }
    }

    fn cut(&self, victims: &[u64], way: Way) {
        let links = self.devnet.links();
        for victim in victims {
            for other in self.devnet.node_ids().into_iter().filter(|id| !victims.contains(id)) {
                if way != Way::Out {
                    links.cut(other, *victim);
                }
                if way != Way::In {
                    links.cut(*victim, other);
                }
            }
        }
    }

    /// Waits until every node is ready.
    pub(super) fn all_ready(&mut self) -> Result<()> {
        self.devnet.node_ids().into_iter().try_for_each(|id| self.devnet.wait_ready(id))
    }

    /// Puts the small disk's files back where they were, for whoever looks at them later. Ends every node, whatever state it
    /// is in.
    pub(super) fn keep(mut self) -> Result<()> {
        for id in self.devnet.node_ids() {
            self.devnet.kill(id)?;
        }
        match &self.disk {
            Some(disk) => disk.give_back(self.devnet.data()),
            None => Ok(()),
        }
    }
}

/// Lets time pass until `moment`; meanwhile the bar moves.
async fn until(start: Instant, moment: Instant, writers: &Writers, bar: &ProgressBar) {
    while Instant::now() < moment {
        sleep_until(moment.min(Instant::now() + BAR_STEP)).await;
        bar.set_position(start.elapsed().as_secs());
        bar.set_message(format!("{} records acknowledged", writers.acknowledged()));
    }
}

/// Who a fault by role has hit.
fn named(fault: Fault, victims: &[u64]) -> String {
    let by_role = matches!(fault, Fault::Kill(t) | Fault::Pause(t) | Fault::Cut(t, _) if matches!(t, Target::Leader | Target::Follower));
    victims.first().filter(|_| by_role).map(|id| format!(", now node {id}")).unwrap_or_default()
}

/// On a loaded machine the story says how far behind its plan it is.
fn lateness(late: Duration) -> String {
    if late < Duration::from_secs(1) { String::new() } else { format!(", {:.1} s late", late.as_secs_f64()) }
}
