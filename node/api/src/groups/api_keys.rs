//! API keys of the caller's tenant.

use ledger_format::record::{Scope, TenantId, Ulid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError,
    account::{
        ApiKey, Caller, Changes, Environment, Issued, KEYS_LISTED_MAX, KEYS_MAX, KeyState, keep_changed,
        keep_new, key_place, key_state_name, keys_of, make_key,
    },
    endpoint::{BodyInput, Context, Listed, NoBody, NoQuery, Paged, Reply, Routes},
    wire::{NameText, ScopeText, TimeText, time_text},
};

/// Most scopes of a key.
const SCOPES_MAX: usize = 64;

pub(super) fn declare(routes: &mut Routes) {
    routes.group("API Keys", "Credentials of a tenant. A key is shown once; the nodes keep a keyed hash.");
    routes
        .post("/v1/api-keys", "create_api_key", create)
        .summary("Create an API key")
        .about("The `secret` in the answer is shown once. Without `scopes` the key may do everything for its tenant.")
        .needs("api-keys:write")
        .lasting()
        .example(serde_json::json!({"name": "CI", "scopes": ["agents:read", "receipts:write"]}));
    routes.get("/v1/api-keys", "list_api_keys", list).summary("List API keys").needs("api-keys:read").paged();
    routes
        .post("/v1/api-keys/{key_id}/rotate", "rotate_api_key", rotate)
        .summary("Replace an API key")
        .about("A new key with the same name, environment, scopes and expiry. The old one stops at once. The credential needs the key's scopes itself, and for a key of production one of production.")
        .needs("api-keys:write")
        .lasting();
    routes
        .post("/v1/api-keys/{key_id}/revoke", "revoke_api_key", revoke)
        .summary("Revoke an API key")
        .needs("api-keys:write")
        .answers(200);
    routes
        .add(axum::http::Method::DELETE, "/v1/api-keys/{key_id}", "delete_api_key", revoke)
        .summary("Revoke an API key")
        .needs("api-keys:write");
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateApiKey {
    /// What people call it.
    name: NameText,
    /// What it may do at this API; `*:*` when nothing is said. No denials.
    #[serde(default)]
    #[schema(max_items = 64)]
    scopes: Option<Vec<ScopeText>>,
    /// `production` or `sandbox`; that of the credential when nothing is said.
    #[serde(default)]
    environment: Option<EnvironmentWord>,
    /// When it ends.
    #[serde(default)]
    expires_at: Option<TimeText>,
}

impl BodyInput for CreateApiKey {}

/// Which log a key reaches.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum EnvironmentWord {
    Production,
    Sandbox,
}

impl From<EnvironmentWord> for Environment {
    fn from(word: EnvironmentWord) -> Self {
        match word {
            EnvironmentWord::Production => Environment::Production,
            EnvironmentWord::Sandbox => Environment::Sandbox,
        }
    }
}

/// An API key, without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiKeyView {
    id: String,
    name: String,
    /// How the key begins.
    prefix: String,
    tenant_id: String,
    environment: String,
    scopes: Vec<String>,
    /// `active`, `expired` or `revoked`.
    status: String,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// The key that took its place.
    replaced_by: Option<String>,
}

impl Listed for ApiKeyView {
    const PLURAL: &'static str = "api_keys";
}

/// A new API key, with its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct NewApiKey {
    #[serde(flatten)]
    key: ApiKeyView,
    /// The whole key, shown this once.
    pub(super) secret: String,
    /// The same again, where older clients look for it.
    api_key: String,
}

fn view(key: &ApiKey, now_ms: u64) -> ApiKeyView {
    ApiKeyView {
        id: key.id.clone(),
        name: key.name.clone(),
        prefix: key.prefix(),
        tenant_id: key.tenant.clone(),
        environment: key.environment.word().into(),
        scopes: key.scopes.clone(),
        status: key_state_name(key.state(now_ms)).into(),
        created_at: time_text(key.created_ms),
        expires_at: key.expires_ms.map(time_text),
        revoked_at: key.revoked_ms.map(time_text),
        replaced_by: key.replaced_by.clone(),
    }
}

