//! Receipt types: the published families, a tenant's own, and which issuers may sign them.

use ledger_format::record::{AgentId, TenantId};
use ledger_state::Agent;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{issuers::trust_tier, keys::ED25519};
use crate::{
    ApiError,
    account::Changes,
    endpoint::{BodyInput, Context, Listed, NoQuery, Paged, Reply},
    wire::{AgentRef, DescriptionText, Metadata, Text, time_text, token},
};

/// The published families: name, what people call it, what it says.
const PUBLISHED: &[(&str, &str, &str)] = &[
    ("payment_receipt", "Payment", "That something was paid."),
    ("security_event_receipt", "Security event", "That something happened that concerns security."),
    ("delivery_receipt", "Delivery", "That something was delivered."),
    ("compliance_receipt", "Compliance", "That a step was done that a rule asks for."),
    ("custom_receipt", "Custom", "Anything else."),
];
/// Version of the published families.
const VERSION: &str = "1.0.0";
/// Most types of a tenant's own.
const TYPES_MAX: usize = 256;
/// Most issuers of a policy.
const ISSUERS_MAX: usize = 256;

/// A receipt type, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReceiptType {
    pub(super) name: String,
    display_name: String,
    description: String,
    pub(super) version: String,
    /// `active` or `deprecated`.
    status: String,
    schema: Map<String, Value>,
    created_ms: u64,
    /// Which versions there have been, with their schemas.
    #[serde(default)]
    earlier: Vec<(String, Map<String, Value>)>,
}

impl ReceiptType {
    fn published((name, display_name, description): &(&str, &str, &str)) -> Self {
        Self {
            name: (*name).to_owned(),
            display_name: (*display_name).to_owned(),
            description: (*description).to_owned(),
            version: VERSION.to_owned(),
            status: "active".to_owned(),
            schema: json!({"type": "object"}).as_object().cloned().unwrap_or_default(),
            created_ms: 0,
            earlier: Vec::new(),
        }
    }

    /// Pinned to one of its versions.
    fn at(mut self, version: &str) -> Option<Self> {
        if self.version != version {
            let (_, schema) = self.earlier.iter().find(|(known, _)| known == version)?.clone();
            (self.version, self.schema) = (version.to_owned(), schema);
        }
        Some(self)
    }

    /// Refuses a payload without the members that the type requires.
    pub(super) fn check_payload(&self, payload: &Map<String, Value>) -> Result<(), ApiError> {
        let required = self.schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if !payload.contains_key(name) {
                return Err(ApiError::new(
                    axum::http::StatusCode::UNPROCESSABLE_ENTITY,
                    "PAYLOAD_SCHEMA_INVALID",
                    format!("{} needs the member {name:?} in its payload", self.name),
                )
                .field(format!("payload.{name}"))
                .fix("see the type's schema under /v1/receipt-types"));
            }
        }
        Ok(())
    }
}

/// A receipt type.
#[derive(Serialize, ToSchema)]
pub(super) struct ReceiptTypeView {
    /// `name@version`.
    id: String,
    name: String,
    display_name: String,
    version: String,
    /// `active` or `deprecated`.
    status: String,
    /// JSON Schema; of it, `required` is enforced.
    #[schema(value_type = Object)]
    schema: Map<String, Value>,
    description: String,
    /// Null for the published families.
    created_at: Option<String>,
    versions: Vec<String>,
}

impl Listed for ReceiptTypeView {
    const PLURAL: &'static str = "receipt_types";
}

impl From<ReceiptType> for ReceiptTypeView {
    fn from(of: ReceiptType) -> Self {
        let mut versions: Vec<String> = of.earlier.iter().map(|(version, _)| version.clone()).collect();
        if !versions.contains(&of.version) {
            versions.push(of.version.clone());
        }
        Self {
            id: format!("{}@{}", of.name, of.version),
            name: of.name,
            display_name: of.display_name,
            version: of.version,
            status: of.status,
            schema: of.schema,
            description: of.description,
            created_at: (of.created_ms > 0).then(|| time_text(of.created_ms)),
            versions,
        }
    }
}

fn prefix(context: &Context, what: &str) -> Result<String, ApiError> {
    Ok(format!("{what}/{}/", TenantId(context.tenant()?).0))
}

fn place(context: &Context, what: &str, name: &str) -> Result<String, ApiError> {
    Ok(format!("{}{name}", prefix(context, what)?))
}

fn missing(field: &str) -> ApiError {
    ApiError::missing("receipt type", field).fix("GET /v1/receipt-types lists them")
}

/// A type by `name` or `name@version`, the tenant's own or a published one; pinned to a version if one is given.
pub(super) fn find(context: &Context, name: &str, version: Option<&str>) -> Result<ReceiptType, ApiError> {
    let (name, version) = match name.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (name, version),
    };
    let own = context.shared.store.get::<ReceiptType>(&place(context, "receipt-types", name)?)?;
    let published = || PUBLISHED.iter().find(|known| known.0 == name).map(ReceiptType::published);
    let found = own.map(|(own, _)| own).or_else(published);
    let found = found.and_then(|found| match version {
        Some(version) => found.at(version),
        None => Some(found),
    });
    found.ok_or_else(|| missing("receipt_type"))
}

