//! The hosted logs of a node, by name. The first is the main log.

use std::sync::Arc;

use ledger_log::HostedLog;

use crate::ApiError;

/// Longest name of a log.
const LOG_NAME_BYTES_MAX: usize = 64;

/// First path segments that are endpoints, so no log may be called that.
const RESERVED_NAMES: &[&str] = &[
    "checkpoint",
    "console",
    "docs",
    "health",
    "maip",
    "metrics",
    "status",
    "tile",
    "unpublished",
    "v1",
    "well-known",
];

/// Whether `name` can be the name of a hosted log: it is a path segment, a directory and a metrics label.
///
/// Lower-case letters, digits and inner hyphens, at most 64 bytes, and not the first segment of an endpoint.
pub fn is_log_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= LOG_NAME_BYTES_MAX
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !RESERVED_NAMES.contains(&name)
}

/// The logs that this node hosts. Cheap to clone; never empty.
#[derive(Clone)]
pub struct Logs(Arc<[HostedLog]>);

impl Logs {
    /// The logs in the order of the configuration, or `None` when there is not one.
    pub fn new(logs: Vec<HostedLog>) -> Option<Self> {
        if logs.is_empty() { None } else { Some(Self(logs.into())) }
    }

    /// The first log: the one that is meant when no name is given.
    pub fn main(&self) -> &HostedLog {
        &self.0[0]
    }

    /// The log called `name`; the empty name means the main log.
    pub fn get(&self, name: &str) -> Option<&HostedLog> {
        if name.is_empty() { Some(self.main()) } else { self.0.iter().find(|log| log.name() == name) }
    }

    /// As [`Logs::get`], with the refusal that a caller gets to see.
    pub fn named(&self, name: &str) -> Result<&HostedLog, ApiError> {
        self.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.iter().map(HostedLog::name).collect();
            ApiError::not_found(format!("this node hosts no log called {name:?}"))
                .field("log")
                .fix(format!("use one of: {}", known.join(", ")))
        })
    }

    /// All logs, main first.
    pub fn iter(&self) -> impl Iterator<Item = &HostedLog> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_name_is_a_path_segment_that_is_no_endpoint() {
        for good in ["main", "sandbox", "eu-2026", "0"] {
            assert!(is_log_name(good), "{good}");
        }
        let long = "a".repeat(LOG_NAME_BYTES_MAX + 1);
        for bad in ["", "Main", "a/b", "..", "-a", "a-", "tile", "v1", "metrics", "é", long.as_str()] {
            assert!(!is_log_name(bad), "{bad}");
        }
    }
}
