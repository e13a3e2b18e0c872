//! A score: as of the newest entry, or as of an older one.

use ledger_format::record::{AgentId, TenantId, TrustThresholds};
use ledger_state::{
    Agent, TrustAsOf,
    trust::{ALGORITHM_NAME, AgentState, EPOCH_MS, Reading, Status},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    factors::{
        TrustComponents, TrustFactor, TrustFactors, as_list as listed, by_name as named, components, percent,
    },
    history::TrustHistoryPoint,
};
use crate::{
    ApiError,
    endpoint::{Context, QueryInput, Reply},
    wire::{Whole, WrittenAt, time_text},
};

/// As of when.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TrustQuery {
    /// The score as it was when the entry with this index was the newest; the newest when left out. Of each hour of log time only
    /// the last entry about an agent is kept, for 90 days: 404 where the score of that moment is not known exactly.
    #[serde(default)]
    #[param(inline)]
    as_of: Option<Whole<0, 9_007_199_254_740_991>>,
}

impl QueryInput for TrustQuery {}

/// How far an agent is trusted, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TrustBand {
    /// Below 30, or it may not act.
    Critical,
    /// Below 50, or unscored.
    Low,
    /// Below 70.
    Medium,
    /// Below 90.
    High,
    /// 90 and more.
    Verified,
}

/// A score with its factors as an object.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustScore {
    #[serde(flatten)]
    pub(super) shared: TrustScoreParts,
    /// The five factors, 0 to 100; null where there is no data.
    factors: TrustFactors,
}

/// A score with its factors as a list.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustScoreList {
    #[serde(flatten)]
    pub(super) shared: TrustScoreParts,
    /// The five factors.
    pub(super) factors: Vec<TrustFactor>,
}

/// What both have.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustScoreParts {
    id: String,
    agent_id: String,
    /// The same as `agent_id`, where older clients look for it.
    #[serde(rename = "agentId")]
    agent_id_camel: String,
    tenant_id: String,
    score: Option<f64>,
    trust_score: Option<f64>,
    /// `critical`, `low`, `medium`, `high` or `verified`: the score in a word. Unscored is `low`.
    level: TrustBand,
    /// How much is known of who it is.
    trust_level: &'static str,
    /// The lowest of the caps: the score cannot be above it now, 0 to 100.
    #[schema(value_type = f64)]
    trust_ceiling: f64,
    caps: TrustCaps,
    /// Names of the caps that hold the score down now.
    caps_hit: Vec<&'static str>,
    /// What the factors say before the caps, 0 to 100.
    combined: Option<f64>,
    /// The parts of the score under the names of the editor plug-ins.
    score_components: TrustComponents,
    /// How the score has changed.
    deltas: TrustDeltas,
    /// `rising`, `falling` or `stable` against the end of the log day a week ago; null where either is unscored.
    trend: Option<&'static str>,
    /// `active`, `suspended`, `revoked` or `killed`.
    status: &'static str,
    /// What the tenant's thresholds ask for now: `none`, `monitor`, `approval` or `suspend`.
    response: &'static str,
    delegation_depth: u64,
    /// The trust algorithm.
    algorithm: &'static str,
    /// Index of the newest entry that it takes into account.
    as_of: u64,
    /// The log's time that it is computed for.
    computed_at: String,
    /// The same as `computed_at`, where older clients look for it.
    #[serde(rename = "computedAt")]
    computed_at_camel: String,
    /// When the last entry about the agent was logged.
    updated_at: String,
    /// Until then it only changes with a new entry: evidence fades by the hour of log time.
    valid_until: String,
    /// Of a computation: its place in the log.
    #[serde(flatten)]
    pub(super) written: WrittenAt,
    /// Of a computation, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) history: Option<Vec<TrustHistoryPoint>>,
}

/// What a score cannot be above, 0 to 100.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustCaps {
    /// Of a new agent; rises with its active days.
    #[schema(value_type = f64)]
    newcomer: f64,
    /// After violations and floods of denials; rises with time.
    #[schema(value_type = f64)]
    severity: f64,
    /// By delegation.
    #[schema(value_type = f64)]
    delegation: f64,
}

/// Changes of a score, in points of 0 to 100; null where either end is unscored or not known.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustDeltas {
    /// Against the end of the last log day.
    day: Option<f64>,
    /// Against the end of the log day seven days ago.
    week: Option<f64>,
}

/// Trust in one of the caller's agents at a moment of the log.
pub(super) struct Moment {
    pub(super) agent: Agent,
    /// Up to date to that moment.
    pub(super) state: AgentState,
    pub(super) reading: Reading,
    pub(super) ms: u64,
    /// Index of the newest entry.
    pub(super) as_of: u64,
    /// The log's time of the last entry about the agent, as far as it is known.
    updated_ms: u64,
    thresholds: TrustThresholds,
}

impl Moment {
    /// As of the newest entry.
    pub(super) fn now(context: &Context, id: AgentId) -> Result<Self, ApiError> {
        let agent = context.own_agent(id, "agent_id")?;
        let tenant = agent.tenant;
        let read = context.view(|view| {
            let (ms, size) = (ledger_state::log_ms(view), ledger_state::size(view));
            let point = ledger_state::newest_trust_point(view, id)?;
            let thresholds = ledger_state::tenant(view, tenant)?.thresholds_or_default();
            Some((point, ms, size.saturating_sub(1), thresholds))
        })?;
        let read = read.ok_or_else(|| ApiError::internal("an agent without trust"))?;
        let (point, ms, as_of, thresholds) = read;
        let (state, updated_ms) = (point.state.at(ms), point.log_ms);
        Ok(Self { reading: state.reading(), agent, state, ms, as_of, updated_ms, thresholds })
    }