/// A type to be defined.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateType {
    /// Lower case letters, digits, dots, underscores, hyphens.
    #[schema(pattern = "^[a-z0-9._-]{1,64}$")]
    name: Text<1, 64>,
    #[serde(default)]
    display_name: Option<Text<1, 256>>,
    #[serde(default)]
    description: Option<DescriptionText>,
    #[serde(default)]
    version: Option<Text<1, 32>>,
    /// JSON Schema of payloads; of it, `required` is enforced.
    #[serde(default)]
    schema: Option<Metadata>,
}

impl BodyInput for CreateType {}

/// What changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateType {
    #[serde(default)]
    display_name: Option<Text<1, 256>>,
    #[serde(default)]
    description: Option<DescriptionText>,
    #[serde(default)]
    status: Option<TypeStatus>,
    /// With another `version`, the schema of that version; the earlier ones stay.
    #[serde(default)]
    version: Option<Text<1, 32>>,
    #[serde(default)]
    schema: Option<Metadata>,
}

impl BodyInput for UpdateType {}

/// Whether a type is in use.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum TypeStatus {
    Active,
    Deprecated,
}

pub(super) async fn create(
    context: Context,
    _: NoQuery,
    body: CreateType,
) -> Result<Reply<ReceiptTypeView>, ApiError> {
    let name = body.name.into_string();
    if token(&name) != name {
        return Err(ApiError::unprocessable("is not a word of a-z 0-9 . _ -").field("name"));
    }
    let taken = || ApiError::conflict("RECEIPT_TYPE_EXISTS", "there is a type of this name").field("name");
    if PUBLISHED.iter().any(|(known, ..)| *known == name) {
        return Err(taken());
    }
    let own: Vec<(String, ReceiptType)> =
        context.shared.store.list(&prefix(&context, "receipt-types")?, None, TYPES_MAX)?;
    if own.len() >= TYPES_MAX {
        let message = format!("a tenant has at most {TYPES_MAX} receipt types");
        return Err(ApiError::conflict("TOO_MANY_RECEIPT_TYPES", message));
    }
    let made = ReceiptType {
        display_name: body.display_name.map_or_else(|| name.clone(), Text::into_string),
        description: body.description.map(Text::into_string).unwrap_or_default(),
        version: body.version.map_or_else(|| VERSION.into(), Text::into_string),
        status: "active".into(),
        schema: body.schema.unwrap_or_default().0,
        created_ms: context.now_ms,
        earlier: Vec::new(),
        name,
    };
    let place = place(&context, "receipt-types", &made.name)?;
    let changes = Changes::default().absent(&place).put(&place, &made, None)?;
    // A repetition under the same idempotency key finds its own.
    let same = |context: &Context| -> Result<bool, ApiError> {
        let known = context.shared.store.get::<ReceiptType>(&place)?;
        Ok(known.is_some_and(|(known, _)| known.created_ms == made.created_ms && context.seed.is_some()))
    };
    if !context.shared.store.change(changes).await? && !same(&context)? {
        return Err(taken());
    }
    Ok(Reply::new(made.into()))
}

pub(super) async fn list(context: Context, _: NoQuery) -> Result<Reply<Paged<ReceiptTypeView>>, ApiError> {
    let own: Vec<(String, ReceiptType)> =
        context.shared.store.list(&prefix(&context, "receipt-types")?, None, TYPES_MAX)?;
    let own = own.into_iter().map(|(_, own)| own);
    let all: Vec<ReceiptType> = PUBLISHED.iter().map(ReceiptType::published).chain(own).collect();
    Ok(Reply::new(Paged::of_all(all, context.page).map(ReceiptTypeView::from)))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<ReceiptTypeView>, ApiError> {
    let found = find(&context, context.word("name"), None).map_err(|error| error.field("name"))?;
    Ok(Reply::new(found.into()))
}

pub(super) async fn update(
    context: Context,
    _: NoQuery,
    body: UpdateType,
) -> Result<Reply<ReceiptTypeView>, ApiError> {
    let name = context.word("name");
    if PUBLISHED.iter().any(|(known, ..)| *known == name) {
        return Err(
            ApiError::conflict("RECEIPT_TYPE_PUBLISHED", "a published type does not change").field("name")
        );
    }
    let place = place(&context, "receipt-types", name)?;
    let (old, read) = context.shared.store.get::<ReceiptType>(&place)?.ok_or_else(|| missing("name"))?;
    let mut new = old.clone();
    if let Some(version) = body.version.map(Text::into_string).filter(|version| *version != old.version) {
        new.earlier.retain(|(known, _)| *known != version);
        new.earlier.push((old.version, old.schema));
        new.version = version;
    }
    new.schema = body.schema.map_or(new.schema, |schema| schema.0);
    new.display_name = body.display_name.map_or(new.display_name, Text::into_string);
    new.description = body.description.map_or(new.description, Text::into_string);
    new.status = match body.status {
        Some(TypeStatus::Active) => "active".into(),
        Some(TypeStatus::Deprecated) => "deprecated".into(),
        None => new.status,
    };
    let changes = Changes::default().still(&place, &read).put(&place, &new, None)?;
    if !context.shared.store.change(changes).await? {
        let changed = ApiError::conflict("CHANGED", "the type was changed at the same time");
        return Err(changed.field("name").fix("read it and try again"));
    }
    Ok(Reply::new(new.into()))
}

/// Which issuers may sign a type.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct SigningPolicy {
    allow_any_issuer: bool,
    allowed_issuer_ids: Vec<String>,
    /// `verified`: only issuers that the tenant trusts.
    min_trust_tier: Option<String>,
    allowed_algs: Vec<String>,
}

