//! The course of a run: begin, bad luck, mend everything, and see that the log goes on.

use std::time::Duration;

use ledger_log::{Ack, Credential, with_seed};

use super::{
    clients::Client,
    machine::{Down, Machine},
    network::WITNESSES_FROM,
    oracle::judge,
    plan::Luck,
    records::Tenant,
    registers::{self, KEEPER},
    site::Cluster,
    witnesses::Mood,
};

/// Longest time until a new cluster takes records, and until a mended one does, simulated.
const PATIENCE: Duration = Duration::from_secs(60);
/// Clients of a run that send records one after another.
const CLIENTS: u8 = 2;
/// Clients that read what another one changes.
const WATCHERS: [u8; 2] = [8, 9];
/// The client that fills a tile, where tiles rot.
const FILLER: u8 = 10;
/// Records that it sends, and how many at once.
const FILLING: (u64, usize) = (300, 50);
/// Time in which whatever has rotted is found: the scrub's pause and more.
const SCRUBBED: Duration = Duration::from_secs(70);
/// Pieces of bad luck of a run.
const MISFORTUNES: (u64, u64) = (12, 30);

impl Cluster {
    /// The whole story; an error is a broken invariant.
    pub(super) async fn story(&mut self) -> Result<(), String> {
        self.start_all().await?;
        self.history.tell(&format!("{} nodes and 3 witnesses begin", self.machines.len()));
        let mut clients = tokio::task::JoinSet::new();
        for number in 1..=CLIENTS {
            let seed = self.dice.bits();
            clients.spawn(with_seed(seed, self.client(number).run()));
        }
        let seed = self.dice.bits();
        clients.spawn(with_seed(seed, registers::keep(self.client(KEEPER))));
        for number in WATCHERS {
            let seed = self.dice.bits();
            clients.spawn(with_seed(seed, registers::watch(self.client(number))));
        }
        self.live(Duration::from_secs(5)).await?;
        match self.plan.luck() {
            Luck::Storm | Luck::Memory | Luck::Alone => self.storm().await?,
            Luck::Rot => {
                self.fill_a_tile().await?;
                self.storm().await?;
            }
            Luck::LateLies => {
                self.late_lies();
                self.storm().await?;
            }
            Luck::SetBack => self.set_back(false).await?,
            Luck::SetBackUnseen => self.set_back(true).await?,
            Luck::Twins => self.twins().await?,
        }
        self.mend().await?;
        clients.shutdown().await;
        self.settle().await?;
        judge(&self.seen, &self.replicas()?)
    }

    /// Only full tiles and bundles become files.
    async fn fill_a_tile(&mut self) -> Result<(), String> {
        let mut tenant = Tenant::new(FILLER);
        let records: Vec<_> = (0..FILLING.0).map(|_| tenant.next()).collect();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for some in records.chunks(FILLING.1) {
            while tokio::time::Instant::now() < deadline {
                if let Some((_, log)) = self.leader() {
                    let submit = log.submit(some.to_vec(), Ack::Sequenced, PATIENCE, Credential::Admin);
                    if with_seed(self.dice.bits(), submit).await.iter().all(Result::is_ok) {
                        break;
                    }
                }
                self.live(Duration::from_millis(200)).await?;
            }
        }
        self.history.tell("the first tile is full");
        self.live(Duration::from_secs(2)).await
    }

    pub(super) fn client(&mut self, number: u8) -> Client {
        Client {
            number,
            network: self.network.clone(),
            nodes: self.machines.keys().copied().collect(),
            history: self.history.clone(),
            seen: self.seen.clone(),
            dice: self.dice.split(),
            policy: self.policy.clone(),
            operations: 0,
        }
    }

