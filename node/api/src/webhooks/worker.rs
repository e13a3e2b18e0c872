//! Who delivers: the leader of the main log, one task for each active webhook.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::{
    Targets, Webhook, WebhookStatus,
    deliver::{self, Ended},
    model::PREFIX,
    usage,
};
use crate::{
    ApiError, Logs, MaipOptions, SharedOutbound,
    account::{Secrets, Store},
};

/// How often the webhooks, and who leads, are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often the meters are looked at.
const METERS: Duration = Duration::from_secs(3);
/// Webhooks read at once.
const AT_ONCE: usize = 500;

/// What delivering needs.
pub(crate) struct Deliverer {
    pub(crate) logs: Logs,
    pub(crate) store: Store,
    pub(crate) secrets: Secrets,
    pub(crate) outbound: SharedOutbound,
    pub(crate) targets: Targets,
    pub(crate) now_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    stopping: watch::Receiver<bool>,
}

/// Delivers webhooks whenever this node leads the main log, until the node stops. Once for each node.
pub fn deliver_webhooks(logs: &Logs, options: &MaipOptions) -> JoinHandle<()> {
    let deliverer = Deliverer {
        store: Store::new(logs.main().clone()),
        secrets: Secrets::new(logs.main().operator()),
        logs: logs.clone(),
        outbound: options.outbound.clone(),
        targets: Targets::default(),
        now_ms: options.now_ms.clone(),
        stopping: options.stopping.clone(),
    };
    tokio::spawn(Arc::new(deliverer).run())
}

/// The tasks that run, by webhook.
#[derive(Default)]
struct Lines {
    tasks: JoinSet<(String, u64)>,
    running: HashMap<String, (u64, tokio::task::AbortHandle)>,
}

impl Deliverer {
    async fn run(self: Arc<Self>) {
        let mut stopping = self.stopping.clone();
        let main = self.logs.main().reader();
        let mut lines = Lines::default();
        let mut meters = tokio::time::interval(METERS);
        meters.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stopping.wait_for(|stopping| *stopping) => break,
                () = main.closed() => break,
            }
            if !self.logs.main().leads() {
                lines.stop();
                continue;
            }
            let webhooks = match self.active() {
                Ok(webhooks) => webhooks,
                Err(error) => {
                    tracing::warn!(message = %error.message, "the webhooks cannot be read");
                    continue;
                }
            };
            lines.follow(&self, &webhooks);
            if futures::FutureExt::now_or_never(meters.tick()).is_some()
                && let Err(error) = usage::look(&self, &webhooks).await
            {
                tracing::debug!(message = %error.message, "the meters were not looked at");
            }
        }
        lines.stop();
    }

    /// Every webhook that is sent something.
    fn active(&self) -> Result<Vec<Webhook>, ApiError> {
        let (mut webhooks, mut after) = (Vec::new(), None::<String>);
        loop {
            let some: Vec<(String, Webhook)> = self.store.list(PREFIX, after.as_deref(), AT_ONCE)?;
            let Some((last, _)) = some.last() else { return Ok(webhooks) };
            after = Some(last.clone());
            let active = some.into_iter().map(|(_, webhook)| webhook);
            webhooks.extend(active.filter(|webhook| webhook.status == WebhookStatus::Active));
        }
    }
}

impl Lines {
    /// Starts what is missing, and stops what is gone or has changed.
    fn follow(&mut self, deliverer: &Arc<Deliverer>, webhooks: &[Webhook]) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Ok((id, version)) = ended
                && self.running.get(&id).is_some_and(|(running, _)| *running == version)
            {
                self.running.remove(&id);
            }
        }
        self.running.retain(|id, (version, task)| {
            let stays = webhooks.iter().any(|webhook| webhook.id == *id && webhook.version == *version);
            if !stays {
                task.abort();
            }
            stays
        });
        for webhook in webhooks {
            if self.running.contains_key(&webhook.id) {
                continue;
            }
            let (id, version) = (webhook.id.clone(), webhook.version);
            let (deliverer, webhook) = (Arc::clone(deliverer), webhook.clone());
            let task = self.tasks.spawn(async move {
                let (id, version) = (webhook.id.clone(), webhook.version);
                let Ended(why) = deliver::run(&deliverer, webhook).await;
                tracing::debug!(webhook = %id, %why, "a webhook's deliveries pause");
                (id, version)
            });
            self.running.insert(id, (version, task));
        }
    }

    fn stop(&mut self) {
        self.tasks.abort_all();
        self.running.clear();
    }
}
