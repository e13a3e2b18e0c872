//! When checkpoints are published and statuses sealed, and how consensus keeps time. Defaults are those of `ledger-log`.

use ledger_log::{PublishOptions, RaftOptions, SealOptions};
use serde::Deserialize;

/// When checkpoints are published (rule G7).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// The tick: a grown log is published at least this often.
    pub interval_ms: u64,
    /// Least time between two checkpoints while somebody waits.
    pub min_interval_ms: u64,
    /// An unchanged log is published again after this long.
    pub republish_s: u64,
    /// How long one witness may take.
    pub witness_timeout_ms: u64,
    /// Requests a day that each witness has agreed to.
    pub witness_requests_per_day: u64,
}

impl Default for Publish {
    fn default() -> Self {
        let ours = PublishOptions::default();
        Self {
            interval_ms: ours.interval_ms,
            min_interval_ms: ours.min_interval_ms,
            republish_s: ours.republish_s,
            witness_timeout_ms: ours.witness_timeout_ms,
            witness_requests_per_day: ours.witness_requests_per_day,
        }
    }
}

impl From<&Publish> for PublishOptions {
    fn from(publish: &Publish) -> Self {
        Self {
            interval_ms: publish.interval_ms,
            min_interval_ms: publish.min_interval_ms,
            republish_s: publish.republish_s,
            witness_timeout_ms: publish.witness_timeout_ms,
            witness_requests_per_day: publish.witness_requests_per_day,
        }
    }
}

/// When statuses that have changed are sealed into the status map.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seal {
    /// Statuses wait at most this long; 0: nothing is ever sealed.
    pub interval_ms: u64,
    /// Pause between two steps while more statuses wait than one step takes.
    pub pause_ms: u64,
}

impl Default for Seal {
    fn default() -> Self {
        let SealOptions { interval_ms, pause_ms } = SealOptions::default();
        Self { interval_ms, pause_ms }
    }
}

impl From<&Seal> for SealOptions {
    fn from(seal: &Seal) -> Self {
        Self { interval_ms: seal.interval_ms, pause_ms: seal.pause_ms }
    }
}

/// Raft's timing and housekeeping.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Raft {
    /// Time between two heartbeats.
    pub heartbeat_ms: u64,
    /// Least time without a leader before an election.
    pub election_min_ms: u64,
    /// Most time without a leader before an election.
    pub election_max_ms: u64,
    /// Raft entries between two Raft snapshots.
    pub snapshot_after: u64,
    /// Raft entries kept behind a snapshot.
    pub keep_entries: u64,
}

impl Default for Raft {
    fn default() -> Self {
        let ours = RaftOptions::default();
        Self {
            heartbeat_ms: ours.heartbeat_ms,
            election_min_ms: ours.election_min_ms,
            election_max_ms: ours.election_max_ms,
            snapshot_after: ours.snapshot_after,
            keep_entries: ours.keep_entries,
        }
    }
}

impl From<&Raft> for RaftOptions {
    fn from(raft: &Raft) -> Self {
        Self {
            heartbeat_ms: raft.heartbeat_ms,
            election_min_ms: raft.election_min_ms,
            election_max_ms: raft.election_max_ms,
            snapshot_after: raft.snapshot_after,
            keep_entries: raft.keep_entries,
        }
    }
}
