//! The report itself: what an auditor is given, with every entry that it cites. The log holds its digest.

use std::collections::{BTreeMap, BTreeSet};

use ledger_format::record::{Digest, FindingStatus, Framework};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::receipts::{Found, hex},
    check_view::{ComplianceFinding, FindingCounts},
    entity::Entity,
    gather::{Period, witnesses},
    scope::{regulation, scope_word},
};
use crate::{
    ApiError,
    compliance::{Summary, control, evaluate, framework_title, verdict},
    endpoint::Context,
    wire::time_text,
};

/// Names the form of the document.
const FORMAT: &str = "maip-compliance-report/1";
/// A log publishes about once a second.
const PUBLISHED_AFTER_S: u32 = 1;

/// A report.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ComplianceReportDocument)]
pub(super) struct Document {
    /// `maip-compliance-report/1`.
    format: String,
    pub(super) report_id: String,
    pub(super) tenant_id: String,
    /// What people call the tenant.
    pub(super) tenant_name: String,
    pub(super) environment: String,
    /// `agent`, `model`, `dataset`, `workflow` or `tenant`.
    pub(super) entity_type: String,
    /// What it is about.
    pub(super) entity_id: String,
    /// What people call that.
    pub(super) entity_name: String,
    /// `SOC2`, `ISO27001`, `GDPR`, `HIPAA` or `EU_AI_ACT`.
    pub(super) regulation: String,
    /// What people call the framework.
    pub(super) title: String,
    /// `full`, or the controls that were asked for.
    pub(super) scope: String,
    pub(super) period_start: String,
    pub(super) period_end: String,
    pub(super) generated_at: String,
    /// Who asked for it.
    pub(super) generated_by: String,
    /// `compliant`, `partial` (only rules of low or medium severity fail), `non_compliant` or `not_applicable`.
    pub(super) status: String,
    /// How many controls have which status.
    pub(super) counts: FindingCounts,
    /// How many records of each kind the period has.
    pub(super) activity: BTreeMap<String, u64>,
    /// Whether there were more records than a report looks at: the oldest were left out.
    pub(super) truncated: bool,
    /// One for each control, in the framework's order.
    pub(super) findings: Vec<ComplianceFinding>,
    /// Every entry that a finding cites, in the order of the log.
    pub(super) entries: Vec<CitedEntry>,
    /// The log that holds them.
    pub(super) log: CitedLog,
}

/// An entry that a finding cites.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ComplianceEntry)]
pub(super) struct CitedEntry {
    pub(super) log_index: u64,
    pub(super) leaf_hash: String,
    pub(super) receipt_id: String,
    pub(super) record_type: String,
    /// The log's time of the entry.
    pub(super) log_time: String,
    /// `operator`, `tenant` or `agent`.
    pub(super) signed_by: String,
    /// The credential that the operator signed for.
    pub(super) on_behalf_of: Option<String>,
    pub(super) agent_id: Option<String>,
    /// What the log noticed.
    pub(super) flags: Vec<String>,
    /// Path of its proof file, on any node, with a credential of the tenant.
    pub(super) proof_url: String,
}

/// The log as a report cites it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ComplianceLog)]
pub(super) struct CitedLog {
    pub(super) origin: String,
    pub(super) vkey: String,
    /// Entries under the checkpoint.
    pub(super) tree_size: u64,
    /// A checkpoint that covers every cited entry, with its signatures.
    pub(super) checkpoint: String,
    /// Who has cosigned it, by name.
    pub(super) witnesses: Vec<String>,
}

/// What a report is asked for.
pub(super) struct Question {
    pub(super) report_id: String,
    pub(super) entity: Entity,
    pub(super) framework: Framework,
    pub(super) tokens: Vec<&'static str>,
    pub(super) period: Period,
    pub(super) generated_by: String,
}

impl Document {
    /// SHA-256 of the document as JSON with sorted keys and without spaces.
    pub(super) fn digest(&self) -> Result<Digest, ApiError> {
        let sorted = serde_json::to_value(self).map_err(ApiError::internal)?;
        Ok(Digest::sha256(&serde_json::to_vec(&sorted).map_err(ApiError::internal)?))
    }

    /// The entry that a finding cites.
    pub(super) fn entry(&self, index: u64) -> Option<&CitedEntry> {
        let at = self.entries.binary_search_by_key(&index, |entry| entry.log_index).ok()?;
        self.entries.get(at)
    }
}

