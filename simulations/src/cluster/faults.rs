//! Bad luck, one piece at a time, drawn from the seed.

use ledger_log::with_seed;
use ledger_store::conformance::Fault;

use super::{
    machine::{Down, member},
    network::{WITNESSES_FROM, Weather},
    plan::Switch,
    site::Cluster,
    witnesses::Mood,
};
use crate::dice::Dice;

/// Machines that a run has at most, new members included.
const MACHINES_MAX: u64 = 7;

/// Longest that a sync of a slow disk takes.
const SYNC_MS_MAX: u64 = 800;
/// How long a disk stays full, simulated milliseconds: many times as long as an election takes.
const FULL_MS: (u64, u64) = (5_000, 60_000);
/// Syncs that a disk lies about before it says so, at most.
const LIES_MAX: u64 = 40;

/// How wrong the clock of a node may be.
const NODE_SKEW_MS: u64 = 600_000;
/// How wrong that of a witness: once it has signed a time that is further ahead than nodes put up with (five minutes), it is of no
/// use until that time has come, as a witness's time never goes back.
const WITNESS_SKEW_MS: u64 = 240_000;

impl Cluster {
    /// One piece of bad luck.
    pub(super) async fn misfortune(&mut self) -> Result<(), String> {
        if self.plan.off == Some(Switch::L3) && self.dice.once_in(1, 4) {
            return self.lose_a_disk().await;
        }
        if self.is_tended() && self.dice.once_in(1, 3) {
            return self.flip_a_bit().await;
        }
        match self.dice.below(25) {
            0..=2 => self.take_down(Down::Kill).await,
            3..=6 => self.take_down(Down::Power).await,
            7 => self.all_lose_power().await,
            8 | 9 => self.cut_links(),
            10 => self.bad_weather(),
            11 => self.wrong_clock(),
            12..=14 => self.moody_witness(),
            15 => self.witness_loses_power(),
            16 | 17 => self.failing_disk(),
            18 => self.hand_over(),
            19 => self.replace_a_member().await?,
            20 | 21 => self.slow_disk(),
            22 => self.full_disk(),
            _ => self.die_between(),
        }
        Ok(())
    }

    async fn take_down(&mut self, down: Down) {
        let running: Vec<u64> = self.running().collect();
        let Some(id) = self.dice.pick(&running).copied() else { return };
        self.history.tell(&format!("node {id} goes down ({down:?})"));
        self.stop(id, down).await;
    }

    async fn all_lose_power(&mut self) {
        self.history.tell("all nodes lose power");
        for id in self.running().collect::<Vec<_>>() {
            self.stop(id, Down::Power).await;
        }
    }

    /// Some directions between two nodes, or all between one and the rest.
    fn cut_links(&mut self) {
        let ids: Vec<u64> = self.machines.keys().copied().collect();
        let Some(one) = self.dice.pick(&ids).copied() else { return };
        let both_ways = self.dice.once_in(1, 2);
        let whole = self.dice.once_in(1, 2);
        for other in ids.into_iter().filter(|other| *other != one) {
            if whole || self.dice.once_in(1, 2) {
                self.network.cut(one, other);
                if both_ways {
                    self.network.cut(other, one);
                }
            }
        }
        self.history.tell(&format!(
            "node {one} is cut off from {} of the others, {}",
            if whole { "all" } else { "some" },
            if both_ways { "both ways" } else { "one way" }
        ));
    }

    fn bad_weather(&mut self) {
        let weather = Weather {
            delay_ms: (1, self.dice.between(5, 400)),
            lost: self.dice.below(100),
            doubled: self.dice.below(300),
        };
        self.history.tell(&format!("the network is bad: {weather:?}"));
        self.network.set_weather(weather);
    }

    fn wrong_clock(&mut self) {
        let skew = |dice: &mut Dice, most: u64| {
            i64::try_from(dice.between(0, 2 * most)).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
        };
        if self.dice.once_in(1, 4) {
            let skew_ms = skew(&mut self.dice, WITNESS_SKEW_MS);
            let place = usize::try_from(self.dice.below(3)).unwrap_or(0);
            self.history.tell(&format!("the clock of witness {} is wrong by {skew_ms} ms", place + 1));
            self.witnesses.clock(place).jump(skew_ms);
            return;
        }
        let ids: Vec<u64> = self.machines.keys().copied().collect();
        let Some(id) = self.dice.pick(&ids).copied() else { return };
        let skew_ms = skew(&mut self.dice, NODE_SKEW_MS);
        self.history.tell(&format!("the clock of node {id} is wrong by {skew_ms} ms"));
        self.machines[&id].clock.jump(skew_ms);
    }

    fn moody_witness(&mut self) {
        let moods = [Mood::Honest, Mood::Silent, Mood::WrongKey, Mood::WrongText, Mood::Drops, Mood::Behind];
        let place = usize::try_from(self.dice.below(3)).unwrap_or(0);
        let mood = self.dice.pick(&moods).copied().unwrap_or(Mood::Honest);
        self.history.tell(&format!("witness {} is {mood:?}", place + 1));
        self.witnesses.set_mood(place, mood);
    }

    fn witness_loses_power(&mut self) {
        let place = usize::try_from(self.dice.below(3)).unwrap_or(0);
        self.history.tell(&format!("witness {} loses power", place + 1));
        self.witnesses.stop(place);
    }

