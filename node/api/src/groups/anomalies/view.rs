//! An anomaly as callers see it.

use ledger_format::record::{Actor, Body, Severity, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    super::{logged_at::LoggedAt, receipts::Found},
    resolve::ResolutionWord,
};
use crate::{
    ApiError,
    compliance::answer_within_ms,
    endpoint::{Context, Listed, Logged},
    wire::time_text,
};

/// What the nodes keep of a report.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct AnomalyNotes {
    /// In the caller's own words.
    pub(super) anomaly_type: String,
    pub(super) description: String,
    pub(super) evidence: Map<String, Value>,
    /// 32 hex digits, if the record holds a digest of the evidence.
    pub(super) salt: String,
}

/// What the nodes keep of a resolution.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct ResolutionNotes {
    pub(super) resolution: ResolutionWord,
    pub(super) notes: String,
    pub(super) resolved_by: Option<String>,
}

/// An anomaly.
#[derive(Serialize, ToSchema)]
pub(super) struct AnomalyView {
    #[serde(flatten)]
    at: LoggedAt,
    id: String,
    anomaly_id: String,
    tenant_id: String,
    agent_id: String,
    /// What kind, in the caller's words.
    anomaly_type: String,
    /// `low`, `medium`, `high` or `critical`.
    severity: &'static str,
    description: String,
    /// What shows it.
    #[schema(value_type = Object)]
    evidence: Map<String, Value>,
    /// The same again, where older clients look for it.
    #[schema(value_type = Object)]
    details: Map<String, Value>,
    /// `SHA-256(salt || JSON)` of the evidence, as it stands in the record; null without evidence.
    evidence_digest: Option<String>,
    /// What the digest is salted with.
    salt: Option<String>,
    /// `open` or `resolved`.
    status: &'static str,
    /// What followed at once: `none`, `throttled`, `sessions_ended` or `agent_suspended`.
    auto_response: &'static str,
    /// When somebody should have dealt with it.
    respond_by: String,
    /// Who reported it: the credential, or the agent or tenant that signed the report itself.
    reported_by: String,
    /// `false_positive`, `mitigated`, `accepted_risk` or `agent_revoked`; null while it is open.
    resolution: Option<ResolutionWord>,
    /// What there was to say about the resolution.
    notes: Option<String>,
    /// Who dealt with it; null while it is open.
    resolved_by: Option<String>,
    /// When; null while it is open.
    resolved_at: Option<String>,
    /// The record that resolved it.
    resolution_receipt_id: Option<String>,
    /// Where that stands.
    resolution_log_index: Option<u64>,
}

impl Listed for AnomalyView {
    const PLURAL: &'static str = "anomalies";
}

impl AnomalyView {
    pub(super) fn acked(mut self, logged: &Logged) -> Self {
        self.at = self.at.acked(logged);
        self
    }

    pub(super) fn is_open(&self) -> bool {
        self.status == "open"
    }

    pub(super) fn has_severity(&self, severity: Severity) -> bool {
        self.severity == severity.as_str()
    }

    pub(super) fn is_of_kind(&self, kind: &str) -> bool {
        crate::wire::token(&self.anomaly_type) == kind
    }
}

/// What the state did because of a report.
fn auto_response(severity: Severity, by_agent: bool) -> &'static str {
    match severity {
        // Somebody who holds an agent's key could otherwise stop the agent.
        _ if by_agent => "none",
        Severity::Low => "none",
        Severity::Medium => "throttled",
        Severity::High => "sessions_ended",
        Severity::Critical => "agent_suspended",
    }
}

fn credential(found: &Found) -> String {
    match found.record.actor {
        Actor::Agent(agent) => agent.to_string(),
        Actor::Tenant => TenantId(found.tenant).to_string(),
        Actor::Operator => found.record.body.on_behalf_of().unwrap_or("operator").to_owned(),
    }
}

/// The caller's anomaly that was reported at `index`.
pub(super) fn anomaly_view(context: &Context, index: u64) -> Result<Option<AnomalyView>, ApiError> {
    let tenant = context.tenant()?;
    let Some(found) = Found::at_index(context, tenant, index)? else { return Ok(None) };
    let Body::AnomalyReport(body) = &found.record.body else { return Ok(None) };
    let notes: AnomalyNotes = context.kept(found.record.id)?.unwrap_or_default();
    let known = context.view(|view| ledger_state::anomaly(view, body.anomaly))?;
    let resolved = known.and_then(|known| known.resolved);
    let resolved = resolved.map_or(Ok(None), |index| Found::at_index(context, tenant, index))?;
    let mut end = None;
    if let Some(resolved) = &resolved {
        let kept: Option<ResolutionNotes> = context.kept(resolved.record.id)?;
        end = kept.or_else(|| match &resolved.record.body {
            Body::AnomalyResolve(body) => Some(ResolutionNotes {
                resolution: ResolutionWord::of_record(body.resolution),
                notes: String::new(),
                resolved_by: None,
            }),
            _ => None,
        });
    }
    let resolved_by = end.as_ref().and_then(|end| end.resolved_by.clone());
    Ok(Some(AnomalyView {
        at: LoggedAt::of(&found),
        id: body.anomaly.0.uuid(),
        anomaly_id: body.anomaly.to_string(),
        tenant_id: TenantId(tenant).to_string(),
        agent_id: body.agent.to_string(),
        anomaly_type: if notes.anomaly_type.is_empty() { body.kind.clone() } else { notes.anomaly_type },
        severity: body.severity.as_str(),
        description: notes.description,
        details: notes.evidence.clone(),
        evidence: notes.evidence,
        evidence_digest: body.evidence.map(|digest| digest.to_string()),
        salt: Some(notes.salt).filter(|salt| !salt.is_empty()),
        status: if resolved.is_some() { "resolved" } else { "open" },
        auto_response: auto_response(body.severity, matches!(found.record.actor, Actor::Agent(_))),
        respond_by: time_text(found.at.log_ms.saturating_add(answer_within_ms(body.severity))),
        reported_by: credential(&found),
        resolution: end.as_ref().map(|end| end.resolution),
        notes: end.map(|end| end.notes),
        resolved_by: resolved_by.or_else(|| resolved.as_ref().map(credential)),
        resolved_at: resolved.as_ref().map(|resolved| time_text(resolved.at.log_ms)),
        resolution_receipt_id: resolved.as_ref().map(|resolved| resolved.id().to_string()),
        resolution_log_index: resolved.as_ref().map(|resolved| resolved.at.index),
    }))
}
