//! At which scores something happens to a tenant's agents.

use ledger_format::record::{Body, TenantUpdate, TrustThresholds};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::factors::percent;
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::WrittenAt,
};

/// A score from 0 to 100, in steps of a hundredth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ScoreBound(u64);

impl<'de> Deserialize<'de> for ScoreBound {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let score = f64::deserialize(deserializer)?;
        let in_range = (0.0..=100.0).contains(&score);
        // Rounded to basis points: what a record holds.
        in_range
            .then(|| Self((score * 100.0).round() as u64))
            .ok_or_else(|| serde::de::Error::custom("is not a score from 0 to 100"))
    }
}

impl utoipa::PartialSchema for ScoreBound {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};

        let score = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0.0)).maximum(Some(100.0));
        score.description(Some("A score from 0 to 100, rounded to hundredths.")).into()
    }
}

impl ToSchema for ScoreBound {
    fn name() -> std::borrow::Cow<'static, str> {
        "ScoreBound".into()
    }
}

/// The scores at which something happens; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetTrustThresholds {
    /// Below it the entry is flagged `trust_alert`.
    #[serde(default)]
    monitor: Option<ScoreBound>,
    /// Below it critical and sensitive actions need an approval; at most `monitor`.
    #[serde(default)]
    approval: Option<ScoreBound>,
    /// Below it the agent is suspended; at most `approval`.
    #[serde(default)]
    suspend: Option<ScoreBound>,
}

impl BodyInput for SetTrustThresholds {}

/// The scores at which something happens.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustThresholdsView {
    /// Below it the entry is flagged `trust_alert`.
    #[schema(value_type = f64)]
    monitor: f64,
    /// Below it critical and sensitive actions need an approval.
    #[schema(value_type = f64)]
    approval: f64,
    /// Below it the agent is suspended.
    #[schema(value_type = f64)]
    suspend: f64,
    /// Whether the tenant has set them; otherwise they are the log's.
    own: bool,
    /// Of a change: its place in the log.
    #[serde(flatten)]
    written: WrittenAt,
}

fn read(context: &Context) -> Result<(TrustThresholds, bool), ApiError> {
    let tenant = context.tenant()?;
    let known = context.view(|view| ledger_state::tenant(view, tenant))?;
    Ok(known.map_or((TrustThresholds::DEFAULT, false), |tenant| {
        (tenant.thresholds_or_default(), tenant.thresholds.is_some())
    }))
}

fn shown(context: &Context, written: WrittenAt) -> Result<Reply<TrustThresholdsView>, ApiError> {
    let (found, own) = read(context)?;
    let view = TrustThresholdsView {
        monitor: percent(found.monitor),
        approval: percent(found.approval),
        suspend: percent(found.suspend),
        own,
        written,
    };
    Ok(Reply::new(view))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<TrustThresholdsView>, ApiError> {
    shown(&context, WrittenAt::default())
}

pub(super) async fn set(
    mut context: Context,
    _: NoQuery,
    body: SetTrustThresholds,
) -> Result<Reply<TrustThresholdsView>, ApiError> {
    // The record holds all three: what is left out must be what it is when the record is logged.
    let lease = context.lease(&format!("thresholds/{}", context.tenant()?)).await?;
    let set = set_alone(&mut context, &body).await;
    lease.end().await;
    set
}

async fn set_alone(
    context: &mut Context,
    body: &SetTrustThresholds,
) -> Result<Reply<TrustThresholdsView>, ApiError> {
    let (before, _) = read(context)?;
    let or = |given: Option<ScoreBound>, known: u64| given.map_or(known, |bound| bound.0);
    let thresholds = TrustThresholds {
        approval: or(body.approval, before.approval),
        monitor: or(body.monitor, before.monitor),
        suspend: or(body.suspend, before.suspend),
    };
    for (field, low, high) in [
        ("approval", thresholds.approval, thresholds.monitor),
        ("suspend", thresholds.suspend, thresholds.approval),
    ] {
        if low > high {
            let message = format!("{} is above {}", percent(low), percent(high));
            return Err(ApiError::unprocessable(message).field(field).fix("suspend <= approval <= monitor"));
        }
    }
    let on_behalf_of = context.on_behalf_of()?;
    let update = TenantUpdate { name: None, on_behalf_of, plan: None, thresholds: Some(thresholds) };
    let logged = context.record(Body::TenantUpdate(Box::new(update))).await?;
    Ok(shown(context, logged.receipt.into())?.at(logged.index))
}
