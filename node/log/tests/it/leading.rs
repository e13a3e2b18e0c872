//! What only a leader does, asked of whoever leads.

use ledger_log::{AdminError, HostedLog};
use tokio::time::Instant;

use crate::harness::{Cluster, LIMIT};

impl Cluster {
    /// Asks the leader; and the next one, when that one leads no longer. On a slow machine leaders change between any two lines of a test.
    pub(crate) async fn led<T>(
        &self,
        ask: impl AsyncFn(HostedLog) -> Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match ask(self.node(self.leader().await)).await {
                Err(error) if leads_no_longer(&error) && Instant::now() < deadline => {}
                outcome => return outcome,
            }
        }
    }
}

/// A leader that hands over still leads until the next one does, and takes nothing: it says so in the words of whom it asked.
fn leads_no_longer(error: &AdminError) -> bool {
    match error {
        AdminError::NotLeader { .. } => true,
        AdminError::Refused(why) => why == "this node is not the leader",
        AdminError::Failed(why) => why.starts_with("has to forward request to"),
        _ => false,
    }
}
