//! Making, changing and removing webhooks.

use ledger_format::record::{Plan, TenantId};

use super::{
    input::{CreateWebhook, TargetUrl, UpdateWebhook, WebhookId},
    view::{WebhookView, WebhookWithSecret, webhook_view},
};
use crate::{
    ApiError, Quota,
    account::{Changes, quota},
    endpoint::{Context, NoBody, NoQuery, Paged, Reply},
    events::{EventPattern, Feed},
    groups::{observability::environment, receipts::hex},
    webhooks::{
        ATTEMPTS, Cursor, OLD_SECRET_MS, Webhook, WebhookStatus, cursor_place, list_prefix, place, secret,
    },
    wire::{Text, Whole},
};

/// Most patterns of a webhook.
const PATTERNS_MAX: usize = 64;
/// Most webhooks of a tenant whose plan names no bound.
const WEBHOOKS_MAX: u64 = 100;
const METRIC: &str = "webhook_endpoints";

/// How many webhooks a plan includes.
fn included(plan: Plan) -> u64 {
    match plan {
        Plan::Developer => 3,
        Plan::Business => 10,
        Plan::Enterprise => WEBHOOKS_MAX,
    }
}

pub(super) async fn create(
    mut context: Context,
    _: NoQuery,
    body: CreateWebhook,
) -> Result<Reply<WebhookWithSecret>, ApiError> {
    let tenant = TenantId(context.tenant()?);
    let environment = environment(&context);
    check_target(&context, &body.url)?;
    let event_types = patterns(body.event_types)?.unwrap_or_else(|| vec!["*".into()]);
    let known: Vec<(String, Webhook)> =
        context.shared.store.list(&list_prefix(&tenant.to_string()), None, WEBHOOKS_MAX as usize)?;
    let id = context.new_id()?.to_string();
    let repeated = known.iter().any(|(_, webhook)| webhook.id == id);
    let (limit, used) = (included(quota::usage(&context)?.plan), known.len() as u64);
    if used >= limit && !repeated {
        return Err(ApiError::quota(Quota { metric: METRIC, limit, used, resets_at: None }));
    }
    let webhook = Webhook {
        id: id.clone(),
        tenant: tenant.to_string(),
        environment,
        url: body.url.0,
        event_types,
        description: body
            .description
            .map(Text::into_string)
            .or(body.name.map(Text::into_string))
            .unwrap_or_default(),
        status: WebhookStatus::Active,
        status_reason: None,
        max_attempts: body.max_attempts.map_or(ATTEMPTS, Whole::get),
        nonce: hex(&context.draw("webhook secret")?[..16]),
        old_nonce: None,
        created_ms: context.now_ms,
        updated_ms: context.now_ms,
        version: 1,
    };
    let feed = Feed::new(tenant.0, environment, &context.log);
    let cursor =
        Cursor { tag: feed.tag().to_owned(), next: context.reader.applied_size(), ..Cursor::default() };
    let at = place(&webhook.tenant, &id);
    let changes =
        Changes::default().absent(&at).put(&at, &webhook, None)?.put(&cursor_place(&id), &cursor, None)?;
    // A repetition under an idempotency key finds what it made before.
    context.shared.store.change(changes).await?;
    Ok(shown(&context, &webhook, &cursor))
}

/// The webhook with its secret.
fn shown(context: &Context, webhook: &Webhook, cursor: &Cursor) -> Reply<WebhookWithSecret> {
    let secret = secret(&context.shared.secrets, &webhook.id, &webhook.nonce);
    Reply::new(WebhookWithSecret { webhook: webhook_view(webhook, cursor), secret }).version(webhook.version)
}

fn check_target(context: &Context, url: &TargetUrl) -> Result<(), ApiError> {
    context.shared.outbound.check(&url.0).map_err(|fault| {
        ApiError::unprocessable(fault.to_string())
            .field("url")
            .fix("name a host of the public internet, or ask the operator for api.private_targets")
    })
}

fn patterns(wanted: Option<Vec<EventPattern>>) -> Result<Option<Vec<String>>, ApiError> {
    let Some(wanted) = wanted else { return Ok(None) };
    if wanted.is_empty() || wanted.len() > PATTERNS_MAX {
        return Err(ApiError::unprocessable(format!("1 to {PATTERNS_MAX} patterns")).field("event_types"));
    }
    let mut patterns: Vec<String> = wanted.into_iter().map(|pattern| pattern.0).collect();
    patterns.sort_unstable();
    patterns.dedup();
    Ok(Some(patterns))
}

/// The caller's own webhook in the path, with its bytes.
pub(super) fn own(context: &Context) -> Result<(Webhook, Vec<u8>), ApiError> {
    let id: WebhookId = context.id("webhook_id")?;
    let tenant = TenantId(context.tenant()?).to_string();
    let found = context.shared.store.get::<Webhook>(&place(&tenant, &id.0.to_string()))?;
    let found = found.filter(|(webhook, _)| webhook.environment == environment(context));
    found.ok_or_else(|| ApiError::missing("webhook", "webhook_id"))
}

/// How far a webhook is, with its bytes.
pub(super) fn cursor(context: &Context, webhook: &Webhook) -> Result<(Cursor, Vec<u8>), ApiError> {
    let found = context.shared.store.get::<Cursor>(&cursor_place(&webhook.id))?;
    found.ok_or_else(|| ApiError::missing("webhook", "webhook_id"))
}

