//! Figures over a span of time, counted from the log.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ledger_format::record::{Body, OrchestrationId, RunResult};
use ledger_log::TimelineRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::feed;
use crate::{
    ApiError,
    endpoint::{Context, QueryInput, Reply},
    events::{Feed, percentiles},
    wire::{TimeText, time_text},
};

/// Most steps of a series.
const STEPS_MAX: u64 = 750;
/// Most records that are counted for one answer.
const RECORDS_MAX: usize = 100_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// 1970 began on a Thursday; weeks begin on Mondays.
const FIRST_MONDAY_MS: u64 = 4 * DAY_MS;

/// Over what, in which steps.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MetricsQuery {
    /// From this time of the log on.
    #[param(inline)]
    from: TimeText,
    /// Before this time of the log.
    #[param(inline)]
    to: TimeText,
    /// Length of a step; an hour when nothing is said.
    #[serde(default)]
    #[param(inline)]
    granularity: Option<GranularityWord>,
}

impl QueryInput for MetricsQuery {}

/// Length of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum GranularityWord {
    #[default]
    Hour,
    Day,
    Week,
}

impl GranularityWord {
    fn length_ms(self) -> u64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
            Self::Week => 7 * DAY_MS,
        }
    }

    /// Beginning of the step that a time is in: of a UTC hour, a UTC day, a Monday.
    fn step(self, ms: u64) -> u64 {
        let (length, offset) = (self.length_ms(), if self == Self::Week { FIRST_MONDAY_MS } else { 0 });
        ((ms + length - offset) / length * length + offset).saturating_sub(length)
    }
}

/// Figures of a span of time.
#[derive(Serialize, ToSchema)]
pub(super) struct ObservabilityMetrics {
    /// As asked for, RFC 3339 in UTC.
    from: String,
    /// As asked for, RFC 3339 in UTC.
    to: String,
    /// As asked for.
    granularity: GranularityWord,
    /// How many events there were, by type.
    event_counts: BTreeMap<String, u64>,
    latencies: MetricLatencies,
    /// Percent of the runs that ended without success; null when none ended.
    error_rate: Option<f64>,
    /// How many agents something happened to.
    active_agents: usize,
    /// How many runs began.
    orchestrations: u64,
    /// Always null: the log holds no prices.
    llm_cost_cents: Option<f64>,
    /// The events of each step in which there were any.
    time_series: Vec<MetricStep>,
    /// The same as series by name.
    metrics: Vec<MetricSeries>,
    /// How many entries the log had when this was counted.
    as_of_size: u64,
}

/// How long things took, ms; null where nothing was measured.
#[derive(Default, Serialize, ToSchema)]
struct MetricLatencies {
    /// From the record that begins a run to the one that ends it, median.
    orchestration_p50: Option<f64>,
    /// From the record that begins a run to the one that ends it, 95th percentile.
    orchestration_p95: Option<f64>,
    /// From the record that begins a run to the one that ends it, 99th percentile.
    orchestration_p99: Option<f64>,
    /// A guardrail check on the node that answers, median.
    guardrail_check_p50: Option<f64>,
    /// A guardrail check on the node that answers, 95th percentile.
    guardrail_check_p95: Option<f64>,
    /// A guardrail check on the node that answers, 99th percentile.
    guardrail_check_p99: Option<f64>,
    /// What the guardrail checks were measured on.
    guardrail_check_measured: &'static str,
}

/// The events of one step.
#[derive(Serialize, ToSchema)]
struct MetricStep {
    /// When the step begins, RFC 3339 in UTC.
    timestamp: String,
    /// How many events there were.
    events: u64,
    /// How many there were, by type.
    event_counts: BTreeMap<String, u64>,
}

/// A series.
#[derive(Serialize, ToSchema)]
struct MetricSeries {
    /// `events.total`, or `events.` and a type.
    name: String,
    /// Its values, oldest first; steps without any are 0 and left out.
    values: Vec<MetricValue>,
}

/// A value of a series.
#[derive(Serialize, ToSchema)]
struct MetricValue {
    /// When the step begins, RFC 3339 in UTC.
    timestamp: String,
    /// How many.
    value: u64,
}

pub(super) async fn metrics(
    context: Context,
    query: MetricsQuery,
) -> Result<Reply<ObservabilityMetrics>, ApiError> {
    let granularity = query.granularity.unwrap_or_default();
    let (from, to) = (query.from.0, query.to.0);
    if from >= to {
        return Err(ApiError::unprocessable("is not after `from`").field("to"));
    }
    let steps = (granularity.step(to - 1) - granularity.step(from)) / granularity.length_ms() + 1;
    if steps > STEPS_MAX {
        return Err(ApiError::unprocessable(format!("has {steps} steps; at most {STEPS_MAX} are counted"))
            .field("granularity")
            .fix("take a shorter span or longer steps"));
    }
    let feed = feed(&context)?;
    let size = context.reader.applied_size();
    if !context.reader.wait_timeline(size, context.timeout).await {
        return Err(ApiError::too_late("the timeline of this node is not up to date yet"));
    }
    let checks = context.shared.timings.between(feed.tenant, from, to);
    let counted = tokio::task::spawn_blocking(move || {
        let (first, end) = (feed.index_at(from)?, feed.index_at(to)?.min(size));
        let rows = feed.rows_between(first, end, RECORDS_MAX)?;
        if rows.len() > RECORDS_MAX {
            return Err(ApiError::unprocessable(format!(
                "the span has more than {RECORDS_MAX} records; no more are counted"
            ))
            .field("from")
            .fix("take a shorter span"));
        }
        Counted::of(&feed, &rows, granularity)
    });
    let counted = counted.await.map_err(ApiError::internal)??;
    Ok(Reply::new(counted.answer(from, to, granularity, checks, size)))
}

