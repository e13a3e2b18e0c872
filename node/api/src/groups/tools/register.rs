//! Registering, changing and deleting tools. One at a time in a tenant: names are unique.

use std::borrow::Cow;

use ledger_format::record::{Body, Digest, PublicKey, Scope, ToolId, ToolRegister};
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use super::view::{CALLS_A_MINUTE, Known, RiskLevel, ToolNotes, ToolView, tool_view};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Lease, NoBody, NoQuery, Reply},
    wire::{
        AgentRef, DescriptionText, Metadata, NameText, Payload, PublicKeyText, ScopeText, Text, Whole, token,
    },
};

/// Words in a name or a scope that make a tool at least `high`.
const RISKY: [&str; 8] = ["write", "delete", "send", "execute", "deploy", "destroy", "drop", "truncate"];

/// The name of a tool.
#[derive(Clone, Debug)]
pub(super) struct ToolName(String);

impl<'de> Deserialize<'de> for ToolName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        match (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
            true => Ok(Self(text.into_owned())),
            false => Err(de::Error::custom(
                "is not a name of 1 to 128 letters, digits, dots, underscores and hyphens",
            )),
        }
    }
}

impl PartialSchema for ToolName {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9._-]{1,128}$"));
        name.description(Some("Name of a tool, unique in the tenant."))
            .examples([serde_json::json!("send_email")])
            .into()
    }
}

impl ToSchema for ToolName {}

type CallsAMinute = Whole<1, 10_000>;

/// A tool to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterTool {
    name: ToolName,
    /// What people call it; its name, when nothing is said.
    #[serde(default)]
    display_name: Option<NameText>,
    #[serde(default)]
    description: Option<DescriptionText>,
    /// What an agent needs to call it: `resource:action`, or `resource:*` if a call says which action it is. `tools:<name>` when nothing
    /// is said.
    #[serde(default, alias = "scope")]
    scope_required: Option<ScopeText>,
    #[serde(default)]
    risk_level: Option<RiskLevel>,
    /// Whether each call needs an approval; always, if the risk is critical.
    #[serde(default)]
    requires_approval: bool,
    /// Most calls of one agent in a minute; 60 when nothing is said.
    #[serde(default, alias = "rate_limit")]
    rate_limit_per_minute: Option<CallsAMinute>,
    /// `general` when nothing is said.
    #[serde(default)]
    category: Option<Text<1, 64>>,
    #[serde(default)]
    metadata: Option<Metadata>,
    /// JSON Schema of its arguments; the log holds a digest.
    #[serde(default)]
    schema: Option<Payload>,
    /// The agent that it belongs to.
    #[serde(default)]
    agent_id: Option<AgentRef>,
    /// The Ed25519 key that its owner signs with, base64url.
    #[serde(default)]
    owner_key: Option<PublicKeyText>,
    /// The owner's word for this version.
    #[serde(default)]
    tool_version: Option<Text<1, 64>>,
}

impl BodyInput for RegisterTool {}

/// What is to change of a tool.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateTool {
    #[serde(default)]
    display_name: Option<NameText>,
    #[serde(default)]
    description: Option<DescriptionText>,
    /// What an agent needs to call it.
    #[serde(default, alias = "scope")]
    scope_required: Option<ScopeText>,
    #[serde(default)]
    risk_level: Option<RiskLevel>,
    /// Whether each call needs an approval; always, if the risk is critical.
    #[serde(default)]
    requires_approval: Option<bool>,
    /// Most calls of one agent in a minute.
    #[serde(default, alias = "rate_limit")]
    rate_limit_per_minute: Option<CallsAMinute>,
    #[serde(default)]
    category: Option<Text<1, 64>>,
    #[serde(default)]
    metadata: Option<Metadata>,
    /// JSON Schema of its arguments; the log holds a digest.
    #[serde(default)]
    schema: Option<Payload>,
    /// The Ed25519 key that its owner signs with, base64url.
    #[serde(default)]
    owner_key: Option<PublicKeyText>,
    /// The owner's word for this version.
    #[serde(default)]
    tool_version: Option<Text<1, 64>>,
}

