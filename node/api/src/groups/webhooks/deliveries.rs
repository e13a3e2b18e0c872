//! What became of deliveries; sending again; pings.

use std::collections::BTreeMap;

use ledger_format::record::TenantId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    manage::{cursor, own},
    view::{WebhookDelivery, WebhookPing},
};
use crate::{
    ApiError,
    account::Changes,
    endpoint::{Context, NoBody, NoQuery, Page, Paged, QueryInput, Reply},
    events::{Feed, Filter, parse_id},
    webhooks::{
        Delivery, DeliveryStatus, Outcome, Queued, Sender, Webhook, dead_prefix, delivery_id, ping,
        queue_place, queue_prefix, send, sent_prefix,
    },
};

/// Deliveries that are read at once, of each kind: more than are kept.
const READ_MAX: usize = 1_000;
/// Most replays that wait for one webhook.
const QUEUED_MAX: usize = 256;

/// Which deliveries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListDeliveries {
    /// Only with this status.
    #[serde(default)]
    #[param(inline)]
    status: Option<DeliveryStatus>,
}

impl QueryInput for ListDeliveries {}

pub(super) async fn list(
    context: Context,
    query: ListDeliveries,
) -> Result<Reply<Paged<WebhookDelivery>>, ApiError> {
    page(&context, query.status)
}

pub(super) async fn dead(context: Context, _: NoQuery) -> Result<Reply<Paged<WebhookDelivery>>, ApiError> {
    page(&context, Some(DeliveryStatus::DeadLetter))
}

fn page(
    context: &Context,
    status: Option<DeliveryStatus>,
) -> Result<Reply<Paged<WebhookDelivery>>, ApiError> {
    let (webhook, _) = own(context)?;
    let mut all = known(context, &webhook)?;
    all.retain(|delivery| status.is_none_or(|status| delivery.status == status));
    let Page { limit, offset, cursor } = context.page;
    let start =
        cursor.map_or(offset, |cursor| usize::try_from(cursor).unwrap_or(usize::MAX).saturating_add(offset));
    let total = all.len() as u64;
    let items: Vec<_> = all.into_iter().skip(start).take(limit).collect();
    let end = start.saturating_add(items.len()) as u64;
    let next = (end < total && !items.is_empty()).then_some(end);
    Ok(Reply::new(Paged { items, total, page: context.page, next }))
}

/// What waits, what was delivered and what was not, newest first, each delivery once.
fn known(context: &Context, webhook: &Webhook) -> Result<Vec<WebhookDelivery>, ApiError> {
    let store = &context.shared.store;
    let mut newest: BTreeMap<String, WebhookDelivery> = BTreeMap::new();
    for prefix in [sent_prefix(&webhook.id), dead_prefix(&webhook.id)] {
        let some: Vec<(String, Delivery)> = store.list(&prefix, None, READ_MAX)?;
        for (_, delivery) in some {
            let older = newest.get(&delivery.id).is_some_and(|known| known.at_ms > delivery.at_ms);
            if !older {
                newest.insert(delivery.id.clone(), delivery.into());
            }
        }
    }
    let queued: Vec<(String, Queued)> = store.list(&queue_prefix(&webhook.id), None, READ_MAX)?;
    let feed = Feed::new(context.tenant()?, webhook.environment, &context.log);
    for (_, item) in queued {
        let word = event_type(&feed, &item)?;
        newest.insert(item.delivery_id.clone(), WebhookDelivery::pending(item, word, None));
    }
    let (cursor, _) = cursor(context, webhook)?;
    if cursor.attempts > 0
        && let Some(event) = feed.at(cursor.next)?
    {
        let item = Queued {
            delivery_id: delivery_id(&webhook.id, &event.event_id),
            event_id: event.event_id,
            replay: false,
            attempts: cursor.attempts,
            due_ms: cursor.due_ms,
            event: None,
        };
        let delivery = WebhookDelivery::pending(item, event.event_type, cursor.last_error);
        newest.insert(delivery.delivery_id.clone(), delivery);
    }
    let mut all: Vec<WebhookDelivery> = newest.into_values().collect();
    all.sort_by_key(|delivery| std::cmp::Reverse(delivery.at_ms));
    Ok(all)
}

