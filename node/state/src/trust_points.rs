//! The past of a score: for each hour of log time in which an entry said something about an agent, its trust as it was behind the
//! last of them.
//!
//! A point holds the whole state, so that a score of the past comes with its factors, and whoever replays the log has the same
//! points. Points older than [`TRUST_HISTORY_DAYS`] go, a few with each new one.

use ledger_format::record::AgentId;

use crate::applied::Alarm;
use crate::batch::Batch;
use crate::codec::{DecodeError, Decoder, Encoder};
use crate::keys;
use crate::trust::{AgentState, EPOCH_MS, Reading};
use crate::values::{VERSION, Value};
use crate::view::{View, load};

/// Log days for which scores of the past are kept.
pub const TRUST_HISTORY_DAYS: u64 = 90;

/// Epochs in that time: most points of an agent.
const EPOCHS_KEPT: u64 = TRUST_HISTORY_DAYS * 24;

/// Old points let go of with each new one. Two: more than come in, so that they never pile up.
const POINTS_DROPPED: usize = 2;

/// Trust in an agent behind the last entry of an hour that said something about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPoint {
    /// Index of the first such entry of the hour.
    pub first: u64,
    /// Index of the last.
    pub last: u64,
    /// The log's time in the last, ms since 1970.
    pub log_ms: u64,
    /// What trust is computed from, behind the last.
    pub state: AgentState,
}

impl TrustPoint {
    /// The score behind the last entry.
    pub fn reading(&self) -> Reading {
        self.state.reading_at(self.log_ms)
    }
}

impl Value for TrustPoint {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, 192);
        e.integer(self.first).integer(self.last).integer(self.log_ms).bytes(&self.state.encode());
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let (first, last, log_ms) = (d.integer()?, d.integer()?, d.integer()?);
        let state = AgentState::decode(d.bytes()?)?;
        d.finish()?;
        Ok(Self { first, last, log_ms, state })
    }
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// Notes trust in an agent as the entry at hand leaves it.
    pub(crate) fn note_trust(&mut self, agent: AgentId, state: &AgentState) -> Result<(), Alarm> {
        let (index, log_ms) = (self.next_index(), self.service.log_ms);
        let key = keys::trust_point(agent, state.epoch);
        let before = self.get::<TrustPoint>(key.clone())?;
        if before.is_none() {
            self.forget_points(agent, state.epoch);
        }
        let first = before.map_or(index, |point| point.first);
        self.put(key, TrustPoint { first, last: index, log_ms, state: state.clone() });
        Ok(())
    }

    fn forget_points(&mut self, agent: AgentId, epoch: u64) {
        let oldest = keys::trust_point(agent, epoch.saturating_sub(EPOCHS_KEPT));
        for _ in 0..POINTS_DROPPED {
            let Some(old) = self.next_key(&keys::trust_point(agent, 0), &oldest) else { break };
            self.delete(old);
        }
    }
}

/// The newest point of an agent; `None` for an unknown agent.
pub fn newest_trust_point(view: &(impl View + ?Sized), agent: AgentId) -> Option<TrustPoint> {
    let state = load::<AgentState>(view, &keys::trust(agent)).ok().flatten()?;
    load(view, &keys::trust_point(agent, state.epoch)).ok().flatten()
}

/// The points of an agent between two log times, both included, oldest first: the newest `limit` of them, and how many there are.
pub fn trust_points(
    view: &(impl View + ?Sized),
    agent: AgentId,
    from_ms: u64,
    to_ms: u64,
    limit: usize,
) -> (Vec<TrustPoint>, usize) {
    let mut from = keys::trust_point(agent, from_ms / EPOCH_MS);
    let end = keys::trust_point(agent, (to_ms / EPOCH_MS).saturating_add(1));
    let mut found = Vec::new();
    while let Some(key) = view.next_key(&from, &end) {
        from = keys::behind(&key);
        found.push(key);
    }
    let all: Vec<TrustPoint> = found
        .iter()
        .filter_map(|key| load::<TrustPoint>(view, key).ok().flatten())
        .filter(|point| (from_ms..=to_ms).contains(&point.log_ms))
        .collect();
    let count = all.len();
    (all.into_iter().skip(count.saturating_sub(limit)).collect(), count)
}

/// A score of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustAsOf {
    /// Trust behind the last entry about the agent that is not newer.
    Point(Box<TrustPoint>),
    /// The agent was not registered yet, or its points of that time are gone.
    Unknown,
    /// Between two entries of one hour of which only the last is kept: the nearest entries whose scores are known.
    Between {
        /// Behind which the score is known; the entry before it is the newest such entry.
        first: u64,
        /// From which on it is known again.
        last: u64,
    },
}

/// Trust in an agent when the entry at `index`, with the log's time `ms`, was the newest of the log.
pub fn trust_as_of(view: &(impl View + ?Sized), agent: AgentId, index: u64, ms: u64) -> TrustAsOf {
    // To the end of the hour: its point may be of a later entry.
    let points = trust_points(view, agent, 0, ms - ms % EPOCH_MS + EPOCH_MS - 1, usize::MAX).0;
    match points.iter().rev().find(|point| point.first <= index) {
        None => TrustAsOf::Unknown,
        Some(point) if point.last <= index => TrustAsOf::Point(Box::new(point.clone())),
        Some(point) => TrustAsOf::Between { first: point.first, last: point.last },
    }
}
