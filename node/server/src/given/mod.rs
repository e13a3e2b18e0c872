//! The files that the node is given: its configuration, and the keys, certificates and policies that it names.
//!
//! They come from outside the data directory, and most of them have nothing in them that tells a flipped bit: every spelling of an
//! admin key is a key, and a number of the configuration that becomes another one is a number. So the node keeps in `DATA_DIR/given` what it was
//! last started with. A file whose content is another one, under the same inode, length and time, was written by nobody: a disk has
//! damaged it, and the node does not start. One that somebody has written is named in the node's log, with the fields that changed.
//!
//! While the node runs, a task compares the files with what it runs with, and raises the alarm `given`.
//!
//! **Invariant:** nothing here is trusted more than the files themselves. Without the record, or with a damaged one, the node starts and makes
//! it anew.

mod fields;
mod record;
mod stamp;
mod watch;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use thiserror::Error;
use tokio::sync::Notify;

use crate::config::Config;
pub use fields::FieldChange;
use fields::Fields;
use record::Record;
pub use record::RecordError;
use stamp::Stamp;

/// Pause between two looks at all files while the node runs.
const LOOK: Duration = Duration::from_secs(60);
/// Fields, and files, that one message names.
const NAMED_MAX: usize = 8;

/// A file that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which file.
    pub path: PathBuf,
    /// Of the configuration: the fields that are not what they were. None where only comments or spaces are.
    pub fields: Vec<FieldChange>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has changed since the last start{}", self.path.display(), in_brackets(&self.fields))
    }
}

/// The fields that changed, in brackets; nothing when there are none.
fn in_brackets(fields: &[FieldChange]) -> String {
    let named: Vec<String> = fields.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    match fields.len() {
        0 => String::new(),
        all if all > NAMED_MAX => format!(" ({}, and {} more)", named.join(", "), all - NAMED_MAX),
        _ => format!(" ({})", named.join(", ")),
    }
}

/// Files that cannot be what they are by anybody's will.
#[derive(Debug, Error)]
#[error("{}", rotten_text(.rotten))]
pub struct GivenError {
    /// Each of them.
    pub rotten: Vec<Change>,
}

fn rotten_text(rotten: &[Change]) -> String {
    let one = |change: &Change| {
        let (path, fields) = (change.path.display(), in_brackets(&change.fields));
        format!(
            "{path} is not what this node was started with{fields}, but its length and its time are the same: nobody wrote it, a disk has damaged it. \
             Copy it from a backup or another node; if the change is meant, `touch {path}` and try again"
        )
    };
    rotten.iter().take(NAMED_MAX).map(one).collect::<Vec<_>>().join("; ")
}

/// Content of several files, as it was read at one time.
pub(crate) type Files = BTreeMap<PathBuf, Stamp>;

/// The files of one start, compared with those of the last.
pub struct Given {
    data_dir: PathBuf,
    /// What the node runs with.
    expected: Mutex<Record>,
    changes: Vec<Change>,
    damaged_record: Option<RecordError>,
    look: Duration,
    /// Wakes the task that looks.
    look_now: Notify,
}

impl Given {
    /// Reads the configuration in `file` and every file that it names, and compares them with those of the last start. Writes nothing.
    ///
    /// A file that cannot be read is left to whoever needs it, and says better what is wrong.
    ///
    /// # Errors
    /// A file has another content than at the last start, and nobody has written it since.
    pub fn compare(file: &Path, config: &Config) -> Result<Self, GivenError> {
        let configuration = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let mut now = Record {
            configuration: configuration.clone(),
            fields: Fields::new(),
            files: read_all(config.files().into_iter().map(|(_, path)| path)),
        };
        if let Ok((stamp, toml)) = stamp::read(&configuration) {
            now.files.insert(configuration, stamp);
            now.fields = fields::flatten(&toml).unwrap_or_default();
        }
        let (last, damaged_record) = match last_record(config, &now) {
            Ok(last) => (last, None),
            Err(error) => (None, Some(error)),
        };
        let changes = last.map(|last| compare(&last, &now)).transpose()?.unwrap_or_default();
        Ok(Self {
            data_dir: config.data_dir.clone(),
            expected: Mutex::new(now),
            changes,
            damaged_record,
            look: LOOK,
            look_now: Notify::new(),
        })
    }

