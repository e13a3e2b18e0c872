//! The timeline: which records a tenant has, by type, by agent, newest first; and which record made an object.
//!
//! A view of the entries that only this node keeps, built behind the log and rebuilt from it, so it costs the path of records
//! nothing: it grows while nobody writes, or when somebody waits for it ([`crate::Reader::timeline`]). It lives beside the
//! per-record index and is cleared with it.

mod build;
mod rows;

use std::{sync::Arc, time::Duration};

use ledger_format::record::{AgentId, Ulid};
use ledger_store::Space;
use tokio::sync::watch;

pub(crate) use build::run;
use rows::{Place, Scope};

use crate::{
    hosted::Core,
    ledger::LedgerError,
    reader::{ReadError, Reader},
};

/// Most rows that one question looks at; a page may then be short although more follow.
pub const TIMELINE_LOOKS_MAX: usize = 20_000;

/// Rows read at once.
const ROWS_AT_ONCE: usize = 256;

/// How far the timeline is, and how far somebody wants it.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// Entries that are in the timeline.
    pub(super) reached: watch::Sender<u64>,
    /// Entries that somebody waits for.
    pub(super) wanted: watch::Sender<u64>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { reached: watch::Sender::new(0), wanted: watch::Sender::new(0) }
    }
}

/// Which rows are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineQuery<'a> {
    /// Whose records.
    pub tenant: Ulid,
    /// Only of these types; empty means all.
    pub types: &'a [&'a str],
    /// Only about this agent.
    pub agent: Option<AgentId>,
    /// Only entries before this index; `None`: up to the end.
    pub before: Option<u64>,
    /// Only entries at or behind this index.
    pub from: u64,
    /// Most rows.
    pub limit: usize,
    /// Oldest first instead of newest first.
    pub ascending: bool,
}

/// One record of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineRow {
    /// Place of its entry.
    pub index: u64,
    /// The word in `type`.
    pub type_name: &'static str,
    /// The agent that it is about.
    pub agent: Option<AgentId>,
    /// The record's id.
    pub id: Ulid,
    /// The log's time of the entry, ms.
    pub log_ms: u64,
}

/// Some rows, and where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimelinePage {
    /// The rows.
    pub rows: Vec<TimelineRow>,
    /// Index of the last entry that was looked at, if more may follow behind it.
    pub next: Option<u64>,
}

impl Reader {
    /// Waits until the timeline holds the first `size` entries, or the time is over; whether it does.
    pub async fn wait_timeline(&self, size: u64, timeout: Duration) -> bool {
        let timeline = &self.core.timeline;
        timeline.wanted.send_if_modified(|wanted| {
            let further = *wanted < size;
            *wanted = size.max(*wanted);
            further
        });
        let mut reached = timeline.reached.subscribe();
        matches!(tokio::time::timeout(timeout, reached.wait_for(|reached| *reached >= size)).await, Ok(Ok(_)))
    }

    /// Watches how many entries are in the timeline.
    #[must_use]
    pub fn watch_timeline(&self) -> watch::Receiver<u64> {
        self.core.timeline.reached.subscribe()
    }

    /// Rows of the timeline as far as it is built.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn timeline(&self, query: &TimelineQuery<'_>) -> Result<TimelinePage, ReadError> {
        Ok(rows::page(&self.core.ledger, query)?)
    }

    /// What a tenant is a party to, whoever's records it is: grants that it, or the agent, gives or gets, and agreements. Newest first.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn timeline_of_party(&self, query: &TimelineQuery<'_>) -> Result<TimelinePage, ReadError> {
        Ok(rows::page_of_party(&self.core.ledger, query)?)
    }

    /// As [`Reader::timeline_count`], of what a tenant is a party to.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn timeline_count_of_party(
        &self,
        tenant: Ulid,
        type_name: &str,
        agent: Option<AgentId>,
    ) -> Result<u64, ReadError> {
        self.count(Scope::of_party(tenant, agent), type_name)
    }

    /// How many records of a tenant are of a type, and about an agent if one is given.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn timeline_count(
        &self,
        tenant: Ulid,
        type_name: &str,
        agent: Option<AgentId>,
    ) -> Result<u64, ReadError> {
        self.count(Scope::of(tenant, agent), type_name)
    }

    fn count(&self, scope: Scope, type_name: &str) -> Result<u64, ReadError> {
        let Some(code) = rows::code(type_name) else { return Ok(0) };
        let key = Place::Count(scope, code).key();
        let value = self.core.ledger.engine().get(Space::Index, &key).map_err(LedgerError::from)?;
        Ok(value.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    /// Index of the record that made an object, and whose it is.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn made_by(&self, object: Ulid) -> Result<Option<(u64, Ulid)>, ReadError> {
        let value = self.core.ledger.engine().get(Space::Index, &Place::Object(object).key());
        Ok(value.map_err(LedgerError::from)?.and_then(|bytes| rows::object(&bytes)))
    }

    /// One applied entry, published or not.
    ///
    /// # Errors
    /// The entry should be here but cannot be read.
    pub fn applied_entry(&self, index: u64) -> Result<Option<bytes::Bytes>, ReadError> {
        if index >= self.core.ledger.size() {
            return Ok(None);
        }
        Ok(self.core.ledger.entry(index)?)
    }
}

impl Core {
    /// How far the timeline on disk is.
    fn timeline_reached(self: &Arc<Self>) -> Result<u64, LedgerError> {
        let value = self.ledger.engine().get(Space::Index, &Place::Reached.key())?;
        Ok(value.and_then(|bytes| rows::reached(&bytes)).unwrap_or(0))
    }
}
