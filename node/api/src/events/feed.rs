//! The events of one tenant in one log: by id, newest first, or onwards from a place.

use ledger_format::record::{AgentId, Body, DetailValue, Entry, Record, Ulid};
use ledger_log::{HostedLog, Reader, TimelineQuery, TimelineRow};
use ledger_state::Flags;
use serde_json::{Map, Value};
use std::time::Duration;

use super::{
    Event,
    search::{AT_ONCE, Wanted, search},
    types,
};
use crate::{
    ApiError,
    account::{Environment, Store},
    endpoint::LOOKS_MAX,
    groups::ReceiptNotes,
};

/// Which events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Patterns, of which one must fit; empty: all.
    pub(crate) patterns: Vec<String>,
    pub(crate) agent: Option<AgentId>,
}

impl Filter {
    /// Whether an event is wanted.
    pub(crate) fn fits(&self, event: &Event) -> bool {
        let fits = |pattern: &String| event.event_types.iter().any(|word| types::word_fits(word, pattern));
        self.patterns.is_empty() || self.patterns.iter().any(fits)
    }
}

/// A record with what an event needs of it.
pub(super) struct Seen {
    pub(super) index: u64,
    pub(super) log_ms: u64,
    pub(super) record: Record,
    pub(super) flags: Flags,
    /// What the caller said, of an emitted event.
    pub(super) notes: Option<Map<String, Value>>,
}

/// Where a tenant's events are read.
#[derive(Clone)]
pub(crate) struct Feed {
    pub(crate) tenant: Ulid,
    pub(crate) environment: Environment,
    reader: Reader,
    store: Store,
    /// Names the log in ids: a sandbox that was reset counts its entries anew.
    tag: String,
}

/// Events in order, and where to go on.
pub(crate) struct Onwards {
    pub(crate) events: Vec<Event>,
    /// Everything below is in `events` or not wanted.
    pub(crate) next: u64,
}

impl Feed {
    pub(crate) fn new(tenant: Ulid, environment: Environment, log: &HostedLog) -> Self {
        let tag = blake3::hash(log.origin().as_bytes()).to_hex()[..8].to_owned();
        Self { tenant, environment, reader: log.reader(), store: Store::new(log.clone()), tag }
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Eight hex digits that name the log.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    fn id(&self, index: u64) -> String {
        format!("evt_{}_{index}", self.tag)
    }

    /// The event of a record of the tenant, by its place; `None`: there is none.
    pub(crate) fn at(&self, index: u64) -> Result<Option<Event>, ApiError> {
        let Some(bytes) = self.reader.applied_entry(index).map_err(ApiError::internal)? else {
            return Ok(None);
        };
        let Ok(entry) = Entry::parse(&bytes) else { return Ok(None) };
        let Ok(record) = Record::parse(entry.record) else { return Ok(None) };
        if record.tenant != self.tenant {
            return Ok(None);
        }
        let flags = self.reader.state(|view| ledger_state::flags(view, index)).map_err(ApiError::internal)?;
        let notes = is_emitted(&record.body).then(|| self.said(record.id)).transpose()?;
        let seen = Seen { index, log_ms: entry.at, record, flags, notes };
        Ok(Some(Event::of(&seen, self.id(index), self.environment.word())))
    }

    /// What the caller of an emitted event said.
    fn said(&self, id: Ulid) -> Result<Map<String, Value>, ApiError> {
        let notes = self.store.get::<ReceiptNotes>(&crate::endpoint::notes_place(id))?;
        Ok(notes.and_then(|(notes, _)| notes.payload).unwrap_or_default())
    }

    /// Up to `limit` events that fit, newest first, below `to` and not below `from`, with the place of the last one, or of the last that
    /// was looked at, if more may follow; and how many there are in all, counted up to a bound.
    pub(crate) fn newest(
        &self,
        filter: &Filter,
        (from, to): (u64, u64),
        (offset, limit): (usize, usize),
    ) -> Result<(Vec<Event>, Option<u64>, u64), ApiError> {
        let types = types::record_types(&filter.patterns);
        let wanted = Wanted { offset, limit, all_fit: filter.patterns.is_empty(), looks_max: LOOKS_MAX };
        let read = |below| self.rows(&types, filter.agent, Some(below), from, false);
        let look = |index| Ok(self.at(index)?.filter(|event| filter.fits(event)));
        let (found, next) = search(wanted, to, read, look)?;
        Ok((found.events.into_iter().map(|(_, event)| event).collect(), next, found.passed))
    }

    /// How many events there are, about an agent if one is given.
    pub(crate) fn count(&self, agent: Option<AgentId>) -> Result<u64, ApiError> {
        let of = |(name, _): &(&str, &[&str])| self.reader.timeline_count(self.tenant, name, agent);
        types::TYPES.iter().map(of).sum::<Result<u64, _>>().map_err(ApiError::internal)
    }

    /// Events that fit, oldest first, from an index on.
    pub(crate) fn onwards(&self, filter: &Filter, from: u64, end: u64) -> Result<Onwards, ApiError> {
        let types = types::record_types(&filter.patterns);
        let (rows, more) = self.rows(&types, filter.agent, Some(end), from, true)?;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            events.extend(self.at(row.index)?.filter(|event| filter.fits(event)));
        }
        let next = more.map_or(end.max(from), |last| last + 1);
        Ok(Onwards { events, next })
    }

