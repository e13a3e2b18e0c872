//! The one event that no record makes: a meter has reached a share of what the plan includes.

use std::collections::BTreeSet;

use ledger_format::record::TenantId;
use ledger_state::{Month, Usage};
use serde_json::{Map, Value, json};

use super::{Queued, Webhook, delivery_id, model::queue_place, worker::Deliverer};
use crate::{
    ApiError,
    account::{Changes, Environment},
    events::{USAGE_THRESHOLD, word_fits},
    wire::time_text,
};

/// Shares of a plan that are told, percent.
const SHARES: [u64; 2] = [80, 100];
/// How long it is remembered that a share was told: longer than its month.
const TOLD_MS: u64 = 70 * 86_400_000;
/// Webhooks that hear of one share, at most as many as one change can hold.
const TOLD_MAX: usize = 32;

/// Queues an event for each share that a tenant has reached and was not told of.
pub(super) async fn look(deliverer: &Deliverer, webhooks: &[Webhook]) -> Result<(), ApiError> {
    let wants =
        |webhook: &&Webhook| webhook.event_types.iter().any(|pattern| word_fits(USAGE_THRESHOLD, pattern));
    let listening: Vec<&Webhook> = webhooks.iter().filter(wants).collect();
    let tenants: BTreeSet<(&str, &str)> =
        listening.iter().map(|webhook| (webhook.tenant.as_str(), webhook.environment.word())).collect();
    for (tenant, environment) in tenants {
        let own: Vec<&Webhook> = listening
            .iter()
            .filter(|webhook| webhook.tenant == tenant && webhook.environment.word() == environment)
            .take(TOLD_MAX)
            .copied()
            .collect();
        if let Some(first) = own.first() {
            tell(deliverer, &own, tenant, first.environment).await?;
        }
    }
    Ok(())
}

async fn tell(
    deliverer: &Deliverer,
    webhooks: &[&Webhook],
    tenant: &str,
    environment: Environment,
) -> Result<(), ApiError> {
    let Some(id) = TenantId::parse_any(tenant) else { return Ok(()) };
    let now_ms = (deliverer.now_ms)();
    let month = Month::of(now_ms);
    let log = deliverer.logs.named(environment.log_name())?;
    let usage =
        log.reader().state(|view| ledger_state::usage(view, id.0, month)).map_err(ApiError::internal)?;
    let Some(usage) = usage else { return Ok(()) };
    for (metric, limit, used) in meters(&usage) {
        for share in SHARES.into_iter().filter(|share| used * 100 >= limit * share) {
            let event_id = format!(
                "usage_{environment}_{}_{metric}_{month}_{share}",
                id.0,
                environment = environment.word()
            );
            let told = format!("webhook-told/{event_id}");
            if deliverer.store.get::<u64>(&told)?.is_some() {
                continue;
            }
            let event = json!({
                "event_id": event_id, "id": event_id, "event_type": USAGE_THRESHOLD, "event_types": [USAGE_THRESHOLD],
                "source": "meter", "tenant_id": tenant, "environment": environment.word(), "timestamp": time_text(now_ms),
                "payload": {"metric": metric, "limit": limit, "used": used, "percent": share, "month": month.to_string()},
            });
            queue(deliverer, webhooks, &told, &event_id, event, now_ms).await?;
        }
    }
    Ok(())
}

/// Queues an event for every webhook and remembers it, in one step: told once, whoever leads.
async fn queue(
    deliverer: &Deliverer,
    webhooks: &[&Webhook],
    told: &str,
    event_id: &str,
    event: Value,
    now_ms: u64,
) -> Result<(), ApiError> {
    let event: Map<String, Value> = match event {
        Value::Object(event) => event,
        _ => Map::new(),
    };
    let mut changes = Changes::default().absent(told).put(told, &now_ms, Some(now_ms + TOLD_MS))?;
    for webhook in webhooks {
        let delivery_id = delivery_id(&webhook.id, event_id);
        let place = queue_place(&webhook.id, &delivery_id);
        let event = Some(event.clone());
        let event_id = event_id.to_owned();
        let item = Queued { delivery_id, event_id, replay: false, attempts: 0, due_ms: 0, event };
        changes = changes.put(&place, &item, None)?;
    }
    deliverer.store.change(changes).await?;
    Ok(())
}

/// The meters of a plan that have a limit.
fn meters(usage: &Usage) -> Vec<(&'static str, u64, u64)> {
    let (limits, counters) = (&usage.limits, &usage.counters);
    [
        ("maip.agents", limits.agents, usage.agents),
        ("maip.sessions", limits.sessions, counters.sessions),
        ("maip.trust_computes", limits.trust_computes, counters.trust_computes),
        ("maip.compliance_checks", limits.compliance_checks, counters.compliance_checks),
    ]
    .into_iter()
    .filter_map(|(metric, limit, used)| Some((metric, limit.filter(|limit| *limit > 0)?, used)))
    .collect()
}
