//! What the nodes keep of a webhook.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::account::Environment;

/// Attempts before an event is a dead letter, when the webhook says nothing else.
pub(crate) const ATTEMPTS: u64 = 8;
/// The newest deliveries that are kept of a webhook.
pub(crate) const SENT_KEPT: u64 = 500;
/// The newest dead letters that are kept of a webhook.
pub(crate) const DEAD_KEPT: u64 = 1_000;

/// Whether a webhook is sent anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WebhookStatus {
    /// It is.
    Active,
    /// Its owner has stopped it for now; events wait.
    Paused,
    /// So many events in a row became dead letters that nothing more is sent; events wait.
    Disabled,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Webhook {
    /// A ULID.
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) environment: Environment,
    pub(crate) url: String,
    /// Patterns of which one must fit.
    pub(crate) event_types: Vec<String>,
    pub(crate) description: String,
    pub(crate) status: WebhookStatus,
    pub(crate) status_reason: Option<String>,
    pub(crate) max_attempts: u64,
    /// From it and the operator key the secret is made; the secret itself is kept nowhere.
    pub(crate) nonce: String,
    /// The nonce before, and until when its secret signs, too.
    pub(crate) old_nonce: Option<(String, u64)>,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
    pub(crate) version: u64,
}

/// How far a webhook is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Names the log that `next` counts in.
    pub(crate) tag: String,
    /// The next entry that was not dealt with.
    pub(crate) next: u64,
    /// Deliveries so far.
    pub(crate) delivered: u64,
    /// Dead letters so far.
    pub(crate) dead: u64,
    /// Dead letters since the last delivery.
    pub(crate) dead_in_a_row: u64,
    /// Failed attempts of the event at `next`.
    pub(crate) attempts: u64,
    /// When the next attempt is due, ms.
    pub(crate) due_ms: u64,
    /// What the last failed attempt said.
    pub(crate) last_error: Option<String>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryStatus {
    /// It waits for an attempt.
    Pending,
    /// The target took it.
    Delivered,
    /// Every attempt failed.
    DeadLetter,
}

/// A delivery that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) status: DeliveryStatus,
    pub(crate) attempts: u64,
    /// Counts the deliveries of the webhook: the newest has the greatest.
    pub(crate) number: u64,
    /// Status of the target's last answer.
    pub(crate) answer: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) took_ms: u64,
    pub(crate) at_ms: u64,
    /// Whether somebody has asked for it again.
    pub(crate) replayed: bool,
    /// The event, where no log holds it.
    #[serde(default)]
    pub(crate) event: Option<Map<String, Value>>,
}

/// A delivery that somebody asked for, or that is of no log: beside the cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Queued {
    pub(crate) delivery_id: String,
    pub(crate) event_id: String,
    pub(crate) replay: bool,
    pub(crate) attempts: u64,
    pub(crate) due_ms: u64,
    #[serde(default)]
    pub(crate) event: Option<Map<String, Value>>,
}

/// Where all webhooks are.
pub(crate) const PREFIX: &str = "webhook/";

/// Where the webhooks of a tenant are.
pub(crate) fn list_prefix(tenant: &str) -> String {
    format!("{PREFIX}{tenant}/")
}

pub(crate) fn place(tenant: &str, id: &str) -> String {
    format!("{}{id}", list_prefix(tenant))
}

pub(crate) fn cursor_place(id: &str) -> String {
    format!("webhook-cursor/{id}")
}

/// Where the newest deliveries of a webhook are, in places that are used again.
pub(crate) fn sent_prefix(id: &str) -> String {
    format!("webhook-sent/{id}/")
}

/// Where its dead letters are.
pub(crate) fn dead_prefix(id: &str) -> String {
    format!("webhook-dead/{id}/")
}

/// Where everything is that is kept of its deliveries.
pub(crate) fn kept_prefixes(id: &str) -> [String; 3] {
    [queue_prefix(id), sent_prefix(id), dead_prefix(id)]
}

/// The place of a delivery: by its number modulo how many are kept, so that the newest take the places of the oldest.
pub(crate) fn delivery_place(id: &str, status: DeliveryStatus, number: u64) -> String {
    match status {
        DeliveryStatus::DeadLetter => format!("{}{:04}", dead_prefix(id), number % DEAD_KEPT),
        _ => format!("{}{:04}", sent_prefix(id), number % SENT_KEPT),
    }
}

pub(crate) fn queue_prefix(id: &str) -> String {
    format!("webhook-queue/{id}/")
}

pub(crate) fn queue_place(id: &str, delivery_id: &str) -> String {
    format!("{}{delivery_id}", queue_prefix(id))
}

/// The id of the delivery of an event to a webhook, the same on every attempt and every node.
pub(crate) fn delivery_id(webhook: &str, event_id: &str) -> String {
    format!("whd_{webhook}_{event_id}")
}
