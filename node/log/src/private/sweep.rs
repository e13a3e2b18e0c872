//! The leader lets the log's time go on when something private is due, so that it expires on a log that nobody writes to.

use std::{sync::Arc, time::Duration};

use ledger_state::{Command, Private, Transaction, private_due};

use super::transact::good_until_ms;
use crate::{hosted::Core, ledger::LedgerError};

/// Between two looks: a value outlives its time by about as much, if nothing else is written.
const LOOK: Duration = Duration::from_secs(1);

/// Runs on every node until consensus stops; does something on the leader.
pub(crate) async fn run(core: Arc<Core>) {
    while core.stopped.get().is_none() {
        match step(&core).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(LOOK).await,
            Err(error) => {
                tracing::warn!(log = %core.name, "private values that expired were not cleared away: {error}");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// Clears away what one transaction clears away. True when there was something.
async fn step(core: &Core) -> Result<bool, String> {
    if !core.confirmed_leader().await || core.read_only_reason().is_some() {
        return Ok(false);
    }
    let now_ms = core.world.clock.now_ms();
    let due = core.ledger.with_view(|view| private_due(view)).map_err(|e: LedgerError| e.to_string())?;
    if due.is_none_or(|due| due > now_ms) {
        return Ok(false);
    }
    let transaction = Transaction { good_until_ms: good_until_ms(core)?, ..Transaction::default() };
    let command = Command::Private(Private::Transact { log_ms: now_ms, transaction });
    core.propose(&command).await.map(|_| true).map_err(|e| e.to_string())
}