    /// The node stops at the first failed write; it is restarted like one that went down.
    fn failing_disk(&mut self) {
        let running: Vec<u64> = self.running().collect();
        let Some(id) = self.dice.pick(&running).copied() else { return };
        let faults = [Fault::Fails, Fault::HappensButFails, Fault::NoSpace, Fault::Short];
        let fault = self.dice.pick(&faults).copied().unwrap_or(Fault::Fails);
        let after = self.dice.below(30);
        self.history.tell(&format!("the disk of node {id} will go wrong in {after} calls ({fault:?})"));
        self.machines[&id].break_disk(after, fault);
    }

    /// Nothing more fits, for a long while: the node stops at the next write, and again whenever it is started.
    fn full_disk(&mut self) {
        let running: Vec<u64> = self.running().filter(|id| !self.freed.contains_key(id)).collect();
        let Some(id) = self.dice.pick(&running).copied() else { return };
        let full_ms = self.dice.between(FULL_MS.0, FULL_MS.1);
        self.history.tell(&format!("the disk of node {id} is full for {full_ms} ms"));
        self.machines[&id].disk.set_full(true);
        self.freed.insert(id, self.history.elapsed_ms() + full_ms);
    }

    /// Disks whose time has come have room again.
    pub(super) fn free_disks(&mut self, now_ms: u64) {
        let due: Vec<u64> = self.freed.iter().filter(|(_, at)| **at <= now_ms).map(|(id, _)| *id).collect();
        for id in due {
            self.freed.remove(&id);
            self.machines[&id].disk.set_full(false);
            self.history.tell(&format!("the disk of node {id} has room again"));
        }
    }

    fn slow_disk(&mut self) {
        let running: Vec<u64> = self.running().collect();
        let Some(id) = self.dice.pick(&running).copied() else { return };
        let sync_ms = self.dice.between(20, SYNC_MS_MAX);
        self.history.tell(&format!("a sync of node {id}'s disk takes {sync_ms} ms from now on"));
        self.machines[&id].slow_disk(sync_ms);
    }

    /// Witnesses have cosigned and nobody has published: rule C5.
    fn die_between(&mut self) {
        self.history.tell("the next leader whose checkpoint is cosigned will die before it publishes it");
        self.witnesses.doom.arm();
    }

    /// The disk of one machine says that it has synced, for a while; then it fails and says so.
    pub(super) fn late_lies(&mut self) {
        let running: Vec<u64> = self.running().collect();
        let Some(id) = self.dice.pick(&running).copied() else { return };
        let syncs = self.dice.between(1, LIES_MAX);
        self.history.tell(&format!("the next {syncs} syncs of node {id}'s disk are none, then it says so"));
        self.machines[&id].lie(syncs);
        let mut facts = self.seen.facts();
        facts.disk_lied = true;
        facts.rotten.insert(id);
    }

    fn hand_over(&mut self) {
        let Some((leader, _)) = self.leader() else { return };
        let others: Vec<u64> = self.running().filter(|id| *id != leader).collect();
        let Some(to) = self.dice.pick(&others).copied() else { return };
        self.hand_over_to(to);
    }

    pub(super) fn hand_over_to(&mut self, to: u64) {
        let Some((leader, log)) = self.leader().filter(|(leader, _)| *leader != to) else { return };
        self.history.tell(&format!("node {leader} is asked to hand over to {to}"));
        let seed = self.dice.bits();
        tokio::spawn(with_seed(seed, async move { drop(log.transfer(to).await) }));
    }

    /// A new machine under a new id comes in, an old one goes for good.
    async fn replace_a_member(&mut self) -> Result<(), String> {
        let id = self.machines.keys().max().copied().unwrap_or(0) + 1;
        let Some((leader, log)) = self.leader().filter(|_| id <= MACHINES_MAX && !self.is_alone()) else {
            return Ok(());
        };
        let voters: Vec<u64> =
            log.members().iter().filter(|m| m.voter && m.member.id != leader).map(|m| m.member.id).collect();
        let old = self.dice.pick(&voters).copied();
        self.history.tell(&format!("node {id} joins, then node {old:?} is removed"));
        self.add_machine(id);
        self.start(id).await?;
        let seed = self.dice.bits();
        let history = self.history.clone();
        let change = async move {
            let mut done = log.add_learner(member(id)).await.map(drop);
            if done.is_ok() {
                done = log.promote(id).await.map(drop);
            }
            if let (Ok(()), Some(old)) = (&done, old) {
                done = log.remove(old).await.map(drop);
            }
            history.tell(&match done {
                Ok(()) => "the change of members is through".to_owned(),
                // Without its words: they name files of this run.
                Err(_) => "the change of members is not through".to_owned(),
            });
        };
        tokio::spawn(with_seed(seed, change));
        Ok(())
    }

    /// Rule L3 taken out: nothing is left of a disk, and the node returns under its id.
    async fn lose_a_disk(&mut self) -> Result<(), String> {
        let ids: Vec<u64> = self.machines.keys().copied().collect();
        let Some(id) = self.dice.pick(&ids).copied() else { return Ok(()) };
        self.history.tell(&format!("node {id} loses its disk and returns under its id"));
        self.stop(id, Down::Power).await;
        self.machines.get_mut(&id).expect("it was listed").wipe()?;
        self.start(id).await
    }

    /// Nobody can reach a witness from now on.
    pub(super) fn cut_witnesses(&mut self) {
        for id in self.machines.keys() {
            for place in 0..3 {
                self.network.cut(*id, WITNESSES_FROM + place);
            }
        }
    }
}
