//! How far an agent is trusted, and what came of what: read while a log replays, from its entries alone.

use std::collections::VecDeque;

use ledger_format::record::{AgentId, Entry, Record, TenantId};
use ledger_state::trust::{DAY_MS, Factor, Input, Reading, What};
use ledger_state::{Applied, MemoryState, tenant_cap_bp, trust_closing_score, trust_reading};
use serde_json::{Value, json};

use super::{Replayed, Watcher};

/// Most entries or days that are kept, whatever is asked for: about 10 MB.
pub const TRUST_ROWS_MAX: usize = 10_000;

/// An entry that contributed to the trust in an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Its index.
    pub index: u64,
    /// The log's time in it, ms since 1970.
    pub log_ms: u64,
    /// The type of its record. Sessions end with whatever entry comes next, so it need not be about the agent.
    pub record_type: String,
    /// What it meant, in order.
    pub inputs: Vec<Input>,
    /// The reading at that time without the entry; `None` for the registration.
    pub before: Option<Reading>,
    /// The reading at that time with it.
    pub after: Reading,
}

/// The score when a log day had ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosingScore {
    /// The log day: days since 1970.
    pub day: u64,
    /// The score in basis points; `None`: unscored.
    pub score_bp: Option<u64>,
}

/// Looks on to what happens to one agent, and keeps the newest of it.
#[derive(Debug)]
pub struct TrustWatch {
    agent: AgentId,
    /// Its name in inputs.
    name: String,
    rows_max: usize,
    contributions: VecDeque<Contribution>,
    count: u64,
    days: VecDeque<ClosingScore>,
    /// The first day whose closing score is not noted yet; `None` before the registration.
    open_day: Option<u64>,
    before: Option<Reading>,
}

impl TrustWatch {
    /// Keeps the newest `rows` entries and days, at most [`TRUST_ROWS_MAX`].
    pub fn new(agent: AgentId, rows: usize) -> Self {
        Self {
            agent,
            name: agent.to_string(),
            rows_max: rows.min(TRUST_ROWS_MAX),
            contributions: VecDeque::new(),
            count: 0,
            days: VecDeque::new(),
            open_day: None,
            before: None,
        }
    }

    /// The newest contributions, oldest first.
    pub fn contributions(&self) -> impl DoubleEndedIterator<Item = &Contribution> {
        self.contributions.iter()
    }

    /// How many there were, those that were let go included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The closing scores of the newest log days that had ended with the last entry, oldest first.
    pub fn closing_scores(mut self, replayed: &Replayed) -> Vec<ClosingScore> {
        self.close_days(replayed.state(), replayed.last_entry_ms() / DAY_MS);
        self.days.into()
    }

    /// Notes the days before `today`, of which nothing can change the score any more.
    fn close_days(&mut self, state: &MemoryState, today: u64) {
        let Some(open) = self.open_day else { return };
        let first = open.max(today.saturating_sub(self.rows_max as u64));
        for day in first..today {
            let score_bp = trust_closing_score(state, self.agent, day).flatten();
            keep(&mut self.days, ClosingScore { day, score_bp }, self.rows_max);
        }
        self.open_day = Some(open.max(today));
    }

    /// What the entry meant for the agent.
    fn own<'a>(&'a self, applied: &'a Applied) -> impl Iterator<Item = &'a (u64, Input)> {
        let is_own = |what: &What| what.agent().is_some_and(|agent| agent.as_str() == self.name);
        applied.trust_inputs.iter().filter(move |(_, input)| is_own(&input.what))
    }
}

impl Watcher for TrustWatch {
    fn before(&mut self, state: &MemoryState, applied: &Applied) {
        let Some(log_ms) = self.own(applied).next().map(|(_, input)| input.ms) else { return };
        self.before = trust_reading(state, self.agent, log_ms);
        self.close_days(state, log_ms / DAY_MS);
        self.open_day = self.open_day.or(Some(log_ms / DAY_MS));
    }

    fn after(&mut self, state: &MemoryState, applied: &Applied) {
        let inputs: Vec<_> = self.own(applied).cloned().collect();
        let Some(&(index, Input { ms: log_ms, .. })) = inputs.first() else { return };
        let Some(after) = trust_reading(state, self.agent, log_ms) else { return };
        let contribution = Contribution {
            index,
            log_ms,
            record_type: record_type(applied),
            inputs: inputs.into_iter().map(|(_, input)| input).collect(),
            before: self.before.take(),
            after,
        };
        keep(&mut self.contributions, contribution, self.rows_max);
        self.count += 1;
    }
}

fn record_type(applied: &Applied) -> String {
    let entry = applied.entries.first().and_then(|entry| Entry::parse(&entry.bytes).ok());
    let record = entry.and_then(|entry| Record::parse(entry.record).ok());
    record.map_or("state.root", |record| record.type_name()).to_owned()
}

fn keep<T>(rows: &mut VecDeque<T>, row: T, max: usize) {
    rows.push_back(row);
    if rows.len() > max {
        rows.pop_front();
    }
}

/// The trust in an agent at a log time.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The log time, ms since 1970.
    pub as_of_ms: u64,
    /// The score and where it comes from.
    pub reading: Reading,
    /// The agent's tenant.
    pub tenant: TenantId,
    /// The lowest severity cap of the tenant's agents of the last 90 log days.
    pub tenant_cap_bp: u64,
}

impl Standing {
    /// The factors that have data, with name and weight.
    pub fn factors(&self) -> impl Iterator<Item = (&'static str, u64, Factor)> + use<> {
        self.reading
            .factors
            .named()
            .into_iter()
            .filter_map(|(name, weight, factor)| Some((name, weight, factor?)))
    }
}

impl Replayed {
    /// The trust in an agent at a log time that is not before the last entry's; `None` for an unknown agent or an earlier time.
    pub fn standing(&self, agent: AgentId, as_of_ms: u64) -> Option<Standing> {
        let tenant = ledger_state::agent(self.state(), agent)?.tenant;
        let reading = trust_reading(self.state(), agent, as_of_ms)?;
        let tenant_cap_bp = tenant_cap_bp(self.state(), tenant, as_of_ms);
        Some(Standing { as_of_ms, reading, tenant: TenantId(tenant), tenant_cap_bp })
    }

    /// The claim that anybody can check with a replay of the same entries: what the status map says of an agent's trust, with agent,
    /// origin, size and the caps that were hit.
    pub fn claim(&self, agent: AgentId, standing: &Standing) -> Value {
        let mut w = ledger_format::record::json::Writer::default();
        standing.reading.write_status(&mut w, standing.as_of_ms, standing.tenant_cap_bp);
        let mut claim: Value = serde_json::from_slice(&w.finish()).unwrap_or_default();
        claim["agent"] = json!(agent.to_string());
        claim["as_of_size"] = json!(self.size());
        claim["caps_hit"] = json!(standing.reading.caps_hit);
        claim["origin"] = json!(self.checkpoint().origin);
        claim
    }
}
