//! Making a snapshot from elsewhere durable. What was written and not synced is gone after a power cut, although the engine durably says
//! that it is being installed: this node would not open any more.

use std::path::Path;

use ledger_store::disk::Disk;

use crate::ledger::LedgerError;

/// Moves a snapshot to where it is kept. Its bytes are durable before it has its name: what bears one is never half there.
pub(crate) fn keep(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), LedgerError> {
    let io = |e| LedgerError::io("keep", to, e);
    disk.open(from).and_then(|file| file.sync_data()).map_err(io)?;
    disk.create_dir(folder(to)).map_err(io)?;
    disk.rename(from, to).map_err(io)?;
    disk.sync_dir(folder(to)).map_err(io)
}

/// Makes sure that a snapshot is there after a power cut.
pub(crate) fn make_durable(disk: &dyn Disk, path: &Path) -> Result<(), LedgerError> {
    let synced = disk.open(path).and_then(|file| file.sync_data()).and_then(|()| disk.sync_dir(folder(path)));
    synced.map_err(|e| LedgerError::io("sync", path, e))
}

/// Removes a snapshot for good.
pub(crate) fn remove(disk: &dyn Disk, path: &Path) -> Result<(), LedgerError> {
    let removed = disk.remove(path).and_then(|()| disk.sync_dir(folder(path)));
    removed.map_err(|e| LedgerError::io("remove", path, e))
}

fn folder(path: &Path) -> &Path {
    path.parent().expect("a snapshot path has a folder")
}
