//! A check as callers see it.

use std::collections::BTreeMap;

use ledger_format::record::{Body, Finding, FindingStatus, Framework, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{logged_at::LoggedAt, receipts::Found},
    entity::{Entity, EntityType},
    scope::{regulation, scope_word},
};
use crate::{
    ApiError,
    compliance::{control, controls, verdict},
    endpoint::{Context, Listed, Logged},
};

/// What the nodes keep of a check: the record holds the findings.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct CheckNotes {
    pub(super) entity: Option<Entity>,
    pub(super) scope: Vec<String>,
    /// What each rule said, by the control's token.
    pub(super) told: BTreeMap<String, Told>,
    pub(super) records: u64,
    pub(super) truncated: bool,
    pub(super) tree_size: u64,
}

/// What a rule said.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) text: String,
    pub(super) count: u64,
}

/// What a rule has found about a control.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct ComplianceFinding {
    /// The control's word in the record, e.g. `cc6.1`.
    pub(super) finding_id: String,
    /// The control as auditors write it, e.g. `CC6.1`.
    pub(super) control: String,
    pub(super) title: String,
    /// What the rule asks of the log.
    pub(super) asks: String,
    /// `pass`, `fail` or `not_applicable`.
    pub(super) status: String,
    /// How bad it is when the rule fails: `low`, `medium`, `high` or `critical`.
    pub(super) severity: String,
    /// What was found, in a sentence.
    pub(super) description: String,
    /// Indices of entries that show it, ascending; the newest 32 if there are more.
    pub(super) evidence: Vec<u64>,
    /// How many there are in all.
    pub(super) evidence_count: u64,
    /// What to do; null unless the rule fails.
    pub(super) remedy: Option<String>,
}

/// How many controls have which status.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ComplianceCounts)]
pub(super) struct FindingCounts {
    /// Controls whose rule holds.
    pub(super) pass: u64,
    /// Controls whose rule fails.
    pub(super) fail: u64,
    /// Controls whose rule has nothing to be about.
    pub(super) not_applicable: u64,
}

/// How an entity stands against a framework.
#[derive(Serialize, ToSchema)]
pub(super) struct ComplianceVerdict {
    #[serde(flatten)]
    at: LoggedAt,
    id: String,
    check_id: String,
    tenant_id: String,
    /// `agent`, `model`, `dataset`, `workflow` or `tenant`.
    entity_type: &'static str,
    /// What was checked.
    entity_id: String,
    /// What people call it.
    entity_name: String,
    /// The agent whose records were looked at; null: all of the tenant's.
    agent_id: Option<String>,
    /// `SOC2`, `ISO27001`, `GDPR`, `HIPAA` or `EU_AI_ACT`.
    regulation: &'static str,
    /// The same in small letters.
    framework: &'static str,
    /// `full`, or the controls that were asked for.
    scope: String,
    /// `compliant`, `partial` (only rules of low or medium severity fail), `non_compliant` or `not_applicable`.
    status: &'static str,
    /// How many controls have which status.
    summary: FindingCounts,
    /// One for each control, in the framework's order.
    findings: Vec<ComplianceFinding>,
    /// Whether this is the result of an earlier, equal check.
    cached: bool,
    /// Entries of the log that it looked at.
    tree_size: u64,
    /// Records that it is about.
    records_examined: u64,
    /// Whether there were more records than a check looks at: the oldest were left out.
    truncated: bool,
}

impl Listed for ComplianceVerdict {
    const PLURAL: &'static str = "checks";
}

impl ComplianceVerdict {
    pub(super) fn cached(mut self, cached: bool) -> Self {
        self.cached = cached;
        self
    }

    pub(super) fn acked(mut self, logged: &Logged) -> Self {
        self.at = self.at.acked(logged);
        self
    }

    pub(super) fn is_against(&self, framework: Framework) -> bool {
        self.framework == framework.as_str()
    }

    pub(super) fn has_status(&self, status: &str) -> bool {
        self.status == status
    }
}

/// A finding of a record with what its control is called and what its rule said.
fn finding(framework: Framework, of: &Finding, told: Option<&Told>) -> ComplianceFinding {
    // A tenant that signs its own checks names any controls.
    let known = control(framework, &of.control);
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    ComplianceFinding {
        finding_id: of.control.clone(),
        control: known.map_or_else(|| of.control.clone(), |known| known.control.to_owned()),
        title: text(known.map(|known| known.title)),
        asks: text(known.map(|known| known.asks)),
        status: of.status.as_str().to_owned(),
        severity: known.map_or("medium", |known| known.severity.as_str()).to_owned(),
        description: text(told.map(|told| told.text.as_str())),
        evidence: of.evidence.clone(),
        evidence_count: told.map_or(of.evidence.len() as u64, |told| told.count),
        remedy: of.remedy.clone(),
    }
}

/// How many have which status, and the verdict over all.
pub(super) fn judged(framework: Framework, findings: &[Finding]) -> (FindingCounts, &'static str) {
    let mut counts = FindingCounts::default();
    for finding in findings {
        match finding.status {
            FindingStatus::Pass => counts.pass += 1,
            FindingStatus::Fail => counts.fail += 1,
            FindingStatus::NotApplicable => counts.not_applicable += 1,
        }
    }
    let severity = |word: &str| {
        control(framework, word).map_or(ledger_format::record::Severity::Medium, |known| known.severity)
    };
    let verdict = verdict(findings.iter().map(|finding| (severity(&finding.control), finding.status)));
    (counts, verdict.as_str())
}

/// The caller's check.
pub(super) fn check_view(context: &Context, found: &Found) -> Result<Option<ComplianceVerdict>, ApiError> {
    let Body::ComplianceCheck(body) = &found.record.body else { return Ok(None) };
    let notes: CheckNotes = context.kept(found.record.id)?.unwrap_or_default();
    let framework = body.framework;
    let entity = notes.entity.unwrap_or_else(|| match body.agent {
        Some(agent) => Entity { kind: EntityType::Agent, id: agent.to_string(), name: String::new() },
        None => {
            Entity { kind: EntityType::Tenant, id: TenantId(found.tenant).to_string(), name: String::new() }
        }
    });
    let scope: Vec<&str> = controls(framework)
        .iter()
        .map(|control| control.token)
        .filter(|token| notes.scope.iter().any(|wanted| wanted == token))
        .collect();
    let (summary, status) = judged(framework, &body.findings);
    let shown = body.findings.iter().map(|of| finding(framework, of, notes.told.get(&of.control)));
    Ok(Some(ComplianceVerdict {
        at: LoggedAt::of(found),
        id: body.check.0.uuid(),
        check_id: body.check.to_string(),
        tenant_id: TenantId(found.tenant).to_string(),
        entity_type: entity.kind.as_str(),
        entity_id: entity.id,
        entity_name: entity.name,
        agent_id: body.agent.map(|agent| agent.to_string()),
        regulation: regulation(framework),
        framework: framework.as_str(),
        scope: scope_word(framework, &scope),
        status,
        summary,
        findings: shown.collect(),
        cached: false,
        tree_size: notes.tree_size,
        records_examined: notes.records,
        truncated: notes.truncated,
    }))
}
