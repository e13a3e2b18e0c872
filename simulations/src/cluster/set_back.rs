//! The whole cluster is set back to an older backup.

use std::time::Duration;

use super::site::Cluster;

impl Cluster {
    /// All machines go back to what their disks held some seconds ago. With `unseen`, no witness has seen what was signed since.
    pub(super) async fn set_back(&mut self, unseen: bool) -> Result<(), String> {
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
}
