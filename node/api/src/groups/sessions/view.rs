//! A session as callers see it: every key style that a published client reads.

use ledger_format::{
    record::{Body, SessionId, TenantId, Ulid},
    token::Thumbprint,
};
use ledger_state::{Agent, AgentStatus, Session, SessionStanding, Tenant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::agents::scope_object;
use crate::{
    ApiError,
    endpoint::{Context, Listed},
    wire::{WriteReceipt, Written, time_text},
};

/// What state a session can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionStatusWord {
    Active,
    Expired,
    Terminated,
    HandedOff,
}

/// What a caller said of a session that the log does not hold, and which records of this API changed it: kept in the nodes' private state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct SessionNotes {
    #[serde(default)]
    pub(super) metadata: serde_json::Map<String, serde_json::Value>,
    /// The scope object of the older SDKs, as it was sent.
    #[serde(default)]
    pub(super) scope: Option<serde_json::Value>,
    /// Keyed hash of the refresh token in force.
    #[serde(default)]
    pub(super) refresh: Option<[u8; 32]>,
    /// The record of the last refresh.
    #[serde(default)]
    pub(super) refreshed: Option<String>,
    /// The record of its end.
    #[serde(default)]
    pub(super) terminated: Option<String>,
    /// Why it was ended.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// A session.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// UUID of the id.
    id: String,
    /// `maip-sess:<ulid>`.
    session_id: String,
    /// Whose session it is now.
    agent_id: String,
    /// The same as `agent_id`, where older clients look for it.
    #[serde(rename = "agentId")]
    agent_id_camel: String,
    tenant_id: String,
    /// `active`, `expired` or `terminated`. A session that was handed on is its new agent's, and active.
    status: SessionStatusWord,
    /// Why it was ended; null while it is not, or when nobody said.
    status_reason: Option<String>,
    scopes: Vec<String>,
    #[schema(value_type = Object)]
    scope: serde_json::Value,
    #[schema(value_type = Object)]
    metadata: serde_json::Map<String, serde_json::Value>,
    audience: Option<String>,
    proof_key_thumbprint: Option<String>,
    /// Who had it before it was handed on.
    handed_off_from: Option<String>,
    /// Who has it since it was handed on.
    handed_off_to: Option<String>,
    /// When it was handed on, RFC 3339 in UTC.
    handed_off_at: Option<String>,
    /// When it was last refreshed over this API, RFC 3339 in UTC.
    refreshed_at: Option<String>,
    /// When it ended, RFC 3339 in UTC; null while it lives, and when its agent closed it by a record of its own.
    terminated_at: Option<String>,
    expires_at: String,
    #[serde(rename = "expiresAt")]
    expires_at_camel: String,
    created_at: String,
    #[serde(rename = "createdAt")]
    created_at_camel: String,
    updated_at: String,
    #[serde(rename = "updatedAt")]
    updated_at_camel: String,
    /// Index of its opening; in the answer to a write, of the record that was written.
    log_index: u64,
    /// The place of the record that this answer is about.
    #[serde(flatten)]
    written: Written,
}

impl Listed for SessionView {
    const PLURAL: &'static str = "sessions";
}

impl SessionView {
    pub(super) fn has_status(&self, wanted: SessionStatusWord) -> bool {
        match wanted {
            SessionStatusWord::HandedOff => self.handed_off_to.is_some(),
            word => self.status == word,
        }
    }

    pub(super) fn log_index(&self) -> u64 {
        self.log_index
    }

    /// With the answer of a write.
    pub(super) fn logged(mut self, receipt: &WriteReceipt) -> Self {
        self.written = receipt.clone().into();
        self.log_index = receipt.log_index;
        self
    }
}

