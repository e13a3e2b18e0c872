//! Calls that other nodes of the cluster make to this one.
//!
//! The transport has already made sure that the caller is a node (mutual TLS); bodies are still parsed as if it were not.

use std::{
    collections::HashMap,
    io::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use ledger_format::{BundleId, Hash, TILE_WIDTH, prove_subtree};
use openraft::raft::SnapshotResponse;

use crate::{
    bytes_codec::{Malformed, Reader, Writer},
    hosted::Core,
    ledger::{Imported, Ledger},
    options::{Member, PeerError},
    raft::{codec, types::TypeConfig},
    snapshot::{Manifest, SnapshotFile},
};

/// Which call a peer frame holds. The numbers are the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum Kind {
    /// Raft: append entries (heartbeats go this way).
    Append = 1,
    /// Raft: vote.
    Vote = 2,
    /// Raft: pre-vote.
    PreVote = 3,
    /// Raft: hand over leadership.
    TransferLeader = 4,
    /// A part of a Raft snapshot file.
    SnapshotPart = 5,
    /// Install the snapshot whose parts have been sent; asked again until it is done.
    SnapshotInstall = 6,
    /// Records to be proposed by the leader.
    Forward = 7,
    /// The root at a size (rule G2).
    RootVote = 8,
    /// A full bundle with its proof.
    FetchBundle = 9,
    /// Somebody at this peer waits for a checkpoint of at least a size.
    WantPublished = 10,
    /// The raft_index that the leader has applied, confirmed by a majority: who has applied it too is not behind.
    ReadIndex = 11,
    /// A transaction on the private state, to be proposed by the leader.
    Transact = 12,
    /// A payload that the peer should keep.
    PayloadKeep = 13,
    /// A payload that the peer keeps.
    PayloadFetch = 14,
    /// Which payloads the peer keeps, page by page.
    PayloadList = 15,
    /// How far an erasure has come on the peer.
    Erasure = 16,
}

impl Kind {
    fn from_number(number: u32) -> Option<Self> {
        use Kind::*;
        [
            Append,
            Vote,
            PreVote,
            TransferLeader,
            SnapshotPart,
            SnapshotInstall,
            Forward,
            RootVote,
            FetchBundle,
            WantPublished,
            ReadIndex,
            Transact,
            PayloadKeep,
            PayloadFetch,
            PayloadList,
            Erasure,
        ]
        .into_iter()
        .find(|kind| *kind as u32 == number)
    }
}

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
/// How long a root vote may wait for this node to catch up.
const ROOT_VOTE_WAIT: Duration = Duration::from_millis(500);

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

fn refuse(error: impl std::fmt::Display) -> PeerError {
    PeerError::Refused(error.to_string())
}

impl Core {
    /// Answers one call.
    pub(crate) async fn answer(self: &Arc<Self>, kind: u32, body: Bytes) -> Result<Bytes, PeerError> {
        let kind = Kind::from_number(kind)
            .ok_or_else(|| refuse(format!("unknown call {kind}; is the peer newer?")))?;
        match kind {
            Kind::Append => {
                let request = codec::decode_append(body).map_err(refuse)?;
                let prev = request.prev_log_id;
                let last = request.entries.last().map(|entry| entry.log_id).or(prev);
                let answer = self.raft.append_entries(request).await.map_err(refuse)?;
                Ok(codec::encode_append_result(&answer.into_stream_result(prev, last)))
            }
            Kind::Vote => {
                let answer = self
                    .raft
                    .vote(codec::decode_vote_request(body).map_err(refuse)?)
                    .await
                    .map_err(refuse)?;
                Ok(codec::encode_vote_response(&answer))
            }
            Kind::PreVote => {
                let answer = self
                    .raft
                    .pre_vote(codec::decode_vote_request(body).map_err(refuse)?)
                    .await
                    .map_err(refuse)?;
                Ok(codec::encode_vote_response(&answer))
            }
            Kind::TransferLeader => {
                let request = codec::decode_transfer(body).map_err(refuse)?;
                self.raft.handle_transfer_leader(request).await.map_err(refuse)?.map_err(refuse)?;
                Ok(Bytes::new())
            }
            Kind::SnapshotPart => self.take_snapshot_part(body).map_err(refuse),
            Kind::SnapshotInstall => self.install_snapshot(body),
            Kind::Forward => self.take_forwarded(body).await,
            Kind::Transact => self.take_transaction(body).await,
            Kind::PayloadKeep | Kind::PayloadFetch | Kind::PayloadList | Kind::Erasure => {
                self.answer_payloads(kind, body).await
            }
            Kind::RootVote => {
                let mut r = Reader::new(body, "root vote");
                let size = r.u64().map_err(refuse)?;
                r.end().map_err(refuse)?;
                self.root_vote(size).await
            }
            Kind::FetchBundle => {
                let mut r = Reader::new(body, "bundle request");
                let (index, size) = (r.u64().map_err(refuse)?, r.u64().map_err(refuse)?);
                r.end().map_err(refuse)?;
                self.full_bundle(index, size)
            }
            Kind::ReadIndex => {
                if !self.majority_confirms_leader().await {
                    return Err(refuse("not the leader"));
                }
                let raft_index = self.ledger.watch_applied().borrow().raft_index;
                Ok(Writer::default().u64(raft_index).finish())
            }
            Kind::WantPublished => {
                let mut r = Reader::new(body, "publication request");
                let size = r.u64().map_err(refuse)?;
                r.end().map_err(refuse)?;
                self.demand.want(size);
                Ok(Bytes::new())
            }
        }
    }

