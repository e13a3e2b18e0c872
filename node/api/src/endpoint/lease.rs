//! One at a time, on all nodes: a lease in the log's private state.
//!
//! The log has no conditional records. Where a record is right only as long as something else stays as it was read (a name that is
//! free, a version, an approval that is unused), whoever writes takes a lease first, reads again, and writes. Taking a lease goes through the
//! leader and brings this node up to that moment, so what an earlier holder wrote is seen.

use std::time::Duration;

use ledger_log::{Change, HostedLog, TransactOutcome};
use tokio::time::Instant;

use super::Context;
use crate::ApiError;

/// How long a lease holds when its holder dies: longer than any request waits.
const LEASE_MS: u64 = 45_000;
/// The first pause before a lease that somebody else has is asked for again; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// How long giving it back may take.
const END_WAIT: Duration = Duration::from_secs(5);

/// A lease that this call holds. Give it back with [`Lease::end`], whatever became of the call; one that is dropped, because the
/// caller went away, is given back behind the scenes.
pub(crate) struct Lease {
    log: HostedLog,
    key: String,
    token: [u8; 16],
    held: bool,
}

impl Context {
    /// Waits for the lease on `what`, at most as long as the call may wait.
    pub(crate) async fn lease(&self, what: &str) -> Result<Lease, ApiError> {
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(ApiError::internal)?;
        let key = format!("lease/{what}");
        let (until, mut pause) = (Instant::now() + self.timeout, PAUSE_FIRST);
        loop {
            let log_ms = self.view(|view| ledger_state::log_ms(view))?;
            let expires_at_ms = log_ms.max((self.shared.now_ms)()) + LEASE_MS;
            let change = Change::new().expect_absent(key.as_str()).put_until(
                key.as_str(),
                token.as_slice(),
                expires_at_ms,
            );
            match self.log.transact(change, self.timeout).await.map_err(ApiError::from)? {
                TransactOutcome::Done => return Ok(Lease { log: self.log.clone(), key, token, held: true }),
                TransactOutcome::Conflict { .. } if Instant::now() + pause < until => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                TransactOutcome::Conflict { .. } => {
                    return Err(ApiError::not_yet("BUSY", "somebody else is changing the same thing", 1));
                }
            }
        }
    }
}

impl Lease {
    /// Gives it back. If that fails, it ends by itself.
    pub(crate) async fn end(mut self) {
        self.held = false;
        give_back(&self.log, &self.key, &self.token).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(runtime) = tokio::runtime::Handle::try_current().ok().filter(|_| self.held) else { return };
        let (log, key, token) = (self.log.clone(), std::mem::take(&mut self.key), self.token);
        runtime.spawn(async move { give_back(&log, &key, &token).await });
    }
}

async fn give_back(log: &HostedLog, key: &str, token: &[u8]) {
    let change = Change::new().expect_value(key, token).delete(key);
    if let Err(error) = log.transact(change, END_WAIT).await {
        tracing::debug!(%error, key, "a lease was not given back and runs out");
    }
}