impl BodyInput for UpdateTool {}

/// A version that is to be logged.
struct Version {
    tool: ToolId,
    name: String,
    scopes: Vec<Scope>,
    owner_key: Option<PublicKey>,
    version: Option<String>,
    digest: Option<Digest>,
    notes: ToolNotes,
}

async fn lease(context: &Context) -> Result<Lease, ApiError> {
    context.lease(&format!("tools/{}", context.tenant()?)).await
}

pub(super) async fn register(
    mut context: Context,
    _: NoQuery,
    body: RegisterTool,
) -> Result<Reply<ToolView>, ApiError> {
    if let Some(agent) = body.agent_id {
        context.own_agent(agent.0, "agent_id")?;
    }
    let version = new_version(&mut context, body)?;
    let lease = lease(&context).await?;
    let made = register_alone(&mut context, version).await;
    lease.end().await;
    made
}

fn new_version(context: &mut Context, body: RegisterTool) -> Result<Version, ApiError> {
    let name = body.name.0;
    let scope = match &body.scope_required {
        Some(text) => needed(text)?,
        None => Scope::parse(&format!("tools:{}", token(&name)))
            .ok_or_else(|| ApiError::unprocessable("makes no scope: say which").field("scope_required"))?,
    };
    let risk_level = risk(&name, &scope, body.risk_level.unwrap_or_default());
    let notes = ToolNotes {
        display_name: body.display_name.map_or_else(|| name.clone(), NameText::into_string),
        description: body.description.map(DescriptionText::into_string).unwrap_or_default(),
        risk_level,
        requires_approval: body.requires_approval || risk_level == RiskLevel::Critical,
        rate_limit_per_minute: body.rate_limit_per_minute.map_or(CALLS_A_MINUTE, Whole::get),
        category: body.category.map_or_else(|| "general".into(), Text::into_string),
        metadata: body.metadata.map(|metadata| metadata.0).unwrap_or_default(),
        schema: body.schema.map(|schema| schema.0),
        agent: body.agent_id.map(|agent| agent.0.to_string()),
        created: None,
    };
    Ok(Version {
        tool: ToolId(context.new_id()?),
        name,
        scopes: vec![scope],
        owner_key: body.owner_key.map(|key| key.0),
        version: body.tool_version.map(|version| token(version.as_str())),
        digest: notes.schema.as_ref().map(digest),
        notes,
    })
}

async fn register_alone(context: &mut Context, version: Version) -> Result<Reply<ToolView>, ApiError> {
    let tenant = context.tenant()?;
    let holder = context.view(|view| ledger_state::tool_named(view, tenant, &version.name))?;
    if let Some(holder) = holder.filter(|holder| *holder != version.tool)
        && Known::find(context, holder)?.is_some_and(|known| !known.is_deleted())
    {
        return Err(ApiError::conflict("TOOL_EXISTS", format!("tool {holder} is called so"))
            .field("name")
            .fix("choose another name, or change that tool"));
    }
    log(context, version).await
}

pub(super) async fn update(
    mut context: Context,
    _: NoQuery,
    body: UpdateTool,
) -> Result<Reply<ToolView>, ApiError> {
    Known::own(&context)?;
    let lease = lease(&context).await?;
    let changed = update_alone(&mut context, body).await;
    lease.end().await;
    changed
}

