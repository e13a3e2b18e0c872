//! A tool as callers see it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{Body, Record, TenantId, ToolId};
use ledger_state::Tool;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError,
    endpoint::{Context, Listed, NoQuery, Paged, QueryInput, Reply},
    wire::{IdKind, Text, WriteReceipt, Written, time_text},
};

/// How much harm a tool can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RiskLevel {
    Low,
    #[default]
    Medium,
    High,
    Critical,
}

/// Calls of one agent in a minute, when nothing is said.
pub(super) const CALLS_A_MINUTE: u64 = 60;

/// What was said of a version of a tool that the record does not hold: kept under the id of its `tool.register` record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ToolNotes {
    pub(super) display_name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) risk_level: RiskLevel,
    #[serde(default)]
    pub(super) requires_approval: bool,
    #[serde(default = "calls_a_minute")]
    pub(super) rate_limit_per_minute: u64,
    #[serde(default)]
    pub(super) category: String,
    #[serde(default)]
    pub(super) metadata: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    pub(super) schema: Option<serde_json::Map<String, serde_json::Value>>,
    /// The agent that it belongs to.
    #[serde(default)]
    pub(super) agent: Option<String>,
    /// Index of its first version; of the first version itself, nothing.
    #[serde(default)]
    pub(super) created: Option<u64>,
}

fn calls_a_minute() -> u64 {
    CALLS_A_MINUTE
}

/// A tool with everything that is known of it.
pub(super) struct Known {
    pub(super) id: ToolId,
    pub(super) tool: Tool,
    pub(super) record: Record,
    pub(super) log_ms: u64,
    pub(super) notes: ToolNotes,
}

impl Known {
    /// The caller's tool by the name or the id in the path. A deleted one is not there.
    pub(super) fn own(context: &Context) -> Result<Self, ApiError> {
        let (tenant, text) = (context.tenant()?, context.word("tool_name"));
        let named = context.view(|view| ledger_state::tool_named(view, tenant, text))?;
        let id =
            named.or_else(|| ToolId::read(text)).ok_or_else(|| ApiError::missing("tool", "tool_name"))?;
        let found = Self::find(context, id)?.filter(|known| !known.is_deleted());
        found.ok_or_else(|| ApiError::missing("tool", "tool_name"))
    }

    /// The caller's tool with this id.
    pub(super) fn find(context: &Context, id: ToolId) -> Result<Option<Self>, ApiError> {
        let tenant = context.tenant()?;
        let tool = context.view(|view| ledger_state::tool(view, id))?.filter(|tool| tool.tenant == tenant);
        let Some(tool) = tool else { return Ok(None) };
        let Some((log_ms, record)) = context.entry(tool.index)? else { return Ok(None) };
        let notes = context.kept(record.id)?.unwrap_or_else(|| ToolNotes {
            display_name: tool.name.clone(),
            description: String::new(),
            risk_level: RiskLevel::default(),
            requires_approval: false,
            rate_limit_per_minute: CALLS_A_MINUTE,
            category: "general".into(),
            metadata: serde_json::Map::new(),
            schema: None,
            agent: None,
            created: None,
        });
        Ok(Some(Self { id, tool, record, log_ms, notes }))
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.tool.scopes.is_empty()
    }
}