/// What a new key is to be.
pub(super) struct Draft {
    pub(super) tenant: Ulid,
    pub(super) environment: Environment,
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
    pub(super) expires_ms: Option<u64>,
}

/// A key for a tenant, kept and shown.
pub(super) async fn issue(context: &mut Context, draft: Draft) -> Result<NewApiKey, ApiError> {
    let issued = make(context, draft)?;
    // A repetition under an idempotency key finds the key that it made before.
    context.shared.store.change(keep_new(Changes::default(), &issued.key)?).await?;
    Ok(shown(context, issued))
}

fn make(context: &mut Context, draft: Draft) -> Result<Issued, ApiError> {
    let draft = ApiKey {
        id: String::new(),
        tenant: TenantId(draft.tenant).to_string(),
        environment: draft.environment,
        name: draft.name,
        scopes: draft.scopes,
        hash: [0; 32],
        created_ms: context.now_ms,
        expires_ms: draft.expires_ms,
        revoked_ms: None,
        replaced_by: None,
    };
    let random = context.draw("API key")?;
    Ok(make_key(&context.shared.secrets, random, draft))
}

fn shown(context: &Context, issued: Issued) -> NewApiKey {
    NewApiKey { key: view(&issued.key, context.now_ms), secret: issued.text.clone(), api_key: issued.text }
}

async fn create(mut context: Context, _: NoQuery, body: CreateApiKey) -> Result<Reply<NewApiKey>, ApiError> {
    let caller = context.caller()?.clone();
    let environment = body.environment.map_or(caller.environment, Environment::from);
    if caller.environment == Environment::Sandbox && environment == Environment::Production {
        return Err(
            ApiError::forbidden("a key of the sandbox makes no key of production").field("environment")
        );
    }
    let scopes = scopes(body.scopes, &caller.scopes)?;
    let expires = body.expires_at.map(|time| time.0);
    if expires.is_some_and(|at| at <= context.now_ms) {
        return Err(ApiError::unprocessable("it would have expired already").field("expires_at"));
    }
    let tenant = caller.tenant;
    let keys = keys_of(&context.shared.store, &TenantId(tenant).to_string())?;
    room(&keys, context.now_ms)?;
    let draft = Draft { tenant, environment, name: body.name.into_string(), scopes, expires_ms: expires };
    Ok(Reply::new(issue(&mut context, draft).await?))
}

/// Whether a tenant may have one more.
fn room(keys: &[ApiKey], now_ms: u64) -> Result<(), ApiError> {
    let active = keys.iter().filter(|key| key.state(now_ms) == KeyState::Active).count();
    if active >= KEYS_MAX {
        return Err(ApiError::conflict("TOO_MANY_KEYS", format!("a tenant has at most {KEYS_MAX} API keys"))
            .fix("revoke one that nobody uses"));
    }
    if keys.len() >= KEYS_LISTED_MAX {
        let message = format!("{KEYS_LISTED_MAX} keys were made that are active or ended within 30 days");
        return Err(ApiError::conflict("TOO_MANY_KEYS", message).fix("make keys that last longer"));
    }
    Ok(())
}

