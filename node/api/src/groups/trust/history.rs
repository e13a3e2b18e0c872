//! How a score was: points of the replicated state, each with the entry that led to it.

use std::borrow::Cow;

use ledger_format::record::{AgentId, Body, Record};
use ledger_state::TrustPoint;
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use super::factors::{TrustComponents, TrustFactors, by_name, components, percent};
use crate::{
    ApiError,
    endpoint::{Context, QueryInput, Reply},
    wire::{TimeText, Whole, time_text},
};

/// How far back a history goes when nothing is said, ms.
const BACK_MS: u64 = 30 * DAY_MS;
/// Points when nothing is said.
const POINTS: usize = 100;
const DAY_MS: u64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;

/// Which part of the past.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TrustHistoryQuery {
    /// Not before this time; 30 days ago when left out.
    #[serde(default)]
    #[param(inline)]
    from: Option<TimeText>,
    /// Not behind this time.
    #[serde(default)]
    #[param(inline)]
    to: Option<TimeText>,
    /// Instead of `from`: so far back, `7d` or `12h`.
    #[serde(default)]
    #[param(inline)]
    period: Option<Period>,
    /// Most points, the newest of them; 100 when left out.
    #[serde(default)]
    #[param(inline)]
    limit: Option<Whole<1, 1000>>,
}

impl QueryInput for TrustHistoryQuery {}

/// A span of days or hours.
#[derive(Clone, Copy)]
struct Period(u64);

impl Period {
    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let digits = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        let number: u64 = number.parse().ok().filter(|_| digits && !number.starts_with('0'))?;
        match unit {
            "d" => Some(Self(number * DAY_MS)),
            "h" => Some(Self(number * HOUR_MS)),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("is no span of time: write 7d or 12h"))
    }
}

impl PartialSchema for Period {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[1-9][0-9]{0,2}[dh]$"));
        text.examples([serde_json::json!("7d")]).into()
    }
}

impl ToSchema for Period {
    fn name() -> Cow<'static, str> {
        "Period".into()
    }
}

/// A score as an hour of log time left it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct TrustHistoryPoint {
    score: Option<f64>,
    trust_score: Option<f64>,
    /// The five factors, 0 to 100; null where there is no data.
    factors: TrustFactors,
    /// The same under the names of the editor plug-ins.
    score_components: TrustComponents,
    /// Index of the last entry of the hour that said something about the agent.
    log_index: u64,
    /// Index of the first.
    first_index: u64,
    /// The log's time in the last one.
    computed_at: String,
    timestamp: String,
    /// The type of the record in it; `session.expired` where a session ran out by then.
    event_type: String,
    /// What it said, in a word or two.
    event_detail: String,
}

/// A part of the past.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustHistory {
    agent_id: String,
    /// The same as `agent_id`, where older clients look for it.
    #[serde(rename = "agentId")]
    agent_id_camel: String,
    /// Oldest first.
    history: Vec<TrustHistoryPoint>,
    /// Points between `from` and `to`, also those above the limit.
    total: usize,
    /// Not before this time.
    from: String,
    /// Not behind this time.
    to: String,
}

/// A part of the past as a bare list, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
pub(super) struct TrustHistoryList(Vec<TrustHistoryPoint>);

pub(super) async fn object(
    context: Context,
    query: TrustHistoryQuery,
) -> Result<Reply<TrustHistory>, ApiError> {
    Ok(Reply::new(read(&context, &query)?))
}

pub(super) async fn bare(
    context: Context,
    query: TrustHistoryQuery,
) -> Result<Reply<TrustHistoryList>, ApiError> {
    Ok(Reply::new(TrustHistoryList(read(&context, &query)?.history)))
}

/// The last 30 days.
pub(super) fn recent(context: &Context, id: AgentId) -> Result<Vec<TrustHistoryPoint>, ApiError> {
    let to = context.view(|view| ledger_state::log_ms(view))?;
    Ok(points(context, id, to.saturating_sub(BACK_MS), to, POINTS)?.0)
}