/// A tool.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ToolView {
    id: String,
    tool_id: String,
    tenant_id: String,
    /// Unique in the tenant.
    name: String,
    display_name: String,
    description: String,
    /// `active`, or `deleted` in the answer to its deletion.
    status: &'static str,
    /// What an agent needs to call it.
    scope_required: Option<String>,
    /// What a call of it may be; the first is `scope_required`.
    scopes: Vec<String>,
    risk_level: RiskLevel,
    /// Whether each call needs an approval.
    requires_approval: bool,
    /// Most calls of one agent in a minute.
    rate_limit_per_minute: u64,
    category: String,
    #[schema(value_type = Object)]
    metadata: serde_json::Map<String, serde_json::Value>,
    /// JSON Schema of its arguments, as it was given; the nodes do not check arguments against it.
    #[schema(value_type = Option<Object>)]
    schema: Option<serde_json::Map<String, serde_json::Value>>,
    /// Digest of the schema: SHA-256 of its JSON with sorted keys and without spaces.
    schema_digest: Option<String>,
    /// The agent that it belongs to.
    agent_id: Option<String>,
    /// The key that its owner signs with, base64url.
    owner_key: Option<String>,
    /// The owner's word for this version.
    tool_version: Option<String>,
    /// Index of the record in force: what `ETag` says and `If-Match` takes.
    version: u64,
    log_index: u64,
    created_at: String,
    updated_at: String,
    #[serde(flatten)]
    written: Written,
}

impl Listed for ToolView {
    const PLURAL: &'static str = "tools";
}

impl ToolView {
    pub(super) fn logged(mut self, receipt: WriteReceipt) -> Self {
        self.written = receipt.into();
        self
    }

    pub(super) fn reply(self) -> Reply<Self> {
        let version = self.version;
        Reply::new(self).at(version).version(version)
    }
}

/// A tool as callers see it.
pub(super) fn tool_view(context: &Context, known: Known) -> Result<ToolView, ApiError> {
    let deleted = known.is_deleted();
    let Known { id, tool, record, log_ms, notes } = known;
    let digest = match &record.body {
        Body::ToolRegister(body) => body.digest,
        _ => None,
    };
    let scopes: Vec<String> = tool.scopes.iter().map(ToString::to_string).collect();
    let key = tool.owner_key.map(|key| URL_SAFE_NO_PAD.encode(key));
    Ok(ToolView {
        id: id.0.uuid(),
        tool_id: id.to_string(),
        tenant_id: TenantId(tool.tenant).to_string(),
        name: tool.name,
        display_name: notes.display_name,
        description: notes.description,
        status: if deleted { "deleted" } else { "active" },
        scope_required: scopes.first().cloned(),
        scopes,
        risk_level: notes.risk_level,
        requires_approval: notes.requires_approval,
        rate_limit_per_minute: notes.rate_limit_per_minute,
        category: notes.category,
        metadata: notes.metadata,
        schema: notes.schema,
        schema_digest: digest.map(|digest| digest.to_string()),
        agent_id: notes.agent,
        owner_key: key,
        tool_version: tool.version,
        version: tool.index,
        log_index: tool.index,
        created_at: context.log_time(notes.created.unwrap_or(tool.index))?,
        updated_at: time_text(log_ms),
        written: Written::default(),
    })
}

/// Which tools.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListTools {
    /// Only with this risk.
    #[serde(default)]
    risk_level: Option<RiskLevel>,
    /// Only of this category.
    #[serde(default)]
    #[param(inline)]
    category: Option<Text<1, 64>>,
}

impl QueryInput for ListTools {}

pub(super) async fn list(context: Context, query: ListTools) -> Result<Reply<Paged<ToolView>>, ApiError> {
    let page = context.list(&["tool.register"], None, true, |context, row| {
        let Some((_, record)) = context.entry(row.index)? else { return Ok(None) };
        let Body::ToolRegister(body) = &record.body else { return Ok(None) };
        let Some(known) = Known::find(context, body.tool)? else { return Ok(None) };
        let fits = known.tool.index == row.index
            && !known.is_deleted()
            && query.risk_level.is_none_or(|wanted| known.notes.risk_level == wanted)
            && query.category.as_ref().is_none_or(|wanted| known.notes.category == wanted.as_str());
        fits.then(|| tool_view(context, known)).transpose()
    });
    Ok(Reply::new(page.await?))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<ToolView>, ApiError> {
    let known = Known::own(&context)?;
    context.still(known.tool.index)?;
    Ok(tool_view(&context, known)?.reply())
}
