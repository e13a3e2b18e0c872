//! Which logs this witness knows, and the public list format they can come from.
//!
//! Spec of the list: <https://github.com/transparency-dev/witness-network>, `log-list-format.md`
//!
//! ```text
//! logs/v0
//!
//! vkey sum.example.org+...      begins a log
//! origin sum.example.org/tree   optional; "none" or absent: the name in the vkey
//! qpd 86400                     optional; add-checkpoint requests a day
//! contact ops at example.org    optional, for people
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use ledger_format::{SignatureType, Vkey, generation_of, generation_origin};

/// First line of a list.
const LIST_HEADER: &str = "logs/v0";
/// Largest daily budget of a list.
const LIST_QPD_MAX: u64 = (1 << 31) - 1;

/// One log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// First line of its checkpoints.
    pub origin: String,
    /// Keys it may sign with; several during a rotation.
    pub keys: Vec<Vkey>,
    /// Monitoring prefixes, without a slash at the end; all serve the same, the next when one does not answer.
    pub urls: Vec<String>,
    /// Prefixes that serve tiles and bundles of entries not yet published.
    pub entries_urls: Vec<String>,
    /// New checkpoints a day, of all generations of a sandbox together. To have the one cosigned last refreshed does not count.
    pub qpd: Option<u64>,
    /// A sandbox: its later generations are known, too. See [`ledger_format::generation`].
    pub sandbox: bool,
    /// Of a sandbox, the origin of its first generation; of every other log, its origin.
    pub first_origin: String,
}

/// Why a set of logs cannot be used. The configuration is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogsError {
    /// A line of a list is not understood.
    #[error("line {line} of the list: {reason}")]
    List {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a vkey.
    #[error("{vkey:?} is not a verifier key: {reason}")]
    Vkey {
        /// The text.
        vkey: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key that logs do not sign with.
    #[error(
        "the key {0} is not of a type that signs checkpoints of a log (Ed25519, 0x01; in builds with ML-DSA-44 also 0x06)"
    )]
    KeyType(String),
    /// Two places give one log two values.
    #[error("the log {origin:?} is given two values for {field}")]
    Contradiction {
        /// The log.
        origin: String,
        /// The field.
        field: &'static str,
    },
}

impl Log {
    /// A log from its vkey line and an origin that defaults to the key's name.
    pub fn new(vkey: &str, origin: Option<&str>) -> Result<Self, LogsError> {
        let key = Vkey::parse(vkey)
            .map_err(|error| LogsError::Vkey { vkey: vkey.to_owned(), reason: error.to_string() })?;
        let is_log_key = match key.signature_type() {
            SignatureType::Ed25519 => true,
            SignatureType::MlDsa44 => cfg!(feature = "ml-dsa"),
            _ => false,
        };
        if !is_log_key {
            return Err(LogsError::KeyType(key.to_string()));
        }
        let origin = origin.unwrap_or_else(|| key.name()).to_owned();
        Ok(Self {
            first_origin: origin.clone(),
            origin,
            keys: vec![key],
            urls: Vec::new(),
            entries_urls: Vec::new(),
            qpd: None,
            sandbox: false,
        })
    }

    /// Which generation of this sandbox an origin names; of another log, the log itself is the first and only one.
    pub fn generation_of(&self, origin: &str) -> Option<u32> {
        generation_of(&self.first_origin, origin).filter(|number| self.sandbox || *number == 1)
    }

    /// The log that a generation of this sandbox is: read where this one is read, signed with keys that follow from its keys.
    pub fn generation(&self, number: u32) -> Option<Self> {
        let keys: Result<_, _> = self.keys.iter().map(|key| key.of_generation(number)).collect();
        Some(Self { origin: generation_origin(&self.first_origin, number), keys: keys.ok()?, ..self.clone() })
    }

    /// Adds what another place says about the same log.
    fn merge(&mut self, other: Self) -> Result<(), LogsError> {
        add_new(&mut self.keys, other.keys);
        add_new(&mut self.urls, other.urls);
        add_new(&mut self.entries_urls, other.entries_urls);
        self.sandbox |= other.sandbox;
        match (self.qpd, other.qpd) {
            (Some(mine), Some(theirs)) if mine != theirs => {
                Err(LogsError::Contradiction { origin: self.origin.clone(), field: "qpd" })
            }
            (mine, theirs) => {
                self.qpd = mine.or(theirs);
                Ok(())
            }
        }
    }
}

fn add_new<T: PartialEq>(known: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !known.contains(&item) {
            known.push(item);
        }
    }
}

/// The logs by origin. Replaced as a whole when the configuration is read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSet {
    by_origin: HashMap<String, Arc<Log>>,
}

impl LogSet {
    /// Joins what several places say; keys of one origin add up.
    pub fn new(logs: impl IntoIterator<Item = Log>) -> Result<Self, LogsError> {
        let mut by_origin: HashMap<String, Log> = HashMap::new();
        for log in logs {
            match by_origin.entry(log.origin.clone()) {
                std::collections::hash_map::Entry::Occupied(mut known) => known.get_mut().merge(log)?,
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(log);
                }
            }
        }
        Ok(Self { by_origin: by_origin.into_iter().map(|(origin, log)| (origin, Arc::new(log))).collect() })
    }

    /// The log with this origin: one that is listed, or a later generation of a sandbox that is.
    pub fn get(&self, origin: &str) -> Option<Arc<Log>> {
        if let Some(listed) = self.by_origin.get(origin) {
            return Some(listed.clone());
        }
        let (first, _) = origin.rsplit_once('/')?;
        let sandbox = self.by_origin.get(first)?;
        sandbox.generation(sandbox.generation_of(origin)?).map(Arc::new)
    }

    /// Every log that is listed, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Log>> {
        self.by_origin.values()
    }

    /// How many logs.
    pub fn len(&self) -> usize {
        self.by_origin.len()
    }

    /// Whether there is no log.
    pub fn is_empty(&self) -> bool {
        self.by_origin.is_empty()
    }
}

/// Reads a list of the public witness network.
///
/// Lines with unknown words are skipped, as later versions of the lists may add some.
pub fn parse_list(text: &str) -> Result<Vec<Log>, LogsError> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let wrong = |line: usize, reason: &str| LogsError::List { line, reason: reason.to_owned() };
    match lines.next() {
        Some((_, LIST_HEADER)) => {}
        Some((line, _)) => return Err(wrong(line, "the first line must be logs/v0")),
        None => return Err(wrong(1, "the first line must be logs/v0")),
    }
    let mut logs: Vec<Log> = Vec::new();
    for (number, line) in lines {
        let (word, value) =
            line.split_once(' ').ok_or_else(|| wrong(number, "expected a word and a value"))?;
        let value = value.trim();
        if word == "vkey" {
            logs.push(Log::new(value, None).map_err(|error| wrong(number, &error.to_string()))?);
            continue;
        }
        let log = logs.last_mut().ok_or_else(|| wrong(number, "a log begins with its vkey"))?;
        match word {
            "origin" if value == "none" => {}
            "origin" => {
                log.origin = value.to_owned();
                log.first_origin = log.origin.clone();
            }
            "qpd" => {
                let qpd = value.parse().ok().filter(|qpd| (1..=LIST_QPD_MAX).contains(qpd));
                log.qpd = Some(qpd.ok_or_else(|| wrong(number, "qpd is a number from 1 to 2147483647"))?);
            }
            _ => {}
        }
    }
    Ok(logs)
}

#[cfg(test)]
mod tests;
