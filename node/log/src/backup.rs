//! Backups: a Raft snapshot and the tile files below it, as one tar stream (rules R1, R2).

use std::{
    io::{self, Read, Seek as _, Write},
    path::{Component, Path, PathBuf},
};

use bytes::Bytes;
use ledger_format::{BundleId, TILE_WIDTH, TileId};
use ledger_store::{
    Batch, EngineKind, EngineOptions, Files, Space,
    disk::{Disk, RealDisk},
};
use tokio::sync::mpsc;

use crate::{
    alarm::Alarms,
    hosted::HostedLog,
    ledger::{Ledger, LedgerError},
    options::Member,
    raft::{
        codec,
        types::{Membership, StoredMembership},
    },
    snapshot::{self, Manifest, SnapshotFile, SnapshotWriter, Written, snapshot_path},
};

/// Name of the snapshot inside a backup.
const SNAPSHOT: &str = "state.snapshot";
/// Bytes of one chunk of the stream.
const CHUNK_BYTES: usize = 256 << 10;
const WIDTH: u16 = TILE_WIDTH as u16;

/// Why a backup could not be taken or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Reading or writing the stream failed.
    #[error("backup stream: {0}")]
    Io(#[from] io::Error),
    /// Consensus has stopped here; take the backup from another node.
    #[error("{0}")]
    Stopped(String),
    /// The directory is in use or not empty.
    #[error("{0} is not empty; a backup is restored into a fresh directory only")]
    NotEmpty(PathBuf),
    /// The file is no backup.
    #[error("not a backup: {0}")]
    Malformed(String),
}

impl HostedLog {
    /// Streams a consistent backup: everything applied at one raft_entry. Readers and writers go on meanwhile.
    ///
    /// # Errors
    /// See [`BackupError`]. The stream also ends with the error.
    pub async fn backup(&self, sink: mpsc::Sender<Result<Bytes, io::Error>>) -> Result<(), BackupError> {
        let ledger = self.core.ledger.clone();
        // Between two applies, so that state and size belong together.
        let writer = self
            .core
            .raft
            .with_state_machine(|_| Box::pin(async move { SnapshotWriter::begin(&ledger) }))
            .await;
        let writer = writer.map_err(|e| BackupError::Stopped(e.to_string()))??;
        let Written { manifest, mut file, .. } = writer.finish().await?;
        let core = self.core.clone();
        let streamed = tokio::task::spawn_blocking(move || {
            let mut out = tar::Builder::new(io::BufWriter::with_capacity(CHUNK_BYTES, Sink(sink)));
            file.rewind()?;
            out.append_file(SNAPSHOT, &mut file)?;
            for name in file_names(&manifest) {
                let bytes = core.ledger.files().read(&name).map_err(LedgerError::from)?;
                let bytes = bytes.ok_or_else(|| LedgerError::corrupt(name.clone(), "the file is missing"))?;
                append(&mut out, &format!("tiles/{name}"), &bytes)?;
            }
            out.into_inner()?.flush()?;
            Ok(())
        });
        streamed.await.map_err(|e| BackupError::Stopped(e.to_string()))?
    }
}

/// The full tiles and bundles of a snapshot, bundles and low levels first.
fn file_names(manifest: &Manifest) -> impl Iterator<Item = String> {
    let mut count = manifest.size / TILE_WIDTH;
    let bundles = (0..count).map(|index| BundleId { index, width: WIDTH }.path());
    let mut levels = Vec::new();
    let mut level = 0;
    while count > 0 {
        levels.push((level, count));
        count /= TILE_WIDTH;
        level += 1;
    }
    let tiles = levels
        .into_iter()
        .flat_map(|(level, count)| (0..count).map(move |index| TileId { level, index, width: WIDTH }.path()));
    bundles.chain(tiles)
}

fn append(out: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    out.append_data(&mut header, name, bytes)
}

/// Writes into the channel; the receiver's pace is the limit.
struct Sink(mpsc::Sender<Result<Bytes, io::Error>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(part)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Restores a backup into the fresh directory of a log, for a cluster of `members`. Returns the log's size.
///
/// Every member restores the same backup. The first signature then waits for the fence (R2): if witnesses have cosigned
/// more than the backup holds, entries are lost and the log must not go on under its origin (R4).
///
/// # Errors
/// See [`BackupError`]; the directory is then to be deleted.
pub fn restore(
    dir: &Path,
    engine: EngineKind,
    members: Vec<Member>,
    backup: impl Read,
) -> Result<u64, BackupError> {
    restore_on(&RealDisk, dir, engine, members, backup)
}

/// The same, on any disk as far as the snapshot is concerned.
pub(crate) fn restore_on(
    disk: &dyn Disk,
    dir: &Path,
    engine: EngineKind,
    members: Vec<Member>,
    backup: impl Read,
) -> Result<u64, BackupError> {
    if dir.exists() && dir.read_dir()?.next().is_some() {
        return Err(BackupError::NotEmpty(dir.to_owned()));
    }
    disk.create_dir(dir)?;
    let unpacked = dir.join(SNAPSHOT);
    let files = Files::open(&dir.join("tiles")).map_err(LedgerError::from)?;
    for entry in tar::Archive::new(backup).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let mut bytes = Vec::new();
        if path == Path::new(SNAPSHOT) {
            io::copy(&mut entry, &mut std::fs::File::create(&unpacked)?)?;
        } else if let (true, Ok(name)) = (plain, path.strip_prefix("tiles")) {
            entry.read_to_end(&mut bytes)?;
            files.write_new(&name.to_string_lossy(), &bytes).map_err(LedgerError::from)?;
        } else {
            return Err(BackupError::Malformed(format!("it holds {}", path.display())));
        }
    }
    let manifest = SnapshotFile::verify(&unpacked)?;
    let kept = snapshot_path(dir, manifest.meta.last_log_id.map_or(0, |id| id.index));
    snapshot::keep(disk, &unpacked, &kept)?;
    let engine = ledger_store::open(engine, &dir.join("engine"), &EngineOptions::default())
        .map_err(LedgerError::from)?;
    Ledger::install_backup(dir, engine, &manifest, &kept, &membership(&manifest, members)?)?;
    // The snapshot names the old members; Raft takes the next one from the state.
    snapshot::remove(disk, &kept)?;
    Ok(manifest.size)
}

fn membership(manifest: &Manifest, members: Vec<Member>) -> Result<StoredMembership, BackupError> {
    let ids = members.iter().map(|member| member.id).collect();
    let nodes: std::collections::BTreeMap<u64, Member> =
        members.into_iter().map(|member| (member.id, member)).collect();
    let members = Membership::new(vec![ids], nodes).map_err(|e| BackupError::Malformed(e.to_string()))?;
    Ok(StoredMembership::new(manifest.meta.last_log_id, members))
}

impl Ledger {
    fn install_backup(
        dir: &Path,
        engine: std::sync::Arc<dyn ledger_store::Engine>,
        manifest: &Manifest,
        snapshot: &Path,
        membership: &StoredMembership,
    ) -> Result<(), LedgerError> {
        let ledger = Self::open_unloaded(dir, engine, std::sync::Arc::new(Alarms::default()))?;
        ledger.index_files(manifest)?;
        ledger.install(snapshot)?;
        let mut batch = Batch::default();
        batch.put(
            Space::Meta,
            crate::ledger::meta::MEMBERSHIP,
            codec::encode_membership(membership).to_vec(),
        );
        ledger.engine().commit(batch)?;
        ledger.engine().sync()?;
        ledger.stop();
        Ok(())
    }
}
