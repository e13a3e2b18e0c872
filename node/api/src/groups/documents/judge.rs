//! A verdict over a document: `document.verdict`.

use ledger_format::record::{Body, ClaimResult, DocumentId, DocumentResult, DocumentVerdict, VerdictMethod};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{DocumentView, FoundDocument, document_view};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    groups::claims::{FoundClaim, VerdictNotes, verifier},
    wire::{ClaimRef, Fraction, Text, ToolRef},
};

/// A verdict over a document.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JudgeDocument {
    /// What was found; with `witness`, what the votes on the claim say.
    verdict: DocumentVerdictWord,
    verification_method: DocumentMethod,
    /// The verifier, with `external` and only then: a tool of the tenant.
    #[serde(default)]
    tool_id: Option<ToolRef>,
    /// With `witness`: the claim about the document that was voted on.
    #[serde(default)]
    claim_id: Option<ClaimRef>,
    /// What there is to add. Kept by the nodes, not in the log.
    #[serde(default)]
    notes: Option<Text<0, 4000>>,
    /// How sure they are, 0 to 1. Kept by the nodes, not in the log.
    #[serde(default)]
    confidence: Option<Fraction>,
}

impl BodyInput for JudgeDocument {}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum DocumentVerdictWord {
    /// It is what it claims to be.
    #[serde(alias = "valid")]
    Authentic,
    /// It is not.
    #[serde(alias = "invalid")]
    Forged,
    /// Nobody can tell.
    #[serde(alias = "suspicious")]
    Inconclusive,
}

/// How it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum DocumentMethod {
    /// By votes on a claim about it.
    Witness,
    /// By a person.
    Human,
    /// By a verifier that is registered as a tool.
    External,
}

pub(super) async fn judge(
    mut context: Context,
    _: NoQuery,
    body: JudgeDocument,
) -> Result<Reply<DocumentView>, ApiError> {
    let document: DocumentId = context.id("document_id")?;
    let found = FoundDocument::own(&context, document, "document_id").await?;
    let verdict = match body.verdict {
        DocumentVerdictWord::Authentic => DocumentResult::Valid,
        DocumentVerdictWord::Forged => DocumentResult::Invalid,
        DocumentVerdictWord::Inconclusive => DocumentResult::Inconclusive,
    };
    let method = match body.verification_method {
        DocumentMethod::Witness => VerdictMethod::Witness,
        DocumentMethod::Human => VerdictMethod::Human,
        DocumentMethod::External => VerdictMethod::External,
    };
    verifier(&context, method, body.tool_id)?;
    voted(&context, &found, method, body.claim_id, verdict)?;
    let notes = VerdictNotes {
        notes: body.notes.map(Text::into_string).filter(|text| !text.is_empty()),
        confidence: body.confidence.map(Fraction::get),
    };
    let on_behalf_of = context.on_behalf_of()?;
    let tool = body.tool_id.map(|tool| tool.0);
    let record = DocumentVerdict { document, method, on_behalf_of, tool, verdict };
    let id = context.new_id()?;
    let logged = context.record_noted(id, Body::DocumentVerdict(Box::new(record)), id, &notes).await?;
    let found = FoundDocument::own(&context, document, "document_id").await?;
    Ok(Reply::new(document_view(&context, &found)?.logged(&logged.receipt)).at(logged.index))
}

/// A verdict by votes must be what the votes say, on a claim that the document names.
fn voted(
    context: &Context,
    found: &FoundDocument,
    method: VerdictMethod,
    claim: Option<ClaimRef>,
    verdict: DocumentResult,
) -> Result<(), ApiError> {
    let claim = match (method, claim) {
        (VerdictMethod::Witness, Some(claim)) => claim,
        (VerdictMethod::Witness, None) => {
            return Err(ApiError::unprocessable("missing field `claim_id`")
                .field("claim_id")
                .fix("name the claim that was voted on"));
        }
        (_, Some(_)) => {
            return Err(ApiError::unprocessable("only votes are about a claim")
                .field("claim_id")
                .fix("leave it out"));
        }
        (_, None) => return Ok(()),
    };
    let claimed = FoundClaim::own(context, claim.0, "claim_id")?;
    if !found.notes.claims.contains(&claim.0.to_string()) {
        return Err(ApiError::unprocessable("the document does not name this claim").field("claim_id"));
    }
    let result = match (claimed.claim.result, claimed.claim.asked) {
        (Some(result), Some(_)) => result,
        _ => {
            return Err(ApiError::conflict("VOTES_OPEN", "the votes on the claim were not counted yet")
                .field("claim_id")
                .fix("wait for the votes"));
        }
    };
    let says = match result {
        ClaimResult::Confirmed => DocumentResult::Valid,
        ClaimResult::Rejected => DocumentResult::Invalid,
        ClaimResult::Inconclusive => DocumentResult::Inconclusive,
    };
    if says == verdict {
        return Ok(());
    }
    let message = format!("the votes say {}", says.as_str());
    Err(ApiError::conflict("RESULT_DIFFERS", message).field("verdict").fix("record what the votes say"))
}
