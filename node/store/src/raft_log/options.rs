//! How a log is opened, and what is found.

use std::collections::BTreeMap;

/// How a log is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftLogOptions {
    /// A segment is closed at about this size; also the least that a purge can free. A larger group makes a larger one.
    pub segment_bytes: u64,
    /// Space held back for bookkeeping on a full disk; 0 for none.
    pub reserve_bytes: u64,
    /// The newest entries up to this many bytes are read without the disk.
    pub cache_bytes: usize,
}

impl Default for RaftLogOptions {
    fn default() -> Self {
        RaftLogOptions { segment_bytes: 16 << 20, reserve_bytes: 64 << 20, cache_bytes: 16 << 20 }
    }
}

/// What was found when a log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// First index that can be read; `None` when the log holds no entry.
    pub first: Option<u64>,
    /// Last index that can be read.
    pub last: Option<u64>,
    /// Highest purged index.
    pub purged: Option<u64>,
    /// All metadata.
    pub meta: BTreeMap<u8, Vec<u8>>,
    /// Bytes of a last group that was never acknowledged, now gone. Worth a line in the journal of the node.
    pub cut_bytes: u64,
}
