//! Deliveries beside the line: what was asked for again, and what no log holds.

use serde_json::Value;

use super::{
    Queued,
    deliver::{Ended, Line, object, pause_ms},
    queue_prefix,
};
use crate::{account::Changes, events::parse_id};

/// Queued deliveries that one look takes on.
const QUEUED_AT_ONCE: usize = 32;

/// A queued delivery as it was read: while it was sent, its owner may have asked for it anew, or deleted the webhook with all of it.
struct Kept {
    place: String,
    bytes: Vec<u8>,
}

impl Kept {
    fn still(&self) -> Changes {
        Changes::default().still(&self.place, &self.bytes)
    }
}

impl Line<'_> {
    /// What was asked for again, and what no log holds: beside the line.
    pub(super) async fn queued(&mut self) -> Result<(), Ended> {
        for place in self.due()? {
            if let Some((item, bytes)) = self.deliverer.store.get::<Queued>(&place)? {
                self.again(&Kept { place, bytes }, item).await?;
            }
        }
        Ok(())
    }

    /// The places of the first queued deliveries that are due: those that wait for their next attempt hold nobody up.
    fn due(&self) -> Result<Vec<String>, Ended> {
        let (prefix, now) = (queue_prefix(&self.webhook.id), (self.deliverer.now_ms)());
        let (mut due, mut after) = (Vec::new(), None::<String>);
        while due.len() < QUEUED_AT_ONCE {
            let some: Vec<(String, Queued)> =
                self.deliverer.store.list(&prefix, after.as_deref(), QUEUED_AT_ONCE)?;
            let Some((last, _)) = some.last() else { break };
            after = Some(last.clone());
            due.extend(some.into_iter().filter(|(_, item)| item.due_ms <= now).map(|(place, _)| place));
        }
        due.truncate(QUEUED_AT_ONCE);
        Ok(due)
    }

    async fn again(&mut self, kept: &Kept, mut item: Queued) -> Result<(), Ended> {
        let event = match &item.event {
            Some(event) => Some(event.clone()),
            None => match parse_id(&item.event_id).filter(|(tag, _)| *tag == self.feed.tag()) {
                Some((_, index)) => self.feed.at(index)?.as_ref().map(object),
                None => None,
            },
        };
        let Some(event) = event else {
            // Of a log that is gone.
            self.deliverer.store.change(kept.still().delete(&kept.place)).await?;
            return Ok(());
        };
        let attempt = item.attempts + 1;
        let outcome = self.attempt(&item.delivery_id, &event, attempt).await?;
        if !outcome.delivered && !outcome.is_final && attempt < self.webhook.max_attempts {
            (item.attempts, item.due_ms) = (attempt, (self.deliverer.now_ms)() + pause_ms(attempt));
            self.deliverer.store.change(kept.still().put(&kept.place, &item, None)?).await?;
            return Ok(());
        }
        let word = event.get("event_type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let names = (item.delivery_id.clone(), item.event_id.clone(), word);
        let delivery = self.ended(names, attempt, outcome, item.replay, item.event);
        self.done.push(delivery);
        self.write().await?;
        self.deliverer.store.change(kept.still().delete(&kept.place)).await?;
        Ok(())
    }
}