/// A session, whoever's it is; the caller has checked that.
pub(crate) fn session_view(context: &Context, id: SessionId) -> Result<Option<SessionView>, ApiError> {
    let read = context.view(|view| {
        let session = ledger_state::session(view, id)?;
        let agent = ledger_state::agent(view, session.agent)?;
        let tenant = ledger_state::tenant(view, session.tenant)?;
        Some((session, agent, tenant, ledger_state::log_ms(view)))
    })?;
    let Some((session, agent, tenant, log_ms)) = read else { return Ok(None) };
    let notes: SessionNotes = context.kept(id.0)?.unwrap_or_default();
    let now_ms = log_ms.max(context.now_ms);
    let status = standing(&session, &agent, &tenant, now_ms);
    let ended = ended(context, status, &session, &agent, &tenant, &notes)?;
    let handed = handed_off(context, &session)?;
    let created = context.log_time(session.opened)?;
    let refreshed = record_time(context, &session, notes.refreshed.as_deref())?;
    let changes = [ended.clone(), refreshed.clone(), handed.as_ref().map(|(_, at)| at.clone())];
    // RFC 3339 in UTC with as many digits each: the latest is the largest.
    let updated = changes.into_iter().flatten().max().unwrap_or_else(|| created.clone());
    let scopes: Vec<String> = session.scopes.iter().map(ToString::to_string).collect();
    let expires = time_text(session.expires_at);
    Ok(Some(SessionView {
        id: id.0.uuid(),
        session_id: id.to_string(),
        agent_id: session.agent.to_string(),
        agent_id_camel: session.agent.to_string(),
        tenant_id: TenantId(session.tenant).to_string(),
        status,
        status_reason: notes.reason.filter(|_| status == SessionStatusWord::Terminated),
        scope: notes.scope.unwrap_or_else(|| scope_object(&scopes)),
        scopes,
        metadata: notes.metadata,
        audience: session.audience,
        proof_key_thumbprint: session.proof_key.map(|key| Thumbprint::of_bytes(&key).to_string()),
        handed_off_to: handed.as_ref().map(|_| session.agent.to_string()),
        handed_off_at: handed.as_ref().map(|(_, at)| at.clone()),
        handed_off_from: handed.map(|(from, _)| from),
        refreshed_at: refreshed,
        terminated_at: ended,
        expires_at: expires.clone(),
        expires_at_camel: expires,
        created_at: created.clone(),
        created_at_camel: created,
        updated_at: updated.clone(),
        updated_at_camel: updated,
        log_index: session.opened,
        written: Written::default(),
    }))
}

fn standing(session: &Session, agent: &Agent, tenant: &Tenant, now_ms: u64) -> SessionStatusWord {
    match session.standing {
        SessionStanding::Open if session.is_live(agent, tenant, now_ms) => SessionStatusWord::Active,
        SessionStanding::Expired => SessionStatusWord::Expired,
        // Its time is over, and nothing else has ended it before.
        SessionStanding::Open if session.is_live(agent, tenant, 0) => SessionStatusWord::Expired,
        _ => SessionStatusWord::Terminated,
    }
}

/// When it ended: by its time, with its agent, with a suspension, or by a call of this API.
fn ended(
    context: &Context,
    status: SessionStatusWord,
    session: &Session,
    agent: &Agent,
    tenant: &Tenant,
    notes: &SessionNotes,
) -> Result<Option<String>, ApiError> {
    match status {
        SessionStatusWord::Expired => return Ok(Some(time_text(session.expires_at))),
        SessionStatusWord::Terminated => {}
        _ => return Ok(None),
    }
    if matches!(session.standing, SessionStanding::Closed | SessionStanding::Aborted) {
        return record_time(context, session, notes.terminated.as_deref());
    }
    match agent.status {
        AgentStatus::Suspended { at, .. } | AgentStatus::Revoked { at, .. } => Ok(Some(time_text(at))),
        AgentStatus::Active => {
            let index = if agent.sessions_end > session.since {
                agent.sessions_end
            } else {
                tenant.suspended.unwrap_or(tenant.sessions_end)
            };
            Ok(Some(context.log_time(index)?))
        }
    }
}

/// The log's time of a record of the session's tenant.
fn record_time(context: &Context, session: &Session, id: Option<&str>) -> Result<Option<String>, ApiError> {
    let Some(id) = id.and_then(Ulid::parse) else { return Ok(None) };
    let index = context.reader.find(session.tenant, id).map_err(ApiError::internal)?;
    index.map(|index| context.log_time(index)).transpose()
}

/// Who had it before, and when it was handed on.
fn handed_off(context: &Context, session: &Session) -> Result<Option<(String, String)>, ApiError> {
    if session.since == session.opened {
        return Ok(None);
    }
    let entry = context.entry(session.since)?;
    Ok(entry.and_then(|(at, record)| match record.body {
        Body::SessionHandoff(body) => Some((body.agent.to_string(), time_text(at))),
        _ => None,
    }))
}
