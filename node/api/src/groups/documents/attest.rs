//! An agent vouches for a document: `document.attest`.

use ledger_format::record::{Body, ClaimId, Digest, DocumentAttest, DocumentId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::{DocumentNotes, DocumentView, FoundDocument, document_view};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    groups::claims::FoundClaim,
    wire::{AgentRef, Base64Text, ClaimRef, DigestText, Metadata, Text},
};

/// Largest document that is sent along.
const CONTENT_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Largest body: such a document in base64, and what is said of it.
pub(super) const BODY_BYTES_MAX: usize = CONTENT_BYTES_MAX / 3 * 4 + 64 * 1024;
/// Most claims about a document.
const CLAIMS_MAX: usize = 16;

/// A document to be verified. At least `document_hash` or `content`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyDocument {
    /// Who vouches for it.
    agent_id: AgentRef,
    /// `other` when left out.
    #[serde(default)]
    document_type: Option<DocumentType>,
    /// Kept by the nodes, not in the log.
    #[serde(default)]
    file_name: Option<Text<1, 256>>,
    /// Its media type, such as `application/pdf`.
    #[serde(default)]
    media_type: Option<Text<1, 128>>,
    /// Digest of the document.
    #[serde(default)]
    document_hash: Option<DigestText>,
    /// The document, base64, at most 6 MiB: it is hashed and not kept.
    #[serde(default, alias = "document_content", alias = "content_base64")]
    content: Option<Base64Text>,
    /// Claims of the tenant about it.
    #[serde(default)]
    #[schema(max_items = 16)]
    claim_ids: Option<Vec<ClaimRef>>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

impl BodyInput for VerifyDocument {}

/// What kind of document it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum DocumentType {
    Contract,
    Invoice,
    Certificate,
    Report,
    Identity,
    #[default]
    Other,
}

pub(super) async fn attest(
    mut context: Context,
    _: NoQuery,
    body: VerifyDocument,
) -> Result<Reply<DocumentView>, ApiError> {
    let agent = body.agent_id.0;
    context.own_agent(agent, "agent_id")?;
    let digest = digest(body.document_hash.as_ref(), body.content.as_ref())?;
    let claims = claims(&context, body.claim_ids.unwrap_or_default())?;
    let document = DocumentId(context.new_id()?);
    let media_type = body.media_type.map(Text::into_string);
    if media_type.as_ref().is_some_and(|text| text.len() > 128 || text.chars().any(char::is_control)) {
        return Err(ApiError::unprocessable("is no media type").field("media_type"));
    }
    let record =
        DocumentAttest { agent, digest, document, media_type, on_behalf_of: context.on_behalf_of()? };
    let notes = DocumentNotes {
        document_type: body.document_type.unwrap_or_default(),
        file_name: body.file_name.map(Text::into_string),
        claims: claims.iter().map(ToString::to_string).collect(),
        metadata: body.metadata.unwrap_or_default().0,
        bytes: body.content.map(|content| content.0.len() as u64),
    };
    let record = Body::DocumentAttest(Box::new(record));
    let logged = context.record_noted(document.0, record, document.0, &notes).await?;
    let found = FoundDocument::own(&context, document, "document_id").await?;
    Ok(Reply::new(document_view(&context, &found)?.logged(&logged.receipt)).at(logged.index))
}

/// The digest that the caller states, and that of what it sends: they must be the same.
fn digest(stated: Option<&DigestText>, content: Option<&Base64Text>) -> Result<Digest, ApiError> {
    let stated = stated.and_then(|hash| hash.digest);
    let Some(Base64Text(content)) = content else {
        return stated.ok_or_else(|| {
            ApiError::unprocessable("missing field `document_hash`")
                .field("document_hash")
                .fix("send the digest of the document, or the document itself in content")
        });
    };
    if content.is_empty() || content.len() > CONTENT_BYTES_MAX {
        return Err(ApiError::unprocessable(format!("1 to {CONTENT_BYTES_MAX} bytes"))
            .field("content")
            .fix("of a larger document send document_hash alone"));
    }
    let Some(stated) = stated else { return Ok(Digest::sha256(content)) };
    let (own, other) = (Digest::sha256(content), Digest::blake3(content));
    if stated == own || stated == other {
        return Ok(stated);
    }
    Err(ApiError::unprocessable(format!("the content has the digest {own}")).field("document_hash"))
}

fn claims(context: &Context, ids: Vec<ClaimRef>) -> Result<Vec<ClaimId>, ApiError> {
    if ids.len() > CLAIMS_MAX {
        return Err(ApiError::unprocessable(format!("at most {CLAIMS_MAX} claims")).field("claim_ids"));
    }
    let own = |(at, id): (usize, ClaimRef)| {
        FoundClaim::own(context, id.0, &format!("claim_ids[{at}]")).map(|found| found.id)
    };
    ids.into_iter().enumerate().map(own).collect()
}
