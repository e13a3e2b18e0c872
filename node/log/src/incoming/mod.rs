//! A Raft snapshot from another node: its parts are gathered, the entries before it fetched and checked, then it is installed (R1).

mod fetch;

use std::{
    collections::HashMap,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use ledger_store::disk::RealDisk;
use openraft::raft::SnapshotResponse;

#[cfg(test)]
pub(crate) use fetch::parse_bundle_answer;

use crate::{
    bytes_codec::{Malformed, Reader, Writer},
    hosted::Core,
    ledger::Ledger,
    options::PeerError,
    peer::refuse,
    raft::{
        codec,
        types::{TypeConfig, Vote},
    },
    snapshot::{self, SnapshotFile, blocking},
};

/// Snapshot files that may be on their way, or being installed, at once.
const INCOMING_MAX: usize = 2;
/// Largest snapshot file that is accepted.
const SNAPSHOT_BYTES_MAX: u64 = 16 << 30;

/// Where an installation stands.
pub(crate) enum InstallAnswer {
    Working,
    Done(SnapshotResponse<TypeConfig>),
    Failed(String),
}

pub(crate) fn install_answer(body: Bytes) -> Result<InstallAnswer, Malformed> {
    let mut r = Reader::new(body, "install answer");
    match r.u8()? {
        0 => Ok(InstallAnswer::Working),
        1 => Ok(InstallAnswer::Done(codec::decode_snapshot_response(r.bytes()?)?)),
        2 => Ok(InstallAnswer::Failed(r.string()?)),
        _ => Err(r.fault()),
    }
}

/// How an installation ended.
type Installed = Result<SnapshotResponse<TypeConfig>, String>;

/// The installation of one snapshot.
struct Installation {
    /// Length of the file.
    bytes: u64,
    /// Of the leader that asked. Raft judges what is installed by this vote, so the answer is for this leader only.
    vote: Vote,
    /// `None` while it runs.
    ended: Option<Installed>,
}

impl Installation {
    fn runs(&self) -> bool {
        self.ended.is_none()
    }

    /// What a leader is told when it asks.
    fn answer(&self, bytes: u64, vote: &Vote) -> Bytes {
        let failed = |text: &str| Writer::default().u8(2).bytes(text.as_bytes()).finish();
        match &self.ended {
            None => Writer::default().u8(0).finish(),
            Some(_) if (self.bytes, &self.vote) != (bytes, vote) => {
                failed("what was installed under this name was another leader's; send it again")
            }
            Some(Ok(done)) => Writer::default().u8(1).bytes(&codec::encode_snapshot_response(done)).finish(),
            Some(Err(text)) => failed(text),
        }
    }
}

/// Snapshots being received and installed.
#[derive(Default)]
pub(crate) struct Incoming {
    /// By file name, until the sender has heard how it ended. Locked while a part is written, so that none comes into a file that is
    /// being installed.
    installs: Mutex<HashMap<String, Installation>>,
    /// Held by the installation that fetches. Its sender may begin again with a newer snapshot, which then finds here what was fetched.
    turn: tokio::sync::Mutex<()>,
}

impl Incoming {
    fn installs(&self) -> MutexGuard<'_, HashMap<String, Installation>> {
        self.installs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    fn incoming_path(&self, name: &str) -> Result<PathBuf, String> {
        let plain = name.len() <= 64
            && name.ends_with(".snapshot")
            && name.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'.');
        if !plain || name.contains("..") {
            return Err(format!("not a snapshot name: {name:?}"));
        }
        Ok(self.ledger.dir().join("incoming").join(name))
    }

    pub(crate) fn take_snapshot_part(&self, body: Bytes) -> Result<Bytes, String> {
        let mut r = Reader::new(body, "snapshot part");
        let text = |e: Malformed| e.to_string();
        let (name, offset, part) =
            (r.string().map_err(text)?, r.u64().map_err(text)?, r.bytes().map_err(text)?);
        r.end().map_err(text)?;
        if offset.saturating_add(part.len() as u64) > SNAPSHOT_BYTES_MAX {
            return Err(format!("the snapshot is larger than {SNAPSHOT_BYTES_MAX} bytes"));
        }
        let path = self.incoming_path(&name)?;
        let mut installs = self.incoming.installs();
        // A sender that did not hear an answer begins again while its snapshot is being installed, which may take minutes. The file stays
        // as it was verified, and the sender is told at the end how that installation goes.
        if installs.get(&name).is_some_and(|install| install.runs() || offset > 0) {
            return Ok(Bytes::new());
        }
        let io = |e: std::io::Error| format!("{}: {e}", path.display());
        let folder = path.parent().expect("an incoming path has a folder");
        std::fs::create_dir_all(folder).map_err(io)?;
        if offset == 0 {
            installs.retain(|_, install| install.runs());
            make_room(folder, &name, &installs)?;
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(io)?;
        if offset == 0 {
            file.set_len(0).map_err(io)?;
        }
        if file.metadata().map_err(io)?.len() != offset {
            return Err(format!("part at {offset} does not follow what is here; begin again"));
        }
        file.write_all(&part).map_err(io)?;
        Ok(Bytes::new())
    }

    pub(crate) fn install_snapshot(self: &Arc<Self>, body: Bytes) -> Result<Bytes, PeerError> {
        let mut r = Reader::new(body, "snapshot installation");
        let (name, bytes, vote) =
            (r.string().map_err(refuse)?, r.u64().map_err(refuse)?, r.bytes().map_err(refuse)?);
        r.end().map_err(refuse)?;
        let vote = codec::decode_vote(vote).map_err(refuse)?;
        let mut installs = self.incoming.installs();
        if let Some(install) = installs.get(&name) {
            let (answer, runs) = (install.answer(bytes, &vote), install.runs());
            if !runs {
                installs.remove(&name);
            }
            return Ok(answer);
        }
        let path = self.incoming_path(&name).map_err(refuse)?;
        if std::fs::metadata(&path).map_err(refuse)?.len() != bytes {
            return Err(refuse("the snapshot is not complete; send it again"));
        }
        let install = Installation { bytes, vote, ended: None };
        let answer = install.answer(bytes, &vote);
        installs.insert(name.clone(), install);
        let core = self.clone();
        tokio::spawn(async move {
            let result = core.fetch_and_install(path, vote).await;
            if let Err(text) = &result {
                tracing::warn!(log = %core.name, "snapshot not installed: {text}");
            }
            if let Some(install) = core.incoming.installs().get_mut(&name) {
                install.ended = Some(result);
            }
        });
        Ok(answer)
    }

    async fn fetch_and_install(
        self: &Arc<Self>,
        path: PathBuf,
        vote: Vote,
    ) -> Result<SnapshotResponse<TypeConfig>, String> {
        let _turn = self.incoming.turn.lock().await;
        let from = vote.leader_id.node_id;
        let file = path.clone();
        let verified = blocking(move || SnapshotFile::verify(&file)).await.map_err(|e| e.to_string())?;
        let manifest = verified.map_err(|e| e.to_string())?;
        self.fetch_from_members(from, &manifest).await?;
        // The file moves among the snapshots: after a crash the installation is finished from there.
        let raft_index = manifest.meta.last_log_id.map_or(0, |id| id.index);
        let kept = snapshot::snapshot_path(self.ledger.dir(), raft_index);
        let to = kept.clone();
        let moved =
            blocking(move || snapshot::keep(&RealDisk, &path, &to)).await.map_err(|e| e.to_string())?;
        moved.map_err(|e| e.to_string())?;
        let snapshot = openraft::storage::Snapshot { meta: manifest.meta, snapshot: kept };
        self.raft.install_full_snapshot(vote, snapshot).await.map_err(|e| e.to_string())
    }
}

/// Removes snapshots that somebody began to send and did not end, so that there is room for one more beside those being installed.
fn make_room(folder: &Path, name: &str, running: &HashMap<String, Installation>) -> Result<(), String> {
    let left = INCOMING_MAX.checked_sub(running.len() + 1);
    let left = left.ok_or("as many snapshots as may be are being installed; send it again when one is")?;
    let io = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut others = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let other = entry.file_name().to_string_lossy().into_owned();
        if other != name && !running.contains_key(&other) {
            others.push(entry.path());
        }
    }
    for old in others.iter().skip(left) {
        std::fs::remove_file(old).map_err(io)?;
    }
    Ok(())
}

/// `Ledger` is shared with the tasks above; they must be able to move between threads.
const _: fn() = || {
    fn shareable<T: Send + Sync>() {}
    shareable::<Ledger>();
};