/// Answers a question from a summary; waits for a checkpoint that covers what it cites.
pub(super) async fn document(
    context: &Context,
    question: Question,
    summary: &Summary,
) -> Result<Document, ApiError> {
    let framework = question.framework;
    let found = evaluate(framework, &question.tokens, summary);
    let mut counts = FindingCounts::default();
    let mut judged = Vec::new();
    let mut findings = Vec::new();
    for found in found {
        let Some(control) = control(framework, found.token) else { continue };
        let outcome = found.outcome;
        match outcome.status {
            FindingStatus::Pass => counts.pass += 1,
            FindingStatus::Fail => counts.fail += 1,
            FindingStatus::NotApplicable => counts.not_applicable += 1,
        }
        judged.push((control.severity, outcome.status));
        findings.push(ComplianceFinding {
            finding_id: control.token.to_owned(),
            control: control.control.to_owned(),
            title: control.title.to_owned(),
            asks: control.asks.to_owned(),
            status: outcome.status.as_str().to_owned(),
            severity: control.severity.as_str().to_owned(),
            description: outcome.text,
            evidence: outcome.evidence,
            evidence_count: outcome.count,
            remedy: (outcome.status == FindingStatus::Fail).then(|| control.remedy.to_owned()),
        });
    }
    let cited: BTreeSet<u64> = findings.iter().flat_map(|finding| finding.evidence.iter().copied()).collect();
    let log = log(context, cited.last().map_or(0, |last| last + 1)).await?;
    let entries = cited.into_iter().map(|index| cited_entry(context, index));
    let tenant = context.tenant()?;
    let name = context.view(|view| ledger_state::tenant(view, tenant))?.map(|tenant| tenant.name);
    Ok(Document {
        format: FORMAT.to_owned(),
        report_id: question.report_id,
        tenant_id: super::check::tenant_id(context)?,
        tenant_name: name.unwrap_or_default(),
        environment: context.caller()?.environment.word().to_owned(),
        entity_type: question.entity.kind.as_str().to_owned(),
        entity_id: question.entity.id,
        entity_name: question.entity.name,
        regulation: regulation(framework).to_owned(),
        title: framework_title(framework).to_owned(),
        scope: scope_word(framework, &question.tokens),
        period_start: time_text(question.period.from_ms),
        period_end: time_text(question.period.to_ms),
        generated_at: time_text(context.now_ms),
        generated_by: question.generated_by,
        status: verdict(judged.into_iter()).as_str().to_owned(),
        counts,
        activity: activity(summary),
        truncated: summary.truncated,
        findings,
        entries: entries.collect::<Result<_, ApiError>>()?,
        log,
    })
}

async fn log(context: &Context, size: u64) -> Result<CitedLog, ApiError> {
    let published = context.reader.wait_published(size.max(1), context.timeout).await.ok_or_else(|| {
        let message = format!("no published checkpoint covers {size} entries yet");
        ApiError::not_yet("NOT_PUBLISHED", message, PUBLISHED_AFTER_S)
    })?;
    Ok(CitedLog {
        origin: context.log.origin().to_owned(),
        vkey: context.log.vkey().to_string(),
        tree_size: published.checkpoint.size,
        checkpoint: String::from_utf8_lossy(&published.note).into_owned(),
        witnesses: witnesses(&published),
    })
}

fn cited_entry(context: &Context, index: u64) -> Result<CitedEntry, ApiError> {
    let found = Found::at_index(context, context.tenant()?, index)?;
    let found = found.ok_or_else(|| ApiError::internal("a cited entry is not the tenant's"))?;
    let receipt_id = found.id().to_string();
    Ok(CitedEntry {
        log_index: index,
        leaf_hash: hex(&found.at.leaf.0),
        record_type: found.record.type_name().to_owned(),
        log_time: time_text(found.at.log_ms),
        signed_by: found.signed_by().to_owned(),
        on_behalf_of: found.record.body.on_behalf_of().map(str::to_owned),
        agent_id: found.record.body.agent().map(|agent| agent.to_string()),
        flags: found.flags.names().map(str::to_owned).collect(),
        proof_url: format!("/v1/receipts/{receipt_id}/proof"),
        receipt_id,
    })
}

/// How many there are of each kind.
fn activity(summary: &Summary) -> BTreeMap<String, u64> {
    let open = summary.anomalies.iter().filter(|anomaly| anomaly.resolved.is_none()).count() as u64;
    let flagged = summary.outside.count + summary.after_end.count + summary.unapproved.count;
    [
        ("records", summary.records),
        ("agents", summary.agents.len() as u64),
        ("active_agents", summary.agents.iter().filter(|agent| agent.active).count() as u64),
        ("actions", summary.actions.count),
        ("actions_signed_by_agents", summary.by_agents.count),
        ("flags_on_actions", flagged),
        ("decisions", summary.decisions.count),
        ("decisions_denied", summary.denied.count),
        ("approvals", summary.approvals.count),
        ("sessions", summary.sessions.count),
        ("anomalies", summary.anomalies.len() as u64),
        ("anomalies_open", open),
        ("suspensions_and_revocations", summary.stopped.count),
        ("key_changes", summary.key_changes.count),
        ("data_sets", summary.datasets.count),
        ("models", summary.models.count),
        ("erasures", summary.erasures.count),
    ]
    .into_iter()
    .map(|(name, count)| (name.to_owned(), count))
    .collect()
}
