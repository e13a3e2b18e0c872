//! A second cluster is started from a backup of the first, with the same key, while the first goes on. Witnesses are the same: they let one
//! of the two through.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ledger_log::with_seed;

use super::{
    machine::{DiskImage, Shared},
    network::{Network, WITNESSES_FROM},
    oracle::{Seen, judge, one_log},
    site::Cluster,
};

/// Numbers of the second cluster's clients: other tenants, so that the two logs part.
const CLIENTS: [u8; 2] = [11, 12];
/// Times that it changes who reaches which witness.
const TURNS: (u64, u64) = (5, 10);

impl Cluster {
    /// The whole story of the two; the first cluster may stand still afterwards.
    pub(super) async fn twins(&mut self) -> Result<(), String> {
        let images = self.images()?;
        self.history.tell("a backup of all disks is made");
        let mut twin = self.twin(&images)?;
        if self.dice.once_in(1, 2) {
            self.history.tell("nobody of the first cluster reaches a witness any more");
            self.cut_witnesses();
        }
        let before_ms = self.dice.below(4_000);
        self.live(Duration::from_millis(before_ms)).await?;
        self.history.tell("a second cluster is started from it, with the same key");
        twin.start_all().await?;
        let mut clients = tokio::task::JoinSet::new();
        for number in CLIENTS {
            let seed = self.dice.bits();
            clients.spawn(with_seed(seed, twin.client(number).run()));
        }
        for _ in 0..self.dice.between(TURNS.0, TURNS.1) {
            self.lose_some_witnesses("first");
            twin.lose_some_witnesses("second");
            let span = Duration::from_millis(self.dice.between(500, 4_000));
            self.live_both(&mut twin, span).await?;
            for cluster in [&mut *self, &mut twin] {
                if cluster.dice.once_in(1, 2) {
                    cluster.network.heal();
                }
            }
        }
        self.history.tell("both reach all witnesses");
        self.network.heal();
        twin.network.heal();
        self.live_both(&mut twin, Duration::from_secs(10)).await?;
        clients.shutdown().await;
        self.live_both(&mut twin, Duration::from_secs(5)).await?;
        let (ours, theirs) = (self.replicas()?, twin.replicas()?);
        judge(&twin.seen, &theirs).map_err(|broken| format!("in the second cluster: {broken}"))?;
        let published = |cluster: &Cluster| {
            let served = cluster.seen.facts().served.iter().map(|served| served.size).max();
            served.unwrap_or(0)
        };
        let (first, second) = (published(self), published(&twin));
        self.history.tell(&format!("the first cluster has published {first} entries, the second {second}"));
        one_log(&self.seen.facts(), &ours, &theirs)?;
        twin.stop_all().await;
        Ok(())
    }

    async fn live_both(&mut self, twin: &mut Cluster, span: Duration) -> Result<(), String> {
        let (first, second) = tokio::join!(self.live(span), twin.live(span));
        first.and(second)
    }

    /// A cluster of the same machines as they were, in another place, with a network of its own.
    fn twin(&mut self, images: &BTreeMap<u64, DiskImage>) -> Result<Cluster, String> {
        let seen = Seen::default();
        {
            // What was signed before the backup is the past of both.
            let mut facts = self.seen.facts();
            facts.has_twin = true;
            let mut past = seen.facts();
            past.has_twin = true;
            past.signed.clone_from(&facts.signed);
        }
        let network = Network::new(self.dice.split(), &self.history);
        let witnesses = self.witnesses.of_twin(&seen);
        let shared = Shared { network: network.clone(), witnesses: witnesses.clone(), ..self.shared.clone() };
        let mut twin = Cluster {
            plan: self.plan,
            dice: self.dice.split(),
            history: self.history.clone(),
            network,
            witnesses,
            seen,
            machines: BTreeMap::new(),
            policy: self.policy.clone(),
            shared,
            root: self.root.join("twin"),
            due: BTreeMap::new(),
            victim: None,
            lasting: BTreeSet::new(),
            retired: BTreeSet::new(),
            rotten_files: Vec::new(),
            must_refuse: Default::default(),
            freed: Default::default(),
        };
        for (id, image) in images {
            twin.add_machine(*id);
            let copied_from = &self.machines[id].dir;
            if let Some(machine) = twin.machines.get_mut(id) {
                machine.begin_from(image, copied_from)?;
            }
        }
        Ok(twin)
    }

    fn lose_some_witnesses(&mut self, name: &str) {
        let lost: Vec<u64> = (0..3).filter(|_| self.dice.once_in(1, 3)).collect();
        let ids: Vec<u64> = self.machines.keys().copied().collect();
        for (id, place) in ids.iter().flat_map(|id| lost.iter().map(move |place| (*id, *place))) {
            self.network.cut(id, WITNESSES_FROM + place);
        }
        let numbers: Vec<u64> = lost.iter().map(|place| place + 1).collect();
        self.history.tell(&format!("the {name} cluster does not reach the witnesses {numbers:?}"));
    }
}