pub(super) async fn list(context: Context, _: NoQuery) -> Result<Reply<Paged<WebhookView>>, ApiError> {
    let prefix = list_prefix(&TenantId(context.tenant()?).to_string());
    let known: Vec<(String, Webhook)> = context.shared.store.list(&prefix, None, WEBHOOKS_MAX as usize)?;
    let here = environment(&context);
    let mut own: Vec<Webhook> =
        known.into_iter().map(|(_, webhook)| webhook).filter(|webhook| webhook.environment == here).collect();
    // Ids are in the order in which they were made.
    own.reverse();
    let page = Paged::of_all(own, context.page);
    let view = |webhook: Webhook| Ok(webhook_view(&webhook, &cursor(&context, &webhook)?.0));
    Ok(Reply::new(page.try_map(view)?))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<WebhookView>, ApiError> {
    let (webhook, _) = own(&context)?;
    context.still(webhook.version)?;
    let (cursor, _) = cursor(&context, &webhook)?;
    Ok(Reply::new(webhook_view(&webhook, &cursor)).version(webhook.version))
}

pub(super) async fn update(
    context: Context,
    _: NoQuery,
    body: UpdateWebhook,
) -> Result<Reply<WebhookView>, ApiError> {
    let (old, bytes) = own(&context)?;
    context.still(old.version)?;
    if let Some(url) = &body.url {
        check_target(&context, url)?;
    }
    let patterns = patterns(body.event_types)?;
    let mut webhook = changed(&context, &old);
    if let Some(url) = body.url {
        webhook.url = url.0;
    }
    if let Some(patterns) = patterns {
        webhook.event_types = patterns;
    }
    if let Some(text) = body.description {
        webhook.description = text.into_string();
    }
    if let Some(attempts) = body.max_attempts {
        webhook.max_attempts = attempts.get();
    }
    let (mut cursor, cursor_bytes) = cursor(&context, &old)?;
    let at = place(&webhook.tenant, &webhook.id);
    let mut changes = Changes::default().still(&at, &bytes);
    if let Some(status) = body.status {
        (webhook.status, webhook.status_reason) = (status.into(), None);
        if old.status == WebhookStatus::Disabled && webhook.status == WebhookStatus::Active {
            (cursor.dead_in_a_row, cursor.attempts, cursor.due_ms) = (0, 0, 0);
            let place = cursor_place(&webhook.id);
            changes = changes.still(&place, &cursor_bytes).put(&place, &cursor, None)?;
        }
    }
    replace(&context, changes.put(&at, &webhook, None)?).await?;
    Ok(Reply::new(webhook_view(&webhook, &cursor)).version(webhook.version))
}

pub(super) async fn rotate(
    mut context: Context,
    _: NoQuery,
    _: NoBody,
) -> Result<Reply<WebhookWithSecret>, ApiError> {
    let (old, bytes) = own(&context)?;
    let nonce = hex(&context.draw("webhook secret")?[..16]);
    let (cursor, _) = cursor(&context, &old)?;
    if old.nonce == nonce {
        // A repetition under an idempotency key.
        return Ok(shown(&context, &old, &cursor));
    }
    let mut webhook = changed(&context, &old);
    webhook.old_nonce = Some((std::mem::replace(&mut webhook.nonce, nonce), context.now_ms + OLD_SECRET_MS));
    let at = place(&webhook.tenant, &webhook.id);
    replace(&context, Changes::default().still(&at, &bytes).put(&at, &webhook, None)?).await?;
    Ok(shown(&context, &webhook, &cursor))
}

pub(super) async fn delete(context: Context, _: NoQuery, _: NoBody) -> Result<Reply<WebhookView>, ApiError> {
    let (webhook, bytes) = own(&context)?;
    let (cursor, _) = cursor(&context, &webhook)?;
    let at = place(&webhook.tenant, &webhook.id);
    let changes = Changes::default().still(&at, &bytes).delete(&at).delete(&cursor_place(&webhook.id));
    replace(&context, changes).await?;
    forget(&context, &webhook).await?;
    Ok(Reply::new(webhook_view(&webhook, &cursor)))
}

/// Removes what is kept of the deliveries of a webhook that is gone, some at a time.
async fn forget(context: &Context, webhook: &Webhook) -> Result<(), ApiError> {
    const AT_ONCE: usize = 60;
    for prefix in crate::webhooks::kept_prefixes(&webhook.id) {
        loop {
            let some: Vec<(String, serde_json::Value)> = context.shared.store.list(&prefix, None, AT_ONCE)?;
            if some.is_empty() {
                break;
            }
            let changes = some.iter().fold(Changes::default(), |changes, (key, _)| changes.delete(key));
            context.shared.store.change(changes).await?;
        }
    }
    Ok(())
}

fn changed(context: &Context, old: &Webhook) -> Webhook {
    Webhook { updated_ms: context.now_ms, version: old.version + 1, ..old.clone() }
}

async fn replace(context: &Context, changes: Changes) -> Result<(), ApiError> {
    if context.shared.store.change(changes).await? {
        return Ok(());
    }
    Err(ApiError::conflict("CHANGED", "the webhook was changed at the same time")
        .field("webhook_id")
        .fix("read it and try again"))
}
