//! The deliveries of one webhook, in the order of the log.

use std::time::Duration;

use ledger_format::record::TenantId;
use serde_json::{Map, Value};

use super::{
    Cursor, Delivery, DeliveryStatus, Outcome, Webhook, WebhookStatus, cursor_place, delivery_id,
    model::delivery_place,
    place,
    send::{Sender, send},
    worker::Deliverer,
};
use crate::{
    ApiError,
    account::Changes,
    events::{Event, Feed, Filter},
};

/// Bound of the first pause after a failed attempt; each bound is twice the one before.
const PAUSE_MS: u64 = 1_000;
/// Bound of the longest pause.
const PAUSE_MS_MAX: u64 = 300_000;
/// Least pause, whatever chance says.
const PAUSE_MS_MIN: u64 = 50;
/// Deliveries that are written down together. A leader that dies leaves as many to be delivered again.
const WRITTEN_AT_ONCE: usize = 32;
/// A cursor that only passed what nobody wants is written when it has passed so many entries.
const PASSED_MAX: u64 = 4_096;
/// Events that come close together are read together.
const GATHER: Duration = Duration::from_millis(50);
/// How long a line waits for an event before it looks at the queue.
const LOOK: Duration = Duration::from_secs(1);
/// So many dead letters in a row disable a webhook.
const DEAD_IN_A_ROW_MAX: u64 = 20;

/// Why a webhook's task ends; the worker looks again.
pub(super) struct Ended(pub(super) String);

impl From<ApiError> for Ended {
    fn from(error: ApiError) -> Self {
        Self(error.message)
    }
}

/// One webhook on its way.
pub(super) struct Line<'a> {
    pub(super) deliverer: &'a Deliverer,
    pub(super) webhook: Webhook,
    pub(super) feed: Feed,
    filter: Filter,
    cursor: Cursor,
    /// What is in the state, for comparing.
    stored: Vec<u8>,
    stored_next: u64,
    /// Deliveries that are not written down yet.
    pub(super) done: Vec<Delivery>,
}

/// Delivers until something stops it.
pub(super) async fn run(deliverer: &Deliverer, webhook: Webhook) -> Ended {
    match Line::open(deliverer, webhook) {
        Ok(mut line) => {
            let log = line.feed.reader().clone();
            loop {
                // A sandbox that is reset goes on as another log, in which a new line finds its place.
                tokio::select! {
                    passed = line.pass() => match passed {
                        Ok(()) => {}
                        Err(ended) => return ended,
                    },
                    () = log.closed() => return Ended("its log is closed".into()),
                }
            }
        }
        Err(ended) => ended,
    }
}

impl<'a> Line<'a> {
    fn open(deliverer: &'a Deliverer, webhook: Webhook) -> Result<Self, Ended> {
        let log = deliverer.logs.named(webhook.environment.log_name())?;
        let tenant = TenantId::parse_any(&webhook.tenant).ok_or_else(|| Ended("no such tenant".into()))?;
        let feed = Feed::new(tenant.0, webhook.environment, &log);
        let found = deliverer.store.get::<Cursor>(&cursor_place(&webhook.id))?;
        let (mut cursor, stored) = found.ok_or_else(|| Ended("it is deleted".into()))?;
        if cursor.tag != feed.tag() {
            // A sandbox that was reset: its events begin anew.
            cursor = Cursor { tag: feed.tag().to_owned(), next: 0, attempts: 0, due_ms: 0, ..cursor };
        }
        let filter = Filter { patterns: webhook.event_types.clone(), agent: None };
        let stored_next = cursor.next;
        Ok(Self { deliverer, webhook, feed, filter, cursor, stored, stored_next, done: Vec::new() })
    }

    /// What is due now, or a wait for it.
    async fn pass(&mut self) -> Result<(), Ended> {
        self.queued().await?;
        let now = (self.deliverer.now_ms)();
        if self.cursor.attempts > 0 && self.cursor.due_ms > now {
            tokio::time::sleep(LOOK.min(Duration::from_millis(self.cursor.due_ms - now))).await;
            return Ok(());
        }
        let size = self.feed.wait(self.cursor.next, LOOK).await;
        if size <= self.cursor.next {
            return Ok(());
        }
        let (feed, filter, from) = (self.feed.clone(), self.filter.clone(), self.cursor.next);
        let found = tokio::task::spawn_blocking(move || feed.onwards(&filter, from, size)).await;
        let found = found.map_err(|error| Ended(error.to_string()))??;
        for event in &found.events {
            if !self.event(event).await? {
                // It waits, and so does what is behind it.
                return self.write().await;
            }
        }
        self.cursor.next = found.next.max(self.cursor.next);
        if !self.done.is_empty() || self.cursor.next.saturating_sub(self.stored_next) >= PASSED_MAX {
            return self.write().await;
        }
        // A busy log is not looked at for each of its entries.
        tokio::time::sleep(GATHER).await;
        Ok(())
    }

    /// One attempt at the next event; whether it is dealt with.
    async fn event(&mut self, event: &Event) -> Result<bool, Ended> {
        self.cursor.next = event.log_index;
        let id = delivery_id(&self.webhook.id, &event.event_id);
        let attempt = self.cursor.attempts + 1;
        let outcome = self.attempt(&id, &object(event), attempt).await?;
        if !outcome.delivered && !outcome.is_final && attempt < self.webhook.max_attempts {
            self.cursor.attempts = attempt;
            self.cursor.due_ms = (self.deliverer.now_ms)() + pause_ms(attempt);
            self.cursor.last_error = outcome.error;
            return Ok(false);
        }
        self.cursor.next = event.log_index + 1;
        self.cursor.attempts = 0;
        let names = (id, event.event_id.clone(), event.event_type.clone());
        let delivery = self.ended(names, attempt, outcome, false, None);
        self.done.push(delivery);
        let disabled = self.cursor.dead_in_a_row >= DEAD_IN_A_ROW_MAX;
        if disabled || self.done.len() >= WRITTEN_AT_ONCE {
            self.write().await?;
        }
        if disabled {
            return Err(self.disable().await?);
        }
        Ok(true)
    }

