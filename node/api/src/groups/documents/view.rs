//! A document as callers see it.

use ledger_format::record::{
    Body, ClaimId, DocumentId, DocumentResult, ReceiptId, Record, TenantId, VerdictMethod,
};
use ledger_log::TimelineRow;
use ledger_state::Document;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::attest::DocumentType;
use crate::{
    ApiError,
    endpoint::{Context, Listed, NoQuery, Paged, QueryInput, Reply},
    groups::claims::{FoundClaim, VerdictNotes},
    wire::{AgentRef, WriteReceipt, time_text},
};

/// What was said of a document that the log does not hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct DocumentNotes {
    #[serde(default)]
    pub(super) document_type: DocumentType,
    #[serde(default)]
    pub(super) file_name: Option<String>,
    #[serde(default)]
    pub(super) claims: Vec<String>,
    #[serde(default)]
    pub(super) metadata: Map<String, Value>,
    /// How long it was, if it was sent along.
    #[serde(default)]
    pub(super) bytes: Option<u64>,
}

/// A document of the caller's tenant.
pub(super) struct FoundDocument {
    pub(super) id: DocumentId,
    document: Document,
    log_ms: u64,
    record: Record,
    pub(super) notes: DocumentNotes,
}

impl FoundDocument {
    pub(super) async fn own(context: &Context, id: DocumentId, field: &str) -> Result<Self, ApiError> {
        let tenant = context.tenant()?;
        let known = context.view(|view| ledger_state::document(view, id))?;
        let document = known.filter(|document| document.tenant == tenant);
        let document = document.ok_or_else(|| ApiError::missing("document", field))?;
        if !context.reader.wait_timeline(document.index + 1, context.timeout).await {
            return Err(ApiError::too_late("the lists of this node are not up to date yet"));
        }
        let made = context.reader.made_by(id.0).map_err(ApiError::internal)?;
        let index = made.ok_or_else(|| ApiError::internal("a document that no record made"))?.0;
        Self::at(context, id, document, index)
    }

    fn at(context: &Context, id: DocumentId, document: Document, index: u64) -> Result<Self, ApiError> {
        let entry = context.entry(index)?;
        let (log_ms, record) = entry.ok_or_else(|| ApiError::internal("an applied entry is not there"))?;
        let notes = context.kept(id.0)?.unwrap_or_default();
        Ok(Self { id, document, log_ms, record, notes })
    }

    fn status(&self) -> DocumentStatus {
        match self.document.verdict {
            None => DocumentStatus::Processing,
            Some(DocumentResult::Valid) => DocumentStatus::Verified,
            Some(DocumentResult::Invalid) => DocumentStatus::Rejected,
            Some(DocumentResult::Inconclusive) => DocumentStatus::Disputed,
        }
    }
}

/// What state a document can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum DocumentStatus {
    /// Nobody has judged it.
    Processing,
    /// It is what it claims to be, according to whoever judged it.
    Verified,
    /// Whoever judged it could not tell.
    Disputed,
    /// It is not.
    Rejected,
}

/// A document.
#[derive(Serialize, ToSchema)]
pub(super) struct DocumentView {
    id: String,
    document_id: String,
    /// The same as `document_id`, where older clients look for it.
    verification_id: String,
    tenant_id: String,
    agent_id: String,
    document_type: DocumentType,
    /// What the file is called.
    file_name: Option<String>,
    /// Its media type, as it stands in the log.
    media_type: Option<String>,
    /// Digest of the document, as it stands in the log.
    document_hash: String,
    /// How long it was, if it was sent along.
    bytes: Option<u64>,
    status: DocumentStatus,
    /// The newest verdict: `authentic`, `forged` or `inconclusive`; `inconclusive` until there is one.
    verdict: &'static str,
    /// The same, if a registered verifier has judged it; `inconclusive` until one has. The nodes have no model of their own.
    ai_verdict: &'static str,
    /// How sure the verifier is, 0 to 1.
    ai_confidence: Option<f64>,
    /// The same, if a person has judged it.
    human_verdict: Option<&'static str>,
    /// The newest verdict, in a list.
    results: Vec<DocumentVerdictView>,
    /// The same, where older clients look for it.
    verifications: Vec<DocumentVerdictView>,
    /// The claims about it, with what became of them.
    claims: Vec<DocumentClaim>,
    /// Their ids.
    claim_ids: Vec<String>,
    /// The first of them.
    truth_claim_id: Option<String>,
    /// The records about it, oldest first.
    receipt_ids: Vec<String>,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// The newest record about it.
    receipt_id: String,
    log_index: u64,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<&'static str>,
}

/// A verdict over a document.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct DocumentVerdictView {
    /// `authentic`, `forged` or `inconclusive`.
    verdict: &'static str,
    /// `witness`, `human` or `external`.
    method: &'static str,
    /// The verifier, with `external`.
    tool_id: Option<String>,
    /// The credential that stated it, if it was not signed by its owner.
    decided_by: Option<String>,
    /// What whoever judged has added.
    notes: Option<String>,
    /// How sure they are, 0 to 1.
    confidence: Option<f64>,
    receipt_id: String,
    log_index: u64,
    created_at: String,
}

/// A claim about a document.
#[derive(Serialize, ToSchema)]
pub(super) struct DocumentClaim {
    claim_id: String,
    /// `confirmed`, `rejected` or `inconclusive`; null until it is decided.
    result: Option<&'static str>,
}