/// A key gives no more than the credential that makes it has.
fn scopes(wanted: Option<Vec<ScopeText>>, own: &[Scope]) -> Result<Vec<String>, ApiError> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        return Ok(own.iter().map(Scope::to_string).collect());
    };
    if wanted.len() > SCOPES_MAX {
        return Err(ApiError::unprocessable(format!("at most {SCOPES_MAX} scopes")).field("scopes"));
    }
    let mut scopes = Vec::with_capacity(wanted.len());
    for (at, text) in wanted.iter().enumerate() {
        let field = format!("scopes[{at}]");
        let (scope, denied) =
            text.scope().map_err(|error| ApiError::unprocessable(error).field(field.clone()))?;
        if denied {
            return Err(ApiError::unprocessable("a key has no denials").field(field));
        }
        if !own.iter().any(|own| own.covers(&scope)) {
            return Err(
                ApiError::forbidden(format!("the credential does not cover {scope} itself")).field(field)
            );
        }
        scopes.push(scope.to_string());
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

async fn list(context: Context, _: NoQuery) -> Result<Reply<Paged<ApiKeyView>>, ApiError> {
    let tenant = TenantId(context.tenant()?).to_string();
    let keys = keys_of(&context.shared.store, &tenant)?;
    let page = Paged::of_all(keys, context.page);
    Ok(Reply::new(page.map(|key| view(&key, context.now_ms))))
}

/// The caller's own key of that id, with its bytes. What is of the sandbox changes nothing of production.
fn own_key(context: &Context) -> Result<(ApiKey, Vec<u8>), ApiError> {
    let caller = context.caller()?;
    let tenant = TenantId(caller.tenant).to_string();
    let found = context.shared.store.get::<ApiKey>(&key_place(context.word("key_id")))?;
    let found = found.filter(|(key, _)| key.tenant == tenant);
    let (key, bytes) = found.ok_or_else(|| ApiError::missing("API key", "key_id"))?;
    if caller.environment == Environment::Sandbox && key.environment == Environment::Production {
        return Err(ApiError::forbidden("it is a key of production, and the credential is of the sandbox")
            .field("key_id")
            .fix("use a credential of production"));
    }
    Ok((key, bytes))
}

async fn rotate(mut context: Context, _: NoQuery, _: NoBody) -> Result<Reply<NewApiKey>, ApiError> {
    let (old, bytes) = own_key(&context)?;
    may_have(context.caller()?, &old)?;
    let draft = Draft {
        tenant: context.tenant()?,
        environment: old.environment,
        name: old.name.clone(),
        scopes: old.scopes.clone(),
        expires_ms: old.expires_ms,
    };
    let made = make(&mut context, draft)?;
    if old.replaced_by.as_ref() == Some(&made.key.id) {
        // A repetition under an idempotency key, whose answer was lost.
        return Ok(Reply::new(shown(&context, made)));
    }
    let state = old.state(context.now_ms);
    if state != KeyState::Active {
        return Err(
            ApiError::conflict("KEY_ENDED", format!("the key is {}", key_state_name(state))).field("key_id")
        );
    }
    let ended = ApiKey { revoked_ms: Some(context.now_ms), replaced_by: Some(made.key.id.clone()), ..old };
    let changes = keep_new(keep_changed(Changes::default(), &ended, &bytes)?, &made.key)?;
    change(&context, changes).await?;
    Ok(Reply::new(shown(&context, made)))
}

/// Whoever rotates a key gets its secret: nobody gets more than the credential that asks has.
fn may_have(caller: &Caller, key: &ApiKey) -> Result<(), ApiError> {
    for text in &key.scopes {
        let covered =
            Scope::parse(text).is_some_and(|scope| caller.scopes.iter().any(|own| own.covers(&scope)));
        if !covered {
            return Err(ApiError::forbidden(format!("the key may {text}, and the credential may not"))
                .field("key_id")
                .fix("rotate it with a credential that has its scopes, or with the key itself"));
        }
    }
    Ok(())
}

async fn revoke(context: Context, _: NoQuery, _: NoBody) -> Result<Reply<ApiKeyView>, ApiError> {
    let (old, bytes) = own_key(&context)?;
    if old.revoked_ms.is_some() {
        return Ok(Reply::new(view(&old, context.now_ms)));
    }
    let ended = ApiKey { revoked_ms: Some(context.now_ms), ..old };
    change(&context, keep_changed(Changes::default(), &ended, &bytes)?).await?;
    Ok(Reply::new(view(&ended, context.now_ms)))
}

async fn change(context: &Context, changes: Changes) -> Result<(), ApiError> {
    if context.shared.store.change(changes).await? {
        return Ok(());
    }
    Err(ApiError::conflict("CHANGED", "the key was changed at the same time")
        .field("key_id")
        .fix("read it and try again"))
}
