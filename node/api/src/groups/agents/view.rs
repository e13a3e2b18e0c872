//! An agent as callers see it: every key style that a published client reads.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{AgentId, TenantId};
use ledger_state::{Agent, AgentStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError,
    endpoint::{Context, Listed},
    wire::{WriteReceipt, Written, time_text},
};

/// What state an agent can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StatusWord {
    Active,
    Suspended,
    Revoked,
}

/// What a caller said of an agent that the log does not hold: kept in the nodes' private state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct AgentNotes {
    /// The whole name, if the record holds a shorter one.
    #[serde(default)]
    pub(super) display_name: Option<String>,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) metadata: serde_json::Map<String, serde_json::Value>,
    /// The word that the caller used for the type.
    #[serde(default)]
    pub(super) agent_type: Option<String>,
    /// The scope object of the older SDKs, as it was sent.
    #[serde(default)]
    pub(super) scope: Option<serde_json::Value>,
}

/// One key of an agent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct KeyView {
    kid: String,
    algorithm: &'static str,
    /// base64url without padding.
    public_key: String,
    status: &'static str,
    /// First log index at which it signs.
    valid_from_index: u64,
}

/// An agent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AgentView {
    /// UUID of the id.
    id: String,
    /// `maip-agent:<ulid>`.
    agent_id: String,
    tenant_id: String,
    name: String,
    display_name: String,
    description: String,
    /// How much it acts by itself: `autonomous`, `supervised`, `delegated`, `system`.
    agent_type: String,
    /// What kind of program it is.
    runtime_type: Option<String>,
    status: StatusWord,
    /// Why it is suspended or ended.
    status_reason: Option<String>,
    /// Log index since when the status holds.
    status_index: Option<u64>,
    trust_level: &'static str,
    /// 0 to 1; null while unscored.
    trust_score: Option<f64>,
    /// 0 to 100; null while unscored.
    score: Option<f64>,
    scopes: Vec<String>,
    #[schema(value_type = Object)]
    scope: serde_json::Value,
    #[schema(value_type = Object)]
    metadata: serde_json::Map<String, serde_json::Value>,
    parent_agent_id: Option<String>,
    delegation_depth: u64,
    session_count: u64,
    public_key: String,
    #[serde(rename = "publicKey")]
    public_key_camel: String,
    genesis_public_key: String,
    key_id: String,
    keys: Vec<KeyView>,
    compromised_at: Option<String>,
    expires_at: Option<String>,
    /// Index of its registration; in the answer of a write, of the record that was written.
    log_index: u64,
    created_at: String,
    updated_at: String,
    #[serde(rename = "createdAt")]
    created_at_camel: String,
    #[serde(rename = "updatedAt")]
    updated_at_camel: String,
    /// Shown once, when the agent was registered without a key of its own: the seed, base64url. The nodes keep none.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
    /// The registration's place in the log.
    #[serde(flatten)]
    written: Written,
}

impl Listed for AgentView {
    const PLURAL: &'static str = "agents";
}

impl AgentView {
    pub(super) fn is_of_type(&self, wanted: &str) -> bool {
        self.agent_type == wanted || self.runtime_type.as_deref() == Some(wanted)
    }

    pub(super) fn has_status(&self, wanted: StatusWord) -> bool {
        self.status == wanted
    }

    pub(super) fn has_trust_level(&self, wanted: &str) -> bool {
        self.trust_level == wanted
    }

    pub(super) fn log_index(&self) -> u64 {
        self.log_index
    }

    /// With the answer of a write.
    pub(super) fn logged(mut self, receipt: WriteReceipt, private_key: Option<String>) -> Self {
        self.private_key = private_key;
        self.log_index = receipt.log_index;
        self.written = receipt.into();
        self
    }
}

