//! Claiming something: `claim.create`.

use ledger_format::record::{AgentId, Body, ClaimCreate, ClaimId, Digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::view::{ClaimNotes, ClaimView, FoundClaim, claim_view};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    groups::receipts::{hex, salted_digest},
    wire::{AgentRef, Fraction, LinkText, Metadata, Payload, Text},
};

/// Most pieces of evidence.
const EVIDENCE_MAX: usize = 16;

/// A claim to be made. At least `assertion` or `payload`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateClaim {
    /// Who claims it.
    agent_id: AgentRef,
    /// Of what kind it is: `identity`, `integrity`, `provenance`, `compliance`, `capability`, or another word.
    claim_type: Text<1, 64>,
    /// Whom or what it is about.
    #[serde(default)]
    subject: Option<Text<1, 256>>,
    /// What is claimed, in words.
    #[serde(default)]
    assertion: Option<Text<1, 2000>>,
    /// What is claimed, for programs.
    #[serde(default)]
    payload: Option<Payload>,
    /// Where evidence can be read.
    #[serde(default)]
    #[schema(max_items = 16)]
    evidence_urls: Option<Vec<LinkText>>,
    /// Evidence itself, or names of it.
    #[serde(default)]
    #[schema(max_items = 16)]
    evidence: Option<Vec<Text<1, 1024>>>,
    /// How sure the agent is, 0 to 1.
    #[serde(default)]
    confidence: Option<Fraction>,
    #[serde(default)]
    metadata: Option<Metadata>,
    /// Whether it concerns the tenant alone. If not, half of the votes that are needed come from other tenants.
    #[serde(default)]
    internal: bool,
}

impl BodyInput for CreateClaim {}

/// What a claim says: what its digest covers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::groups) struct ClaimSaid {
    pub(in crate::groups) claim_type: String,
    pub(in crate::groups) subject: Option<String>,
    pub(in crate::groups) assertion: Option<String>,
    pub(in crate::groups) payload: Option<Map<String, Value>>,
    pub(in crate::groups) evidence: Vec<String>,
    pub(in crate::groups) evidence_urls: Vec<String>,
    pub(in crate::groups) confidence: Option<f64>,
}

impl ClaimSaid {
    /// `SHA-256(salt || JSON)` of all of it.
    pub(in crate::groups) fn digest(&self, salt: &str) -> Digest {
        let map = match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        };
        digest(salt, &map)
    }

    /// The same of its subject alone.
    fn subject_digest(&self, salt: &str) -> Option<Digest> {
        let subject = self.subject.clone()?;
        Some(digest(salt, &Map::from_iter([("subject".to_owned(), Value::String(subject))])))
    }
}

fn digest(salt: &str, map: &Map<String, Value>) -> Digest {
    Digest::parse(&salted_digest(salt, map)).unwrap_or_else(|| Digest::sha256(&[]))
}

/// The record of a new claim, and what the nodes keep of it.
pub(in crate::groups) fn claim_record(
    context: &mut Context,
    agent: AgentId,
    internal: bool,
    said: ClaimSaid,
    metadata: Map<String, Value>,
) -> Result<(ClaimId, Body, ClaimNotes), ApiError> {
    let claim = ClaimId(context.new_id()?);
    let salt = hex(&context.draw("salt")?[..16]);
    let body = ClaimCreate {
        agent,
        claim,
        internal,
        on_behalf_of: context.on_behalf_of()?,
        statement: said.digest(&salt),
        subject: said.subject_digest(&salt),
    };
    Ok((claim, Body::ClaimCreate(Box::new(body)), ClaimNotes { salt, said, metadata, asked: None }))
}

pub(super) async fn create(
    mut context: Context,
    _: NoQuery,
    body: CreateClaim,
) -> Result<Reply<ClaimView>, ApiError> {
    let agent = body.agent_id.0;
    context.own_agent(agent, "agent_id")?;
    if body.assertion.is_none() && body.payload.is_none() {
        return Err(ApiError::unprocessable("missing field `assertion`")
            .field("assertion")
            .fix("say what is claimed, in words or as a payload"));
    }
    let too_many = |field: &str| {
        ApiError::unprocessable(format!("at most {EVIDENCE_MAX} pieces of evidence")).field(field)
    };
    let evidence = body.evidence.unwrap_or_default();
    let evidence_urls = body.evidence_urls.unwrap_or_default();
    if evidence.len() > EVIDENCE_MAX {
        return Err(too_many("evidence"));
    }
    if evidence_urls.len() > EVIDENCE_MAX {
        return Err(too_many("evidence_urls"));
    }
    let said = ClaimSaid {
        claim_type: body.claim_type.into_string(),
        subject: body.subject.map(Text::into_string),
        assertion: body.assertion.map(Text::into_string),
        payload: body.payload.map(|payload| payload.0),
        evidence: evidence.into_iter().map(Text::into_string).collect(),
        evidence_urls: evidence_urls.into_iter().map(LinkText::into_string).collect(),
        confidence: body.confidence.map(Fraction::get),
    };
    let metadata = body.metadata.unwrap_or_default().0;
    let (claim, record, notes) = claim_record(&mut context, agent, body.internal, said, metadata)?;
    let logged = context.record_noted(claim.0, record, claim.0, &notes).await?;
    let found = FoundClaim::own(&context, claim, "claim_id")?;
    Ok(Reply::new(claim_view(&context, &found)?.logged(&logged.receipt)).at(logged.index))
}
