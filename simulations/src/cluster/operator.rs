//! The people who run the cluster: they restart what has stopped, take out what does not get well, and put a new machine in its place.

use std::time::Duration;

use ledger_log::with_seed;

use super::{
    machine::{Down, member},
    plan::Luck,
    site::{Cluster, RETRY_FULL_MS},
    witnesses::Mood,
};

/// Alarms while which a node signs nothing; a restart lowers them.
const STOPPING: [&str; 5] = ["fork", "witness_disagrees", "root_vote", "root_mismatch", "sign_guard"];
/// A node that has stopped itself is restarted after this long, milliseconds.
const RESTART_AFTER_MS: u64 = 500;
/// Longest time until a dead machine is replaced, or a lie is heard, simulated.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

impl Cluster {
    /// A cluster of one node: nobody votes with it.
    pub(super) fn is_alone(&self) -> bool {
        self.plan.luck() == Luck::Alone
    }

    /// Whether somebody looks at alarms and restarts: where bits flip.
    pub(super) fn is_tended(&self) -> bool {
        matches!(self.plan.luck(), Luck::Rot | Luck::Memory | Luck::Alone)
    }

    pub(super) fn is_stopping(alarms: &[String]) -> bool {
        alarms.iter().any(|alarm| STOPPING.iter().any(|kind| alarm.starts_with(kind)))
    }

    /// A node has stopped itself, or signs nothing more.
    pub(super) async fn tend(&mut self, id: u64, stopped: bool) {
        if self.lasting.contains(&id) {
            return self.retire(id).await;
        }
        let why = if stopped { "has stopped itself" } else { "signs nothing more" };
        self.history.tell(&format!("node {id} {why} and is restarted"));
        // What a failed write has left may be torn.
        let down = if stopped && self.dice.once_in(1, 2) { Down::Power } else { Down::Kill };
        self.stop(id, down).await;
        let pause_ms = if self.freed.contains_key(&id) { RETRY_FULL_MS } else { RESTART_AFTER_MS };
        self.restart_at(id, self.history.elapsed_ms() + pause_ms);
    }

    /// What is wrong with a machine does not go away: it is not started again.
    pub(super) async fn retire(&mut self, id: u64) {
        self.history.tell(&format!("node {id} is taken out of service"));
        self.stop(id, Down::Kill).await;
        self.retired.insert(id);
    }

    /// For each machine out of service a new one under a new id comes in, and the old one is removed.
    pub(super) async fn replace_the_dead(&mut self) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for dead in self.retired.clone() {
            let mut fresh = None;
            while tokio::time::Instant::now() < deadline {
                let id = match fresh {
                    Some(id) => id,
                    None => self.new_machine().await?,
                };
                fresh = Some(id);
                if let Some((_, log)) = self.leader() {
                    let seed = self.dice.bits();
                    let change = async move {
                        if !log.members().iter().any(|known| known.member.id == dead) {
                            return (true, true);
                        }
                        let added = log.add_learner(member(id)).await.is_ok();
                        let done = added && log.promote(id).await.is_ok() && log.remove(dead).await.is_ok();
                        (added, done)
                    };
                    let change = tokio::spawn(with_seed(seed, change));
                    while !change.is_finished() && tokio::time::Instant::now() < deadline {
                        self.live(LOOK).await?;
                    }
                    let (added, done) =
                        if change.is_finished() { change.await.unwrap_or_default() } else { (true, false) };
                    if done {
                        self.history.tell(&format!("node {dead} is replaced"));
                        break;
                    }
                    // An id that was taken into use and not taken in is lost (L3).
                    fresh = fresh.filter(|_| added);
                }
                self.live(LOOK).await?;
            }
        }
        Ok(())
    }

    async fn new_machine(&mut self) -> Result<u64, String> {
        let id = self.machines.keys().max().copied().unwrap_or(0) + 1;
        self.add_machine(id);
        self.start(id).await?;
        Ok(id)
    }

    /// Rule C4: a witness names a size that it never cosigned. Nobody can know better, so the leader raises the fork alarm and signs
    /// nothing more, until somebody has looked.
    pub(super) async fn hear_a_lie(&mut self) -> Result<(), String> {
        let place = usize::try_from(self.dice.below(3)).unwrap_or(0);
        self.history.tell(&format!("witness {} names a size that it never cosigned", place + 1));
        self.seen.facts().witness_lied = true;
        self.witnesses.set_mood(place, Mood::Ahead);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let alarmed = loop {
            self.live(LOOK).await?;
            if let Some((id, _)) = self.seen.facts().fork_alarms.last() {
                break *id;
            }
            if tokio::time::Instant::now() > deadline {
                return Err("a witness names a size that the log has not, and nobody raises the alarm".into());
            }
        };
        self.history.tell(&format!("node {alarmed} raises the fork alarm"));
        let signed =
            |cluster: &Self| cluster.seen.facts().signed.iter().filter(|note| note.by == alarmed).count();
        let before = signed(self);
        self.live(Duration::from_secs(5)).await?;
        if signed(self) > before {
            return Err(format!("node {alarmed} signs under its fork alarm"));
        }
        self.history.tell("somebody has looked: the witness is mended, all nodes are restarted");
        self.witnesses.heal();
        self.stop_all().await;
        self.start_all().await
    }
}