    /// Waits until there may be something at or behind `from`, or the time is over: how far the timeline is known to be then.
    pub(crate) async fn wait(&self, from: u64, patience: Duration) -> u64 {
        if !self.reader.wait_applied(from + 1, patience).await {
            return from;
        }
        let size = self.reader.applied_size();
        if self.reader.wait_timeline(size, patience).await { size } else { from }
    }

    /// Rows of the tenant between two places, for figures.
    pub(crate) fn rows_between(
        &self,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Result<Vec<TimelineRow>, ApiError> {
        let (mut rows, mut next) = (Vec::new(), Some(from));
        while let Some(start) = next {
            let (some, more) = self.rows(&[], None, Some(to), start, true)?;
            rows.extend(some);
            if rows.len() > limit {
                break;
            }
            next = more.map(|last| last + 1);
        }
        Ok(rows)
    }

    fn rows(
        &self,
        types: &[&str],
        agent: Option<AgentId>,
        before: Option<u64>,
        from: u64,
        ascending: bool,
    ) -> Result<(Vec<TimelineRow>, Option<u64>), ApiError> {
        let query =
            TimelineQuery { tenant: self.tenant, types, agent, before, from, limit: AT_ONCE, ascending };
        let page = self.reader.timeline(&query).map_err(ApiError::internal)?;
        Ok((page.rows, page.next))
    }

    /// The first index whose entry is of this log time or later. The log's time never goes back.
    pub(crate) fn index_at(&self, ms: u64) -> Result<u64, ApiError> {
        let (mut low, mut high) = (0, self.reader.applied_size());
        while low < high {
            let middle = low + (high - low) / 2;
            let bytes = self.reader.applied_entry(middle).map_err(ApiError::internal)?;
            let at = bytes.and_then(|bytes| Entry::parse(&bytes).ok().map(|entry| entry.at));
            if at.is_none_or(|at| at < ms) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The log's time of an entry.
    pub(crate) fn log_ms(&self, index: u64) -> Result<Option<u64>, ApiError> {
        let bytes = self.reader.applied_entry(index).map_err(ApiError::internal)?;
        Ok(bytes.and_then(|bytes| Entry::parse(&bytes).ok().map(|entry| entry.at)))
    }

    /// The record at a place, for figures.
    pub(crate) fn record(&self, index: u64) -> Result<Option<Record>, ApiError> {
        let bytes = self.reader.applied_entry(index).map_err(ApiError::internal)?;
        Ok(bytes.and_then(|bytes| Record::parse(Entry::parse(&bytes).ok()?.record).ok()))
    }
}

fn is_emitted(body: &Body) -> bool {
    let Body::ReceiptClaim(statement) = body else { return false };
    let is_kind = |(key, value): &(String, DetailValue)| {
        key == "kind" && *value == DetailValue::Text(types::EMITTED.into())
    };
    statement.detail.iter().flatten().any(is_kind)
}

/// The log and the index in an event's id.
pub(crate) fn parse_id(text: &str) -> Option<(&str, u64)> {
    let (tag, index) = text.strip_prefix("evt_")?.split_once('_')?;
    let is_tag = tag.len() == 8 && tag.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let number: u64 = index.parse().ok()?;
    (is_tag && number.to_string() == index && number < 1 << 53).then_some((tag, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!(parse_id("evt_0123abcd_4711"), Some(("0123abcd", 4711)));
        for bad in [
            "",
            "4711",
            "evt_0123abcd_",
            "evt_0123abcd_04711",
            "evt_0123ABCD_1",
            "evt_123_1",
            "evt_0123abcd_-1",
        ] {
            assert_eq!(parse_id(bad), None, "{bad}");
        }
    }
}
