//! The course of a run: begin, bad luck, mend everything, and see that the log goes on.

use std::time::Duration;

use ledger_log::{Ack, with_seed};

use super::{
    clients::Client,
    machine::{Down, Machine},
    network::WITNESSES_FROM,
    oracle::judge,
    plan::Luck,
    records::Tenant,
    site::Cluster,
    witnesses::Mood,
};

/// Longest time until a new cluster takes records, and until a mended one does, simulated.
const PATIENCE: Duration = Duration::from_secs(60);
/// Clients of a run.
const CLIENTS: u8 = 2;
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
        self.live(Duration::from_secs(5)).await?;
        match self.plan.luck() {
            Luck::Storm => self.storm().await?,
            Luck::SetBack => self.set_back(false).await?,
            Luck::SetBackUnseen => self.set_back(true).await?,
        }
        self.mend().await?;
        clients.shutdown().await;
        self.settle().await?;
        judge(&self.seen, &self.replicas()?)
    }

    fn client(&mut self, number: u8) -> Client {
        Client {
            number,
            network: self.network.clone(),
            nodes: self.machines.keys().copied().collect(),
            history: self.history.clone(),
            seen: self.seen.clone(),
            dice: self.dice.split(),
            policy: self.policy.clone(),
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
            }
            if self.dice.once_in(1, 3) {
                self.witnesses.heal();
            }
        }
        Ok(())
    }

    /// All machines go back to what their disks held some seconds ago. With `unseen`, no witness has seen what was signed since.
    async fn set_back(&mut self, unseen: bool) -> Result<(), String> {
        let images = self.images()?;
        self.history.tell("a backup of all disks is made");
        if unseen {
            self.history.tell("nobody reaches a witness any more");
            self.cut_witnesses();
        }
        self.live(Duration::from_secs(10)).await?;
        let replicas = self.replicas()?;
        self.seen.facts().set_back(&replicas);
        self.stop_all().await;
        self.history.tell("all disks are set back to the backup");
        for (id, image) in &images {
            self.machines.get_mut(id).expect("machines stay").set_back(image)?;
        }
        self.network.heal();
        if !unseen {
            self.history.tell("nobody reaches a witness for a while");
            self.cut_witnesses();
        }
        self.start_all().await?;
        self.live(Duration::from_secs(5)).await?;
        self.history.tell("witnesses are reached again");
        self.network.heal();
        self.live(Duration::from_secs(10)).await
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
        for place in 0..3 {
            self.witnesses.clock(place).jump(0);
        }
        for machine in self.machines.values() {
            machine.clock.jump(0);
        }
        self.start_all().await?;
        if self.seen.facts().set_back_at.is_some() {
            // It may rightly refuse to go on.
            return self.live(Duration::from_secs(5)).await;
        }
        self.one_witness_stays_bad();
        self.expect_a_proof(CLIENTS + 1).await?;
        self.history.tell("the last witness is mended, too");
        self.network.heal();
        self.witnesses.heal();
        self.expect_a_proof(CLIENTS + 2).await
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
        self.live(Duration::from_secs(5)).await
    }
}