async fn update_alone(context: &mut Context, body: UpdateTool) -> Result<Reply<ToolView>, ApiError> {
    let mut version = version_in_force(context)?;
    let scope = body.scope_required.as_ref().map(needed).transpose()?;
    version.scopes = scope.map_or(version.scopes, |scope| vec![scope]);
    let notes = &mut version.notes;
    let wanted = body.risk_level.unwrap_or(notes.risk_level);
    notes.risk_level = version.scopes.first().map_or(wanted, |scope| risk(&version.name, scope, wanted));
    let asks = body.requires_approval.unwrap_or(notes.requires_approval);
    notes.requires_approval = asks || notes.risk_level == RiskLevel::Critical;
    if let Some(name) = body.display_name {
        notes.display_name = name.into_string();
    }
    if let Some(text) = body.description {
        notes.description = text.into_string();
    }
    if let Some(rate) = body.rate_limit_per_minute {
        notes.rate_limit_per_minute = rate.get();
    }
    if let Some(category) = body.category {
        notes.category = category.into_string();
    }
    if let Some(metadata) = body.metadata {
        notes.metadata = metadata.0;
    }
    if let Some(schema) = body.schema {
        version.digest = Some(digest(&schema.0));
        notes.schema = Some(schema.0);
    }
    version.owner_key = body.owner_key.map(|key| key.0).or(version.owner_key);
    version.version = body.tool_version.map(|word| token(word.as_str())).or(version.version);
    log(context, version).await
}

pub(super) async fn delete(mut context: Context, _: NoQuery, _: NoBody) -> Result<Reply<ToolView>, ApiError> {
    Known::own(&context)?;
    let lease = lease(&context).await?;
    let deleted = match version_in_force(&context) {
        Ok(version) => log(&mut context, Version { scopes: Vec::new(), ..version }).await,
        Err(error) => Err(error),
    };
    lease.end().await;
    deleted
}

/// The version that is there, if it is the one that the caller has read.
fn version_in_force(context: &Context) -> Result<Version, ApiError> {
    let known = Known::own(context)?;
    context.still(known.tool.index)?;
    let Body::ToolRegister(body) = known.record.body else {
        return Err(ApiError::internal("a tool's version is not in the log"));
    };
    let mut notes = known.notes;
    notes.created = notes.created.or(Some(known.tool.index));
    Ok(Version {
        tool: known.id,
        name: body.name,
        scopes: body.scopes,
        owner_key: body.owner_key,
        version: body.version,
        digest: body.digest,
        notes,
    })
}

async fn log(context: &mut Context, version: Version) -> Result<Reply<ToolView>, ApiError> {
    let Version { tool, name, scopes, owner_key, version, digest, notes } = version;
    let id = context.new_id()?;
    let on_behalf_of = context.on_behalf_of()?;
    let body = ToolRegister { digest, name, on_behalf_of, owner_key, scopes, tool, version };
    let logged = context.record_noted(id, Body::ToolRegister(Box::new(body)), id, &notes).await?;
    let known = Known::find(context, tool)?.ok_or_else(|| ApiError::missing("tool", "tool_name"))?;
    Ok(tool_view(context, known)?.logged(logged.receipt).reply())
}

fn needed(text: &ScopeText) -> Result<Scope, ApiError> {
    let wrong = |message: String| ApiError::unprocessable(message).field("scope_required");
    let (scope, denied) = text.scope().map_err(wrong)?;
    if denied || scope.as_str() == "*:*" {
        return Err(wrong("is not resource:action or resource:*".into()));
    }
    Ok(scope)
}

/// The risk that was stated, or `high` if its name or its scope tells of more.
fn risk(name: &str, scope: &Scope, stated: RiskLevel) -> RiskLevel {
    let name = name.to_ascii_lowercase();
    let tells = RISKY.iter().any(|word| name.contains(word) || scope.as_str().contains(word));
    if tells { stated.max(RiskLevel::High) } else { stated }
}

/// SHA-256 of JSON with sorted keys and without spaces.
fn digest(map: &serde_json::Map<String, serde_json::Value>) -> Digest {
    Digest::sha256(&serde_json::to_vec(map).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_a_scope_tells_of_risk() {
        let scope = |text| Scope::parse(text).unwrap();
        assert_eq!(risk("lookup", &scope("mail:read"), RiskLevel::Low), RiskLevel::Low);
        assert_eq!(risk("Send_Mail", &scope("mail:read"), RiskLevel::Low), RiskLevel::High);
        assert_eq!(risk("mail", &scope("mail:delete"), RiskLevel::Medium), RiskLevel::High);
        assert_eq!(risk("mail", &scope("mail:delete"), RiskLevel::Critical), RiskLevel::Critical);
    }
}