fn read(context: &Context, query: &TrustHistoryQuery) -> Result<TrustHistory, ApiError> {
    let id: AgentId = context.id("agent_id")?;
    context.own_agent(id, "agent_id")?;
    if query.from.is_some() && query.period.is_some() {
        return Err(ApiError::unprocessable("period and from say the same")
            .field("period")
            .fix("send one of them"));
    }
    let now = context.view(|view| ledger_state::log_ms(view))?;
    let to = query.to.map_or(now, |time| time.0);
    let back = query.period.map_or(BACK_MS, |period| period.0);
    let from = query.from.map_or(to.saturating_sub(back), |time| time.0);
    let limit = query.limit.map_or(POINTS, |limit| limit.get() as usize);
    let (history, total) = points(context, id, from, to, limit)?;
    Ok(TrustHistory {
        agent_id: id.to_string(),
        agent_id_camel: id.to_string(),
        history,
        total,
        from: time_text(from),
        to: time_text(to),
    })
}

fn points(
    context: &Context,
    id: AgentId,
    from: u64,
    to: u64,
    limit: usize,
) -> Result<(Vec<TrustHistoryPoint>, usize), ApiError> {
    let (points, total) = context.view(|view| ledger_state::trust_points(view, id, from, to, limit))?;
    let shown = points.iter().map(|point| shown(context, id, point)).collect::<Result<_, _>>()?;
    Ok((shown, total))
}

fn shown(context: &Context, id: AgentId, point: &TrustPoint) -> Result<TrustHistoryPoint, ApiError> {
    let reading = point.reading();
    let record = context.entry(point.last)?.map(|(_, record)| record);
    let (event_type, event_detail) = record.map_or_else(Default::default, |record| event(&record, id));
    let at = time_text(point.log_ms);
    Ok(TrustHistoryPoint {
        score: reading.score.map(percent),
        trust_score: reading.score.map(|bp| bp as f64 / 10_000.0),
        factors: by_name(&reading),
        score_components: components(&reading),
        log_index: point.last,
        first_index: point.first,
        computed_at: at.clone(),
        timestamp: at,
        event_type,
        event_detail,
    })
}

/// What a record says about an agent: its type, and the word in it that matters for trust.
pub(super) fn event(record: &Record, id: AgentId) -> (String, String) {
    let detail = match &record.body {
        Body::ReceiptAction(body) => match body.verdict {
            Some(verdict) => format!("{}: {}", body.action, verdict.as_str()),
            None => body.action.to_string(),
        },
        Body::Decision(body) => {
            format!("{}: {} ({})", body.action, body.result.as_str(), body.reason.as_str())
        }
        Body::SessionClose(body) => body.outcome.as_str().into(),
        Body::AttestPeer(body) => format!("{} by {}", body.verdict.as_str(), body.agent),
        Body::AgentSuspend(body) => body.reason.clone(),
        Body::AgentRevoke(body) => body.reason.clone(),
        Body::AgentKill(body) => body.reason.clone(),
        _ => String::new(),
    };
    let is_about = match &record.body {
        Body::AttestPeer(body) => body.subject == id || body.agent == id,
        // Whoever is below falls with it.
        Body::AgentRevoke(_) | Body::AgentKill(_) | Body::DelegationAccept(_) | Body::DelegationOffer(_) => {
            true
        }
        body => body.agent() == Some(id),
    };
    // A session runs out with the next entry of the log, whoever's that is.
    if is_about { (record.type_name().into(), detail) } else { ("session.expired".into(), String::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_number_with_a_unit() {
        let read = |text| Period::parse(text).map(|period| period.0 / HOUR_MS);
        assert_eq!((read("7d"), read("12h"), read("999d")), (Some(168), Some(12), Some(999 * 24)));
        for bad in ["", "d", "7", "0d", "07d", "1000d", "7w", "-7d", "7é"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
