//! The status map: the public status of every subject, as leaves of one sparse Merkle tree whose root the log commits to.
//!
//! ```text
//! record --changes--> subject --waits in the queue--> Seal --folds it, with its status then--> map --root--> state.root entry
//! ```
//!
//! A [`crate::Command::SealStep`] takes as many subjects as the leader says, those first that have waited longest: as few as a record
//! may wait for, however many there are. What must not wait behind others (a kill) is named by its index. The entry says which
//! were taken, so a replay takes the same ones.
//!
//! Of the tree the newest version is kept, those of the last [`MAP_KEPT_MS`] and at least the last [`MAP_VERSIONS_KEPT`]: a proof is
//! asked for under a published checkpoint, which is older than the newest version.
//!
//! The crate `jmt` makes new versions; proofs are read from its nodes here, and verified by `ledger_format::status_proof`,
//! which knows neither.

mod fold;
mod nodes;
mod prove;
mod seal;

use ledger_format::Hash;
use ledger_format::record::{Entry, SealStep, StateRoot};

use crate::applied::Alarm;
use crate::fields::value;
use crate::keys;
use crate::scores::Number;
use crate::view::{View, load};

pub use prove::{StapleParts, staple_parts};

/// Versions of the map that are kept beside the newest, however old they are.
pub const MAP_VERSIONS_KEPT: u64 = 256;

/// Versions are kept for so long, in ms of the log's time: publishing may be that far behind.
pub const MAP_KEPT_MS: u64 = 60_000;

/// Versions that are kept beside the newest at most.
pub const MAP_VERSIONS_MAX: u64 = 8_192;

value! {
    /// One version of the status map.
    pub MapVersion {
        /// Its number: 1 is the first.
        version: u64,
        /// Its root.
        root: [u8; 32],
        /// Every change that an entry below this size made is in it.
        as_of_size: u64,
        /// Index of its `state.root` entry.
        index: u64,
        /// The log's time in that entry, ms since 1970.
        log_ms: u64,
        /// The algorithm of the scores in it.
        trust_alg: String,
    }
}

impl MapVersion {
    /// What its entry says, if it says that of its step.
    pub fn state_root(&self, step: Option<SealStep>) -> StateRoot {
        StateRoot {
            as_of_size: self.as_of_size,
            map_root: Hash(self.root),
            step,
            trust_alg: self.trust_alg.clone(),
            version: self.version,
        }
    }

    /// The bytes of its entry.
    pub fn entry(&self, step: Option<SealStep>) -> Vec<u8> {
        Entry::encode(self.log_ms, &self.state_root(step).to_bytes())
    }
}

/// Where the status map stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapStatus {
    /// The newest version; `None` before the first.
    pub newest: Option<MapVersion>,
    /// Index of the oldest change that is not in the map; `None` when no subject waits.
    pub waits_since: Option<u64>,
}

/// Where the status map stands.
pub fn map_status(view: &(impl View + ?Sized)) -> MapStatus {
    let newest = newest(view).ok().flatten();
    let from = keys::dirty_queue_from(newest.as_ref().map_or(0, |newest| newest.as_of_size));
    let waits_since = view.next_key(&from, keys::DIRTY_QUEUE_END).and_then(|key| keys::dirty_since(&key));
    MapStatus { newest, waits_since }
}

/// How many of the subjects that wait since an index in `since` are not in the map, at most `limit`.
pub fn waiting(view: &(impl View + ?Sized), since: std::ops::Range<u64>, limit: usize) -> usize {
    let to = keys::dirty_queue_from(since.end);
    let mut next = view.next_key(&keys::dirty_queue_from(since.start), &to);
    let mut count = 0;
    while let Some(place) = next.filter(|_| count < limit) {
        count += 1;
        next = view.next_key(&keys::behind(&place), &to);
    }
    count
}

/// The newest version.
fn newest(view: &(impl View + ?Sized)) -> Result<Option<MapVersion>, Alarm> {
    match load::<Number>(view, keys::MAP_NEWEST)? {
        Some(version) => load(view, &keys::map_version(version.value)),
        None => Ok(None),
    }
}