    /// Looks at the files after each `pause` while the node runs; a minute when this is not called.
    #[must_use]
    pub fn look_every(mut self, pause: Duration) -> Self {
        self.look = pause;
        self
    }

    /// The files that somebody has written since the last start.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Why the record of the last start could not be used, if so: nothing was compared then.
    pub fn damaged_record(&self) -> Option<&RecordError> {
        self.damaged_record.as_ref()
    }

    /// Says in the node's log what has changed since the last start.
    pub(crate) fn report(&self) {
        if let Some(error) = &self.damaged_record {
            let path = self.data_dir.join(record::FILE);
            tracing::warn!(
                path = %path.display(),
                "the record of the last start cannot be used: {error}; it is made anew, and changes since then are not seen"
            );
        }
        for change in &self.changes {
            tracing::warn!("{change}");
        }
    }

    /// Keeps what the node runs with for the next start. Called when the logs are open: only one process can be there then.
    pub(crate) fn keep(&self) {
        // A full disk must not keep a node from serving reads.
        if let Err(error) = self.expected().write(&self.data_dir) {
            let path = self.data_dir.join(record::FILE);
            tracing::warn!(path = %path.display(), "the files of this start are not recorded: {error}");
        }
    }

    /// Reads those of the files again that `is` picks.
    ///
    /// # Errors
    /// As [`Given::compare`], with what the node runs with.
    pub(crate) fn read_again(&self, is: impl Fn(&Path) -> bool) -> Result<Files, GivenError> {
        let before = self.expected().clone();
        let now = Record {
            files: read_all(before.files.keys().map(PathBuf::as_path).filter(|path| is(path))),
            ..before.clone()
        };
        compare(&before, &now)?;
        Ok(now.files)
    }

    /// From now on the node runs with these files.
    pub(crate) fn take(&self, files: Files) {
        self.expected().files.extend(files);
        self.keep();
        self.look_now.notify_one();
    }

    fn expected(&self) -> MutexGuard<'_, Record> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files that can be read.
fn read_all<'a>(paths: impl Iterator<Item = &'a Path>) -> Files {
    paths.filter_map(|path| Some((path.to_owned(), stamp::read(path).ok()?.0))).collect()
}

/// The record of the last start, if there was one.
fn last_record(config: &Config, now: &Record) -> Result<Option<Record>, RecordError> {
    let found = Record::read(&config.data_dir)?;
    if found.as_ref().is_some_and(|record| record.configuration == now.configuration) {
        return Ok(found);
    }
    Ok(record_one_bit_away(config, now).or(found))
}

/// A bit that flips in `data_dir` itself leads to a directory without a record, where a node would begin as one that has never voted, or
/// to another node's. The record is then in a directory whose name differs by that bit, and says that nobody has written the configuration.
fn record_one_bit_away(config: &Config, now: &Record) -> Option<Record> {
    let base = now.configuration.parent()?;
    let written = now.fields.get("data_dir")?.strip_prefix('"')?.strip_suffix('"')?;
    // Else it was replaced by a flag or the environment, or has escapes.
    if base.join(written) != config.data_dir {
        return None;
    }
    let stamp = now.files.get(&now.configuration)?;
    (0..written.len() * 8).find_map(|bit| {
        let mut name = written.as_bytes().to_vec();
        name[bit / 8] ^= 1 << (bit % 8);
        let name = String::from_utf8(name).ok().filter(|name| !name.contains('\0'))?;
        let record = Record::read(&base.join(name)).ok()??;
        let is_of_this_file =
            record.files.get(&now.configuration).is_some_and(|before| stamp.is_unwritten_since(before));
        is_of_this_file.then_some(record)
    })
}

/// The files of both records that differ and that somebody has written.
fn compare(before: &Record, now: &Record) -> Result<Vec<Change>, GivenError> {
    let (mut changes, mut rotten) = (Vec::new(), Vec::new());
    for (path, stamp) in &now.files {
        let Some(last) = before.files.get(path).filter(|last| !last.is_same_content(stamp)) else { continue };
        let is_configuration = *path == now.configuration;
        let change = Change {
            path: path.clone(),
            fields: if is_configuration { fields::changes(&before.fields, &now.fields) } else { Vec::new() },
        };
        if stamp.is_unwritten_since(last) { rotten.push(change) } else { changes.push(change) }
    }
    if rotten.is_empty() { Ok(changes) } else { Err(GivenError { rotten }) }
}
