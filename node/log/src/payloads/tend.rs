//! What a node does about payloads by itself: destroy what the log has erased, fetch what it missed while it was away.

use std::{sync::Arc, time::Duration};

use ledger_format::payload::Payload;

use super::{PayloadFault, Subject, store::Place};
use crate::{hosted::Core, options::Member};

/// Between two comparisons with all other nodes.
const COMPARE: Duration = Duration::from_secs(300);
/// Between two attempts when a node did not answer, or none is known yet.
const AGAIN: Duration = Duration::from_secs(5);
/// Between two attempts to destroy when the disk failed.
const DISK_AGAIN: Duration = Duration::from_secs(1);

/// Destroys what is erased: at the start, and whenever the log has erased something. Runs until the log is closed; also when
/// consensus has stopped, for what was applied before.
pub(crate) async fn erase(core: Arc<Core>) {
    loop {
        let own = core.clone();
        let done = tokio::task::spawn_blocking(move || own.destroy_erased()).await;
        match done {
            Ok(Ok(())) => core.ledger.erased_now().await,
            Ok(Err(fault)) => {
                tracing::error!(log = %core.name, "an erased subject's files are not destroyed yet: {fault}");
                tokio::time::sleep(DISK_AGAIN).await;
            }
            Err(_) => return,
        }
    }
}

/// Fetches payloads that others keep and this node does not. Runs until consensus stops.
pub(crate) async fn catch_up(core: Arc<Core>) {
    while core.stopped.get().is_none() {
        let mut pause = AGAIN;
        let others = core.other_members();
        if !others.is_empty() && core.leader().is_some() {
            pause = COMPARE;
            for other in others {
                if let Err(error) = compare(&core, &other).await {
                    tracing::debug!(log = %core.name, node = other.id, "payloads not compared: {error}");
                    pause = AGAIN;
                }
            }
        }
        tokio::time::sleep(pause).await;
    }
}

async fn compare(core: &Arc<Core>, other: &Member) -> Result<(), String> {
    let mut after = None;
    loop {
        let places = core.peer_list(other, after).await.map_err(|e| e.to_string())?;
        let Some(last) = places.last().copied() else { return Ok(()) };
        for place in places {
            let own = core.clone();
            let missing = tokio::task::spawn_blocking(move || own.is_missing(place)).await;
            if !missing.map_err(|e| e.to_string())?.map_err(|e| e.to_string())? {
                continue;
            }
            let Some(payload) = core.peer_payload(other, place).await.map_err(|e| e.to_string())? else {
                continue;
            };
            let own = core.clone();
            let kept = tokio::task::spawn_blocking(move || own.keep_here(place.subject, &payload)).await;
            match kept.map_err(|e| e.to_string())? {
                Ok(()) | Err(PayloadFault::SubjectErased) => {}
                Err(fault) => return Err(fault.to_string()),
            }
        }
        after = Some(last);
    }
}

impl Core {
    /// Whether this node's log has erased a subject.
    pub(super) fn is_erased(&self, subject: Subject) -> Result<bool, PayloadFault> {
        let Subject { tenant, name } = subject;
        Ok(self.ledger.with_view(|view| ledger_state::erased(view, tenant, &name))?.is_some())
    }

    /// Keeps a payload on this node.
    pub(super) fn keep_here(&self, subject: Subject, payload: &Payload) -> Result<(), PayloadFault> {
        if *self.low_space.borrow() {
            return Err(PayloadFault::Unavailable("free disk space is below the reserve".into()));
        }
        self.payloads.keep(subject, payload, || self.is_erased(subject))
    }

    fn is_missing(&self, place: Place) -> Result<bool, PayloadFault> {
        if self.is_erased(place.subject)? {
            return Ok(false);
        }
        Ok(!matches!(self.payloads.open_payload(place.subject, place.commitment), Ok(Some(_))))
    }

    fn destroy_erased(&self) -> Result<(), PayloadFault> {
        for subject in self.payloads.subjects()? {
            if self.is_erased(subject)? {
                let payloads = self.payloads.destroy(subject)?;
                tracing::info!(log = %self.name, payloads, "an erased subject's key and payloads are destroyed");
            }
        }
        Ok(())
    }
}