fn event_type(feed: &Feed, item: &Queued) -> Result<String, ApiError> {
    if let Some(event) = &item.event {
        let word = event.get("event_type").and_then(serde_json::Value::as_str);
        return Ok(word.unwrap_or_default().to_owned());
    }
    let place = parse_id(&item.event_id).filter(|(tag, _)| *tag == feed.tag());
    let event = place.map(|(_, index)| feed.at(index)).transpose()?.flatten();
    Ok(event.map(|event| event.event_type).unwrap_or_default())
}

pub(super) async fn replay(
    context: Context,
    _: NoQuery,
    _: NoBody,
) -> Result<Reply<WebhookDelivery>, ApiError> {
    let (webhook, _) = own(&context)?;
    let id = context.word("delivery_id").to_owned();
    let missing = || ApiError::missing("delivery", "delivery_id");
    let event_id = id.strip_prefix(&format!("whd_{}_", webhook.id)).ok_or_else(missing)?.to_owned();
    let (event, word) = sent(&context, &webhook, &id, &event_id)?.ok_or_else(missing)?;
    let place = queue_place(&webhook.id, &id);
    let queued: Vec<(String, Queued)> =
        context.shared.store.list(&queue_prefix(&webhook.id), None, QUEUED_MAX)?;
    if queued.len() >= QUEUED_MAX && !queued.iter().any(|(key, _)| *key == place) {
        let message = format!("{QUEUED_MAX} deliveries of this webhook wait already");
        return Err(ApiError::conflict("TOO_MANY_REPLAYS", message).field("delivery_id"));
    }
    let item = Queued { delivery_id: id, event_id, replay: true, attempts: 0, due_ms: context.now_ms, event };
    context.shared.store.change(Changes::default().put(&place, &item, None)?).await?;
    Ok(Reply::new(WebhookDelivery::pending(item, word, None)))
}

type Said = (Option<serde_json::Map<String, serde_json::Value>>, String);

/// What the webhook was sent under a delivery's id: an event of the log, which need not be kept, or one that no log holds.
fn sent(context: &Context, webhook: &Webhook, id: &str, event_id: &str) -> Result<Option<Said>, ApiError> {
    let feed = Feed::new(context.tenant()?, webhook.environment, &context.log);
    if let Some((tag, index)) = parse_id(event_id) {
        if tag != feed.tag() {
            return Ok(None);
        }
        let filter = Filter { patterns: webhook.event_types.clone(), agent: None };
        let (cursor, _) = cursor(context, webhook)?;
        let event = feed.at(index)?.filter(|event| filter.fits(event));
        if event.is_some() && index >= cursor.next {
            return Err(ApiError::conflict("NOT_SENT_YET", "its turn has not come yet").field("delivery_id"));
        }
        return Ok(event.map(|event| (None, event.event_type)));
    }
    for prefix in [sent_prefix(&webhook.id), dead_prefix(&webhook.id)] {
        let some: Vec<(String, Delivery)> = context.shared.store.list(&prefix, None, READ_MAX)?;
        if let Some((_, found)) = some.into_iter().find(|(_, delivery)| delivery.id == id) {
            return Ok(Some((found.event, found.event_type)));
        }
    }
    Ok(None)
}

pub(super) async fn test(
    mut context: Context,
    _: NoQuery,
    _: NoBody,
) -> Result<Reply<WebhookPing>, ApiError> {
    let (webhook, _) = own(&context)?;
    let event_id = format!("ping_{}", context.new_id()?);
    let delivery_id = delivery_id(&webhook.id, &event_id);
    debug_assert_eq!(webhook.tenant, TenantId(context.tenant()?).to_string(), "it is the caller's own");
    let shared = &context.shared;
    let sender = Sender { outbound: &shared.outbound, secrets: &shared.secrets };
    let event = ping(&webhook, &event_id, context.now_ms);
    let turn = shared.targets.turn(&webhook.url).await;
    let outcome = send(&sender, turn, &webhook, &delivery_id, &event, 1, || (shared.now_ms)()).await;
    let Outcome { delivered, answer, error, took_ms, .. } = outcome;
    Ok(Reply::new(WebhookPing {
        delivered,
        response_status: answer,
        error,
        duration_ms: took_ms,
        delivery_id,
    }))
}