impl Default for SigningPolicy {
    fn default() -> Self {
        let allowed_algs = vec![ED25519.to_owned()];
        Self { allow_any_issuer: true, allowed_issuer_ids: Vec::new(), min_trust_tier: None, allowed_algs }
    }
}

/// A policy to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetPolicy {
    #[serde(default)]
    allow_any_issuer: Option<bool>,
    #[serde(default)]
    #[schema(max_items = 256)]
    allowed_issuer_ids: Option<Vec<AgentRef>>,
    #[serde(default)]
    min_trust_tier: Option<TrustTier>,
    /// `Ed25519` is the only one.
    #[serde(default)]
    #[schema(max_items = 16)]
    allowed_algs: Option<Vec<Text<1, 16>>>,
}

impl BodyInput for SetPolicy {}

/// How much an issuer is trusted.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum TrustTier {
    Registered,
    Verified,
}

fn policy_of(context: &Context, name: &str) -> Result<SigningPolicy, ApiError> {
    let kept = context.shared.store.get::<SigningPolicy>(&place(context, "signing-policies", name)?)?;
    Ok(kept.map(|(policy, _)| policy).unwrap_or_default())
}

/// Refuses an issuer that may not sign this type.
pub(super) fn check_policy(
    context: &Context,
    of: &ReceiptType,
    issuer: AgentId,
    agent: &Agent,
) -> Result<(), ApiError> {
    let policy = policy_of(context, &of.name)?;
    let refused = |why: &str| {
        Err(ApiError::new(
            axum::http::StatusCode::FORBIDDEN,
            "POLICY_VIOLATION",
            format!("{}: {why}", of.name),
        )
        .field("issuer_id")
        .fix("see the type's signing policy"))
    };
    if !policy.allow_any_issuer && !policy.allowed_issuer_ids.contains(&issuer.to_string()) {
        return refused("the issuer is not among those that may sign it");
    }
    if policy.min_trust_tier.as_deref() == Some("verified") && trust_tier(agent) != "verified" {
        let error = refused("only trusted issuers may sign it");
        return error.map_err(|error| ApiError { code: "ISSUER_NOT_TRUSTED".into(), ..error });
    }
    if !policy.allowed_algs.iter().any(|alg| alg.eq_ignore_ascii_case(ED25519)) {
        return refused("its policy does not allow Ed25519, the only algorithm of this log");
    }
    Ok(())
}

pub(super) async fn get_policy(context: Context, _: NoQuery) -> Result<Reply<SigningPolicy>, ApiError> {
    let of = find(&context, context.word("name"), None).map_err(|error| error.field("name"))?;
    Ok(Reply::new(policy_of(&context, &of.name)?))
}

pub(super) async fn set_policy(
    context: Context,
    _: NoQuery,
    body: SetPolicy,
) -> Result<Reply<SigningPolicy>, ApiError> {
    let of = find(&context, context.word("name"), None).map_err(|error| error.field("name"))?;
    let issuers = body.allowed_issuer_ids.unwrap_or_default();
    if issuers.len() > ISSUERS_MAX {
        return Err(
            ApiError::unprocessable(format!("at most {ISSUERS_MAX} issuers")).field("allowed_issuer_ids")
        );
    }
    for (at, issuer) in issuers.iter().enumerate() {
        super::issuers::own_issuer(&context, issuer.0, &format!("allowed_issuer_ids[{at}]"))?;
    }
    let policy = SigningPolicy {
        allow_any_issuer: body.allow_any_issuer.unwrap_or(issuers.is_empty()),
        allowed_issuer_ids: issuers.iter().map(|issuer| issuer.0.to_string()).collect(),
        min_trust_tier: body.min_trust_tier.map(|tier| match tier {
            TrustTier::Registered => "registered".into(),
            TrustTier::Verified => "verified".into(),
        }),
        allowed_algs: match body.allowed_algs {
            Some(algs) => algs.into_iter().map(Text::into_string).collect(),
            None => SigningPolicy::default().allowed_algs,
        },
    };
    let place = place(&context, "signing-policies", &of.name)?;
    context.shared.store.change(Changes::default().put(&place, &policy, None)?).await?;
    Ok(Reply::new(policy))
}
