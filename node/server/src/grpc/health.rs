//! The standard gRPC health service: SERVING while every production log takes writes.

use std::time::Duration;

use ledger_api::{Logs, is_ready, named_health};
use ledger_proto::v1::{admin_server::AdminServer, ledger_server::LedgerServer};
use tokio::sync::watch;
use tonic_health::server::HealthReporter;

use super::{admin::AdminService, ledger::LedgerService};

/// How often the logs are looked at.
const PERIOD: Duration = Duration::from_millis(500);

/// Reports the health of the logs until the node stops; then NOT_SERVING, so that callers go elsewhere.
pub(super) async fn follow(reporter: HealthReporter, logs: Logs, mut stop: watch::Receiver<bool>) {
    reporter.set_serving::<AdminServer<AdminService>>().await;
    loop {
        if is_ready(&logs.names().map(|name| named_health(&logs, name)).collect::<Vec<_>>()) {
            reporter.set_serving::<LedgerServer<LedgerService>>().await;
        } else {
            reporter.set_not_serving::<LedgerServer<LedgerService>>().await;
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = stop.wait_for(|&stop| stop) => break,
        }
    }
    reporter.set_not_serving::<LedgerServer<LedgerService>>().await;
    reporter.set_not_serving::<AdminServer<AdminService>>().await;
}
