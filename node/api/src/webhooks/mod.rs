//! Webhooks: events sent to the servers that tenants name.
//!
//! ```text
//! leader of the main log ── one task a webhook ── events from its cursor on ── POST, signed ── cursor moves
//!                                                        │ refused                     │ so often refused
//!                                                        └─ waits longer each time      └─ dead letter, cursor moves
//! ```
//!
//! Webhooks, cursors, deliveries and dead letters are private state of the main log, so the next leader goes on where the last one
//! stopped. **Invariant:** a cursor moves only over events that were delivered, are dead letters or are not wanted, and only from
//! where it was read. So each event is delivered at least once, in the order of the log, under an id that is made of the webhook and
//! the event; a receiver that remembers ids sees it once. **Invariant:** an attempt is made as the webhook is when the attempt begins.

mod deliver;
mod model;
mod queue;
mod send;
mod sign;
mod usage;
mod worker;

pub(crate) use model::{
    ATTEMPTS, Cursor, Delivery, DeliveryStatus, Queued, Webhook, WebhookStatus, cursor_place, dead_prefix,
    delivery_id, kept_prefixes, list_prefix, place, queue_place, queue_prefix, sent_prefix,
};
pub(crate) use send::{Outcome, Sender, Targets, ping, send};
pub(crate) use sign::{OLD_SECRET_MS, secret};
pub use worker::deliver_webhooks;
