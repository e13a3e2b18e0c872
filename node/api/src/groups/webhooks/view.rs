//! Webhooks and deliveries as answers show them.

use ledger_format::record::Ulid;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::WebhookId;
use crate::{
    endpoint::Listed,
    webhooks::{Cursor, Delivery, DeliveryStatus, Queued, Webhook, WebhookStatus},
    wire::{IdKind as _, time_text},
};

/// A webhook, without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookView {
    id: String,
    webhook_id: String,
    tenant_id: String,
    environment: &'static str,
    url: String,
    event_types: Vec<String>,
    /// The same as `event_types`, where older clients look for it.
    events: Vec<String>,
    description: String,
    /// `active`, `paused` by its owner, or `disabled` after 20 dead letters in a row.
    status: WebhookStatus,
    /// Why it is disabled; null when it is not.
    status_reason: Option<String>,
    max_attempts: u64,
    /// Deliveries that the target took.
    delivered: u64,
    /// Events that it did not take in the end.
    dead_letters: u64,
    /// What the last failed attempt said; null when the last one did not fail.
    last_error: Option<String>,
    /// The next entry that it was not sent yet.
    next_index: u64,
    created_at: String,
    updated_at: String,
    /// For `If-Match`; also in the `ETag`.
    version: u64,
}

impl Listed for WebhookView {
    const PLURAL: &'static str = "webhooks";
}

/// A webhook with its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookWithSecret {
    #[serde(flatten)]
    pub(super) webhook: WebhookView,
    /// Signs its deliveries. Shown this once.
    pub(super) secret: String,
}

pub(super) fn webhook_view(webhook: &Webhook, cursor: &Cursor) -> WebhookView {
    let uuid = Ulid::parse(&webhook.id).map(Ulid::uuid).unwrap_or_default();
    WebhookView {
        id: uuid,
        webhook_id: format!("{}{}", WebhookId::PREFIX, webhook.id),
        tenant_id: webhook.tenant.clone(),
        environment: webhook.environment.word(),
        url: webhook.url.clone(),
        event_types: webhook.event_types.clone(),
        events: webhook.event_types.clone(),
        description: webhook.description.clone(),
        status: webhook.status,
        status_reason: webhook.status_reason.clone(),
        max_attempts: webhook.max_attempts,
        delivered: cursor.delivered,
        dead_letters: cursor.dead,
        last_error: cursor.last_error.clone(),
        next_index: cursor.next,
        created_at: time_text(webhook.created_ms),
        updated_at: time_text(webhook.updated_ms),
        version: webhook.version,
    }
}

/// A delivery of an event to a webhook.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookDelivery {
    /// The same on every attempt.
    pub(super) delivery_id: String,
    /// The same as `delivery_id`, where older clients look for it.
    id: String,
    event_id: String,
    /// What happened.
    event_type: String,
    /// `pending`, `delivered` or `dead_letter`.
    pub(super) status: DeliveryStatus,
    /// Attempts so far.
    attempts: u64,
    /// Status of the target's last answer; null when there was none.
    response_status: Option<u16>,
    /// Why the last attempt failed; null when it did not.
    error: Option<String>,
    /// How long the last attempt took, ms.
    duration_ms: Option<u64>,
    /// When the last attempt ended, RFC 3339 in UTC; null before the first.
    attempted_at: Option<String>,
    /// When the next attempt is due; null when there is none.
    next_attempt_at: Option<String>,
    /// Whether somebody has asked for it again.
    replayed: bool,
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) at_ms: u64,
}

impl Listed for WebhookDelivery {
    const PLURAL: &'static str = "deliveries";
}

impl From<Delivery> for WebhookDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.clone(),
            delivery_id: delivery.id,
            event_id: delivery.event_id,
            event_type: delivery.event_type,
            status: delivery.status,
            attempts: delivery.attempts,
            response_status: delivery.answer,
            error: delivery.error,
            duration_ms: Some(delivery.took_ms),
            attempted_at: Some(time_text(delivery.at_ms)),
            next_attempt_at: None,
            replayed: delivery.replayed,
            at_ms: delivery.at_ms,
        }
    }
}

impl WebhookDelivery {
    /// One that waits.
    pub(super) fn pending(item: Queued, event_type: String, error: Option<String>) -> Self {
        Self {
            id: item.delivery_id.clone(),
            delivery_id: item.delivery_id,
            event_id: item.event_id,
            event_type,
            status: DeliveryStatus::Pending,
            attempts: item.attempts,
            response_status: None,
            error,
            duration_ms: None,
            attempted_at: None,
            next_attempt_at: Some(time_text(item.due_ms)),
            replayed: item.replay,
            // What waits stands first.
            at_ms: u64::MAX,
        }
    }
}

/// What came of a ping.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookPing {
    /// Whether the target took it.
    pub(super) delivered: bool,
    /// Status of the target's answer; null when there was none.
    pub(super) response_status: Option<u16>,
    /// Why it failed; null when it did not.
    pub(super) error: Option<String>,
    /// How long it took, ms.
    pub(super) duration_ms: u64,
    /// Id of the ping, as the target has seen it.
    pub(super) delivery_id: String,
}