    /// As of an entry.
    pub(super) fn at(context: &Context, id: AgentId, index: u64) -> Result<Self, ApiError> {
        let now = Self::now(context, id)?;
        let unknown = |message: String| ApiError::not_found(message).field("as_of");
        let entry = context.entry_ms(index)?;
        let ms = entry.ok_or_else(|| {
            unknown(format!("the log has no entry {index} yet"))
                .fix("name an index below the size of the log")
        })?;
        match context.view(|view| ledger_state::trust_as_of(view, id, index, ms))? {
            TrustAsOf::Point(point) => {
                let state = point.state.at(ms);
                let updated_ms = point.log_ms;
                Ok(Self { reading: state.reading(), state, ms, as_of: index, updated_ms, ..now })
            }
            TrustAsOf::Unknown => Err(unknown(format!("the score as of entry {index} is not known"))
                .fix("name an entry of the last 90 days that is not before the agent's registration")),
            TrustAsOf::Between { first, last } => Err(unknown(format!(
                "the score as of entry {index} was not kept: {last} is later in the same hour"
            ))
            .fix(format!("name an index below {first}, or {last} or above"))),
        }
    }

    fn of_query(context: &Context, query: &TrustQuery) -> Result<Self, ApiError> {
        let id = context.id("agent_id")?;
        match query.as_of {
            Some(index) => Self::at(context, id, index.get()),
            None => Self::now(context, id),
        }
    }

    pub(super) fn by_name(&self, id: AgentId) -> TrustScore {
        TrustScore { shared: self.parts(id), factors: named(&self.reading) }
    }

    pub(super) fn as_list(&self, id: AgentId) -> TrustScoreList {
        TrustScoreList { shared: self.parts(id), factors: listed(&self.reading) }
    }

    fn parts(&self, id: AgentId) -> TrustScoreParts {
        let reading = &self.reading;
        let computed_at = time_text(self.ms);
        let caps = &reading.caps;
        TrustScoreParts {
            id: id.0.uuid(),
            agent_id: id.to_string(),
            agent_id_camel: id.to_string(),
            tenant_id: TenantId(self.agent.tenant).to_string(),
            score: reading.score.map(percent),
            trust_score: reading.score.map(|bp| bp as f64 / 10_000.0),
            level: band(reading),
            trust_level: "authenticated",
            trust_ceiling: percent(caps.least()),
            caps: TrustCaps {
                newcomer: percent(caps.newcomer),
                severity: percent(caps.severity),
                delegation: percent(caps.delegation),
            },
            caps_hit: reading.caps_hit.clone(),
            combined: reading.combined.map(percent),
            score_components: components(reading),
            deltas: self.deltas(),
            trend: reading.trend.map(|trend| trend.as_str()),
            status: reading.status.as_str(),
            response: response(&self.thresholds, reading.response_bp()),
            delegation_depth: self.agent.depth,
            algorithm: ALGORITHM_NAME,
            as_of: self.as_of,
            computed_at_camel: computed_at.clone(),
            computed_at,
            updated_at: time_text(self.updated_ms),
            valid_until: time_text(self.ms - self.ms % EPOCH_MS + EPOCH_MS),
            written: WrittenAt::default(),
            history: None,
        }
    }

    fn deltas(&self) -> TrustDeltas {
        let against = |before: Option<u64>| {
            let (score, before) = (self.reading.score?, before?);
            Some((score as f64 - before as f64) / 100.0)
        };
        let [first, .., last] = self.state.closing_scores;
        TrustDeltas { day: against(last), week: against(first) }
    }
}

/// The score in a word.
fn band(reading: &Reading) -> TrustBand {
    if reading.status != Status::Active {
        return TrustBand::Critical;
    }
    match reading.score {
        Some(0..3_000) => TrustBand::Critical,
        None | Some(3_000..5_000) => TrustBand::Low,
        Some(5_000..7_000) => TrustBand::Medium,
        Some(7_000..9_000) => TrustBand::High,
        Some(_) => TrustBand::Verified,
    }
}

/// What thresholds ask for at what automatic responses look at.
fn response(thresholds: &TrustThresholds, bp: u64) -> &'static str {
    match bp {
        bp if bp < thresholds.suspend => "suspend",
        bp if bp < thresholds.approval => "approval",
        bp if bp < thresholds.monitor => "monitor",
        _ => "none",
    }
}

pub(super) async fn by_name(context: Context, query: TrustQuery) -> Result<Reply<TrustScore>, ApiError> {
    let moment = Moment::of_query(&context, &query)?;
    Ok(Reply::new(moment.by_name(context.id("agent_id")?)).at(moment.as_of))
}

pub(super) async fn as_list(context: Context, query: TrustQuery) -> Result<Reply<TrustScoreList>, ApiError> {
    let moment = Moment::of_query(&context, &query)?;
    Ok(Reply::new(moment.as_list(context.id("agent_id")?)).at(moment.as_of))
}