/// An agent, whoever's it is; the caller has checked that.
pub(crate) fn agent_view(context: &Context, id: AgentId) -> Result<Option<AgentView>, ApiError> {
    let read = context.view(|view| {
        let agent = ledger_state::agent(view, id)?;
        let ms = ledger_state::log_ms(view);
        let reading = ledger_state::trust_reading(view, id, ms);
        Some((agent, reading, ledger_state::open_sessions(view, id)))
    })?;
    let Some((agent, reading, sessions)) = read else { return Ok(None) };
    let notes: AgentNotes = context.kept(id.0)?.unwrap_or_default();
    let basis_points = reading.and_then(|reading| reading.score);
    let (status, reason, since) = standing(&agent);
    let created = context.log_time(agent.registered)?;
    let key = URL_SAFE_NO_PAD.encode(agent.key.public);
    let scopes: Vec<String> = agent
        .scopes
        .iter()
        .map(ToString::to_string)
        .chain(agent.denies.iter().map(|deny| format!("!{deny}")))
        .collect();
    let key_status = if status == StatusWord::Revoked { "revoked" } else { "active" };
    let name = notes.display_name.unwrap_or_else(|| agent.name.clone());
    Ok(Some(AgentView {
        id: id.0.uuid(),
        agent_id: id.to_string(),
        tenant_id: TenantId(agent.tenant).to_string(),
        name: name.clone(),
        display_name: name,
        description: notes.description,
        agent_type: agent.agent_type.as_str().into(),
        runtime_type: notes.agent_type.or(agent.runtime_type),
        status,
        status_reason: reason,
        status_index: since.map(|(index, _)| index),
        trust_level: "authenticated",
        trust_score: basis_points.map(|bp| bp as f64 / 10_000.0),
        score: basis_points.map(|bp| bp as f64 / 100.0),
        scope: notes.scope.unwrap_or_else(|| scope_object(&scopes)),
        scopes,
        metadata: notes.metadata,
        parent_agent_id: agent.parent.map(|parent| parent.to_string()),
        delegation_depth: agent.depth,
        session_count: if status == StatusWord::Active { sessions } else { 0 },
        public_key: key.clone(),
        public_key_camel: key.clone(),
        genesis_public_key: key.clone(),
        key_id: agent.key.kid.to_string(),
        keys: vec![KeyView {
            kid: agent.key.kid.to_string(),
            algorithm: "Ed25519",
            public_key: key,
            status: key_status,
            valid_from_index: agent.key.from,
        }],
        compromised_at: match &agent.status {
            AgentStatus::Revoked { compromised_at, .. } => compromised_at.map(time_text),
            _ => None,
        },
        expires_at: None,
        log_index: agent.registered,
        created_at: created.clone(),
        updated_at: since.map_or_else(|| created.clone(), |(_, at)| time_text(at)),
        created_at_camel: created.clone(),
        updated_at_camel: since.map_or(created, |(_, at)| time_text(at)),
        private_key: None,
        written: Written::default(),
    }))
}

fn standing(agent: &Agent) -> (StatusWord, Option<String>, Option<(u64, u64)>) {
    match &agent.status {
        AgentStatus::Active => (StatusWord::Active, None, None),
        AgentStatus::Suspended { index, at, reason } => {
            (StatusWord::Suspended, Some(reason.clone()), Some((*index, *at)))
        }
        AgentStatus::Revoked { index, at, reason, .. } => {
            (StatusWord::Revoked, Some(reason.clone()), Some((*index, *at)))
        }
    }
}

/// Scopes as the older SDKs write them: actions by resource.
pub(crate) fn scope_object(scopes: &[String]) -> serde_json::Value {
    let mut resources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (resource, action) in scopes.iter().filter_map(|scope| scope.split_once(':')) {
        resources.entry(resource).or_default().push(action);
    }
    let mut actions: Vec<&str> = resources.values().flatten().copied().collect();
    actions.sort_unstable();
    actions.dedup();
    serde_json::json!({
        "actions": actions,
        "resources": resources.keys().collect::<Vec<_>>(),
        "constraints": {},
    })
}
