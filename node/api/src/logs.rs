//! The hosted logs of a node, by name. The first is the main log.
//!
//! The log under a name may be replaced by another while the node runs: a sandbox that is reset. Whoever has taken a log out of
//! here goes on with that one until its request is answered.

use std::sync::{Arc, PoisonError, RwLock};

use ledger_log::HostedLog;

use crate::ApiError;

/// Longest name of a log.
const LOG_NAME_BYTES_MAX: usize = 64;
/// When a log that is being opened is worth another look, in seconds.
const OPENED_AFTER_S: u32 = 1;

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
pub struct Logs {
    main: HostedLog,
    places: Arc<[Place]>,
}

/// Where the log of one name is, when it is open.
struct Place {
    name: String,
    log: RwLock<Option<HostedLog>>,
}

impl Place {
    fn log(&self) -> Option<HostedLog> {
        self.log.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Logs {
    /// The main log, and the others in the order of the configuration: each with its name, open or not yet.
    pub fn new(main: HostedLog, others: Vec<(String, Option<HostedLog>)>) -> Self {
        let first = (main.name().to_owned(), Some(main.clone()));
        let place = |(name, log)| Place { name, log: RwLock::new(log) };
        Self { main, places: std::iter::once(first).chain(others).map(place).collect() }
    }

    /// The first log: the one that is meant when no name is given. It is never replaced.
    pub fn main(&self) -> &HostedLog {
        &self.main
    }

    /// The log called `name`, if it is open; the empty name means the main log.
    pub fn get(&self, name: &str) -> Option<HostedLog> {
        if name.is_empty() { Some(self.main.clone()) } else { self.place(name)?.log() }
    }

    /// As [`Logs::get`], with the refusal that a caller gets to see.
    pub fn named(&self, name: &str) -> Result<HostedLog, ApiError> {
        if let Some(log) = self.get(name) {
            return Ok(log);
        }
        if self.place(name).is_some() {
            let message = format!("this node has not opened the log {name:?} yet");
            return Err(ApiError::not_yet("OPENING", message, OPENED_AFTER_S).field("log"));
        }
        let known: Vec<&str> = self.places.iter().map(|place| place.name.as_str()).collect();
        Err(ApiError::not_found(format!("this node hosts no log called {name:?}"))
            .field("log")
            .fix(format!("use one of: {}", known.join(", "))))
    }

    /// All logs that are open, main first.
    pub fn iter(&self) -> impl Iterator<Item = HostedLog> {
        self.places.iter().filter_map(Place::log)
    }

    /// The names of all logs, open or not, main first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|place| place.name.as_str())
    }

    /// Puts another log in the place of its name, and gives back the one that was there. The main log keeps its place.
    pub fn replace(&self, log: HostedLog) -> Option<HostedLog> {
        let place = self.place(log.name()).filter(|place| place.name != self.main.name())?;
        place.log.write().unwrap_or_else(PoisonError::into_inner).replace(log)
    }

    fn place(&self, name: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.name == name)
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
