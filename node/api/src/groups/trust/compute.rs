//! A score on record: `trust.compute`.

use ledger_format::record::{Body, TrustCompute};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    history::recent,
    score::{Moment, TrustScore, TrustScoreList, TrustScoreParts},
};
use crate::{
    ApiError,
    account::quota,
    endpoint::{BodyInput, Context, Logged, NoQuery, Reply},
    wire::{AgentRef, Text},
};

/// What to show of the score. Older clients send no body at all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ComputeTrust {
    /// The agent in the path, if it is named again.
    #[serde(default, alias = "agentId")]
    agent_id: Option<AgentRef>,
    /// Whether the answer has the `history` of the last 30 days; not when left out.
    #[serde(default, alias = "includeHistory")]
    include_history: bool,
    /// Whether the answer has the factors; it always has.
    #[serde(default, alias = "includeFactors")]
    #[expect(dead_code, reason = "older clients send it")]
    include_factors: Option<bool>,
    /// In a list of factors, only those of these names.
    #[serde(default)]
    #[schema(max_items = 16)]
    factors: Option<Vec<Text<1, 64>>>,
}

impl BodyInput for ComputeTrust {
    const REQUIRED: bool = false;
}

/// Most names of factors.
const FACTORS_MAX: usize = 16;

pub(super) async fn by_name(
    mut context: Context,
    _: NoQuery,
    body: ComputeTrust,
) -> Result<Reply<TrustScore>, ApiError> {
    let (moment, logged) = compute(&mut context, &body).await?;
    let mut score = moment.by_name(context.id("agent_id")?);
    complete(&context, &mut score.shared, &logged, &body)?;
    Ok(Reply::new(score).at(logged.index))
}

pub(super) async fn as_list(
    mut context: Context,
    _: NoQuery,
    body: ComputeTrust,
) -> Result<Reply<TrustScoreList>, ApiError> {
    let (moment, logged) = compute(&mut context, &body).await?;
    let mut score = moment.as_list(context.id("agent_id")?);
    if let Some(wanted) = &body.factors {
        score.factors.retain(|factor| wanted.iter().any(|name| name.as_str() == factor.name));
    }
    complete(&context, &mut score.shared, &logged, &body)?;
    Ok(Reply::new(score).at(logged.index))
}

async fn compute(context: &mut Context, body: &ComputeTrust) -> Result<(Moment, Logged), ApiError> {
    let agent = context.id("agent_id")?;
    context.own_agent(agent, "agent_id")?;
    if body.agent_id.is_some_and(|named| named.0 != agent) {
        return Err(ApiError::unprocessable("is not the agent in the path").field("agent_id"));
    }
    if body.factors.as_ref().is_some_and(|names| names.len() > FACTORS_MAX) {
        return Err(ApiError::unprocessable(format!("at most {FACTORS_MAX} names")).field("factors"));
    }
    quota::trust_computes(context)?;
    let on_behalf_of = context.on_behalf_of()?;
    let logged = context.record(Body::TrustCompute(Box::new(TrustCompute { agent, on_behalf_of }))).await?;
    let moment = match Moment::at(context, agent, logged.index) {
        // Another entry of the same hour came between: the newest score is the one that is told.
        Err(error) if error.field == "as_of" => Moment::now(context, agent)?,
        other => other?,
    };
    Ok((moment, logged))
}

fn complete(
    context: &Context,
    shared: &mut TrustScoreParts,
    logged: &Logged,
    body: &ComputeTrust,
) -> Result<(), ApiError> {
    shared.written = logged.receipt.clone().into();
    if body.include_history {
        shared.history = Some(recent(context, context.id("agent_id")?)?);
    }
    Ok(())
}