    async fn storm(&mut self) -> Result<(), String> {
        for _ in 0..self.dice.between(MISFORTUNES.0, MISFORTUNES.1) {
            self.misfortune().await?;
            let pause = self.dice.between(50, 3_000);
            self.live(Duration::from_millis(pause)).await?;
            if self.dice.once_in(1, 4) {
                self.history.tell("the network is mended");
                self.network.heal();
                self.machines.values().for_each(|machine| machine.slow_disk(0));
            }
            if self.dice.once_in(1, 3) {
                self.witnesses.heal();
            }
        }
        Ok(())
    }

    pub(super) async fn stop_all(&mut self) {
        for id in self.running().collect::<Vec<_>>() {
            self.stop(id, Down::Kill).await;
        }
    }

    /// Everything works again: a record must become a proof.
    async fn mend(&mut self) -> Result<(), String> {
        self.history.tell("everything is mended");
        self.network.heal();
        self.witnesses.heal();
        self.witnesses.doom.disarm();
        for place in 0..3 {
            self.witnesses.clock(place).jump(0);
        }
        for machine in self.machines.values() {
            machine.clock.jump(0);
            machine.slow_disk(0);
        }
        self.free_disks(u64::MAX);
        self.start_all().await?;
        if !matches!(self.plan.luck(), Luck::Storm | Luck::Rot | Luck::Memory | Luck::Alone) {
            // It may rightly refuse to go on.
            return self.live(Duration::from_secs(5)).await;
        }
        self.replace_the_dead().await?;
        self.one_witness_stays_bad();
        self.expect_a_proof(CLIENTS + 1).await?;
        self.history.tell("the last witness is mended, too");
        self.network.heal();
        self.witnesses.heal();
        self.expect_a_proof(CLIENTS + 2).await?;
        if self.plan.luck() == Luck::Storm && self.dice.once_in(1, 6) {
            self.hear_a_lie().await?;
            self.expect_a_proof(CLIENTS + 3).await?;
        }
        Ok(())
    }

    /// Two of three are enough, whatever the third one says, and also when it says it first.
    fn one_witness_stays_bad(&mut self) {
        let moods = [Mood::Silent, Mood::WrongKey, Mood::WrongText, Mood::Drops, Mood::Behind];
        let mood = self.dice.pick(&moods).copied().unwrap_or(Mood::Silent);
        let bad = self.dice.below(3);
        self.history.tell(&format!("but witness {} is {mood:?}", bad + 1));
        self.witnesses.set_mood(usize::try_from(bad).unwrap_or(0), mood);
        for place in (0..3).filter(|place| *place != bad) {
            self.network.slow(WITNESSES_FROM + place, 30);
        }
    }

    async fn expect_a_proof(&mut self, number: u8) -> Result<(), String> {
        let mut client = self.client(number);
        let record = Tenant::new(number).next();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut last = String::new();
        while tokio::time::Instant::now() < deadline {
            let seed = self.dice.bits();
            match with_seed(seed, client.send(record.clone(), Ack::Witnessed)).await {
                Ok(()) => {
                    self.history.tell("a new record has become a proof");
                    return Ok(());
                }
                Err(error) => last = error,
            }
            self.live(Duration::from_millis(500)).await?;
        }
        let state = |machine: &Machine| {
            let status = machine.log.as_ref()?.status();
            let (id, state, alarms) = (machine.id, status.raft_state, status.alarms.join(", "));
            Some(format!("node {id} {state} term {} {alarms}", status.term))
        };
        let states: Vec<String> = self.machines.values().filter_map(state).collect();
        let why = format!("no proof after {} s: {last}; {}", PATIENCE.as_secs(), states.join("; "));
        self.seen.facts().healed = Some(Err(why));
        judge(&self.seen, &[])
    }

    /// Followers catch up with the leader.
    async fn settle(&mut self) -> Result<(), String> {
        self.live(Duration::from_secs(5)).await?;
        if !self.rotten_files.is_empty() {
            self.live(SCRUBBED).await?;
            self.find_what_rotted();
        }
        Ok(())
    }
}
