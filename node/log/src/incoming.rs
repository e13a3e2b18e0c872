//! A Raft snapshot from another node: its parts are gathered, the entries before it fetched and checked, then it is installed (R1).

use std::{
    collections::HashMap,
    io::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use ledger_format::{Hash, TILE_WIDTH};
use openraft::raft::SnapshotResponse;

use crate::{
    bytes_codec::{Malformed, Reader, Writer},
    hosted::Core,
    ledger::{Imported, Ledger},
    options::{Member, PeerError},
    peer::{Kind, refuse},
    raft::{codec, types::TypeConfig},
    snapshot::{Manifest, SnapshotFile, blocking},
};

/// Snapshot files that may be on their way at once.
const INCOMING_MAX: usize = 2;
/// Largest snapshot file that is accepted.
const SNAPSHOT_BYTES_MAX: u64 = 16 << 30;
/// How long a peer may take for one bundle.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Bundles requested ahead.
const FETCH_AHEAD: usize = 8;
/// Tries for one bundle.
const FETCH_TRIES: u32 = 5;

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

/// Snapshots being received and installed.
#[derive(Default)]
pub(crate) struct Incoming {
    /// By file name; `None` while the installation runs.
    installs: Mutex<HashMap<String, Option<Installed>>>,
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
        let io = |e: std::io::Error| format!("{}: {e}", path.display());
        let folder = path.parent().expect("an incoming path has a folder");
        std::fs::create_dir_all(folder).map_err(io)?;
        if offset == 0 {
            let others = std::fs::read_dir(folder)
                .map_err(io)?
                .filter_map(Result::ok)
                .map(|e| e.path())
                .filter(|p| *p != path);
            for old in others.skip(INCOMING_MAX - 1) {
                std::fs::remove_file(old).map_err(io)?;
            }
            self.incoming.installs.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
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
        let mut installs = self.incoming.installs.lock().unwrap_or_else(PoisonError::into_inner);
        match installs.get(&name) {
            Some(None) => Ok(Writer::default().u8(0).finish()),
            Some(Some(Ok(done))) => {
                let answer = Writer::default().u8(1).bytes(&codec::encode_snapshot_response(done)).finish();
                installs.remove(&name);
                Ok(answer)
            }
            Some(Some(Err(text))) => {
                let answer = Writer::default().u8(2).bytes(text.as_bytes()).finish();
                installs.remove(&name);
                Ok(answer)
            }
            None => {
                let path = self.incoming_path(&name).map_err(refuse)?;
                if std::fs::metadata(&path).map_err(refuse)?.len() != bytes {
                    return Err(refuse("the snapshot is not complete; send it again"));
                }
                installs.insert(name.clone(), None);
                let core = self.clone();
                tokio::spawn(async move {
                    let result = core.fetch_and_install(path, vote).await;
                    if let Err(text) = &result {
                        tracing::warn!(log = %core.name, "snapshot not installed: {text}");
                    }
                    core.incoming
                        .installs
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(name, Some(result));
                });
                Ok(Writer::default().u8(0).finish())
            }
        }
    }

    async fn fetch_and_install(
        self: &Arc<Self>,
        path: PathBuf,
        vote: crate::raft::types::Vote,
    ) -> Result<SnapshotResponse<TypeConfig>, String> {
        let from = vote.leader_id.node_id;
        let file = path.clone();
        let verified = blocking(move || SnapshotFile::verify(&file)).await.map_err(|e| e.to_string())?;
        let manifest = verified.map_err(|e| e.to_string())?;
        self.fetch_from_members(from, &manifest).await?;
        // The file moves among the snapshots: after a crash the installation is finished from there.
        let kept = crate::snapshot::snapshot_path(
            self.ledger.dir(),
            manifest.meta.last_log_id.map_or(0, |id| id.index),
        );
        std::fs::create_dir_all(kept.parent().expect("a snapshot path has a folder"))
            .map_err(|e| e.to_string())?;
        std::fs::rename(&path, &kept).map_err(|e| e.to_string())?;
        let snapshot = openraft::storage::Snapshot { meta: manifest.meta, snapshot: kept };
        self.raft.install_full_snapshot(vote, snapshot).await.map_err(|e| e.to_string())
    }

    /// Fetches what a snapshot needs from its sender; where the snapshot does not name it, as it was taken before the sender was a
    /// member, from the others. Entries prove themselves, whoever gives them.
    async fn fetch_from_members(&self, sender: u64, manifest: &Manifest) -> Result<(), String> {
        let members = manifest.meta.last_membership.nodes();
        let (named, others): (Vec<_>, Vec<_>) =
            members.filter(|(id, _)| **id != self.options.node_id).partition(|(id, _)| **id == sender);
        let sources = if named.is_empty() { others } else { named };
        let mut failed = String::from("it names nobody else");
        for (_, source) in sources {
            match self.fetch_bundles(source, manifest).await {
                Ok(()) => return Ok(()),
                Err(error) => failed = error,
            }
        }
        Err(format!("the entries before the snapshot cannot be fetched: {failed}"))
    }

    async fn fetch_bundles(&self, source: &Member, manifest: &Manifest) -> Result<(), String> {
        let mut import = Imported::begin(&self.ledger, manifest).map_err(|e| e.to_string())?;
        let Some(first) = import.next_bundle() else { return import.finish().map_err(|e| e.to_string()) };
        let last = manifest.full_until() / TILE_WIDTH;
        tracing::info!(log = %self.name, from = source.id, bundles = last - first, "fetching what a snapshot needs");
        let mut fetched = stream::iter(first..last)
            .map(|index| self.fetch_bundle(source.clone(), index, manifest.size))
            .buffered(FETCH_AHEAD);
        while let Some(bundle) = fetched.next().await {
            let (bundle, proof) = bundle.map_err(|e| e.to_string())?;
            import.add(&bundle, &proof).map_err(|e| e.to_string())?;
        }
        drop(fetched);
        import.finish().map_err(|e| e.to_string())
    }

    /// One full bundle from a peer with the proof that it belongs into the tree of `size`.
    pub(crate) async fn fetch_bundle(
        &self,
        source: Member,
        index: u64,
        size: u64,
    ) -> Result<(Bytes, Vec<Hash>), PeerError> {
        let body = Writer::default().u64(index).u64(size).finish();
        let mut tries = 0;
        loop {
            tries += 1;
            match self
                .peers
                .call(&source, &self.group, Kind::FetchBundle as u32, body.clone(), FETCH_TIMEOUT)
                .await
            {
                Ok(answer) => return parse_bundle_answer(answer).map_err(refuse),
                Err(error @ PeerError::Refused(_)) => return Err(error),
                Err(error) if tries >= FETCH_TRIES => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }
}

pub(crate) fn parse_bundle_answer(answer: Bytes) -> Result<(Bytes, Vec<Hash>), Malformed> {
    let mut r = Reader::new(answer, "bundle answer");
    let bundle = r.bytes()?;
    let count = r.u32()?;
    if count > 64 {
        return Err(r.fault());
    }
    let proof = (0..count).map(|_| r.hash()).collect::<Result<_, _>>()?;
    r.end()?;
    Ok((bundle, proof))
}

/// `Ledger` is shared with the tasks above; they must be able to move between threads.
const _: fn() = || {
    fn shareable<T: Send + Sync>() {}
    shareable::<Ledger>();
};