impl Listed for DocumentView {
    const PLURAL: &'static str = "documents";
}

impl DocumentView {
    /// With the answer of a write.
    pub(super) fn logged(mut self, receipt: &WriteReceipt) -> Self {
        self.leaf_hash = Some(receipt.leaf_hash.clone());
        self.ack = Some(receipt.ack);
        self
    }
}

fn word(verdict: DocumentResult) -> &'static str {
    match verdict {
        DocumentResult::Valid => "authentic",
        DocumentResult::Invalid => "forged",
        DocumentResult::Inconclusive => "inconclusive",
    }
}

fn verdict(context: &Context, found: &FoundDocument) -> Result<Option<DocumentVerdictView>, ApiError> {
    let entry = context.entry(found.document.index)?;
    let Some((log_ms, record)) = entry else { return Ok(None) };
    let Body::DocumentVerdict(body) = &record.body else { return Ok(None) };
    let notes: VerdictNotes = context.kept(record.id)?.unwrap_or_default();
    Ok(Some(DocumentVerdictView {
        verdict: word(body.verdict),
        method: body.method.as_str(),
        tool_id: body.tool.map(|tool| tool.to_string()),
        decided_by: body.on_behalf_of.clone(),
        notes: notes.notes,
        confidence: notes.confidence,
        receipt_id: ReceiptId(record.id).to_string(),
        log_index: found.document.index,
        created_at: time_text(log_ms),
    }))
}

pub(super) fn document_view(context: &Context, found: &FoundDocument) -> Result<DocumentView, ApiError> {
    let newest = verdict(context, found)?;
    let by = |method: VerdictMethod| newest.as_ref().filter(|newest| newest.method == method.as_str());
    let created_at = time_text(found.log_ms);
    let attested = ReceiptId(found.record.id).to_string();
    let (media_type, document_hash) = match &found.record.body {
        Body::DocumentAttest(body) => (body.media_type.clone(), body.digest.to_string()),
        _ => (None, String::new()),
    };
    let mut claims = Vec::with_capacity(found.notes.claims.len());
    for text in &found.notes.claims {
        let claim = ClaimId::parse_any(text).map(|id| FoundClaim::of(context, id)).transpose()?.flatten();
        let result = claim.and_then(|claim| claim.claim.result).map(|result| result.as_str());
        claims.push(DocumentClaim { claim_id: text.clone(), result });
    }
    let receipt_id = newest.as_ref().map_or_else(|| attested.clone(), |newest| newest.receipt_id.clone());
    let results: Vec<_> = newest.iter().cloned().collect();
    Ok(DocumentView {
        id: found.id.0.uuid(),
        document_id: found.id.to_string(),
        verification_id: found.id.to_string(),
        tenant_id: TenantId(found.document.tenant).to_string(),
        agent_id: found.document.agent.to_string(),
        document_type: found.notes.document_type,
        file_name: found.notes.file_name.clone(),
        media_type,
        document_hash,
        bytes: found.notes.bytes,
        status: found.status(),
        verdict: found.document.verdict.map_or("inconclusive", word),
        ai_verdict: by(VerdictMethod::External).map_or("inconclusive", |newest| newest.verdict),
        ai_confidence: by(VerdictMethod::External).and_then(|newest| newest.confidence),
        human_verdict: by(VerdictMethod::Human).map(|newest| newest.verdict),
        verifications: results.clone(),
        results,
        claims,
        claim_ids: found.notes.claims.clone(),
        truth_claim_id: found.notes.claims.first().cloned(),
        receipt_ids: std::iter::once(attested)
            .chain(newest.iter().map(|newest| newest.receipt_id.clone()))
            .collect(),
        metadata: found.notes.metadata.clone(),
        receipt_id,
        log_index: found.document.index,
        updated_at: newest.map_or_else(|| created_at.clone(), |newest| newest.created_at),
        created_at,
        leaf_hash: None,
        ack: None,
    })
}

/// Which documents.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListDocuments {
    /// Only of this agent.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// Only in this state.
    #[serde(default)]
    status: Option<DocumentStatus>,
}

impl QueryInput for ListDocuments {}

pub(super) async fn list(
    context: Context,
    query: ListDocuments,
) -> Result<Reply<Paged<DocumentView>>, ApiError> {
    let agent = query.agent_id.map(|id| id.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let shown = |context: &Context, row: &TimelineRow| {
        let Some(found) = of_row(context, row)? else { return Ok(None) };
        match query.status {
            Some(wanted) if wanted != found.status() => Ok(None),
            _ => document_view(context, &found).map(Some),
        }
    };
    Ok(Reply::new(context.list(&["document.attest"], agent, query.status.is_some(), shown).await?))
}

fn of_row(context: &Context, row: &TimelineRow) -> Result<Option<FoundDocument>, ApiError> {
    let Some((_, Record { body: Body::DocumentAttest(body), .. })) = context.entry(row.index)? else {
        return Ok(None);
    };
    let document = context.view(|view| ledger_state::document(view, body.document))?;
    document.map(|document| FoundDocument::at(context, body.document, document, row.index)).transpose()
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<DocumentView>, ApiError> {
    let found = FoundDocument::own(&context, context.id("document_id")?, "document_id").await?;
    let view = document_view(&context, &found)?;
    Ok(Reply::new(view).at(found.document.index))
}