    /// Sends an event, unless the webhook is not what it was when the line was opened.
    pub(super) async fn attempt(
        &mut self,
        id: &str,
        event: &Map<String, Value>,
        attempt: u64,
    ) -> Result<Outcome, Ended> {
        let Deliverer { outbound, secrets, targets, now_ms, .. } = self.deliverer;
        let turn = targets.turn(&self.webhook.url).await;
        if let Err(ended) = self.check() {
            drop(turn);
            // What was delivered before is not delivered again.
            self.write().await?;
            return Err(ended);
        }
        let sender = Sender { outbound, secrets };
        Ok(send(&sender, turn, &self.webhook, id, event, attempt, || now_ms()).await)
    }

    /// Counts a delivery that has ended.
    pub(super) fn ended(
        &mut self,
        (id, event_id, event_type): (String, String, String),
        attempts: u64,
        outcome: Outcome,
        replayed: bool,
        event: Option<Map<String, Value>>,
    ) -> Delivery {
        let cursor = &mut self.cursor;
        let (status, number) = if outcome.delivered {
            (cursor.delivered, cursor.dead_in_a_row, cursor.last_error) = (cursor.delivered + 1, 0, None);
            (DeliveryStatus::Delivered, cursor.delivered)
        } else {
            cursor.last_error.clone_from(&outcome.error);
            (cursor.dead, cursor.dead_in_a_row) = (cursor.dead + 1, cursor.dead_in_a_row + 1);
            (DeliveryStatus::DeadLetter, cursor.dead)
        };
        let Outcome { answer, error, took_ms, .. } = outcome;
        let at_ms = (self.deliverer.now_ms)();
        Delivery {
            id,
            event_id,
            event_type,
            status,
            attempts,
            number,
            answer,
            error,
            took_ms,
            at_ms,
            replayed,
            event,
        }
    }

    /// Writes down how far the line is, unless another node has moved it.
    pub(super) async fn write(&mut self) -> Result<(), Ended> {
        let place = cursor_place(&self.webhook.id);
        let bytes = serde_json::to_vec(&self.cursor).map_err(ApiError::internal)?;
        if bytes == self.stored {
            return Ok(());
        }
        let mut changes = Changes::default().still(&place, &self.stored).put(&place, &self.cursor, None)?;
        for delivery in self.done.drain(..) {
            let at = delivery_place(&self.webhook.id, delivery.status, delivery.number);
            changes = changes.put(&at, &delivery, None)?;
        }
        if !self.deliverer.store.change(changes).await? {
            return Err(Ended("another node delivers, or it was changed".into()));
        }
        (self.stored, self.stored_next) = (bytes, self.cursor.next);
        Ok(())
    }

    /// Ends the line when another node leads, or when the webhook was paused, changed or deleted: no attempt begins
    /// after the answer to that. The worker looks too seldom to see to it.
    fn check(&self) -> Result<(), Ended> {
        if !self.deliverer.logs.main().leads() {
            return Err(Ended("another node leads".into()));
        }
        let at = place(&self.webhook.tenant, &self.webhook.id);
        match self.deliverer.store.get::<Webhook>(&at)? {
            Some((webhook, _)) if webhook.version == self.webhook.version => Ok(()),
            Some(_) => Err(Ended("it was changed".into())),
            None => Err(Ended("it is deleted".into())),
        }
    }

    async fn disable(&mut self) -> Result<Ended, Ended> {
        let at = place(&self.webhook.tenant, &self.webhook.id);
        if let Some((webhook, bytes)) = self.deliverer.store.get::<Webhook>(&at)? {
            let reason = format!("{DEAD_IN_A_ROW_MAX} events in a row could not be delivered");
            let webhook = Webhook {
                status: WebhookStatus::Disabled,
                status_reason: Some(reason),
                updated_ms: (self.deliverer.now_ms)(),
                version: webhook.version + 1,
                ..webhook
            };
            self.deliverer
                .store
                .change(Changes::default().still(&at, &bytes).put(&at, &webhook, None)?)
                .await?;
        }
        Ok(Ended("it is disabled".into()))
    }
}

/// An event as it is sent.
pub(super) fn object(event: &Event) -> Map<String, Value> {
    match serde_json::to_value(event) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// How long to wait after so many failed attempts: anything up to a bound that doubles, so that those who failed together do not come
/// back together.
pub(super) fn pause_ms(attempts: u64) -> u64 {
    let bound = PAUSE_MS.saturating_mul(1 << (attempts - 1).min(16)).min(PAUSE_MS_MAX);
    let mut bytes = [0; 8];
    // Without randomness the pause is the whole bound.
    let part = if getrandom::fill(&mut bytes).is_ok() { u64::from_be_bytes(bytes) % bound } else { bound };
    part.max(PAUSE_MS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_their_bounds() {
        for attempts in 1..=ATTEMPTS {
            let bound = (PAUSE_MS << (attempts - 1)).min(PAUSE_MS_MAX);
            for _ in 0..100 {
                let pause = pause_ms(attempts);
                assert!((PAUSE_MS_MIN..=bound).contains(&pause), "{attempts}: {pause}");
            }
        }
        let longest = (0..200).map(|_| pause_ms(9)).max().unwrap();
        assert!(longest > PAUSE_MS_MAX / 4, "there is no jitter, or no growth: {longest}");
    }

    const ATTEMPTS: u64 = 16;
}
