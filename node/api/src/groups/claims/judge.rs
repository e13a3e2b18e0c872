//! What becomes of a claim: the votes are counted, or somebody competent says it.

use ledger_format::record::{Body, ClaimId, ClaimResolve, ClaimResult, VerdictMethod};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{ClaimView, FoundClaim, VerdictNotes, claim_view};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Logged, NoQuery, Reply},
    wire::{Fraction, Text, ToolRef},
};

/// How often the votes are counted anew when others come in between.
const COUNTS_MAX: usize = 3;

/// A verdict over a claim.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JudgeClaim {
    /// What was found.
    result: ClaimResultWord,
    /// Who has found it: a person or a verifier.
    verification_method: ClaimJudge,
    /// The verifier, with `external` and only then: a tool of the tenant.
    #[serde(default)]
    tool_id: Option<ToolRef>,
    /// What there is to add. Kept by the nodes, not in the log.
    #[serde(default)]
    notes: Option<Text<0, 4000>>,
    /// How sure they are, 0 to 1. Kept by the nodes, not in the log.
    #[serde(default)]
    confidence: Option<Fraction>,
}

impl BodyInput for JudgeClaim {}

/// What was found.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ClaimResultWord {
    /// It holds.
    Confirmed,
    /// It does not.
    Rejected,
    /// Nobody can tell.
    Inconclusive,
}

/// Who judges, where no votes do.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ClaimJudge {
    /// A person.
    Human,
    /// A verifier that is registered as a tool.
    External,
}

impl From<ClaimJudge> for VerdictMethod {
    fn from(word: ClaimJudge) -> Self {
        match word {
            ClaimJudge::Human => Self::Human,
            ClaimJudge::External => Self::External,
        }
    }
}

/// Refuses a verifier that is not the tenant's, and one where a person judges.
pub(in crate::groups) fn verifier(
    context: &Context,
    method: VerdictMethod,
    tool: Option<ToolRef>,
) -> Result<(), ApiError> {
    match (method, tool) {
        (VerdictMethod::External, None) => Err(ApiError::unprocessable("missing field `tool_id`")
            .field("tool_id")
            .fix("name the verifier: a tool of the tenant")),
        (VerdictMethod::External, Some(tool)) => {
            let tenant = context.tenant()?;
            let known = context.view(|view| ledger_state::tool(view, tool.0))?;
            match known.filter(|known| known.tenant == tenant) {
                Some(_) => Ok(()),
                None => Err(ApiError::missing("tool", "tool_id")),
            }
        }
        (_, Some(_)) => {
            Err(ApiError::unprocessable("only a verifier is a tool").field("tool_id").fix("leave it out"))
        }
        (_, None) => Ok(()),
    }
}

/// Refuses a claim of which it is known already whether it holds.
pub(in crate::groups) fn undecided(found: &FoundClaim) -> Result<(), ApiError> {
    match found.claim.result {
        None => Ok(()),
        Some(result) => {
            let message = format!("it is decided already: {}", result.as_str());
            Err(ApiError::conflict("CLAIM_RESOLVED", message).field("claim_id").fix("make a new claim"))
        }
    }
}

/// Refuses a verdict where votes were asked for.
pub(in crate::groups) fn without_votes(found: &FoundClaim) -> Result<(), ApiError> {
    if found.claim.asked.is_none() {
        return Ok(());
    }
    let message = "agents were asked for votes, and the votes decide";
    Err(ApiError::conflict("VOTES_DECIDE", message)
        .field("claim_id")
        .fix("wait for the votes, or make a new claim"))
}

pub(super) async fn judge(
    mut context: Context,
    _: NoQuery,
    body: JudgeClaim,
) -> Result<Reply<ClaimView>, ApiError> {
    let claim: ClaimId = context.id("claim_id")?;
    let found = FoundClaim::own(&context, claim, "claim_id")?;
    undecided(&found)?;
    without_votes(&found)?;
    let method = VerdictMethod::from(body.verification_method);
    verifier(&context, method, body.tool_id)?;
    let asked = found.notes.asked.as_ref().and_then(|asked| asked.tool.as_deref());
    if let (Some(asked), Some(tool)) = (asked, body.tool_id)
        && asked != tool.0.to_string()
    {
        let message = format!("{asked} was asked");
        return Err(ApiError::unprocessable(message)
            .field("tool_id")
            .fix("let it judge, or ask another one"));
    }
    let result = match body.result {
        ClaimResultWord::Confirmed => ClaimResult::Confirmed,
        ClaimResultWord::Rejected => ClaimResult::Rejected,
        ClaimResultWord::Inconclusive => ClaimResult::Inconclusive,
    };
    let notes = VerdictNotes {
        notes: body.notes.map(Text::into_string).filter(|text| !text.is_empty()),
        confidence: body.confidence.map(Fraction::get),
    };
    let on_behalf_of = context.on_behalf_of()?;
    let tool = body.tool_id.map(|tool| tool.0);
    let record = ClaimResolve { claim, method: Some(method), on_behalf_of, result, tool };
    let id = context.new_id()?;
    let logged = context.record_noted(id, Body::ClaimResolve(Box::new(record)), id, &notes).await?;
    let found = FoundClaim::own(&context, claim, "claim_id")?;
    Ok(Reply::new(claim_view(&context, &found)?.logged(&logged.receipt)).at(logged.index))
}

/// Logs what the votes on a claim say, once there are enough; nothing is logged before, or when somebody else was faster.
///
/// The operator signs for the credential that asked for the votes: whoever casts the last one only makes the result known.
pub(in crate::groups) async fn count_votes(
    context: &mut Context,
    claim: ClaimId,
) -> Result<Option<Logged>, ApiError> {
    for _ in 0..COUNTS_MAX {
        let Some(found) = FoundClaim::of(context, claim)? else { return Ok(None) };
        if found.claim.result.is_some() || !found.has_quorum() {
            return Ok(None);
        }
        let Some(on_behalf_of) = asker(context, &found)? else { return Ok(None) };
        let result = found.claim.outcome();
        let on_behalf_of = Some(on_behalf_of);
        let record = ClaimResolve { claim, method: None, on_behalf_of, result, tool: None };
        let body = (context.new_id()?, Body::ClaimResolve(Box::new(record)));
        match context.records_of(found.claim.tenant, vec![body]).await {
            Ok(logged) => return Ok(logged.into_iter().next()),
            Err(error) if error.code == "CLAIM_RESOLVED" => return Ok(None),
            // Another vote came in between.
            Err(error) if error.code == "RESULT_DIFFERS" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The credential that asked for votes; where the tenant signed the request itself, the caller's own if it is the same tenant.
fn asker(context: &Context, found: &FoundClaim) -> Result<Option<String>, ApiError> {
    let request = match found.claim.request {
        Some(index) => context.entry(index)?,
        None => None,
    };
    let asked = request.and_then(|(_, record)| record.body.on_behalf_of().map(str::to_owned));
    let own = context.tenant()? == found.claim.tenant;
    Ok(asked.or(if own { context.on_behalf_of()? } else { None }))
}