/// What the records of a span say.
#[derive(Default)]
struct Counted {
    by_step: BTreeMap<u64, BTreeMap<String, u64>>,
    agents: BTreeSet<ledger_format::record::AgentId>,
    /// How long each run took that ended, ms.
    runs_ms: Vec<u64>,
    begun: u64,
    failed: u64,
    ended: u64,
}

impl Counted {
    fn of(feed: &Feed, rows: &[TimelineRow], granularity: GranularityWord) -> Result<Self, ApiError> {
        let mut counted = Self::default();
        let mut begun: HashMap<OrchestrationId, u64> = HashMap::new();
        for row in rows {
            counted.agents.extend(row.agent);
            let name = counted.look(feed, row, &mut begun)?;
            let step = counted.by_step.entry(granularity.step(row.log_ms)).or_default();
            *step.entry(name).or_default() += 1;
        }
        Ok(counted)
    }

    /// The name of a row's event; only what has several names must be read.
    fn look(
        &mut self,
        feed: &Feed,
        row: &TimelineRow,
        begun: &mut HashMap<OrchestrationId, u64>,
    ) -> Result<String, ApiError> {
        let known = crate::events::TYPES.iter().find(|(name, _)| *name == row.type_name);
        let words = known.map_or(&[][..], |(_, words)| words);
        let is_run = row.type_name.starts_with("orchestration.");
        if let ([only], false) = (words, is_run) {
            return Ok((*only).to_owned());
        }
        let Some(record) = feed.record(row.index)? else { return Ok(row.type_name.to_owned()) };
        match &record.body {
            Body::OrchestrationStart(start) => {
                self.begun += 1;
                begun.insert(start.orchestration, row.log_ms);
            }
            Body::OrchestrationFinish(finish) => {
                self.ended += 1;
                self.failed += u64::from(finish.result != RunResult::Succeeded);
                let start = match begun.get(&finish.orchestration) {
                    Some(start) => Some(*start),
                    None => began_before(feed, finish.orchestration)?,
                };
                self.runs_ms.extend(start.map(|start| row.log_ms.saturating_sub(start)));
            }
            _ => {}
        }
        let words = crate::events::words(&record.body, ledger_state::Flags::NONE);
        Ok(words.into_iter().next().map_or_else(|| row.type_name.to_owned(), Into::into))
    }

    fn answer(
        self,
        from: u64,
        to: u64,
        granularity: GranularityWord,
        checks_us: Vec<u64>,
        as_of_size: u64,
    ) -> ObservabilityMetrics {
        let mut event_counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut series: BTreeMap<String, Vec<MetricValue>> = BTreeMap::new();
        let mut time_series = Vec::with_capacity(self.by_step.len());
        for (step, counts) in self.by_step {
            let timestamp = time_text(step);
            let events = counts.values().sum();
            let mut add = |name: String, value| {
                series.entry(name).or_default().push(MetricValue { timestamp: timestamp.clone(), value });
            };
            add("events.total".into(), events);
            for (name, count) in &counts {
                *event_counts.entry(name.clone()).or_default() += count;
                add(format!("events.{name}"), *count);
            }
            time_series.push(MetricStep { timestamp, events, event_counts: counts });
        }
        let [orchestration_p50, orchestration_p95, orchestration_p99] = parts(self.runs_ms, 1.0);
        let [guardrail_check_p50, guardrail_check_p95, guardrail_check_p99] = parts(checks_us, 1_000.0);
        ObservabilityMetrics {
            from: time_text(from),
            to: time_text(to),
            granularity,
            event_counts,
            latencies: MetricLatencies {
                orchestration_p50,
                orchestration_p95,
                orchestration_p99,
                guardrail_check_p50,
                guardrail_check_p95,
                guardrail_check_p99,
                guardrail_check_measured: "on this node, since it started",
            },
            error_rate: (self.ended > 0).then(|| self.failed as f64 * 100.0 / self.ended as f64),
            active_agents: self.agents.len(),
            orchestrations: self.begun,
            llm_cost_cents: None,
            time_series,
            metrics: series.into_iter().map(|(name, values)| MetricSeries { name, values }).collect(),
            as_of_size,
        }
    }
}

/// When a run began whose beginning is before the span.
fn began_before(feed: &Feed, run: OrchestrationId) -> Result<Option<u64>, ApiError> {
    let made = feed.reader().made_by(run.0).map_err(ApiError::internal)?;
    match made.filter(|(_, tenant)| *tenant == feed.tenant) {
        Some((index, _)) => feed.log_ms(index),
        None => Ok(None),
    }
}

/// The percentiles in ms.
fn parts(values: Vec<u64>, unit: f64) -> [Option<f64>; 3] {
    percentiles(values).map_or([None; 3], |found| found.map(|value| Some(value as f64 / unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_begin_with_hours_days_and_mondays() {
        let at = |text: &str| TimeText::parse(text).unwrap().0;
        let step = |granularity: GranularityWord, text| time_text(granularity.step(at(text)));
        assert_eq!(step(GranularityWord::Hour, "2026-11-26T18:59:59Z"), "2026-11-26T18:00:00.000Z");
        assert_eq!(step(GranularityWord::Day, "2026-11-26T18:59:59Z"), "2026-11-26T00:00:00.000Z");
        // A Thursday.
        assert_eq!(step(GranularityWord::Week, "2026-11-26T18:59:59Z"), "2026-11-23T00:00:00.000Z");
        assert_eq!(step(GranularityWord::Week, "2026-11-23"), "2026-11-23T00:00:00.000Z");
        assert_eq!(step(GranularityWord::Day, "1970-01-01"), "1970-01-01T00:00:00.000Z");
    }
}
