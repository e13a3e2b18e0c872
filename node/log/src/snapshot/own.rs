//! The snapshot that this node keeps: read at its start, given to other nodes later, set aside when it is damaged.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Manifest, SnapshotFile, blocking, newest};
use crate::{
    alarm::{AlarmKind, Alarms},
    ledger::LedgerError,
};

/// How much of a snapshot is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Look {
    /// All of it, some tenths of a second for a large one: at a start, when Raft takes what it says for its own state.
    Whole,
    /// Its manifest, unverified: while records wait. Whoever sends it checks it ([`check_to_send`]).
    Manifest,
}

/// The newest snapshot under `dir`. A damaged one is as good as none, and set aside.
pub(crate) fn own(
    dir: &Path,
    alarms: &Alarms,
    look: Look,
) -> Result<Option<(PathBuf, Manifest)>, LedgerError> {
    let Some(path) = newest(dir)? else { return Ok(None) };
    let file = match look {
        Look::Whole => SnapshotFile::read(&path),
        Look::Manifest => SnapshotFile::glance(&path),
    };
    match file {
        Ok(file) => Ok(Some((path, file.manifest))),
        // Nor may this program go on beside what it cannot read. Once it has begun, it has read or written the file before.
        Err(newer @ LedgerError::Newer { .. }) if look == Look::Whole => Err(newer),
        Err(damaged) => {
            set_aside(&path, alarms, &damaged)?;
            Ok(None)
        }
    }
}

/// Checks all of a snapshot of this node before it is sent, where blocking is allowed. A damaged one is set aside, so that the next one who
/// asks for a snapshot gets another.
pub(crate) async fn check_to_send(path: &Path, alarms: &Alarms) -> Result<(), LedgerError> {
    let file = path.to_owned();
    let checked = blocking(move || SnapshotFile::read(&file).map(drop)).await;
    match checked.map_err(|e| LedgerError::io("read", path, std::io::Error::other(e)))? {
        // A newer one has taken its place.
        Err(gone) if !path.exists() => Err(gone),
        Err(damaged) => {
            set_aside(path, alarms, &damaged)?;
            Err(damaged)
        }
        Ok(()) => Ok(()),
    }
}

/// The file is kept for a person to look at.
fn set_aside(path: &Path, alarms: &Alarms, damaged: &LedgerError) -> Result<(), LedgerError> {
    alarms.raise(AlarmKind::Corruption, damaged.to_string());
    fs::rename(path, path.with_extension("damaged")).map_err(|e| LedgerError::io("set aside", path, e))
}