    /// Answers a pipelined stream of append requests, in order.
    pub(crate) fn answer_appends(
        self: &Arc<Self>,
        input: BoxStream<'static, Bytes>,
    ) -> BoxStream<'static, Result<Bytes, PeerError>> {
        // A request that cannot be read ends the stream; the peer then sees it break and starts a new one.
        let requests =
            input.map(codec::decode_append).take_while(|request| futures::future::ready(request.is_ok()));
        let requests = requests.filter_map(|request| futures::future::ready(request.ok()));
        let answers = self.raft.stream_append(requests);
        answers
            .map(|answer| answer.map(|result| codec::encode_append_result(&result)).map_err(refuse))
            .boxed()
    }

    fn incoming_path(&self, name: &str) -> Result<PathBuf, String> {
        let plain = name.len() <= 64
            && name.ends_with(".snapshot")
            && name.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'.');
        if !plain || name.contains("..") {
            return Err(format!("not a snapshot name: {name:?}"));
        }
        Ok(self.ledger.dir().join("incoming").join(name))
    }

    fn take_snapshot_part(&self, body: Bytes) -> Result<Bytes, String> {
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

    fn install_snapshot(self: &Arc<Self>, body: Bytes) -> Result<Bytes, PeerError> {
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
        let manifest = SnapshotFile::verify(&path).map_err(|e| e.to_string())?;
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

    fn full_bundle(&self, index: u64, size: u64) -> Result<Bytes, PeerError> {
        let end = index
            .checked_add(1)
            .and_then(|n| n.checked_mul(TILE_WIDTH))
            .filter(|end| *end <= size && size <= self.ledger.size());
        let end = end.ok_or_else(|| refuse(format!("bundle {index} of {size} entries is not here")))?;
        let bundle =
            self.ledger.bundle_bytes(BundleId { index, width: TILE_WIDTH as u16 }).map_err(refuse)?;
        let bundle = bundle.ok_or_else(|| refuse(format!("bundle {index} is missing")))?;
        let proof = prove_subtree(&self.ledger.hashes(), end - TILE_WIDTH, end, size).map_err(refuse)?;
        let mut w = Writer::with_capacity(bundle.len() + proof.len() * 32 + 8);
        w.bytes(&bundle).u32(proof.len() as u32);
        for hash in &proof {
            w.raw(&hash.0);
        }
        Ok(w.finish())
    }

    async fn root_vote(&self, size: u64) -> Result<Bytes, PeerError> {
        let mut applied = self.ledger.watch_applied();
        let reached = applied.wait_for(|mark| mark.size >= size);
        let caught_up = matches!(tokio::time::timeout(ROOT_VOTE_WAIT, reached).await, Ok(Ok(_)));
        if !caught_up {
            return Err(refuse(format!("this node has not applied {size} entries yet")));
        }
        // Who is wrong by its own account does not vote: its answer would keep the others from signing, too.
        self.checked_root().await.map_err(refuse)?;
        let root = self.ledger.root_at(size).map_err(refuse)?;
        Ok(Writer::default().raw(&root.0).finish())
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
